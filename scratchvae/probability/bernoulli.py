"""Pixels that are on or off."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.kernels.bernoulli import bernoulli
from scratchvae.kernels.logistic import sigmoid
from scratchvae.probability.logits import LogitLikelihood


class Bernoulli(LogitLikelihood):
    """Independent Bernoulli pixels given by their logits: log p(x | t) in nats. Kingma and Welling 2013, appendix C.1.

    shapes   logits t, x (B, D)   log_likelihood (B,)
    keeps    x − σ(t), its own; t, borrowed until backward returns
    writes   log_likelihood | dlogits, dx

    x is 0 or 1. Grey values in [0, 1] are accepted too, as is customary: then
    the number is the expected log-likelihood of x's random binarisation, no density of x itself.
    The mean σ(t) is the chance of a one: where z leaves open whether a pixel is on, it is shown grey, so that edges are
    soft; a pixel that z decides is free to be black or white, for nothing is lost by being sure and right.
    """

    # With p = σ(t):  log p(x) = x log σ(t) + (1 − x) log σ(−t)
    # and log σ(t) = t − softplus(t), log σ(−t) = −softplus(t), so that
    #   log p(x) = x t − softplus(t)
    # in which no probability, and so no log of 0, ever appears. A(t) is softplus(t) and A′(t) = σ(t): see
    # `LogitLikelihood` for the backward.

    def forward(self, logits: Array, x: Array) -> Array:
        """log p(x | t) (B,) from logits and x (B, D)."""
        rows = self.check_inputs(logits=logits, x=x)
        log_likelihood, terms, slope = self._log_likelihood[:rows], self._terms[:rows], self._slope[:rows]
        bernoulli(self.xp, logits, x, terms, slope, scratch=self._dlogits[:rows])
        self.xp.matmul(terms, self._ones, out=log_likelihood)
        self.logits, self.slope = logits, slope
        return log_likelihood

    def mean(self, logits: Array, out: Array) -> Array:
        """E x = σ(t), the picture that a decoder shows."""
        return sigmoid(self.check_outputs("logits", logits, out=out), logits, out=out)

    # P(u < σ(t)) = σ(t) for u uniform on [0, 1)
    def draw(self, logits: Array, noise: Array, out: Array) -> Array:
        """x (B, D) of zeros and ones from logits and uniform noise (B, D)."""
        xp = self.check_outputs("logits", logits, out=out, noise=noise)
        sigmoid(xp, logits, out=out)
        xp.less(noise, out, out=out)
        return out

    def output_bias(self, mean: Array) -> Array:
        """logit(mean), with means kept within [0.001, 0.999], so that no pixel begins certain.

        As in the code of Burda, Grosse and Salakhutdinov (2016).
        """
        p = np.clip(self.check_mean(mean), 0.001, 0.999)
        bias: Array = np.log(p / (1.0 - p))
        return bias
