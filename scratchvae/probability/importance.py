"""The importance-weighted bound of several draws."""

from __future__ import annotations

from math import log

import numpy as np

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Module, Shape


class ImportanceBound(Module):
    """log (1/K) Σ_k w_k in nats, from K log-weights per row. Burda, Grosse and Salakhutdinov 2016, eq. 8.

    shapes   log_w, normalized_weights w̃ (B, K)   bound (B,)
    saves    normalized_weights
    writes   bound, normalized_weights | dlog_w

    With w_k = p(x, z_k) / q(z_k | x) and z_k drawn from q, its mean is a lower bound of log p(x): the ELBO for K = 1,
    and never lower for more draws. `normalized_weights` are the weights divided by their sum over each row, valid until
    the next forward. Weights that are so small that gradients would be subnormal, which is slow, are 0.
    """

    # With m = max_k log w_k no exponential exceeds 1, and one of them is 1, so their sum s is in [1, K]:
    #   log (1/K) Σ_k w_k = m + log s − log K,    s = Σ_k exp(log w_k − m)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate two numbers per row, and two arrays of the shape of log_w."""
        self._bound, self._sum = buffers.column(), buffers.column()
        self._normalized_weights, self._dlog_w = buffers.matrix(self.input_width), buffers.matrix(self.input_width)
        self._ones = buffers.vector(self.input_width, 1.0)
        # A gradient is a weight times numbers of about 1. The largest weight of a row is at least 1/K, so that weights
        # below eps²/K are lost in sums over the draws. The limit is far below, 8e-25 in float32, and by 1/eps² above
        # the smallest normal number. With five draws and new weights, a backward on a Xeon takes 9 instead of 187 ms.
        info = np.finfo(buffers.dtype)
        self._smallest = float(info.smallest_normal / info.eps**2)

    def forward(self, log_w: Array) -> Array:
        """bound (B,) from log_w (B, K)."""
        rows = self.check_inputs(log_w=log_w)
        bound, total, normalized_weights = self._bound[:rows], self._sum[:rows], self._normalized_weights[:rows]
        self.xp.max(log_w, axis=1, out=bound)
        self.xp.subtract(log_w, bound[:, None], out=normalized_weights)
        self.xp.exp(normalized_weights, out=normalized_weights)
        self.xp.matmul(normalized_weights, self._ones, out=total)
        normalized_weights /= total[:, None]
        is_large = self.xp.greater_equal(normalized_weights, self._smallest, out=self._dlog_w[:rows])
        normalized_weights *= is_large
        self.xp.log(total, out=total)
        bound += total
        bound -= log(self.input_width)
        self.normalized_weights = normalized_weights
        return bound

    # ∂/∂(log w_k) log Σ_j w_j = w_k / Σ_j w_j = w̃_k: the best draw has the largest weight
    #   →  dlog_w_k = dbound · w̃_k
    def backward(self, dbound: Array) -> Array:
        """dlog_w (B, K) from dbound (B,)."""
        rows = self.check_gradients(dbound=dbound)
        dlog_w = self._dlog_w[:rows]
        self.xp.multiply(self.normalized_weights, dbound[:, None], out=dlog_w)
        return dlog_w
