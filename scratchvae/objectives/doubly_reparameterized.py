"""The importance-weighted bound with doubly reparameterized gradients."""

from __future__ import annotations

from typing import ClassVar

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers
from scratchvae.objectives.importance_weighted import ImportanceWeighted


class DoublyReparameterized(ImportanceWeighted):
    """`ImportanceWeighted` with the gradient DReG. Tucker, Lawson, Gu and Maddison 2019.

    shapes, saves, writes   as `ImportanceWeighted`

    The loss, and the gradients of decoder and prior, are those of `ImportanceWeighted`. Its gradient of the parameters
    of q becomes all noise as K grows (Rainforth et al. 2018); this one has the same mean, and much less variance. The
    posterior must have `backward_density`, as `DiagonalGaussian` has. Raises ConfigError.
    """

    exact_kl: ClassVar[bool] = False
    pathwise: ClassVar[bool] = True

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the buffers of `ImportanceWeighted`, and a factor for each draw."""
        super().allocate(buffers)
        self._factors = buffers.resized(buffers.rows * self.draws).column()

    # With log w_k = ℓ_k − w r_k, r_k = log q(z_k) − log p(z_k), and z_k = z(ε_k, φ), the gradient of the bound is
    #   Σ_k w̃_k (∂ log w_k/∂z_k ∂z_k/∂φ − w ∂ log q(z_k)/∂φ at fixed z_k)
    # Reparameterization in reverse turns the mean of the second part into one of gradients through z: for any f,
    #   E_q[f(z) ∂ log q(z)/∂φ] = ∂/∂φ E_q[f(z)] at fixed f = E_ε[∂f/∂z ∂z/∂φ]
    # and with f = w̃_k, as a function of z_k:  ∂w̃_k/∂z_k = w̃_k (1 − w̃_k) ∂ log w_k/∂z_k. Together
    #   Σ_k w̃_k (1 − w (1 − w̃_k)) ∂ log w_k/∂z_k ∂z_k/∂φ              (eq. 7 and 8: w̃_k², for w = 1)
    # The decoder and the prior have put w̃_k into dz_k            →  factor_k = 1 − w + w w̃_k
    def dz_factors(self) -> Array:
        """The factor of the gradient of each draw of z, (B·K,)."""
        weights = self.importance_bound.normalized_weights.reshape(-1)
        factors = self._factors[: len(weights)]
        self.xp.multiply(weights, self.weight, out=factors)
        factors += 1.0 - self.weight
        return factors
