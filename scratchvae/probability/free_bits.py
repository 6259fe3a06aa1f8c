"""A KL that each latent dimension has for nothing."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.memory import BatchBuffers, Module, Shape
from scratchvae.validation import check_float, short_repr


class FreeBits(Module):
    """Free bits: no dimension is charged less than λ, so none gains by a KL below it. Kingma et al. 2016
    (on inverse autoregressive flow).

    shapes   per_dimension (B, Z)   charged (B,)
    keeps    which dimensions are above λ, its own
    writes   charged | dper_dimension

    λ, `free`, is in nats per latent dimension, of the batch mean of its KL: where a dimension's mean is λ or less,
    each row is charged λ for it, and no gradient pushes it on towards the prior; where it is more, each row is charged
    what it has. The batch mean of `charged` is Σ_j max(λ, mean_n KL_nj), to the last rounding. Raises ConfigError.
    """

    def __init__(self, free: float) -> None:
        if check_float("free", free) == 0:
            raise ConfigError(f"free={short_repr(free)}: all of the KL is charged then; leave FreeBits away")
        self.free = float(free)

    def output_shape(self, input_shape: Shape) -> Shape:
        """One number a row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for the mean of each dimension, and for a number a row."""
        self._charged = buffers.column()
        self._dper_dimension = buffers.matrix(self.input_width)
        self._ones = buffers.vector(buffers.rows, 1.0)
        self._mean = buffers.vector(self.input_width, 0.0)
        self._above = buffers.vector(self.input_width, 0.0)
        self._free = buffers.vector(self.input_width, self.free)
        self._rest = buffers.vector(self.input_width, 0.0)

    # With m_j = (1/B) Σ_n KL_nj, and a_j = 1 where m_j > λ, else 0, what is to be charged in all is
    #   Σ_j max(λ, m_j) = Σ_j a_j m_j + λ Σ_j (1 − a_j)
    # which is the batch mean of
    #   charged_n = Σ_j a_j KL_nj + λ Σ_j (1 − a_j)

    def forward(self, per_dimension: Array) -> Array:
        """charged (B,) from the KL of each row and dimension (B, Z)."""
        rows = self.check_inputs(per_dimension=per_dimension)
        charged = self._charged[:rows]
        self.xp.matmul(self._ones[:rows], per_dimension, out=self._mean)
        self._mean /= rows
        self.xp.greater(self._mean, self.free, out=self._above)
        self.xp.multiply(self._above, -self.free, out=self._rest)
        self._rest += self._free
        self.xp.matmul(per_dimension, self._above, out=charged)
        charged += self._rest.sum()
        return charged

    # a_j is a step of m_j: its derivative is 0 wherever it has one, so that
    #   ∂charged_n/∂KL_nj = a_j      →  dKL_nj = dcharged_n a_j
    # and at m_j = λ, where max has a kink, the slope taken is that of λ, 0.
    def backward(self, dcharged: Array) -> Array:
        """dper_dimension (B, Z) from dcharged (B,)."""
        rows = self.check_gradients(dcharged=dcharged)
        dper_dimension = self._dper_dimension[:rows]
        self.xp.multiply(dcharged[:, None], self._above, out=dper_dimension)
        return dper_dimension
