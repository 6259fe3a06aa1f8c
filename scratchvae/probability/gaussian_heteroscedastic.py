"""Numbers of any size, off by Gaussian noise whose width the decoder tells."""

from __future__ import annotations

from math import log, pi

import numpy as np

from scratchvae.backend import Array
from scratchvae.kernels.bounded import bounded_logvar
from scratchvae.memory import BatchBuffers
from scratchvae.probability.likelihood import GAUSSIAN_OUTPUT_SCALE, Likelihood

LOWEST = -12.0  # of log σ²: σ stays above 0.0025


class GaussianHeteroscedastic(Likelihood):
    """x ~ N(μ, σ²) with a σ for each dimension, both of z: log p(x | z) in nats. Kingma and Welling 2013, C.2.

    shapes   parameters [μ, r] (B, 2D)   x (B, D)   log_likelihood (B,)
    keeps    ∂ log p/∂μ and ∂ log p/∂r, its own
    writes   log_likelihood | dparameters, dx

    For the data of `Gaussian`, scaled so that it spreads by about 1, where some of it is noisier than the rest: tables,
    spectra. σ(z) weighs each error by what can be expected of it, and so tells which parts of x are known. But what is
    exact is worth any price: σ collapses where pixels hardly change, the ELBO is all about these, codes are driven far
    apart for them, and what is decoded between codes is grainy; elsewhere a large σ excuses every error, and means stay
    blurred. For images one learnt σ is the safer choice (Rybkin, Daniilidis and Levine 2021). Here
    log σ² = L + softplus(r − L) with L = −12: σ is above 0.0025, no output of a decoder overflows, and there is a slope
    below the bound too, to come back by.
    """

    outputs_per_dimension = 2
    output_scale = GAUSSIAN_OUTPUT_SCALE

    # With e = x − μ and ℓ = log σ² = L + softplus(r − L):
    #   log p(x) = −½ Σ (e² exp(−ℓ) + ℓ + log 2π)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for both slopes, for what is between, the sum of a row's terms, and the gradients."""
        self._log_likelihood = buffers.column()
        self._mu_slope = buffers.matrix(self.input_width)
        self._r_slope = buffers.matrix(self.input_width)
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
        square, mu_slope, r_slope = self._square[:rows], self._mu_slope[:rows], self._r_slope[:rows]
        precision = mu_slope
        bounded_logvar(self.xp, parameters[:, width:], LOWEST, logvar, precision, r_slope, scratch=square)
        self.xp.subtract(x, parameters[:, :width], out=error)
        mu_slope *= error
        self.xp.multiply(error, mu_slope, out=square)
        logvar += square
        self.xp.matmul(logvar, self._ones, out=log_likelihood)
        log_likelihood += width * log(2.0 * pi)
        log_likelihood *= -0.5
        square -= 1.0
        square *= 0.5
        r_slope *= square
        self.mu_slope, self.r_slope = mu_slope, r_slope
        return log_likelihood

    # ∂ log p/∂μ = e exp(−ℓ)                                 →  dμ = dlog_likelihood · e exp(−ℓ)
    # ∂ log p/∂ℓ = ½ (e² exp(−ℓ) − 1),  ∂ℓ/∂r = σ(r − L)     →  dr = dlog_likelihood · ½ (e² exp(−ℓ) − 1) σ(r − L)
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, 2D) from dlog_likelihood (B,)."""
        rows, width = self.check_gradients(dlog_likelihood=dlog_likelihood), self.input_width
        dparameters, half = self._dparameters[:rows], self._square[:rows]
        for slope, columns in ((self.mu_slope, slice(None, width)), (self.r_slope, slice(width, None))):
            self.xp.multiply(slope, dlog_likelihood[:, None], out=half)
            dparameters[:, columns] = half  # into a half of each row, NumPy would compute by way of a buffer
        return dparameters

    # ∂ log p/∂x = −e exp(−ℓ)                                →  dx = −dlog_likelihood · e exp(−ℓ)
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dx = self._dx[:rows]
        self.xp.multiply(self.mu_slope, dlog_likelihood[:, None], out=dx)
        self.xp.negative(dx, out=dx)
        return dx

    def mean(self, parameters: Array, out: Array) -> Array:
        """E x = μ."""
        self.check_outputs("parameters", parameters, out=out)
        out[...] = parameters[:, : out.shape[1]]
        return out

    # x = μ + σ ε
    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """x (B, D) from parameters (B, 2D) and standard normal noise (B, D)."""
        self.check_outputs("parameters", parameters, out=out, noise=noise)
        rows, width = self.check_inputs(noise=noise), self.input_width
        self.check_width(2 * width, parameters=parameters)
        sigma, room = self._logvar[:rows], (self._square[:rows], out, self._dx[:rows])
        bounded_logvar(self.xp, parameters[:, width:], LOWEST, sigma, *room)
        sigma *= 0.5
        self.xp.exp(sigma, out=sigma)
        self.xp.multiply(noise, sigma, out=out)
        out += parameters[:, :width]
        return out

    def output_bias(self, mean: Array) -> Array:
        """The mean itself, and r = 0: σ begins at 1."""
        mean = self.check_mean(mean)
        return np.concatenate([mean, np.zeros_like(mean)])
