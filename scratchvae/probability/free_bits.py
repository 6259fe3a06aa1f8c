"""Free bits: KL per latent dimension that is not penalized."""

from __future__ import annotations

from collections.abc import Callable

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.memory import BatchBuffers, Module, Shape
from scratchvae.validation import check_float, short_repr


class FreeBits(Module):
    """Free bits: the penalty per dimension is at least λ, so a KL below λ gains nothing. Kingma et al. 2016
    (on inverse autoregressive flow).

    shapes   per_dimension (B, Z)   penalized_kl (B,)
    saves    the mask of dimensions whose KL is above λ
    writes   penalized_kl | dper_dimension

    λ, `free`, is in nats per latent dimension, and applies to the batch mean of its KL. If the mean is at most λ, the
    penalty of each row is λ, and no gradient pushes this dimension towards the prior; otherwise it is the KL of the
    row. The batch mean of penalized_kl is Σ_j max(λ, mean_n KL_nj), up to rounding. Raises ConfigError.
    """

    def __init__(self, free: float) -> None:
        if check_float("free", free) == 0:
            raise ConfigError(
                f"free={short_repr(free)}: expected a positive number; to penalize all of the KL, leave FreeBits out"
            )
        self.free = float(free)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate penalized_kl, dper_dimension and vectors of one number per dimension."""
        self._penalized_kl = buffers.column()
        self._dper_dimension = buffers.matrix(self.input_width)
        self._ones = buffers.vector(buffers.rows, 1.0)
        self._mean = buffers.vector(self.input_width, 0.0)
        self._above = buffers.vector(self.input_width, 0.0)
        self._free = buffers.vector(self.input_width, self.free)
        self._penalty_below = buffers.vector(self.input_width, 0.0)

    # With m_j = (1/B) Σ_n KL_nj, and a_j = 1 where m_j > λ, else 0, the penalty of the batch is
    #   Σ_j max(λ, m_j) = Σ_j a_j m_j + λ Σ_j (1 − a_j)
    # which is the batch mean of
    #   penalized_n = Σ_j a_j KL_nj + λ Σ_j (1 − a_j)

    def forward(self, per_dimension: Array, batch_mean: Callable[[Array], None] | None = None) -> Array:
        """penalized_kl (B,) from the KL of each row and dimension (B, Z).

        batch_mean   a function that replaces the mean over these rows by that over the batch, of which these rows are
                     the part of one process
        """
        rows = self.check_inputs(per_dimension=per_dimension)
        penalized_kl = self._penalized_kl[:rows]
        self.xp.matmul(self._ones[:rows], per_dimension, out=self._mean)
        self._mean /= rows
        if batch_mean is not None:
            batch_mean(self._mean)
        self.xp.greater(self._mean, self.free, out=self._above)
        self.xp.multiply(self._above, -self.free, out=self._penalty_below)
        self._penalty_below += self._free
        self.xp.matmul(per_dimension, self._above, out=penalized_kl)
        penalized_kl += self._penalty_below.sum()
        return penalized_kl

    # a_j is a step function of m_j, with derivative 0 wherever it is differentiable, so
    #   ∂penalized_n/∂KL_nj = a_j    →  dKL_nj = dpenalized_n a_j
    # At m_j = λ, where max has a kink, the derivative of the constant λ is used: 0.
    def backward(self, dpenalized: Array) -> Array:
        """dper_dimension (B, Z) from dpenalized (B,)."""
        rows = self.check_gradients(dpenalized=dpenalized)
        dper_dimension = self._dper_dimension[:rows]
        self.xp.multiply(dpenalized[:, None], self._above, out=dper_dimension)
        return dper_dimension
