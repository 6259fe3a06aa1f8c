"""Pieces that have a twin where kernels can be compiled: the same results in fewer passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

C = TypeVar("C", bound=type)
TWINS: dict[type, type] = {}


def twin_of(plain: type) -> Callable[[C], C]:
    """Class decorator: this subclass of `plain` takes its place wherever kernels can be compiled."""

    def register(fused: C) -> C:
        TWINS[plain] = fused
        return fused

    return register


def fuse(piece: Any, xp: Any) -> None:
    """Let `piece`, about to compute with the array module `xp`, become its twin if `xp` compiles kernels.

    On a device each ufunc is a launch of 10 to 20 μs, and on the host a pass over memory: with a compiler, the
    arithmetic of a piece is one kernel of `kernels.compiled`. To NumPy alone, and to whoever reads, the plain class is
    all there is.
    """
    twin = TWINS.get(type(piece))
    if twin is not None and hasattr(xp, "ElementwiseKernel"):
        piece.__class__ = twin
