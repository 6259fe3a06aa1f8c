"""The backward of likelihoods on logits, which is the same for all of them."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers
from scratchvae.probability.likelihood import Likelihood


class LogitLikelihood(Likelihood):
    """An exponential family in its logits t, log p(x | t) = x t − A(t), for each pixel x in [0, 1].

    shapes   logits t, x (B, D)   log_likelihood (B,)
    saves    x − A′(t); t, by reference
    writes   log_likelihood | dlogits, dx

    A subclass implements `forward`, which sets `logits` to t and `derivative` to x − A′(t).
    """

    support = (0.0, 1.0)
    noise = "random"
    logits: Array
    derivative: Array

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the sums, the terms and derivatives of every pixel, and the gradients."""
        self._log_likelihood = buffers.column()
        self._terms = buffers.matrix(self.input_width)
        self._derivative = buffers.matrix(self.input_width)
        self._dlogits = buffers.matrix(self.input_width)
        self._dx = buffers.matrix(self.input_width)
        self._ones = buffers.vector(self.input_width, 1.0)

    # log p(x | t) = x t − A(t), hence
    #   ∂ log p/∂t = x − A′(t)       →  dt = dlog_likelihood · (x − A′(t))
    def backward(self, dlog_likelihood: Array) -> Array:
        """dlogits (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dlogits = self._dlogits[:rows]
        self.xp.multiply(self.derivative, dlog_likelihood[:, None], out=dlogits)
        return dlogits

    #   ∂ log p/∂x = t               →  dx = dlog_likelihood · t
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dx = self._dx[:rows]
        self.xp.multiply(self.logits, dlog_likelihood[:, None], out=dx)
        return dx
