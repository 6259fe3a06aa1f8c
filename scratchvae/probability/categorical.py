"""The log-probabilities of K classes."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Module, Shape


class LogSoftmax(Module):
    """Log-probabilities of K classes from their logits: log q_k = t_k − log Σ_j exp t_j, in nats.

    shapes   logits t, log_q (B, K)
    saves    q
    writes   log_q | dlogits

    The cross-entropy of a row of class y is −log q_y.
    """

    # With m = max_j t_j no exponential exceeds 1, and one of them is 1, so the sum is in [1, K]:
    #   log Σ_j exp t_j = m + log Σ_j exp(t_j − m)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate log q, q, dlogits and one number per row."""
        self._log_q = buffers.matrix(self.input_width)
        self._q = buffers.matrix(self.input_width)
        self._dlogits = buffers.matrix(self.input_width)
        self._column = buffers.column()
        self._ones = buffers.vector(self.input_width, 1.0)

    def forward(self, logits: Array) -> Array:
        """log_q (B, K) from logits (B, K); sets `q`, valid until the next forward."""
        rows = self.check_inputs(logits=logits)
        log_q, q, column = self._log_q[:rows], self._q[:rows], self._column[:rows]
        self.xp.max(logits, axis=1, out=column)
        self.xp.subtract(logits, column[:, None], out=log_q)
        self.xp.exp(log_q, out=q)
        self.xp.matmul(q, self._ones, out=column)
        q /= column[:, None]
        self.xp.log(column, out=column)
        log_q -= column[:, None]
        self.q = q
        return log_q

    # ∂ log q_k/∂t_j = δ_kj − q_j    →  dt = dlog_q − q · Σ_k dlog_q_k
    def backward(self, dlog_q: Array) -> Array:
        """dlogits (B, K) from dlog_q (B, K)."""
        rows = self.check_gradients(dlog_q=dlog_q)
        dlogits, column = self._dlogits[:rows], self._column[:rows]
        self.xp.matmul(dlog_q, self._ones, out=column)
        self.xp.multiply(self.q, column[:, None], out=dlogits)
        self.xp.subtract(dlog_q, dlogits, out=dlogits)
        return dlogits
