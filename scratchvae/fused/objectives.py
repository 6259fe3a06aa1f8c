"""Fused objectives: the value of each row in few launches, and the sums of an epoch in one."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.fused import kernels as source
from scratchvae.fused.kernels import launch
from scratchvae.objectives import ELBO, ELBOTerms, ImportanceWeighted, Objective


class FusedObjective(Objective):
    """An objective whose sums over batches have one number per row, so that no reduction is needed."""

    kernels: Any

    def zeros(self, rows: int) -> ELBOTerms:
        """Allocate zeros for sums over batches of up to `rows` rows, one number per row."""
        return ELBOTerms(*(self.xp.zeros((rows,), self._wide) for _ in ELBOTerms._fields))

    def accumulate(self, terms: ELBOTerms, sums: ELBOTerms) -> None:
        """Add each of the terms to the `sums` allocated by `zeros`."""
        launch(self.kernels, source.ACCUMULATE_TERMS, *terms, *(column[: len(terms.value)] for column in sums))


class FusedELBO(FusedObjective, ELBO):
    """The ELBO with its value in one launch."""

    def add_kl(self, log_likelihood: Array, penalized_kl: Array, value: Array) -> None:
        """Write ℓ − w β KL into `value` (B,)."""
        launch(self.kernels, source.ELBO, log_likelihood, penalized_kl, self.factor, value)


class FusedImportanceWeighted(FusedObjective, ImportanceWeighted):
    """ImportanceWeighted in three launches besides those of the bound, and one backward."""

    def forward(
        self, log_likelihood: Array, kl: Array, kl_weight: float = 1.0, kl_per_dimension: Array | None = None
    ) -> ELBOTerms:
        """The terms of each row (B,), from its K draws (B·K,)."""
        rows, K = self.check_inputs(log_likelihood=log_likelihood, kl=kl), self.draws
        self.rows, self.weight = rows, kl_weight
        log_w = self._log_w[: rows * K]
        launch(self.kernels, source.ELBO, log_likelihood, kl, kl_weight, log_w)
        bound = self.importance_bound.forward(log_w.reshape(rows, K))
        weights = self.importance_bound.normalized_weights
        value, reconstruction, gap = self._value[:rows], self._reconstruction[:rows], self._kl[:rows]
        unweighted: Any = 0.0
        launch(self.kernels, source.WEIGHTED_SUM, weights, log_likelihood.reshape(rows, K), 1.0, reconstruction)
        if kl_weight != 1.0:
            unweighted = self._uncharged[:rows]
            launch(self.kernels, source.WEIGHTED_SUM, weights, kl.reshape(rows, K), 1.0 - kl_weight, unweighted)
        launch(self.kernels, source.IMPORTANCE_TERMS, bound, reconstruction, unweighted, value, gap)
        return ELBOTerms(value, reconstruction, gap)

    def backward(self) -> tuple[Array, Array]:
        """dlog_likelihood and dkl (B·K,)."""
        rows = self.check_forward()
        weights = self.importance_bound.normalized_weights
        dlog_w, dkl = (array[: rows * self.draws].reshape(rows, self.draws) for array in (self._log_w, self._dkl))
        launch(self.kernels, source.IMPORTANCE_GRADIENT, weights, -1.0 / rows, self.weight, dlog_w, dkl)
        return dlog_w.reshape(-1), dkl.reshape(-1)
