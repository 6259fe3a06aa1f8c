"""The Gaussian likelihood with one standard deviation, fixed or learned."""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.memory import BatchBuffers
from scratchvae.memory.flat import Shapes
from scratchvae.probability.likelihood import GAUSSIAN_OUTPUT_SCALE, Likelihood
from scratchvae.validation import check_positive, short_repr

SIGMA_RANGE = (1e-15, 1e15)  # 1/σ² fits into float32


class Gaussian(Likelihood):
    """x ~ N(μ, σ² I) with one fixed σ for all dimensions: log p(x | μ) in nats. Kingma and Welling 2013, C.2.

    shapes   mu, x (B, D)   log_likelihood (B,)
    saves    x − μ
    writes   log_likelihood | dmu, dx

    For any finite data: standardized tables, grey values, spectra. It is squared error with the normalizing constant,
    so a log-density, which depends on the unit of x. The best μ is the mean of all x that z leaves possible, and the
    mean of sharp images is blurred. σ decides how much z leaves open: an error e costs ½ e²/σ² nats, which training
    weighs against the KL. With σ = 1 a pixel in [0, 1] costs half a nat at most, and z carries little or no
    information; a small σ makes it worthwhile to tell images apart. Raises ConfigError.
    """

    output_scale = GAUSSIAN_OUTPUT_SCALE

    def __init__(self, sigma: float = 1.0) -> None:
        self.sigma = check_positive("sigma", sigma)
        low, high = SIGMA_RANGE
        if not low <= sigma <= high:
            raise ConfigError(f"sigma={short_repr(sigma)}: expected {low:g} to {high:g}; scale the data to a std of 1")

    # With e = x − μ, for one dimension:
    #   p(x) = exp(−½ (e/σ)²) / (σ √(2π)),  so that, for the D dimensions of a row,
    #   log p(x) = −½ Σ e²/σ² − D (log σ + ½ log 2π)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the sums, the errors, work arrays and the gradients."""
        self._log_likelihood = buffers.column()
        self._error = buffers.matrix(self.input_width)
        self._dmu = buffers.matrix(self.input_width)
        self._dx = buffers.matrix(self.input_width)
        self._weight = buffers.column()
        self._ones = buffers.vector(self.input_width, 1.0)

    def forward(self, mu: Array, x: Array) -> Array:
        """log p(x | μ) (B,) from mu and x (B, D)."""
        log_likelihood = self.squared_error(mu, x)
        log_likelihood *= -0.5 / self.sigma**2
        log_likelihood -= self.input_width * (log(self.sigma) + 0.5 * log(2.0 * pi))
        return log_likelihood

    def squared_error(self, mu: Array, x: Array) -> Array:
        """Σ e² (B,), valid until the next call; saves e."""
        rows = self.check_inputs(mu=mu, x=x)
        total, error, square = self._log_likelihood[:rows], self._error[:rows], self._dmu[:rows]
        self.xp.subtract(x, mu, out=error)
        self.xp.multiply(error, error, out=square)
        self.xp.matmul(square, self._ones, out=total)
        self.error = error
        return total

    # ∂ log p/∂μ = e/σ²              →  dμ = (dlog_likelihood / σ²) · e
    def backward(self, dlog_likelihood: Array) -> Array:
        """dmu (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dmu = self._dmu[:rows]
        self.xp.multiply(self.error, self.scale_by_precision(dlog_likelihood)[:, None], out=dmu)
        return dmu

    # ∂ log p/∂x = −e/σ²             →  dx = −(dlog_likelihood / σ²) · e
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dx = self._dx[:rows]
        self.xp.multiply(self.error, self.scale_by_precision(dlog_likelihood)[:, None], out=dx)
        self.xp.negative(dx, out=dx)
        return dx

    def scale_by_precision(self, dlog_likelihood: Array) -> Array:
        """dlog_likelihood / σ² (B,), valid until the next call."""
        weight = self._weight[: len(dlog_likelihood)]
        self.xp.multiply(dlog_likelihood, self.sigma**-2, out=weight)
        return weight

    def mean(self, mu: Array, out: Array) -> Array:
        """E x = μ (B, D), written into `out`; it is not clipped to [0, 1]."""
        self.check_outputs("mu", mu, out=out)
        out[...] = mu
        return out

    # x = μ + σ ε
    def draw(self, mu: Array, noise: Array, out: Array) -> Array:
        """x (B, D) from mu and standard normal noise (B, D)."""
        self.check_outputs("mu", mu, out=out, noise=noise)
        self.check_inputs(mu=mu)
        self.xp.multiply(noise, self.std(), out=out)
        out += mu
        return out

    def std(self) -> Any:
        """σ, a number or an array (1,)."""
        return self.sigma

    def output_bias(self, mean: Array) -> Array:
        """The mean itself."""
        return self.check_mean(mean)


class GaussianLearned(Gaussian):
    """x ~ N(μ, σ² I) with one learned σ for all dimensions. Rybkin, Daniilidis and Levine 2021.

    shapes   mu, x (B, D)   log_likelihood (B,)   logvar (1,)
    saves    x − μ and Σ (x − μ)²/σ²
    writes   log_likelihood | dmu, dx, dlogvar

    For data as of `Gaussian`. The parameter is log σ², initially log sigma². At the optimum σ² is the mean of (x − μ)²,
    which balances reconstruction and KL in any unit of x, so no beta has to be searched for. As errors become smaller,
    so does σ, and smaller errors count: images are sharper than with σ = 1, although what z does not determine is still
    averaged. `GaussianDiagonal` has a σ for each column of a table. Adam changes log σ² by about its learning rate per
    step, so start with a `sigma` near the optimum, such as 0.2 for pixels in [0, 1]. Raises ConfigError.
    """

    logvar: Array
    dlogvar: Array

    def parameter_shapes(self) -> Shapes:
        """logvar (1,)."""
        return {"logvar": (1,)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """logvar = log sigma²."""
        return {"logvar": np.full(1, 2.0 * log(self.sigma))}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the buffers of `Gaussian`, two single numbers and the scaled squared errors."""
        self._precision, self._constant = buffers.vector(1, 1.0), buffers.vector(1, 0.0)
        self._scaled = buffers.column()
        super().allocate(buffers)

    # With ℓ = log σ² and s = Σ e² exp(−ℓ):  log p(x) = −½ (s + D (ℓ + log 2π))
    def forward(self, mu: Array, x: Array) -> Array:
        """log p(x | μ) (B,) from mu and x (B, D)."""
        log_likelihood, precision, constant = self.squared_error(mu, x), self._precision, self._constant
        self.xp.negative(self.logvar, out=precision)
        self.xp.exp(precision, out=precision)
        self.xp.add(self.logvar, log(2.0 * pi), out=constant)
        constant *= float(self.input_width)
        self.scaled = self._scaled[: len(x)]
        self.xp.multiply(log_likelihood, precision, out=self.scaled)
        self.xp.add(self.scaled, constant, out=log_likelihood)
        log_likelihood *= -0.5
        return log_likelihood

    def backward(self, dlog_likelihood: Array) -> Array:
        """dmu (B, D) from dlog_likelihood (B,); writes dlogvar."""
        dmu = super().backward(dlog_likelihood)
        self.backward_logvar(dlog_likelihood)
        return dmu

    # ∂ log p/∂ℓ = ½ (s − D)         →  dℓ = Σ_n dlog_likelihood_n · ½ (s_n − D)
    def backward_logvar(self, dlog_likelihood: Array) -> None:
        """Write dlogvar (1,)."""
        half_excess = self._weight[: len(dlog_likelihood)]
        self.xp.subtract(self.scaled, float(self.input_width), out=half_excess)
        half_excess *= 0.5
        self.xp.matmul(dlog_likelihood, half_excess[:, None], out=self.dlogvar)

    def scale_by_precision(self, dlog_likelihood: Array) -> Array:
        """dlog_likelihood / σ² (B,), valid until the next call."""
        weight = self._weight[: len(dlog_likelihood)]
        self.xp.multiply(dlog_likelihood, self._precision, out=weight)
        return weight

    def std(self) -> Any:
        """exp(½ logvar) (1,), valid until the next call."""
        sigma = self._constant
        self.xp.multiply(self.logvar, 0.5, out=sigma)
        self.xp.exp(sigma, out=sigma)
        return sigma
