"""The prior p(z)."""

from __future__ import annotations

from math import log, pi
from typing import ClassVar

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Module, Shape, required
from scratchvae.probability.divergence import Divergence, ExactKL, GaussianDrawKL, MonteCarloKL
from scratchvae.probability.gaussian import GaussianKL
from scratchvae.probability.posterior import DiagonalGaussian, Posterior


class Prior(Module):
    """p(z), the density of the codes before any x is seen.

    noise_per_latent   numbers of standard normal noise that `draw` takes for each latent dimension

    A subclass writes `forward`, `backward` and `draw`; `exact_kl` where it knows a closed form.
    """

    noise_per_latent: ClassVar[int] = 1

    def noise(self, latent_dim: int) -> int:
        """The number of columns of noise that `draw` takes for so many latent dimensions."""
        return self.noise_per_latent * latent_dim

    def output_shape(self, input_shape: Shape) -> Shape:
        """One number a row."""
        return ()

    @required
    def forward(self, z: Array) -> Array:
        """log p(z) (B,) in nats, from z (B, Z)."""
        raise NotImplementedError

    @required
    def backward(self, dlog_p: Array) -> Array:
        """dz (B, Z) from dlog_p (B,); sets the gradients of parameters of its own too."""
        raise NotImplementedError

    @required
    def draw(self, noise: Array) -> Array:
        """z (B, Z), a draw from p(z), as a function of its standard normal noise (B, noise)."""
        raise NotImplementedError

    def kl(self, posterior: Posterior, exact: bool) -> Divergence:
        """The term between this prior and a posterior: `exact` if that is asked for and known, else estimated."""
        return (self.exact_kl(posterior) if exact else None) or self.estimated_kl(posterior)

    def exact_kl(self, posterior: Posterior) -> Divergence | None:
        """KL(q(z | x) ‖ p(z)) in closed form, for a posterior that this prior knows; None for any other."""
        return None

    def estimated_kl(self, posterior: Posterior) -> Divergence:
        """log q(z | x) − log p(z) at a draw from q, whose mean is the KL."""
        return MonteCarloKL(posterior, self)


class StandardNormal(Prior):
    """p(z) = N(0, I). Kingma and Welling 2013.

    shapes   z (B, Z)   log_p (B,)
    keeps    z, borrowed until backward returns
    writes   log_p | dz
    """

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for a number a row, the squares, and dz."""
        self._log_p, self._terms, self._dz = (
            buffers.column(),
            buffers.matrix(self.input_width),
            buffers.matrix(self.input_width),
        )
        self._minus_halves = buffers.vector(self.input_width, -0.5)

    # For one dimension:  log p(z) = −½ (z² + log 2π)
    def forward(self, z: Array) -> Array:
        """log p(z) (B,) from z (B, Z)."""
        rows = self.check_inputs(z=z)
        log_p, terms = self._log_p[:rows], self._terms[:rows]
        self.xp.multiply(z, z, out=terms)
        self.xp.matmul(terms, self._minus_halves, out=log_p)
        log_p -= 0.5 * log(2.0 * pi) * self.input_width
        self.z = z
        return log_p

    # ∂ log p/∂z = −z                →  dz = −dlog_p · z
    def backward(self, dlog_p: Array) -> Array:
        """dz (B, Z) from dlog_p (B,)."""
        rows = self.check_gradients(dlog_p=dlog_p)
        dz = self._dz[:rows]
        self.xp.multiply(self.z, dlog_p[:, None], out=dz)
        self.xp.negative(dz, out=dz)
        return dz

    def draw(self, noise: Array) -> Array:
        """The noise itself."""
        return noise

    def exact_kl(self, posterior: Posterior) -> Divergence | None:
        """`GaussianKL`, for a diagonal Gaussian."""
        return ExactKL(posterior, GaussianKL()) if isinstance(posterior, DiagonalGaussian) else None

    def estimated_kl(self, posterior: Posterior) -> Divergence:
        """For a diagonal Gaussian, the difference of both log-densities without the constants that cancel."""
        return GaussianDrawKL(posterior) if isinstance(posterior, DiagonalGaussian) else super().estimated_kl(posterior)
