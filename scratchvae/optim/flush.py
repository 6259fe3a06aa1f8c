"""Zeros in place of decaying numbers that would become subnormal."""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import numpy as np

from scratchvae.backend import Array


class FlushToZero:
    """Sets numbers of an optimizer's state to 0 before they decay to subnormal numbers.

    An array a, with a ← β a + (a term of the gradient) in each update, decays as βᵗ where the gradient stays 0: at dead
    units, and at pixels that are always 0. In float32, with β = 0.9, it is subnormal after some 800 updates, and stays
    subnormal: as long as (1 − β) k < ½, β k 2⁻¹⁴⁹ rounds to k 2⁻¹⁴⁹ again. Many processors take a hundred times as long
    for a subnormal number. With β ≤ ½ there is no such k, and the array is not flushed.

    A flush follows every N-th update, by the count t, so that resumed training has the bits of uninterrupted training.
    N is the largest number with βᴺ ≥ √eps, for the smallest β: 75 in float32, 171 in float64, with β = 0.9. Each
    |a| < tiny / βᴺ becomes 0, with the smallest normal number `tiny` of the dtype. So what remains is normal until the
    next flush, and what is removed is less than tiny / √eps: 3.4e-35 in float32, 1.5e-300 in float64. Only a gradient
    that is not 0 can bring subnormal numbers, until the next flush: in float32 |g| < 1e-19, whose square is subnormal.

    xp          the array module
    scratch     (P,), overwritten by a flush
    decaying    (a, β, harmless): an array (P,), its decay, and the largest limit tiny / βᴺ at which a flush changes no
                weight; with a larger limit, the array is not flushed
    """

    def __init__(self, xp: Any, scratch: Array, *decaying: tuple[Array, float, float]) -> None:
        self.xp, self.scratch = xp, scratch
        info = np.finfo(scratch.dtype)
        stuck = [(a, beta, harmless) for a, beta, harmless in decaying if beta > 0.5]
        self.interval = int(log(sqrt(info.eps)) / log(min(beta for _, beta, _ in stuck))) if stuck else 1
        limits = [(a, info.smallest_normal / beta**self.interval, harmless) for a, beta, harmless in stuck]
        self.limits = [(a, limit.item()) for a, limit, harmless in limits if limit <= harmless]

    def after(self, t: int) -> None:
        """Flush if update t, counted from 1, is an N-th one."""
        if t % self.interval:
            return
        xp, scratch = self.xp, self.scratch
        for a, limit in self.limits:
            xp.abs(a, out=scratch)
            xp.greater_equal(scratch, limit, out=scratch)
            a *= scratch
