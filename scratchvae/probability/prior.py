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
    """p(z), the prior density of the codes.

    noise_per_latent   standard normal numbers that `draw` needs for each latent dimension
    shares_encoder     True if the density depends on the weights of the encoder, as that of `VampPrior`: it then has
                       `share_encoder` and `add_shared_gradients`

    A subclass implements `forward`, `backward` and `draw`, and `exact_kl` if there is a closed form of the KL.
    """

    noise_per_latent: ClassVar[int] = 1
    shares_encoder: ClassVar[bool] = False

    def noise(self, latent_dim: int) -> int:
        """The number of columns of noise that `draw` needs for `latent_dim` dimensions."""
        return self.noise_per_latent * latent_dim

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    @required
    def forward(self, z: Array) -> Array:
        """log p(z) (B,) in nats, from z (B, Z)."""
        raise NotImplementedError

    @required
    def backward(self, dlog_p: Array) -> Array:
        """dz (B, Z) from dlog_p (B,); also writes the gradients of its own parameters."""
        raise NotImplementedError

    @required
    def draw(self, noise: Array) -> Array:
        """z (B, Z), a draw from p(z), as a function of standard normal noise (B, noise)."""
        raise NotImplementedError

    def add_shared_gradients(self) -> None:
        """Add the gradients of weights that it shares with the encoder to the encoder's; by default there are none."""

    def at_fixed_weights(self) -> Prior:
        """The prior for many forwards at the weights of now; by default itself. It may lack `backward`."""
        return self

    def kl(self, posterior: Posterior, exact: bool) -> Divergence:
        """The KL term with a posterior: in closed form if `exact` and there is one, else estimated."""
        return (self.exact_kl(posterior) if exact else None) or self.estimated_kl(posterior)

    def exact_kl(self, posterior: Posterior) -> Divergence | None:
        """KL(q(z | x) ‖ p(z)) in closed form; None if there is none for this posterior."""
        return None

    def estimated_kl(self, posterior: Posterior) -> Divergence:
        """log q(z | x) − log p(z) at a draw from q, whose mean is the KL."""
        return MonteCarloKL(posterior, self)


class StandardNormal(Prior):
    """p(z) = N(0, I). Kingma and Welling 2013.

    shapes   z (B, Z)   log_p (B,)
    saves    z, by reference
    writes   log_p | dz
    """

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate log p, the terms of each dimension, and dz."""
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
        """z (B, Z), the noise itself."""
        return noise

    def exact_kl(self, posterior: Posterior) -> Divergence | None:
        """The closed form `GaussianKL` for a diagonal Gaussian; None for any other posterior."""
        return ExactKL(posterior, GaussianKL()) if isinstance(posterior, DiagonalGaussian) else None

    def estimated_kl(self, posterior: Posterior) -> Divergence:
        """The difference of the log-densities at the draw; for a diagonal Gaussian, without cancelling constants."""
        return GaussianDrawKL(posterior) if isinstance(posterior, DiagonalGaussian) else super().estimated_kl(posterior)
