"""The fused ELBO: the value of each row in one launch, and the sums of an epoch in another."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.fused import kernels as source
from scratchvae.fused.kernels import launch
from scratchvae.objectives import ELBO, ELBOTerms


class FusedELBO(ELBO):
    """The ELBO with its value in one launch. Sums over batches have one number per row, so no reduction is needed."""

    kernels: Any

    def add_kl(self, log_likelihood: Array, penalized_kl: Array, value: Array) -> None:
        """Write ℓ − w β KL into `value` (B,)."""
        launch(self.kernels, source.ELBO, log_likelihood, penalized_kl, self.factor, value)

    def zeros(self, rows: int) -> ELBOTerms:
        """Allocate zeros for sums over batches of up to `rows` rows, one number per row."""
        return ELBOTerms(*(self.xp.zeros((rows,), self._wide) for _ in ELBOTerms._fields))

    def accumulate(self, terms: ELBOTerms, sums: ELBOTerms) -> None:
        """Add each of the terms to the `sums` allocated by `zeros`."""
        launch(self.kernels, source.ACCUMULATE_TERMS, *terms, *(column[: len(terms.value)] for column in sums))
