"""Fused posterior, KL and importance-weighted bound: few launches forward and backward."""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

from scratchvae.backend import Array
from scratchvae.fused.kernels import (
    ADD_PRODUCT,
    GAUSSIAN_DRAW_KL,
    GAUSSIAN_KL,
    GAUSSIAN_KL_ACCUMULATE,
    GAUSSIAN_KL_GRADIENT,
    GAUSSIAN_KL_PER_DIMENSION,
    IMPORTANCE_BOUND,
    NORMALIZED_WEIGHTS,
    POSTERIOR_GRADIENT,
    REPARAMETERIZE,
    REPARAMETERIZE_GRADIENT,
    SUM_OF_WEIGHTS,
    launch,
)
from scratchvae.memory import BatchBuffers
from scratchvae.probability import (
    DiagonalGaussian,
    ExactKL,
    GaussianDrawKL,
    GaussianKL,
    ImportanceBound,
    Reparameterize,
)


class FusedReparameterize(Reparameterize):
    """Reparameterization with z and σ in one launch, dμ and dlog σ² in another."""

    kernels: Any

    def forward(self, mu: Array, logvar: Array, eps: Array) -> Array:
        """z (B, Z) from mu, logvar and eps (B, Z)."""
        rows = self.check_inputs(mu=mu, logvar=logvar, eps=eps)
        z, self.sigma, self.eps = self._z[:rows], self._sigma[:rows], eps
        launch(self.kernels, REPARAMETERIZE, mu, logvar, eps, z, self.sigma)
        return z

    def backward(self, dz: Array) -> tuple[Array, Array]:
        """dmu and dlogvar (B, Z) from dz (B, Z)."""
        rows = self.check_gradients(dz=dz)
        dmu, dlogvar = self._dmu[:rows], self._dlogvar[:rows]
        launch(self.kernels, REPARAMETERIZE_GRADIENT, dz, self.sigma, self.eps, dmu, dlogvar)
        return dmu, dlogvar


class GaussianKLGradient(NamedTuple):
    """The gradient of a `GaussianKL`, dkl (B, 1) or (B, Z), with its arguments, from which dmu and dlogvar follow."""

    dkl: Array
    mu: Array
    logvar: Array


