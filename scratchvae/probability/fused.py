"""The draw, the KL and the Bernoulli likelihood, compiled: one launch forward and one back."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.compiled import (
    ADD_GAUSSIAN_KL_GRADIENT,
    BERNOULLI,
    BERNOULLI_GRADIENT,
    DRAW,
    DRAW_GRADIENT,
    GAUSSIAN_KL,
    GAUSSIAN_KL_PER_DIMENSION,
    GAUSSIAN_KL_TALLY,
    launch,
)
from scratchvae.memory import BatchBuffers, twin_of
from scratchvae.probability.bernoulli import Bernoulli
from scratchvae.probability.gaussian import GaussianKL
from scratchvae.probability.reparameterize import Reparameterize


@twin_of(Reparameterize)
class FusedReparameterize(Reparameterize):
    """z and σ at once; dμ and dlog σ² at once."""

    def forward(self, mu: Array, logvar: Array, eps: Array) -> Array:
        """z (B, Z) from mu, logvar and eps (B, Z)."""
        rows = self.admit(mu=mu, logvar=logvar, eps=eps)
        z, self.sigma, self.eps = self._z[:rows], self._sigma[:rows], eps
        launch(self.xp, DRAW, mu, logvar, eps, z, self.sigma)
        return z

    def backward(self, dz: Array, into: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        """dmu and dlogvar (B, Z) from dz (B, Z)."""
        rows = self.admit_gradient(dz=dz)
        dmu, dlogvar = into or (self._dmu[:rows], self._dlogvar[:rows])
        launch(self.xp, DRAW_GRADIENT, dz, self.sigma, self.eps, dmu, dlogvar)
        return dmu, dlogvar


@twin_of(GaussianKL)
class FusedGaussianKL(GaussianKL):
    """Keeps mu and logvar, and finds σ² − 1 again on the way back: that costs a device less than to store it."""

    def forward(self, mu: Array, logvar: Array) -> Array:
        """kl (B,) from mu and logvar (B, Z)."""
        rows = self.admit(mu=mu, logvar=logvar)
        kl, self.mu, self.logvar = self._kl[:rows], mu, logvar
        launch(self.xp, GAUSSIAN_KL, mu, logvar, kl)
        return kl

    @property
    def per_dimension(self) -> Array:  # type: ignore[override]
        """The KL of each row and dimension (B, Z) of the last forward, found when it is asked for."""
        per_dimension = self._per_dimension[: self._rows]
        launch(self.xp, GAUSSIAN_KL_PER_DIMENSION, self.mu, self.logvar, per_dimension)
        return per_dimension

    def tally(self, sums: Array) -> None:
        """Add to sums (B, Z) the KL of each row and dimension of the last forward."""
        self.admit_sums(sums)
        launch(self.xp, GAUSSIAN_KL_TALLY, self.mu, self.logvar, sums)

    def _add(self, dkl: Array, dmu: Array, dlogvar: Array) -> None:
        launch(self.xp, ADD_GAUSSIAN_KL_GRADIENT, self.mu, self.logvar, dkl, dmu, dlogvar)


@twin_of(Bernoulli)
class FusedBernoulli(Bernoulli):
    """Keeps t and x, and takes the exponential anew on the way back."""

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for the sums and the gradients alone."""
        self._log_likelihood = buffers.column()
        self._dlogits = buffers.matrix(width)
        self._dx = buffers.matrix(width)
        return 0

    def forward(self, logits: Array, x: Array) -> Array:
        """log p(x | t) (B,) from logits and x (B, D)."""
        rows = self.admit(logits=logits, x=x)
        log_likelihood, self.logits, self.x = self._log_likelihood[:rows], logits, x
        launch(self.xp, BERNOULLI, logits, x, log_likelihood)
        return log_likelihood

    def backward(self, dlog_likelihood: Array) -> Array:
        """dlogits (B, D) from dlog_likelihood (B,)."""
        rows = self.admit_gradient(dlog_likelihood=dlog_likelihood)
        dlogits = self._dlogits[:rows]
        launch(self.xp, BERNOULLI_GRADIENT, self.logits, self.x, dlog_likelihood[:, None], dlogits)
        return dlogits
