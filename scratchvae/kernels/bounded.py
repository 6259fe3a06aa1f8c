"""A log-variance bounded from below, with its derivative and its precision, from one exponential."""

from __future__ import annotations

from math import exp
from typing import Any

from scratchvae.backend import Array


# ℓ = L + softplus(u) with u = r − L is above L, and close to r if r is far above L. With e = exp(−|u|), h = [u ≥ 0]:
#   ℓ      = L + max(u, 0) + log(1 + e)
#   dℓ/dr  = σ(u)  = max(e, h) / (1 + e)
#   1/σ²   = exp(−ℓ) = exp(−L) σ(−u),   σ(−u) = max(e, 1 − h) / (1 + e)
def bounded_logvar(
    xp: Any, r: Array, lower_bound: float, logvar: Array, precision: Array, derivative: Array, scratch: Array
) -> None:
    """Write ℓ into `logvar`, exp(−ℓ) into `precision` and dℓ/dr into `derivative`; no r overflows."""
    u, e, h = derivative, scratch, precision
    xp.subtract(r, lower_bound, out=u)
    xp.maximum(u, 0.0, out=logvar)
    xp.abs(u, out=e)
    xp.negative(e, out=e)
    xp.exp(e, out=e)
    xp.greater_equal(u, 0.0, out=h)
    xp.maximum(e, h, out=derivative)
    xp.subtract(1.0, h, out=h)
    xp.maximum(e, h, out=precision)
    e += 1.0
    derivative /= e
    precision /= e
    precision *= exp(-lower_bound)
    xp.log(e, out=e)
    logvar += e
    logvar += lower_bound
