"""The bound that several draws give together."""

from __future__ import annotations

from math import log

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Module, Shape


class ImportanceBound(Module):
    """log (1/K) Σ_k w_k in nats, from K log-weights a row. Burda, Grosse and Salakhutdinov 2016, eq. 8.

    shapes   log_w (B, K)   bound (B,)   share (B, K)
    keeps    share, its own
    writes   bound | dlog_w

    With w_k = p(x, z_k) / q(z_k | x) and z_k drawn from q, its mean is a lower bound of log p(x), that of K = 1 the
    ELBO, and none that has more draws is lower. `normalized_weights` (B, K), valid until the next
    call, are the weights divided by their sum over each row.
    """

    # With m = max_k log w_k no exponential exceeds 1, and one of them is 1, so that their sum s is in [1, K]:
    #   log (1/K) Σ_k w_k = m + log s − log K,    s = Σ_k exp(log w_k − m)

    def output_shape(self, input_shape: Shape) -> Shape:
        """One number a row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for two numbers a row, and for two of each weight."""
        self._bound, self._sum = buffers.column(), buffers.column()
        self._share, self._dlog_w = buffers.matrix(self.input_width), buffers.matrix(self.input_width)
        self._ones = buffers.vector(self.input_width, 1.0)

    def forward(self, log_w: Array) -> Array:
        """bound (B,) from log_w (B, K)."""
        rows = self.check_inputs(log_w=log_w)
        bound, total, normalized_weights = self._bound[:rows], self._sum[:rows], self._share[:rows]
        self.xp.max(log_w, axis=1, out=bound)
        self.xp.subtract(log_w, bound[:, None], out=normalized_weights)
        self.xp.exp(normalized_weights, out=normalized_weights)
        self.xp.matmul(normalized_weights, self._ones, out=total)
        normalized_weights /= total[:, None]
        self.xp.log(total, out=total)
        bound += total
        bound -= log(self.input_width)
        self.normalized_weights = normalized_weights
        return bound

    # ∂/∂(log w_k) log Σ_j w_j = w_k / Σ_j w_j, its share: the best draw weighs most
    #   →  dlog_w_k = dbound · share_k
    def backward(self, dbound: Array) -> Array:
        """dlog_w (B, K) from dbound (B,)."""
        rows = self.check_gradients(dbound=dbound)
        dlog_w = self._dlog_w[:rows]
        self.xp.multiply(self.normalized_weights, dbound[:, None], out=dlog_w)
        return dlog_w
