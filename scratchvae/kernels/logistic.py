"""The logistic sigmoid and softplus, safe at any argument."""

from __future__ import annotations

from functools import cache
from math import floor
from typing import Any

import numpy as np

from scratchvae.backend import Array


@cache
def _largest_exponent(dtype: np.dtype[Any]) -> float:
    """How large −t may be for exp(−t) not to overflow and for its reciprocal to be a normal number."""
    return float(floor(-np.log(np.finfo(dtype).tiny)))


def sigmoid(xp: Any, t: Array, out: Array) -> Array:
    """σ(t) = 1 / (1 + exp(−t)), to a few units in the last place of the result down to t = −87 (float64: −708).

    Below that the result stays where it is, at 1.6e-38 (3.3e-308), instead of sinking to 0.
    """
    xp.negative(t, out=out)
    xp.minimum(out, _largest_exponent(out.dtype), out=out)
    xp.exp(out, out=out)
    out += 1.0
    xp.reciprocal(out, out=out)
    return out


def softplus(xp: Any, t: Array, out: Array, scratch: Array) -> Array:
    """log(1 + exp(t)) = max(t, 0) + log(1 + exp(−|t|)), where the exponential is at most 1."""
    xp.abs(t, out=out)
    xp.negative(out, out=out)
    xp.exp(out, out=out)
    xp.log1p(out, out=out)
    xp.maximum(t, 0.0, out=scratch)
    out += scratch
    return out
