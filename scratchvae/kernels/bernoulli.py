"""The Bernoulli log-likelihood on logits and its derivative, from one exponential."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array


# With e = exp(−|t|), which is at most 1, and h = [t ≥ 0]:
#   softplus(t) = h t + log(1 + e)            →  x t − softplus(t) = (x − h) t − log(1 + e)
#   σ(t) = 1 / (1 + e) or e / (1 + e)         →  σ(t) = max(e, h) / (1 + e)
def bernoulli(xp: Any, t: Array, x: Array, log_p: Array, derivative: Array, scratch: Array) -> None:
    """Write log p(x | t) = x t − softplus(t) into `log_p`, and ∂/∂t = x − σ(t) into `derivative`; no t overflows."""
    e = scratch
    xp.abs(t, out=e)
    xp.negative(e, out=e)
    xp.exp(e, out=e)
    xp.greater_equal(t, 0.0, out=derivative)
    xp.subtract(x, derivative, out=log_p)
    log_p *= t
    xp.maximum(e, derivative, out=derivative)
    e += 1.0
    derivative /= e
    xp.subtract(x, derivative, out=derivative)
    xp.log(e, out=e)  # log1p would gain less than the rounding error of the sum over a row
    log_p -= e
