"""The logistic sigmoid and softplus, without overflow for any argument."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array


@np.errstate(over="ignore")  # exp(−t) may overflow to infinity; its reciprocal is then 0, as it should be
def sigmoid(xp: Any, t: Array, out: Array) -> Array:
    """Write σ(t) = 1 / (1 + exp(−t)) into `out`, and return it.

    It is exact to a few units in the last place down to t = −87 (float64: −708), and 0 below.
    """
    xp.negative(t, out=out)
    xp.exp(out, out=out)
    out += 1.0
    xp.reciprocal(out, out=out)
    return out


# log(1 + exp(t)) = max(t, 0) + log(1 + exp(−|t|)), where the exponential is at most 1
# and max(t, 0) = ½ (t + |t|) exactly, because doubling and halving are exact.
def softplus(xp: Any, t: Array, out: Array, scratch: Array) -> Array:
    """Write log(1 + exp(t)) into `out`, and return it; |t| may be up to half of the dtype's largest number."""
    xp.abs(t, out=out)
    xp.add(t, out, out=scratch)
    scratch *= 0.5
    xp.negative(out, out=out)
    xp.exp(out, out=out)
    xp.log1p(out, out=out)
    out += scratch
    return out
