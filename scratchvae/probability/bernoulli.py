"""The Bernoulli likelihood, for binary pixels."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.kernels.bernoulli import bernoulli
from scratchvae.kernels.logistic import sigmoid
from scratchvae.probability.logits import LogitLikelihood


class Bernoulli(LogitLikelihood):
    """Independent Bernoulli pixels with logits t: log p(x | t) in nats. Kingma and Welling 2013, appendix C.1.

    shapes   logits t, x (B, D)   log_likelihood (B,)
    saves    x − σ(t); t, by reference
    writes   log_likelihood | dlogits, dx

    x is 0 or 1. Grey values in [0, 1] are also accepted, as is customary: the result is then the expected
    log-likelihood of a random binarization of x, not a density of x.
    The mean σ(t) is the probability of a one. A pixel that z does not determine is grey in the mean, so edges are soft;
    a pixel that z determines can be black or white, because a certain and correct prediction costs nothing.
    """

    # With p = σ(t):  log p(x) = x log σ(t) + (1 − x) log σ(−t)
    # and log σ(t) = t − softplus(t), log σ(−t) = −softplus(t), so that
    #   log p(x) = x t − softplus(t)
    # which contains no probability, and so no log of 0. A(t) is softplus(t) and A′(t) = σ(t): see `LogitLikelihood` for
    # the backward.

    def forward(self, logits: Array, x: Array) -> Array:
        """log p(x | t) (B,) from logits and x (B, D)."""
        rows = self.check_inputs(logits=logits, x=x)
        log_likelihood, terms, derivative = self._log_likelihood[:rows], self._terms[:rows], self._derivative[:rows]
        bernoulli(self.xp, logits, x, terms, derivative, scratch=self._dlogits[:rows])
        self.xp.matmul(terms, self._ones, out=log_likelihood)
        self.logits, self.derivative = logits, derivative
        return log_likelihood

    def mean(self, logits: Array, out: Array) -> Array:
        """E x = σ(t) (B, D), written into `out`: the reconstructed image."""
        return sigmoid(self.check_outputs("logits", logits, out=out), logits, out=out)

    # P(u < σ(t)) = σ(t) for u uniform on [0, 1)
    def draw(self, logits: Array, noise: Array, out: Array) -> Array:
        """x (B, D) of zeros and ones from logits and uniform noise (B, D)."""
        xp = self.check_outputs("logits", logits, out=out, noise=noise)
        sigmoid(xp, logits, out=out)
        xp.less(noise, out, out=out)
        return out

    def output_bias(self, mean: Array) -> Array:
        """logit(mean), with the mean clipped to [0.001, 0.999], so that no pixel is certain at the start.

        As in the code of Burda, Grosse and Salakhutdinov (2016).
        """
        p = np.clip(self.check_mean(mean), 0.001, 0.999)
        bias: Array = np.log(p / (1.0 - p))
        return bias
