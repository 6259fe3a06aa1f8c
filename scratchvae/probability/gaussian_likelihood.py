"""Numbers of any size, off by Gaussian noise of one width."""

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

SIGMAS = (1e-15, 1e15)  # 1/σ² has room in float32


class Gaussian(Likelihood):
    """x ~ N(μ, σ² I) with one σ, the same for all, that is given: log p(x | μ) in nats. Kingma and Welling 2013, C.2.

    shapes   mu, x (B, D)   log_likelihood (B,)
    keeps    x − μ, its own
    writes   log_likelihood | dmu, dx

    For any finite numbers: standardised tables, grey values, spectra. It is squared error with its proper constant, so
    that it is a log-density; in other units of x it is another number. Of everything that z leaves open, the best μ is
    the average, and the average of sharp pictures is a blurred one. How much is left open is for σ to say: the KL costs
    what it costs, and an error e is worth ½ e²/σ² nats. With σ = 1 a pixel in [0, 1] is worth half a nat at most, and
    z ends up telling little or nothing; a small σ pays for telling pictures apart. Raises ConfigError.
    """

    output_scale = GAUSSIAN_OUTPUT_SCALE

    def __init__(self, sigma: float = 1.0) -> None:
        self.sigma = check_positive("sigma", sigma)
        if not SIGMAS[0] <= sigma <= SIGMAS[1]:
            raise ConfigError(
                f"sigma={short_repr(sigma)}: expected {SIGMAS[0]:g} to {SIGMAS[1]:g}; scale the data by its spread"
            )

    # With e = x − μ, for one dimension:
    #   p(x) = exp(−½ (e/σ)²) / (σ √(2π)),  so that, for the D of a row,
    #   log p(x) = −½ Σ e²/σ² − D (log σ + ½ log 2π)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for every error, its square, the sum of a row's, and the gradients."""
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
        """Σ e² (B,), on loan; keeps e."""
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
        """dlog_likelihood / σ² (B,), on loan."""
        weight = self._weight[: len(dlog_likelihood)]
        self.xp.multiply(dlog_likelihood, self.sigma**-2, out=weight)
        return weight

    def mean(self, mu: Array, out: Array) -> Array:
        """E x = μ, in [0, 1] or not."""
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
    """x ~ N(μ, σ² I) with one σ, the same for all, that is learnt. Rybkin, Daniilidis and Levine 2021.

    shapes   mu, x (B, D)   log_likelihood (B,)   logvar (1,)
    keeps    x − μ and Σ (x − μ)²/σ², its own
    writes   log_likelihood | dmu, dx, dlogvar

    For the data of `Gaussian`. What is learnt is log σ², from that of `sigma` on: it settles where σ² is the mean of
    (x − μ)², so that reconstruction and KL balance themselves, whatever the units of x, and no beta need be searched
    for. As errors become small so does σ, and smaller ones begin to count: pictures are sharper than with σ = 1, while
    what z leaves open is averaged as ever. Adam moves log σ² by about its learning rate a step, so begin with a `sigma`
    not far off, such as 0.2 for pixels in [0, 1]. Raises ConfigError.
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
        """Room for what one number holds and for the scaled errors besides."""
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
        """dmu (B, D) from dlog_likelihood (B,); sets dlogvar."""
        dmu = super().backward(dlog_likelihood)
        self.backward_logvar(dlog_likelihood)
        return dmu

    # ∂ log p/∂ℓ = ½ (s − D)         →  dℓ = Σ_n dlog_likelihood_n · ½ (s_n − D)
    def backward_logvar(self, dlog_likelihood: Array) -> None:
        """Set dlogvar."""
        half_excess = self._weight[: len(dlog_likelihood)]
        self.xp.subtract(self.scaled, float(self.input_width), out=half_excess)
        half_excess *= 0.5
        self.xp.matmul(dlog_likelihood, half_excess[:, None], out=self.dlogvar)

    def scale_by_precision(self, dlog_likelihood: Array) -> Array:
        """dlog_likelihood / σ² (B,), on loan."""
        weight = self._weight[: len(dlog_likelihood)]
        self.xp.multiply(dlog_likelihood, self._precision, out=weight)
        return weight

    def std(self) -> Any:
        """exp(½ logvar) (1,), on loan."""
        spread = self._constant
        self.xp.multiply(self.logvar, 0.5, out=spread)
        self.xp.exp(spread, out=spread)
        return spread
