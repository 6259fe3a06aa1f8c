"""Densities of pixels that are given by their logits: what they have in common is their derivative."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers
from scratchvae.probability.likelihood import Likelihood


class LogitLikelihood(Likelihood):
    """An exponential family in its logits t, log p(x | t) = x t − A(t), for each pixel x in [0, 1].

    shapes   logits t, x (B, D)   log_likelihood (B,)
    keeps    x − A′(t), its own; t, borrowed until backward returns
    writes   log_likelihood | dlogits, dx

    A subclass writes `forward`, which leaves t in `logits` and x − A′(t) in `slope`.
    """

    support = (0.0, 1.0)
    noise = "random"
    logits: Array
    slope: Array

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for the term and the slope of every pixel, the sum of a row's terms, and the gradients."""
        self._log_likelihood = buffers.column()
        self._terms = buffers.matrix(self.input_width)
        self._slope = buffers.matrix(self.input_width)
        self._dlogits = buffers.matrix(self.input_width)
        self._dx = buffers.matrix(self.input_width)
        self._ones = buffers.vector(self.input_width, 1.0)

    # log p(x | t) = x t − A(t), hence
    #   ∂ log p/∂t = x − A′(t)       →  dt = dlog_likelihood · (x − A′(t))
    def backward(self, dlog_likelihood: Array) -> Array:
        """dlogits (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dlogits = self._dlogits[:rows]
        self.xp.multiply(self.slope, dlog_likelihood[:, None], out=dlogits)
        return dlogits

    #   ∂ log p/∂x = t               →  dx = dlog_likelihood · t
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dx = self._dx[:rows]
        self.xp.multiply(self.logits, dlog_likelihood[:, None], out=dx)
        return dx
