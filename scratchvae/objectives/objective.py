"""The interface of an objective: the one place where rows become a loss."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.memory import BatchBuffers, Module, Shape, required
from scratchvae.representation import fields_repr


class ELBOTerms(NamedTuple):
    """The objective of each row, in nats: value = reconstruction − beta · kl, each (B,).

    For a VAE the value is the evidence lower bound (ELBO), estimated with one ε a row: reconstruction is
    log p(x | z), kl is KL(q(z | x) ‖ p(z)). Kingma and Welling 2013, eq. 3; with beta, Higgins et al. 2017, eq. 4.
    """

    value: Array
    reconstruction: Array
    kl: Array

    def __repr__(self) -> str:
        return fields_repr(self)


class Objective(Module):
    """L = −(1/B) Σ_n value_n: the batch mean of the negative objective, in nats a row.

    The gradients that `backward` gives are those of L: the sign and the 1/B are in them. Validation, `score` and `elbo`
    show the value of `unweighted`, which is that of `forward` with the KL at its full weight.

    draws              K, how many draws of z it asks for, for each row of x
    exact_kl           whether it takes the KL in closed form, where there is one; else it is that of each draw
    kl_per_dimension   whether it asks for the KL of each latent dimension as well
    beta               the weight of the KL in `ELBOTerms`
    """

    _axes = 1
    draws: int = 1
    exact_kl: ClassVar[bool] = True
    kl_per_dimension: bool = False
    beta: float = 1.0
    weight: float = 1.0  # of the KL, in the last forward
    rows: int = 0  # of the last forward

    def output_shape(self, input_shape: Shape) -> Shape:
        """One number a row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for a value a row."""
        self._input_row_shape = ()  # a term is one number a row, whatever the shape of a code
        self._value = buffers.column()
        self._wide = np.promote_types(buffers.dtype, np.float64)

    @required
    def forward(
        self, log_likelihood: Array, kl: Array, kl_weight: float = 1.0, kl_per_dimension: Array | None = None
    ) -> ELBOTerms:
        """The terms of each row, from log_likelihood and kl (B·K,), K draws of a row after each other.

        `kl_weight` multiplies the weight of the KL; kl_per_dimension is (B·K, Z), where it is asked for.
        """
        raise NotImplementedError

    @required
    def backward(self) -> tuple[Array, Array]:
        """∂L/∂log_likelihood (B·K,), and ∂L/∂kl (B·K,) or, where `kl_per_dimension` is set, (B·K, Z)."""
        raise NotImplementedError

    def loss(self, terms: ELBOTerms) -> Any:
        """L, a single number still on the device."""
        return -self.xp.mean(terms.value)

    def unweighted(self, terms: ELBOTerms) -> ELBOTerms:
        """The terms of a forward at the full weight of the KL, without what training alone asks for."""
        return terms

    def zeros(self, rows: int) -> ELBOTerms:
        """Room for sums over batches of up to `rows` rows: one number for each term, or several that make it up."""
        return ELBOTerms(*(self.xp.zeros((), self._wide) for _ in ELBOTerms._fields))

    def accumulate(self, terms: ELBOTerms, sums: ELBOTerms) -> None:
        """Add each of the terms, over all rows, to the `sums` that `zeros` made."""
        for total, term in zip(sums, terms, strict=True):
            total += term.sum()

    def invalidate(self) -> None:
        """Forget the last forward: other rows are about to pass through the model, and no backward may follow."""
        self.rows = 0

    def check_forward(self) -> int:
        """The number of rows of the last forward. Raises ShapeError without one."""
        if not self.rows:
            raise ShapeError("backward was called without a forward just before; call forward first")
        return self.rows
