"""Missing values, marked by NaN: their mask and their replacement by 0, without branches or boolean arrays."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array


# fmax and fmin return the other argument if one is NaN. For a finite x, x − x is 0, and NaN stays NaN:
#   fmax(x − x, −1) + 1 = 1 or 0
# x == x would need a boolean array, and a temporary array to convert it to numbers.
def observed_mask(xp: Any, x: Array, out: Array) -> Array:
    """Write 1 into `out` where x is finite and 0 where it is NaN, and return it."""
    xp.subtract(x, x, out=out)
    xp.fmax(out, -1.0, out=out)
    out += 1.0
    return out


# fmax(x, 0) + fmin(x, 0) is x where x is a number, since one of the two is 0, and 0 + 0 where x is NaN.
def nan_to_zero(xp: Any, x: Array, out: Array, scratch: Array) -> Array:
    """Write x into `out` where it is a number and 0 where it is NaN, and return it."""
    xp.fmax(x, 0.0, out=out)
    xp.fmin(x, 0.0, out=scratch)
    out += scratch
    return out
