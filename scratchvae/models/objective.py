"""The one place where rows become a loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.memory import BatchBuffers, fuse


class Terms(NamedTuple):
    """The objective of each row, in nats: value = reconstruction − beta · kl, each (B,).

    For a VAE the value is the evidence lower bound (ELBO), estimated with one ε a row: reconstruction is
    log p(x | z), kl is KL(q(z | x) ‖ p(z)). Kingma and Welling 2013, eq. 3; with beta, Higgins et al. 2017, eq. 4.
    """

    value: Array
    reconstruction: Array
    kl: Array


class Objective:
    """L = −(1/B) Σ_n (ℓ_n − w β KL_n), the batch mean of the negative objective, in nats a row.

    w, the weight of the KL, is 1 but where training lets it rise. What is charged of a row may be another number than
    its KL, as with free bits: then that stands for KL_n in L and in `value`, and `kl` stays what it is.
    """

    def __init__(self, beta: float) -> None:
        self.beta = beta
        self.weight = 1.0  # of the last forward
        self.rows = 0
        self.sums: Terms | None = None  # where the terms of each forward are added up: what `zeros` made, or nowhere

    def bind(self, buffers: BatchBuffers) -> None:
        """Receive room for a value and two gradients a row, and for sums that nobody asks for."""
        fuse(self, buffers.backend.xp)
        self.xp: Any = buffers.backend.xp
        self._value = buffers.column()
        self._dreconstruction = buffers.column()
        self._dkl = buffers.column()
        self._filled: tuple[int, float] | None = None
        self._wide = np.promote_types(buffers.dtype, np.float64)
        self._unwanted = self.zeros(buffers.rows)  # for a kernel, which adds up in any case

    def forward(self, reconstruction: Array, kl: Array, charged: Array | None = None, weight: float = 1.0) -> Terms:
        """The terms of each row, on loan, from (B,) each; `charged` is what L takes for the KL, if that is not `kl`."""
        self.rows, self.weight = len(kl), weight
        value = self._value[: self.rows]
        self.xp.multiply(kl if charged is None else charged, -self.factor, out=value)
        value += reconstruction
        terms = Terms(value, reconstruction, kl)
        if self.sums is not None:
            for total, term in zip(self.sums, terms, strict=True):
                total += term.sum()
        return terms

    @property
    def factor(self) -> float:
        """w β of the last forward."""
        return self.weight * self.beta

    def bound(self, terms: Terms) -> Terms:
        """`terms`, with its value set to reconstruction − β kl: what is told, however training weighs and charges."""
        self.xp.multiply(terms.kl, -self.beta, out=terms.value)
        self.xp.add(terms.value, terms.reconstruction, out=terms.value)
        return terms

    def zeros(self, rows: int) -> Terms:
        """Room for sums over batches of up to `rows` rows, each of which is the sum of its numbers.

        That is one number; on a device one a row, which takes it no launch.
        """
        return Terms(*(self.xp.zeros(self.shape_of_sums(rows), self._wide) for _ in Terms._fields))

    def shape_of_sums(self, rows: int) -> tuple[int, ...]:
        """That of each sum."""
        return ()

    def forget(self) -> None:
        """Other rows are about to pass through the model: no backward may follow."""
        self.rows = 0

    def loss(self, terms: Terms) -> Any:
        """L, a single number still on the device."""
        return -self.xp.mean(terms.value)

    # L = −(1/B) Σ_n (ℓ_n − w β KL_n), hence for every row
    #   ∂L/∂ℓ_n  = −1/B
    #   ∂L/∂KL_n = w β/B
    def backward(self) -> tuple[Array, Array]:
        """dreconstruction and dkl, (B,) each, on loan: they are not written again while they stay the same.

        dkl is of what was charged.
        """
        if not self.rows:
            raise ShapeError("backward was called without a forward just before; call forward first")
        dreconstruction, dkl = self._dreconstruction[: self.rows], self._dkl[: self.rows]
        if self._filled != (self.rows, self.factor):
            self._filled = self.rows, self.factor
            dreconstruction.fill(-1.0 / self.rows)
            dkl.fill(self.factor / self.rows)
        return dreconstruction, dkl
