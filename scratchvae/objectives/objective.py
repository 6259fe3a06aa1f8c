"""The interface of an objective, which computes the loss from the terms of each row."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.memory import BatchBuffers, Module, Shape, required
from scratchvae.representation import fields_repr


class ELBOTerms(NamedTuple):
    """The objective of each row, in nats: value = reconstruction − beta · kl, each (B,), at the full weight of the KL.

    For a VAE the value is the evidence lower bound (ELBO), estimated with one ε per row: reconstruction is
    log p(x | z), kl is KL(q(z | x) ‖ p(z)). Kingma and Welling 2013, eq. 3; with beta, Higgins et al. 2017, eq. 4.
    """

    value: Array
    reconstruction: Array
    kl: Array

    def __repr__(self) -> str:
        return fields_repr(self)


class Objective(Module):
    """The loss L = −(1/B) Σ_n value_n: the batch mean of the negative objective, in nats per row.

    `backward` returns the gradients of L, including the sign and the 1/B. Validation, `score` and `elbo` report the
    value of `with_unweighted_kl`: that of `forward` with the full weight of the KL.

    draws              K, the number of draws of z for each row of x
    exact_kl           True: use the KL in closed form if there is one; False: estimate it for each draw
    kl_per_dimension   True: `forward` also needs the KL of each latent dimension
    pathwise           True: the gradient reaches the parameters of q through z alone; see `PathwiseKL`
    beta               the weight of the KL in `ELBOTerms`
    weight             the `kl_weight` of the last forward. A forward that uses it must set it: the history and early
                       stopping read it
    """

    _axes = 1
    draws: int = 1
    exact_kl: ClassVar[bool] = True
    pathwise: ClassVar[bool] = False
    kl_per_dimension: bool = False
    beta: float = 1.0
    weight: float = 1.0
    rows: int = 0  # of the last forward

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate one value per row."""
        self._input_row_shape = ()  # the terms are one number per row, whatever the shape of a code
        self._value = buffers.column()
        self._wide = np.promote_types(buffers.dtype, np.float64)

    @required
    def forward(
        self, log_likelihood: Array, kl: Array, kl_weight: float = 1.0, kl_per_dimension: Array | None = None
    ) -> ELBOTerms:
        """The terms of each row (B,), from log_likelihood and kl (B·K,), the K draws of a row in succession.

        `kl_weight` multiplies the weight of the KL in `value`; the term `kl` is without it. kl_per_dimension is
        (B·K, Z), if the objective needs it.
        """
        raise NotImplementedError

    @required
    def backward(self) -> tuple[Array, Array]:
        """∂L/∂log_likelihood (B·K,), and ∂L/∂kl (B·K,) or, if `kl_per_dimension` is True, (B·K, Z)."""
        raise NotImplementedError

    def dz_factors(self) -> Array | None:
        """For a `pathwise` objective, the factor of the gradient of each draw of z, (B·K,); None: 1."""
        return None

    def loss(self, terms: ELBOTerms) -> Any:
        """L, a scalar array on the device."""
        return -self.xp.mean(terms.value)

    def with_unweighted_kl(self, terms: ELBOTerms) -> ELBOTerms:
        """The terms of a forward with the full weight of the KL, without changes for training such as free bits."""
        return terms

    def zeros(self, rows: int) -> ELBOTerms:
        """Allocate zeros for sums over batches of up to `rows` rows: one number per term, or several that sum to it."""
        return ELBOTerms(*(self.xp.zeros((), self._wide) for _ in ELBOTerms._fields))

    def accumulate(self, terms: ELBOTerms, sums: ELBOTerms) -> None:
        """Add the sum over all rows of each term to the `sums` allocated by `zeros`."""
        for total, term in zip(sums, terms, strict=True):
            total += term.sum()

    def invalidate(self) -> None:
        """Invalidate the last forward, because the model is about to process other rows: backward then raises."""
        self.rows = 0

    def check_forward(self) -> int:
        """Return the number of rows of the last forward. Raises ShapeError if there is none."""
        if not self.rows:
            raise ShapeError("backward was called without a forward just before; call forward first")
        return self.rows
