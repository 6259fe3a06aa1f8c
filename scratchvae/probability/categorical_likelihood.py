"""The categorical likelihood, for answers and kinds: groups of columns of which one is 1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.kernels.missing import nan_to_zero, observed_mask
from scratchvae.memory import BatchBuffers
from scratchvae.probability.likelihood import Likelihood
from scratchvae.probability.support import Support
from scratchvae.validation import check_int, check_ints, short_repr

MIN_PROBABILITY = 0.001  # of the initial output: a category that never occurs has no finite logit


class Categorical(Likelihood):
    """Groups of one-hot columns side by side, each of one variable with K_g categories: log p(x | t) in nats.

    shapes   logits t, x (B, D), D = Σ_g K_g   log_likelihood (B,)
    saves    log q, and x − S q with S the sum of x over a group; the mask of NaN is computed from x, by reference
    writes   log_likelihood | dlogits, dx

    levels   (K_1, K_2, …): the numbers of categories, at least 2 each

    The columns of a group are 0 except one, which is 1. Probabilities that sum to 1 are accepted too: the result is
    then the expected log-likelihood. A group of NaN is missing. Raises ConfigError.
    """

    # With the softmax q_k = exp t_k / Σ_j exp t_j of a group:
    #   log p(x) = Σ_groups Σ_k x_k log q_k,   log q_k = t_k − m − log Σ_j exp(t_j − m),   m = max_j t_j
    # A missing group is replaced by zeros, whose log p is 0, as if it were integrated out: Σ_x p(x) = 1.
    # Sums over groups, and their repetition over the columns, are products with the matrix G (D, groups) of zeros and
    # ones and with its transpose.

    support = (0.0, 1.0)
    noise = "random"
    keeps_units = True

    def __init__(self, levels: Sequence[int]) -> None:
        checked = check_ints("levels", levels)
        if not checked:
            raise ConfigError(f"levels={short_repr(levels)}: expected the number of categories of each group: (3, 2)")
        self.levels = tuple(check_int(f"levels[{g}]", size, minimum=2) for g, size in enumerate(checked))
        self.input_dim = sum(self.levels)
        self.groups = tuple(pairwise(accumulate(self.levels, initial=0)))  # first column, and the one after the last

    def supports(self, input_dim: int) -> tuple[Support, ...]:
        """That of each group."""
        return tuple(Support(start, stop, 0.0, 1.0, one_hot=True) for start, stop in self.groups)

    def masked(self) -> Categorical:
        """The likelihood itself: a group of NaN counts as missing."""
        return self

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate log q, q, the derivative, the gradients and work arrays, and the matrix of the groups."""
        D, G = self.input_width, len(self.groups)
        self._log_likelihood, self._column = buffers.column(), buffers.column()
        self._log_q, self._q, self._derivative, self._x_filled = (buffers.matrix(D) for _ in range(4))
        self._repeated, self._dlogits, self._dx = (buffers.matrix(D) for _ in range(3))
        self._sums, self._ones = buffers.matrix(G), buffers.vector(D, 1.0)
        of_group = np.zeros((D, G), buffers.dtype)
        for g, (start, stop) in enumerate(self.groups):
            of_group[start:stop, g] = 1.0
        self._group_of = buffers.backend.upload(of_group)
        self._columns_of = buffers.backend.upload(np.ascontiguousarray(of_group.T))

    def forward(self, logits: Array, x: Array) -> Array:
        """log p(x | t) (B,) from logits and x (B, D)."""
        rows = self.check_inputs(logits=logits, x=x)
        log_likelihood, derivative = self._log_likelihood[:rows], self._derivative[:rows]
        x_o, repeated = self._x_filled[:rows], self._repeated[:rows]
        nan_to_zero(self.xp, x, out=x_o, scratch=repeated)
        self.write_log_softmax(logits, rows)
        log_q, q = self._log_q[:rows], self._q[:rows]
        self.xp.multiply(x_o, log_q, out=derivative)
        self.xp.matmul(derivative, self._ones, out=log_likelihood)
        self.sum_of_groups(x_o, rows)
        self.xp.multiply(repeated, q, out=derivative)
        self.xp.subtract(x_o, derivative, out=derivative)
        self.x, self.log_q, self.derivative = x, log_q, derivative
        return log_likelihood

    def write_log_softmax(self, logits: Array, rows: int) -> Array:
        """Write log q and q (B, D); return q."""
        log_q, q, repeated = self._log_q[:rows], self._q[:rows], self._repeated[:rows]
        column = self._column[:rows]
        for start, stop in self.groups:
            self.xp.max(logits[:, start:stop], axis=1, out=column)
            repeated[:, start:stop] = column[:, None]
        self.xp.subtract(logits, repeated, out=log_q)
        self.xp.exp(log_q, out=q)
        self.sum_of_groups(q, rows)
        q /= repeated
        self.xp.log(repeated, out=repeated)
        log_q -= repeated
        return q

    def sum_of_groups(self, values: Array, rows: int) -> None:
        """Write the sum of its group into each column of `_repeated` (B, D)."""
        self.xp.matmul(values, self._group_of, out=self._sums[:rows])
        self.xp.matmul(self._sums[:rows], self._columns_of, out=self._repeated[:rows])

    # ∂ log q_k/∂t_j = δ_kj − q_j in a group     →  dt = dlog_likelihood · (x − S q), which is 0 for a missing group
    def backward(self, dlog_likelihood: Array) -> Array:
        """dlogits (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dlogits = self._dlogits[:rows]
        self.xp.multiply(self.derivative, dlog_likelihood[:, None], out=dlogits)
        return dlogits

    # ∂ log p/∂x_k = log q_k, 0 if it is missing →  dx = dlog_likelihood · log q
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dx = observed_mask(self.xp, self.x, out=self._dx[:rows])
        dx *= self.log_q
        dx *= dlog_likelihood[:, None]
        return dx

    def mean(self, logits: Array, out: Array) -> Array:
        """E x = q (B, D), the probabilities, written into `out`."""
        self.check_outputs("logits", logits, out=out)
        out[...] = self.write_log_softmax(logits, self.check_inputs(logits=logits))
        return out

    # With the cumulative sums c_k = q_1 + … + q_k of a group, c_K = 1, and u uniform on [0, 1):
    #   x_k = [u < c_k] − [u < c_{k−1}],   P(x_k = 1) = q_k
    def draw(self, logits: Array, noise: Array, out: Array) -> Array:
        """One-hot groups x (B, D) from logits and uniform noise (B, D), of which a group uses its first column."""
        xp = self.check_outputs("logits", logits, out=out, noise=noise)
        rows = self.check_inputs(logits=logits, noise=noise)
        q = self.write_log_softmax(logits, rows)
        total, before, after = (xp.empty(rows, logits.dtype) for _ in range(3))
        for start, stop in self.groups:
            total.fill(0.0)
            before.fill(0.0)
            for k in range(start, stop):
                total += q[:, k]
                xp.less(noise[:, start], total, out=after)
                if k == stop - 1:
                    after.fill(1.0)
                xp.subtract(after, before, out=before)
                out[:, k] = before
                before[...] = after
        return out

    def output_bias(self, mean: Array) -> Array:
        """log of the mean, with probabilities of at least 0.001."""
        bias: Array = np.log(np.maximum(self.check_mean(mean), MIN_PROBABILITY))
        return bias
