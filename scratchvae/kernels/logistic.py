"""The logistic sigmoid and softplus, safe at any argument."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array


@np.errstate(over="ignore")  # exp(−t) may become infinite, and its reciprocal is then the 0 that is meant
def sigmoid(xp: Any, t: Array, out: Array) -> Array:
    """σ(t) = 1 / (1 + exp(−t)), to a few units in the last place down to t = −87 (float64: −708), and 0 below."""
    xp.negative(t, out=out)
    xp.exp(out, out=out)
    out += 1.0
    xp.reciprocal(out, out=out)
    return out


# log(1 + exp(t)) = max(t, 0) + log(1 + exp(−|t|)), where the exponential is at most 1
# and max(t, 0) = ½ (t + |t|), to the last bit: doubling and halving are exact.
def softplus(xp: Any, t: Array, out: Array, scratch: Array) -> Array:
    """log(1 + exp(t)), for |t| up to half of the largest number there is."""
    xp.abs(t, out=out)
    xp.add(t, out, out=scratch)
    scratch *= 0.5
    xp.negative(out, out=out)
    xp.exp(out, out=out)
    xp.log1p(out, out=out)
    out += scratch
    return out
