"""Grey values from 0 to 1."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.kernels.continuous_bernoulli import (
    Scratch,
    continuous_bernoulli,
    continuous_bernoulli_draw,
    continuous_bernoulli_mean,
)
from scratchvae.memory import BatchBuffers
from scratchvae.probability.logits import LogitLikelihood

LEAST, LARGEST = 0.05, 0.95  # mean to begin with: t is within ±20, where a pixel that comes out otherwise costs 17 nats


class ContinuousBernoulli(LogitLikelihood):
    """Independent grey values in [0, 1] given by logits: log p(x | t) in nats. Loaiza-Ganem and Cunningham 2019.

    shapes   logits t, x (B, D)   log_likelihood (B,)
    keeps    x − E x, its own; t, borrowed until backward returns
    writes   log_likelihood | dlogits, dx

    For grey values as they are. The Bernoulli formula is no density of these: it lacks the normaliser C(t). An error δ
    of the mean m costs about δ²/2v nats, v the variance of x: here 1/12 at m = ½ and m² near 0, for a Bernoulli ¼ and
    m, for a Gaussian σ². So an error costs three times and more what it costs there, z is worth telling more of x by,
    and pictures are sharper; what z leaves open is averaged here too. The mean is not σ(t) but nearer to ½, and `mean`
    gives it. The density has no bound: pixels that are always black draw t to −∞ and raise the ELBO by log |t| each, so
    compare it on the same pixels only.
    """

    # log p(x) = x t − softplus(t) + log C(t),  C(t) = t / tanh(½ t), 2 at 0: the density exp(x t) over its sum.
    # So A(t) = softplus(t) − log C(t) and A′(t) = E x: see `LogitLikelihood` for the backward.

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room to compute in besides."""
        super().allocate(buffers)
        self._between = buffers.matrix(self.input_width)

    def forward(self, logits: Array, x: Array) -> Array:
        """log p(x | t) (B,) from logits and x (B, D)."""
        rows = self.check_inputs(logits=logits, x=x)
        log_likelihood, terms, slope = self._log_likelihood[:rows], self._terms[:rows], self._slope[:rows]
        continuous_bernoulli(self.xp, logits, x, terms, slope, self._scratch(rows))
        self.xp.matmul(terms, self._ones, out=log_likelihood)
        self.logits, self.slope = logits, slope
        return log_likelihood

    def mean(self, logits: Array, out: Array) -> Array:
        """E x = 1/(1 − exp(−t)) − 1/t, which is ½ at 0."""
        self.check_outputs("logits", logits, out=out)
        scratch = self._scratch(self.check_inputs(logits=logits))
        return continuous_bernoulli_mean(self.xp, logits, out, scratch)

    # The chance of being below x, (exp(x t) − 1)/(exp(t) − 1), is uniform. With a = |t| it is u at
    #   x = y where t < 0 and 1 − y where not,  y = log(1 + u (exp(−a) − 1))/(−a)
    # of which the second is drawn by 1 − u, uniform as well.
    def draw(self, logits: Array, noise: Array, out: Array) -> Array:
        """x (B, D) from logits and uniform noise (B, D)."""
        self.check_outputs("logits", logits, out=out, noise=noise)
        scratch = self._scratch(self.check_inputs(logits=logits, noise=noise))
        return continuous_bernoulli_draw(self.xp, logits, noise, out, scratch)

    # E x grows with t, and is 0.05 or 0.95 close to ∓20: fifty halvings of [−32, 32] leave less than 1e-13.
    def output_bias(self, mean: Array) -> Array:
        """The t at which E x is `mean`, with means kept within [0.05, 0.95]."""
        wanted = np.clip(self.check_mean(mean), LEAST, LARGEST)
        below, above = np.full(wanted.shape, -32.0), np.full(wanted.shape, 32.0)
        scratch = Scratch(*np.empty((3, *wanted.shape)))
        for _ in range(50):
            middle = 0.5 * (below + above)
            under = continuous_bernoulli_mean(np, middle, np.empty_like(middle), scratch) < wanted
            below, above = np.where(under, middle, below), np.where(under, above, middle)
        bias: Array = 0.5 * (below + above)
        return bias

    def _scratch(self, rows: int) -> Scratch:
        return Scratch(self._dlogits[:rows], self._dx[:rows], self._between[:rows])
