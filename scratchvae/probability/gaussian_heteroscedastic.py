"""The Gaussian likelihood with a standard deviation predicted by the decoder."""

from __future__ import annotations

from math import log, pi

import numpy as np

from scratchvae.backend import Array
from scratchvae.kernels.bounded import bounded_logvar
from scratchvae.memory import BatchBuffers
from scratchvae.probability.likelihood import GAUSSIAN_OUTPUT_SCALE, Likelihood

MIN_LOGVAR = -12.0  # lower bound of log σ²: σ > 0.0025


class GaussianHeteroscedastic(Likelihood):
    """x ~ N(μ, σ²) with μ and σ of each dimension from the decoder: log p(x | z) in nats. Kingma and Welling 2013, C.2.

    shapes   parameters [μ, r] (B, 2D)   x (B, D)   log_likelihood (B,)
    saves    ∂ log p/∂μ and ∂ log p/∂r
    writes   log_likelihood | dparameters, dx

    For data as of `Gaussian`, scaled to a standard deviation of about 1, with parts that are noisier than others:
    tables, spectra. σ(z) weights each error by its expected size, and so shows which parts of x are known. But the
    density is unbounded where x can be predicted exactly: where pixels hardly change, σ collapses, these pixels
    dominate the ELBO, codes are driven far apart for them, and images decoded between codes are grainy; elsewhere a
    large σ excuses every error, and means stay blurred. For images one learned σ is safer (Rybkin, Daniilidis and
    Levine 2021). Here log σ² = L + softplus(r − L) with L = −12: σ > 0.0025, no output of a decoder overflows, and the
    derivative with respect to r is positive everywhere, so that a collapsed σ can grow again.
    """

    outputs_per_dimension = 2
    output_scale = GAUSSIAN_OUTPUT_SCALE

    # With e = x − μ and ℓ = log σ² = L + softplus(r − L):
    #   log p(x) = −½ Σ (e² exp(−ℓ) + ℓ + log 2π)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the sums, both derivatives, work arrays and the gradients."""
        self._log_likelihood = buffers.column()
        self._mu_derivative = buffers.matrix(self.input_width)
        self._r_derivative = buffers.matrix(self.input_width)
        self._logvar = buffers.matrix(self.input_width)
        self._square = buffers.matrix(self.input_width)
        self._dx = buffers.matrix(self.input_width)
        self._dparameters = buffers.matrix(2 * self.input_width)
        self._ones = buffers.vector(self.input_width, 1.0)

    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x | z) (B,) from parameters (B, 2D) and x (B, D)."""
        rows, width = self.check_inputs(x=x), self.input_width
        self.check_width(2 * width, parameters=parameters)
        log_likelihood, logvar, error = self._log_likelihood[:rows], self._logvar[:rows], self._dx[:rows]
        square, mu_derivative, r_derivative = self._square[:rows], self._mu_derivative[:rows], self._r_derivative[:rows]
        precision = mu_derivative
        bounded_logvar(self.xp, parameters[:, width:], MIN_LOGVAR, logvar, precision, r_derivative, scratch=square)
        self.xp.subtract(x, parameters[:, :width], out=error)
        mu_derivative *= error
        self.xp.multiply(error, mu_derivative, out=square)
        logvar += square
        self.xp.matmul(logvar, self._ones, out=log_likelihood)
        log_likelihood += width * log(2.0 * pi)
        log_likelihood *= -0.5
        square -= 1.0
        square *= 0.5
        r_derivative *= square
        self.mu_derivative, self.r_derivative = mu_derivative, r_derivative
        return log_likelihood

    # ∂ log p/∂μ = e exp(−ℓ)                                 →  dμ = dlog_likelihood · e exp(−ℓ)
    # ∂ log p/∂ℓ = ½ (e² exp(−ℓ) − 1),  ∂ℓ/∂r = σ(r − L)     →  dr = dlog_likelihood · ½ (e² exp(−ℓ) − 1) σ(r − L)
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, 2D) from dlog_likelihood (B,)."""
        rows, width = self.check_gradients(dlog_likelihood=dlog_likelihood), self.input_width
        dparameters, half = self._dparameters[:rows], self._square[:rows]
        for derivative, columns in ((self.mu_derivative, slice(None, width)), (self.r_derivative, slice(width, None))):
            self.xp.multiply(derivative, dlog_likelihood[:, None], out=half)
            dparameters[:, columns] = half  # with out=dparameters[:, columns], NumPy would allocate a temporary array
        return dparameters

    # ∂ log p/∂x = −e exp(−ℓ)                                →  dx = −dlog_likelihood · e exp(−ℓ)
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dx = self._dx[:rows]
        self.xp.multiply(self.mu_derivative, dlog_likelihood[:, None], out=dx)
        self.xp.negative(dx, out=dx)
        return dx

    def mean(self, parameters: Array, out: Array) -> Array:
        """E x = μ (B, D), written into `out`."""
        self.check_outputs("parameters", parameters, out=out)
        out[...] = parameters[:, : out.shape[1]]
        return out

    # x = μ + σ ε
    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """x (B, D) from parameters (B, 2D) and standard normal noise (B, D)."""
        self.check_outputs("parameters", parameters, out=out, noise=noise)
        rows, width = self.check_inputs(noise=noise), self.input_width
        self.check_width(2 * width, parameters=parameters)
        sigma, scratch = self._logvar[:rows], (self._square[:rows], out, self._dx[:rows])
        bounded_logvar(self.xp, parameters[:, width:], MIN_LOGVAR, sigma, *scratch)
        sigma *= 0.5
        self.xp.exp(sigma, out=sigma)
        self.xp.multiply(noise, sigma, out=out)
        out += parameters[:, :width]
        return out

    def output_bias(self, mean: Array) -> Array:
        """The mean for μ, and 0 for r, so that σ is 1 at the start."""
        mean = self.check_mean(mean)
        return np.concatenate([mean, np.zeros_like(mean)])
