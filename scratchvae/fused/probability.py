"""Fused reparameterization and Gaussian KL: one launch forward and one backward."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.fused.kernels import (
    GAUSSIAN_KL,
    GAUSSIAN_KL_ACCUMULATE,
    GAUSSIAN_KL_GRADIENT,
    GAUSSIAN_KL_PER_DIMENSION,
    REPARAMETERIZE,
    REPARAMETERIZE_GRADIENT,
    REPARAMETERIZE_GRADIENT_WITH_KL,
    launch,
)
from scratchvae.memory import BatchBuffers
from scratchvae.probability import DiagonalGaussian, GaussianKL, Reparameterize


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

    def backward(self, dz: Array, dlog_q: Array | None = None, dparameters: tuple[Array, Array] | None = None) -> Array:
        """dh (B, 2Z) from dz (B, Z), dlog_q (B,) and dparameters, the gradients of mu and logvar (B, Z)."""
        self.reparameterize.check_gradients(dz=dz)
        dh, latent, sigma = self._dh[: len(dz)], self.input_width // 2, self.reparameterize.sigma
        dmu, dlogvar = dh[:, :latent], dh[:, latent:]
        if dlog_q is None and dparameters is not None:
            launch(self.kernels, REPARAMETERIZE_GRADIENT_WITH_KL, dz, sigma, self.eps, *dparameters, dmu, dlogvar)
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
