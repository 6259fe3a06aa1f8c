"""Pixels that are on or off."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.logistic import sigmoid, softplus
from scratchvae.memory import BatchBuffers, Unit


class Bernoulli(Unit):
    """Independent Bernoulli pixels given by their logits: log p(x | t) in nats. Kingma and Welling 2013, appendix C.1.

    shapes   logits t, x (B, D)   log_likelihood (B,)
    keeps    t and x, borrowed until backward returns
    writes   log_likelihood | dlogits, dx

    x is 0 or 1. Grey values in [0, 1] are accepted too, as is customary: then
    the number is the expected log-likelihood of x's random binarisation, no density of x itself.
    """

    support = (0.0, 1.0)

    # With p = σ(t):  log p(x) = x log σ(t) + (1 − x) log σ(−t)
    # and log σ(t) = t − softplus(t), log σ(−t) = −softplus(t), so that
    #   log p(x) = x t − softplus(t)
    # in which no probability, and so no log of 0, ever appears.

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for the terms of every pixel, their sums, and the gradients."""
        self._log_likelihood = buffers.column()
        self._terms = buffers.matrix(width)
        self._dlogits = buffers.matrix(width)
        self._dx = buffers.matrix(width)
        return 0

    def forward(self, logits: Array, x: Array) -> Array:
        """log p(x | t) (B,) from logits and x (B, D)."""
        rows = self.admit(logits=logits, x=x)
        terms, scratch = self._terms[:rows], self._dlogits[:rows]
        log_likelihood = self._log_likelihood[:rows]
        softplus(self.xp, logits, out=terms, scratch=scratch)
        self.xp.multiply(x, logits, out=scratch)
        self.xp.subtract(scratch, terms, out=terms)
        self.xp.sum(terms, axis=1, out=log_likelihood)
        self.logits, self.x = logits, x
        return log_likelihood

    # softplus′ = σ, hence
    #   ∂ log p/∂t = x − σ(t)        →  dt = dlog_likelihood · (x − σ(t))
    def backward(self, dlog_likelihood: Array) -> Array:
        """dlogits (B, D) from dlog_likelihood (B,)."""
        rows = self.admit_gradient(dlog_likelihood=dlog_likelihood)
        dlogits = self._dlogits[:rows]
        self.mean(self.logits, out=dlogits)
        self.xp.subtract(self.x, dlogits, out=dlogits)
        dlogits *= dlog_likelihood[:, None]
        return dlogits

    #   ∂ log p/∂x = t               →  dx = dlog_likelihood · t
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        rows = self.admit_gradient(dlog_likelihood=dlog_likelihood)
        dx = self._dx[:rows]
        self.xp.multiply(self.logits, dlog_likelihood[:, None], out=dx)
        return dx

    def mean(self, logits: Array, out: Array) -> Array:
        """E x = σ(t), the picture that a decoder shows."""
        return sigmoid(self.xp, logits, out=out)
