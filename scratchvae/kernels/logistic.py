"""The logistic sigmoid and softplus, safe at any argument."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array

# exp(−t) is kept below the largest float, so that its reciprocal is still a normal number: σ(−1000) comes out as
# 1e-38 in float32 and 1e-308 in float64 instead of 0, with no overflow on the way.
_LARGEST_EXPONENT = {"float32": 87.0, "float64": 708.0}


def sigmoid(xp: Any, t: Array, out: Array) -> Array:
    """σ(t) = 1 / (1 + exp(−t)), to a few units in the last place of the result, however far t is below 0."""
    xp.negative(t, out=out)
    xp.minimum(out, _LARGEST_EXPONENT[out.dtype.name], out=out)
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
