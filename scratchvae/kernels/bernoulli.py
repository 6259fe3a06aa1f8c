"""The Bernoulli log-likelihood on logits, with its slope, from one exponential."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array


# With e = exp(−|t|), which is at most 1, and h = [t ≥ 0]:
#   softplus(t) = h t + log(1 + e)            →  x t − softplus(t) = (x − h) t − log(1 + e)
#   σ(t) = 1 / (1 + e) or e / (1 + e)         →  σ(t) = max(e, h) / (1 + e)
def bernoulli(xp: Any, t: Array, x: Array, log_p: Array, slope: Array, scratch: Array) -> None:
    """log p(x | t) = x t − softplus(t) into `log_p`, and its slope ∂/∂t = x − σ(t) into `slope`; no t overflows."""
    e = scratch
    xp.abs(t, out=e)
    xp.negative(e, out=e)
    xp.exp(e, out=e)
    xp.greater_equal(t, 0.0, out=slope)
    xp.subtract(x, slope, out=log_p)
    log_p *= t
    xp.maximum(e, slope, out=slope)
    e += 1.0
    slope /= e
    xp.subtract(x, slope, out=slope)
    xp.log(e, out=e)  # what log1p would save is smaller than the rounding of the sum over a row
    log_p -= e
