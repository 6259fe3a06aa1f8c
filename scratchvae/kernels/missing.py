"""What is missing, marked by NaN: told apart from what is there, without a mask of another dtype or a branch."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array


# fmax and fmin answer with their other argument where one is NaN. For a finite x, x − x is 0, and NaN stays NaN:
#   fmax(x − x, −1) + 1 = 1 or 0
# Comparing x with itself would say as much, in booleans, which NumPy has to turn into numbers in a room of its own.
def observed_mask(xp: Any, x: Array, out: Array) -> Array:
    """1 where x holds a finite number, 0 where it holds NaN."""
    xp.subtract(x, x, out=out)
    xp.fmax(out, -1.0, out=out)
    out += 1.0
    return out


#   fmax(x, 0) + fmin(x, 0) = x where x is a number, for one of the two is 0, and 0 + 0 where it is NaN
def nan_to_zero(xp: Any, x: Array, out: Array, scratch: Array) -> Array:
    """x where it holds a number, 0 where it holds NaN."""
    xp.fmax(x, 0.0, out=out)
    xp.fmin(x, 0.0, out=scratch)
    out += scratch
    return out
