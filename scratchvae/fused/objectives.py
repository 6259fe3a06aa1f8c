"""The value of each row in one launch, and the sums of an epoch in another."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.fused import kernels as source
from scratchvae.fused.kernels import launch
from scratchvae.objectives import ELBO, ELBOTerms


class FusedELBO(ELBO):
    """The ELBO with its value in one launch; sums have a number a row, so that no sum has to wait for its batch."""

    kernels: Any

    def add_kl(self, log_likelihood: Array, charged: Array, value: Array) -> None:
        """ℓ − w β KL into `value` (B,)."""
        launch(self.kernels, source.ELBO, log_likelihood, charged, self.factor, value)

    def zeros(self, rows: int) -> ELBOTerms:
        """Room for sums over batches of up to `rows` rows, a number a row."""
        return ELBOTerms(*(self.xp.zeros((rows,), self._wide) for _ in ELBOTerms._fields))

    def accumulate(self, terms: ELBOTerms, sums: ELBOTerms) -> None:
        """Add each of the terms to the `sums` that `zeros` made."""
        launch(self.kernels, source.ACCUMULATE_TERMS, *terms, *(column[: len(terms.value)] for column in sums))