class FusedDiagonalGaussian(DiagonalGaussian):
    """DiagonalGaussian with μ and log σ² as views of h; one launch writes dh, with the gradients of the KL added."""

    kernels: Any

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate dh and the buffers of the plain class."""
        super().allocate(buffers)
        self._dh = buffers.matrix(self.input_width)

    def forward(self, h: Array, eps: Array) -> Array:
        """z (B, Z) from h (B, 2Z) and eps (B, Z)."""
        self.mu, self.logvar = self.parameters(h)
        self.eps = eps
        return self.reparameterize.forward(self.mu, self.logvar, eps)

    def parameters(self, h: Array) -> tuple[Array, ...]:
        """mu and logvar (B, Z), views of h."""
        self.check_inputs(h=h)
        latent = self.input_width // 2
        self.mu, self.logvar = h[:, :latent], h[:, latent:]
        return self.mu, self.logvar

    def backward(self, dz: Array, dlog_q: Array | None = None, dparameters: Any = None) -> Array:
        """dh (B, 2Z) from dz (B, Z), dlog_q (B,) and dparameters.

        dparameters   the gradients of mu and logvar (B, Z), or a `GaussianKLGradient`
        """
        self.reparameterize.check_gradients(dz=dz)
        dh, latent, sigma = self._dh[: len(dz)], self.input_width // 2, self.reparameterize.sigma
        dmu, dlogvar = dh[:, :latent], dh[:, latent:]
        if dparameters is None or isinstance(dparameters, GaussianKLGradient):
            if dlog_q is not None:
                self._check_dlog_q(dlog_q)
            dkl, mu, logvar = dparameters or (0.0, self.mu, self.logvar)
            dlog_q_column = 0.0 if dlog_q is None else dlog_q[:, None]
            arguments = dz, sigma, self.eps, mu, logvar, dkl, dlog_q_column
            launch(self.kernels, POSTERIOR_GRADIENT, *arguments, dmu, dlogvar)
        else:
            dmu[...], dlogvar[...] = self.backward_parameters(dz, dlog_q, dparameters)
        return dh


class FusedGaussianKL(GaussianKL):
    """Gaussian KL that recomputes σ² − 1 in backward, which is cheaper on a GPU than to store it."""

    kernels: Any

    def forward(self, mu: Array, logvar: Array) -> Array:
        """kl (B,) from mu and logvar (B, Z)."""
        rows = self.check_inputs(mu=mu, logvar=logvar)
        kl, self.mu, self.logvar = self._kl[:rows], mu, logvar
        launch(self.kernels, GAUSSIAN_KL, mu, logvar, kl)
        return kl

    @property
    def per_dimension(self) -> Array:  # type: ignore[override]
        """The KL of each row and dimension (B, Z) of the last forward, computed at each access."""
        per_dimension = self._per_dimension[: self._rows]
        launch(self.kernels, GAUSSIAN_KL_PER_DIMENSION, self.mu, self.logvar, per_dimension)
        return per_dimension

    def accumulate(self, sums: Array) -> None:
        """Add the KL of each row and dimension of the last forward to sums (B, Z)."""
        self.check_sums(sums)
        launch(self.kernels, GAUSSIAN_KL_ACCUMULATE, self.mu, self.logvar, sums)

    def backward(self, dkl: Array) -> tuple[Array, Array]:
        """dmu and dlogvar (B, Z) from dkl: (B,), or (B, Z) with respect to `per_dimension`."""
        dkl, rows = self.check_dkl(dkl), self._rows
        dmu, dlogvar = self._dmu[:rows], self._dlogvar[:rows]
        launch(self.kernels, GAUSSIAN_KL_GRADIENT, self.mu, self.logvar, dkl, dmu, dlogvar)
        return dmu, dlogvar


class FusedExactKL(ExactKL):
    """ExactKL whose gradient a `FusedDiagonalGaussian` adds in its own launch."""

    kernels: Any

    def backward(self, dkl: Array, dz: Array) -> tuple[Any, ...]:
        """dz unchanged, no dlog_q, and the gradient of the KL, from dkl (B,), or (B, Z) per dimension."""
        if not isinstance(self.posterior, FusedDiagonalGaussian):
            return super().backward(dkl, dz)
        return dz, None, GaussianKLGradient(self.kl.check_dkl(dkl), self.posterior.mu, self.posterior.logvar)


class FusedGaussianDrawKL(GaussianDrawKL):
    """GaussianDrawKL in one launch forward and one backward."""

    kernels: Any

    def forward(self, z: Array) -> Array:
        """The estimate (B,). Raises ShapeError before the posterior's forward."""
        rows = self.check_inputs(z=z)
        self._check_drawn(self.posterior, "eps", "logvar")
        kl, self.z = self._kl[:rows], z
        launch(self.kernels, GAUSSIAN_DRAW_KL, z, self.posterior.eps, self.posterior.logvar, kl)
        return kl

    def backward(self, dkl: Array, dz: Array) -> tuple[Any, ...]:
        """dz with the gradient of −log p added, and dlog_q."""
        self.check_gradients(dkl=dkl)
        launch(self.kernels, ADD_PRODUCT, self.z, dkl[:, None], dz)
        return dz, dkl


class FusedImportanceBound(ImportanceBound):
    """ImportanceBound in four launches forward: the largest weights, their sums, the shares and the bound."""

    kernels: Any

    def forward(self, log_w: Array) -> Array:
        """bound (B,) from log_w (B, K)."""
        rows = self.check_inputs(log_w=log_w)
        bound, total = self._bound[:rows], self._sum[:rows]
        self.normalized_weights = self._normalized_weights[:rows]
        self.xp.max(log_w, axis=1, out=bound)
        launch(self.kernels, SUM_OF_WEIGHTS, log_w, bound[:, None], total)
        arguments = log_w, bound[:, None], total[:, None], self._smallest
        launch(self.kernels, NORMALIZED_WEIGHTS, *arguments, self.normalized_weights)
        launch(self.kernels, IMPORTANCE_BOUND, bound, total, log(self.input_width), bound)
        return bound
