"""The continuous Bernoulli likelihood, for grey values in [0, 1]."""

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

MEAN_RANGE = 0.05, 0.95  # of the initial mean: |t| ≤ 20, where a pixel at the opposite end costs 17 nats


class ContinuousBernoulli(LogitLikelihood):
    """Independent grey values in [0, 1] with logits t: log p(x | t) in nats. Loaiza-Ganem and Cunningham 2019.

    shapes   logits t, x (B, D)   log_likelihood (B,)
    saves    x − E x; t, by reference
    writes   log_likelihood | dlogits, dx

    The Bernoulli formula is not a density of grey values, because it lacks the normalizing constant C(t). An error δ of
    the mean m costs about δ²/2v nats, where v is the variance of x: here 1/12 at m = ½ and m² near 0; for a Bernoulli ¼
    and m; for a Gaussian σ². So an error costs at least three times as much as with a Bernoulli, z carries more
    information about x, and images are sharper; what z does not determine is averaged here too. The mean is not σ(t)
    but closer to ½; `mean` computes it. The density is unbounded: pixels that are always black drive t to −∞ and raise
    the ELBO by log |t| each, so compare ELBOs on the same pixels only.
    """

    # log p(x) = x t − softplus(t) + log C(t),  C(t) = t / tanh(½ t), 2 at 0: the density is exp(x t) over its
    # integral. So A(t) = softplus(t) − log C(t) and A′(t) = E x: see `LogitLikelihood` for the backward.

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the buffers of the base class and one more work array."""
        super().allocate(buffers)
        self._work = buffers.matrix(self.input_width)

    def forward(self, logits: Array, x: Array) -> Array:
        """log p(x | t) (B,) from logits and x (B, D)."""
        rows = self.check_inputs(logits=logits, x=x)
        log_likelihood, terms, derivative = self._log_likelihood[:rows], self._terms[:rows], self._derivative[:rows]
        continuous_bernoulli(self.xp, logits, x, terms, derivative, self._scratch(rows))
        self.xp.matmul(terms, self._ones, out=log_likelihood)
        self.logits, self.derivative = logits, derivative
        return log_likelihood

    def mean(self, logits: Array, out: Array) -> Array:
        """E x = 1/(1 − exp(−t)) − 1/t (B, D), which is ½ at 0, written into `out`."""
        self.check_outputs("logits", logits, out=out)
        scratch = self._scratch(self.check_inputs(logits=logits))
        return continuous_bernoulli_mean(self.xp, logits, out, scratch)

    # Inverse transform: the CDF at a draw x, (exp(x t) − 1)/(exp(t) − 1), is uniform on [0, 1). With a = |t| and
    # y = log(1 + u (exp(−a) − 1))/(−a) it equals
    #   u at x = y if t < 0,   and 1 − u, which is uniform as well, at x = 1 − y if t ≥ 0
    def draw(self, logits: Array, noise: Array, out: Array) -> Array:
        """x (B, D) from logits and uniform noise (B, D)."""
        self.check_outputs("logits", logits, out=out, noise=noise)
        scratch = self._scratch(self.check_inputs(logits=logits, noise=noise))
        return continuous_bernoulli_draw(self.xp, logits, noise, out, scratch)

    # Bisection: E x increases with t, and is 0.05 or 0.95 near ∓20. Fifty halvings of [−32, 32] leave less than 1e-13.
    def output_bias(self, mean: Array) -> Array:
        """The t at which E x is `mean`, with the mean clipped to [0.05, 0.95]."""
        target = np.clip(self.check_mean(mean), *MEAN_RANGE)
        low, high = np.full(target.shape, -32.0), np.full(target.shape, 32.0)
        scratch = Scratch(*np.empty((3, *target.shape)))
        for _ in range(50):
            middle = 0.5 * (low + high)
            too_low = continuous_bernoulli_mean(np, middle, np.empty_like(middle), scratch) < target
            low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
        bias: Array = 0.5 * (low + high)
        return bias

    def _scratch(self, rows: int) -> Scratch:
        return Scratch(self._dlogits[:rows], self._dx[:rows], self._work[:rows])
