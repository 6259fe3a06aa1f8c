"""The mixture of Gaussians as a prior."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.memory.flat import Shapes
from scratchvae.probability.gaussian_mixture import GaussianMixture
from scratchvae.probability.prior import Prior
from scratchvae.validation import check_int, check_seed, short_repr, suggest_arguments


class MixturePrior(Prior):
    """p(z) = Σ_k π_k N(z; μ_k, diag σ_k²), all of it learned.

    shapes   z (B, Z)   log_p (B,)   logits (K,)   mu, logvar (K, Z)
    saves    as `GaussianMixture`
    writes   log_p | dz, dlogits, dmu, dlogvar

    components   K
    latent_dim   Z
    seed         of the initial values; None: that of the model

    The KL has no closed form, and is estimated from the draw of z. At first the means are drawn from N(0, ½ I) and all
    variances are ½, so that the mixture has about the moments of N(0, I). Raises ConfigError.
    """

    logits: Array
    mu: Array
    logvar: Array
    dlogits: Array
    dmu: Array
    dlogvar: Array

    @suggest_arguments
    def __init__(self, components: int, latent_dim: int, seed: int | None = None) -> None:
        self.components = check_int("components", components)
        self.latent_dim = check_int("latent_dim", latent_dim)
        self.seed = None if seed is None else check_seed(seed)
        self.mixture = GaussianMixture(self.components)

    def noise(self, latent_dim: int) -> int:
        """Z + 1: one more number chooses the component."""
        return latent_dim + 1

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row. Raises ShapeError unless a code has Z numbers."""
        if input_shape != (self.latent_dim,):
            raise ShapeError(
                f"MixturePrior({self.components}, {self.latent_dim}) was given codes of shape "
                f"{short_repr(input_shape)}; expected ({self.latent_dim},): make its latent_dim that of the model"
            )
        return ()

    def parameter_shapes(self) -> Shapes:
        """logits (K,), mu and logvar (K, Z)."""
        K, Z = self.components, self.latent_dim
        return {"logits": (K,), "mu": (K, Z), "logvar": (K, Z)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """Equal weights, means from N(0, ½ I), and variances ½."""
        shape = self.components, self.latent_dim
        return {
            "logits": np.zeros(self.components),
            "mu": sqrt(0.5) * rng.standard_normal(shape),
            "logvar": np.full(shape, log(0.5)),
        }

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind the mixture; allocate log π."""
        self.mixture.bind(buffers, self.input_shape)
        self._log_pi = buffers.vector(self.components, 0.0)

    # π = softmax(logits), so that log π_k = logits_k − log Σ_j exp logits_j
    def forward(self, z: Array) -> Array:
        """log p(z) (B,) from z (B, Z)."""
        self.check_inputs(z=z)
        return self.mixture.forward(z, self._log_weights(), self.mu, self.logvar)

    # ∂ log π_k/∂logits_j = [k = j] − π_j    →  dlogits = dlog π − π Σ_k dlog π_k
    def backward(self, dlog_p: Array) -> Array:
        """dz (B, Z), dlogits, dmu and dlogvar from dlog_p (B,)."""
        dz, dlog_pi, dmu, dlogvar = self.mixture.backward(dlog_p)
        self.xp.exp(self._log_pi, out=self.dlogits)
        self.dlogits *= -dlog_pi.sum()
        self.dlogits += dlog_pi
        self.dmu[...] = dmu
        self.dlogvar[...] = dlogvar
        return dz

    def _log_weights(self) -> Array:
        """log π (K,)."""
        xp, log_pi = self.xp, self._log_pi
        xp.subtract(self.logits, self.logits.max(), out=log_pi)
        log_pi -= xp.log(xp.exp(log_pi).sum())
        return log_pi

    def draw(self, noise: Array) -> Array:
        """z (B, Z), a draw from p(z), as a function of standard normal noise (B, Z + 1)."""
        return self.mixture.draw(noise, self._log_weights(), self.mu, self.logvar)
