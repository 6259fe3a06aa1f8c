"""The importance-weighted bound."""

from __future__ import annotations

from typing import ClassVar

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers
from scratchvae.objectives.objective import ELBOTerms, Objective
from scratchvae.probability import ImportanceBound
from scratchvae.validation import check_int


class ImportanceWeighted(Objective):
    """The negative bound of K draws, L = −(1/B) Σ_n log (1/K) Σ_k w_nk. Burda, Grosse and Salakhutdinov 2016.

    shapes   log_likelihood, kl (B·K,)   value, reconstruction, kl of the terms (B,)
    saves    the normalized weight of each draw
    writes   value, reconstruction, kl | dlog_likelihood, dkl

    w_k = p(x | z_k) (p(z_k) / q(z_k | x))^w, where w, the weight of the KL, is 1 except in training with a `kl_weight`.
    The input kl is log q(z_k | x) − log p(z_k) of each draw. In the terms, value is the bound, reconstruction the mean
    of log p(x | z_k) by the normalized weights, and kl, for w = 1, their difference; see `forward` for other w.
    """

    exact_kl: ClassVar[bool] = False

    def __init__(self, draws: int = 20) -> None:
        self.draws = check_int("draws", draws)
        self.importance_bound = ImportanceBound()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate five numbers per row, two per draw, and the buffers of the bound."""
        super().allocate(buffers)
        self.importance_bound.bind(buffers, (self.draws,))
        draw_buffers = buffers.resized(buffers.rows * self.draws)
        self._reconstruction, self._kl, self._uncharged, self._dbound = (buffers.column() for _ in range(4))
        self._log_w, self._dkl = draw_buffers.column(), draw_buffers.column()
        self._filled_for = 0  # rows of the gradients in _dbound

    def check_inputs(self, **inputs: Array) -> int:
        """Check that each input is (B·K,), and return the number of rows B. Raises as `Module.check_inputs`."""
        name, first = next(iter(inputs.items()))
        buffers = self._buffers or self._bind_to_input(name, first)
        rows = (len(first) if getattr(first, "shape", ()) else 0) // self.draws
        self._check_arrays(buffers, inputs, (rows * self.draws,))
        if rows > buffers.rows:
            self.bind(buffers.resized(rows), self.input_shape)
        return rows

    # With z_k ~ q(z | x), E[p(x, z_k)/q(z_k | x)] = p(x), which is also the expectation of the mean of K weights. By
    # Jensen's inequality,
    #   E log (1/K) Σ_k w_k ≤ log E (1/K) Σ_k w_k = log p(x)
    #   log w_k = ℓ_k − w r_k   with ℓ_k = log p(x | z_k),  r_k = log q(z_k | x) − log p(z_k),  w = 1
    # Another w anneals the KL in training, as in the ELBO: at w = 0 the prior does not enter. With the normalized
    # weights w̃_k = w_k / Σ_j w_j, log (1/K) Σ_j w_j = log w_k − log (K w̃_k) for each k. Its mean by w̃ is
    #   value = Σ_k w̃_k ℓ_k − w Σ_k w̃_k r_k − Σ_k w̃_k log (K w̃_k)
    # The last sum is KL(w̃ ‖ uniform), which w does not multiply, and 0 for one draw. The terms have, for every w,
    #   kl = Σ_k w̃_k r_k + Σ_k w̃_k log (K w̃_k) = reconstruction − value + (1 − w) Σ_k w̃_k r_k
    # By Jensen's inequality once more, reconstruction − kl is at most the bound that these draws have at w = 1.
    def forward(
        self, log_likelihood: Array, kl: Array, kl_weight: float = 1.0, kl_per_dimension: Array | None = None
    ) -> ELBOTerms:
        """The terms of each row (B,), from its K draws (B·K,)."""
        rows, K = self.check_inputs(log_likelihood=log_likelihood, kl=kl), self.draws
        xp, self.rows, self.weight = self.xp, rows, kl_weight
        log_w = self._log_w[: rows * K]
        xp.multiply(kl, -kl_weight, out=log_w)
        log_w += log_likelihood
        bound = self.importance_bound.forward(log_w.reshape(rows, K))

        reconstruction, gap, value = self._reconstruction[:rows], self._kl[:rows], self._value[:rows]
        weighted, normalized_weights = log_w.reshape(rows, K), self.importance_bound.normalized_weights
        xp.multiply(normalized_weights, log_likelihood.reshape(rows, K), out=weighted)
        xp.sum(weighted, axis=1, out=reconstruction)
        xp.subtract(reconstruction, bound, out=gap)
        xp.subtract(reconstruction, gap, out=value)
        if kl_weight != 1.0:
            uncharged = self._uncharged[:rows]
            xp.multiply(normalized_weights, kl.reshape(rows, K), out=weighted)
            xp.sum(weighted, axis=1, out=uncharged)
            uncharged *= 1.0 - kl_weight
            gap += uncharged
        return ELBOTerms(value, reconstruction, gap)

    # ∂L/∂bound_n = −1/B, and through log w_k = ℓ_k − w r_k
    #   dlog_likelihood = dlog w_k,   dkl = −w dlog w_k
    def backward(self) -> tuple[Array, Array]:
        """dlog_likelihood and dkl (B·K,)."""
        rows = self.check_forward()
        dbound = self._dbound[:rows]
        if self._filled_for != rows:
            self._filled_for = rows
            dbound.fill(-1.0 / rows)
        dlog_w = self.importance_bound.backward(dbound).reshape(-1)
        dkl = self._dkl[: len(dlog_w)]
        self.xp.multiply(dlog_w, -self.weight, out=dkl)
        return dlog_w, dkl
