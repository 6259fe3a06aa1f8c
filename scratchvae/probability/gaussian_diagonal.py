"""The Gaussian likelihood with a standard deviation of each column, learned."""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.kernels.missing import nan_to_zero, observed_mask
from scratchvae.memory import BatchBuffers
from scratchvae.memory.flat import Shapes
from scratchvae.probability.gaussian_likelihood import Gaussian
from scratchvae.validation import check_int


class GaussianDiagonal(Gaussian):
    """x ~ N(μ, diag σ²) with one learned σ_d for each column: log p(x | μ) in nats.

    shapes   mu, x (B, D)   log_likelihood (B,)   logvar (D,)
    saves    x − μ and its square, both 0 where x is missing, and the mask of observed entries
    writes   log_likelihood | dmu, dx, dlogvar

    columns   D
    sigma     the initial σ_d of all columns

    For tables, whose columns z explains to different degrees: at the optimum σ_d² is the mean of (x_d − μ_d)², and a
    column of pure noise gets a large σ, so that it does not drown the others. A column that z tells exactly has no
    optimum: its σ shrinks as long as training goes on. An entry of NaN is missing. Raises ConfigError.
    """

    logvar: Array
    dlogvar: Array

    def __init__(self, columns: int, sigma: float = 1.0) -> None:
        super().__init__(sigma)
        self.columns = self.input_dim = check_int("columns", columns)

    # With e = x − μ, ℓ_d = log σ_d², and m_d = 1 if x_d is observed, else 0. Given z the entries are independent, so
    # that a missing one integrates to 1:
    #   log p(x) = −½ Σ_d m_d (e_d² exp(−ℓ_d) + ℓ_d + log 2π)

    def masked(self) -> GaussianDiagonal:
        """The likelihood itself: an entry of NaN counts as missing."""
        return self

    def parameter_shapes(self) -> Shapes:
        """logvar (D,)."""
        return {"logvar": (self.columns,)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """logvar = log sigma²."""
        return {"logvar": np.full(self.columns, 2.0 * log(self.sigma))}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the buffers of `Gaussian`, the squared errors, the mask, and rows of D numbers."""
        super().allocate(buffers)
        self._square, self._observed = buffers.matrix(self.columns), buffers.matrix(self.columns)
        self._precision, self._constant, self._count = (buffers.vector(self.columns, 0.0) for _ in range(3))

    def forward(self, mu: Array, x: Array) -> Array:
        """log p(x | μ) (B,) from mu and x (B, D)."""
        rows = self.check_inputs(mu=mu, x=x)
        log_likelihood, error, square = self._log_likelihood[:rows], self._error[:rows], self._square[:rows]
        observed, precision, constant = self._observed[:rows], self._precision, self._constant
        observed_mask(self.xp, x, out=observed)
        self.xp.subtract(x, mu, out=square)
        nan_to_zero(self.xp, square, out=error, scratch=self._dx[:rows])
        self.xp.multiply(error, error, out=square)
        self.xp.negative(self.logvar, out=precision)
        self.xp.exp(precision, out=precision)
        self.xp.add(self.logvar, log(2.0 * pi), out=constant)
        self.xp.matmul(square, precision, out=log_likelihood)
        log_likelihood += self.xp.matmul(observed, constant, out=self._weight[:rows])
        log_likelihood *= -0.5
        self.error, self.square, self.observed = error, square, observed
        return log_likelihood

    # ∂ log p/∂μ_d = m_d e_d exp(−ℓ_d)                  →  dμ_d = dlog_likelihood · e_d exp(−ℓ_d), e_d = 0 where missing
    def backward(self, dlog_likelihood: Array) -> Array:
        """dmu (B, D) from dlog_likelihood (B,); writes dlogvar."""
        dmu = self._dmu[: self.check_gradients(dlog_likelihood=dlog_likelihood)]
        self.xp.multiply(self.error, dlog_likelihood[:, None], out=dmu)
        dmu *= self._precision
        self.backward_logvar(dlog_likelihood)
        return dmu

    # ∂ log p/∂ℓ_d = ½ m_d (e_d² exp(−ℓ_d) − 1)         →  dℓ_d = ½ (exp(−ℓ_d) Σ_n g_n e_nd² − Σ_n g_n m_nd),
    # with g = dlog_likelihood: two products of a row and a matrix
    def backward_logvar(self, dlog_likelihood: Array) -> None:
        """Write dlogvar (D,)."""
        dlogvar, count = self.dlogvar, self._count
        self.xp.matmul(dlog_likelihood, self.square, out=dlogvar)
        dlogvar *= self._precision
        dlogvar -= self.xp.matmul(dlog_likelihood, self.observed, out=count)
        dlogvar *= 0.5

    # ∂ log p/∂x_d = −∂ log p/∂μ_d
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        dx = self._dx[: self.check_gradients(dlog_likelihood=dlog_likelihood)]
        self.xp.multiply(self.error, dlog_likelihood[:, None], out=dx)
        dx *= self._precision
        self.xp.negative(dx, out=dx)
        return dx

    def std(self) -> Any:
        """exp(½ logvar) (D,), valid until the next call."""
        sigma = self._constant
        self.xp.multiply(self.logvar, 0.5, out=sigma)
        self.xp.exp(sigma, out=sigma)
        return sigma
