"""Numbers that are not finite: detect them, and describe the first one."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import DivergedError
from scratchvae.representation import fields_repr
from scratchvae.validation import shorten

WHEN = {  # the phase of a step, by kind, as an error message names it
    "data": "in the input of the step",
    "weights": "before the step",
    "activation": "in forward",
    "loss": "in forward",
    "gradient": "in backward",
    "update": "after the update",
}


class NonFiniteTensor(NamedTuple):
    """The first tensor of a step, in the order of computation, that is not finite.

    kind       "data", "weights", "activation", "loss", "gradient" or "update"
    layer      the layer as `model.params` names it, such as "encoder.0"; "batch" for the input of a step
    tensor     "x", "encoder.0.W", "the output of encoder.0 (Linear)", "d encoder.0.W", "m of encoder.0.W", …
    nonfinite  the number of entries that are not finite
    size       the number of all entries
    position   index of the first non-finite entry; () for a single number
    value      the value of that entry: NaN or ±infinity
    row        for kind "data", the index of the row in the training data; None if unknown
    advice     an observation, and what to try
    """

    kind: str
    layer: str
    tensor: str
    nonfinite: int
    size: int
    position: tuple[int, ...]
    value: float
    row: int | None
    advice: str

    def __repr__(self) -> str:
        return fields_repr(self)

    def __str__(self) -> str:
        verb = "is" if self.nonfinite == 1 else "are"
        count, where = f"{self.nonfinite} of {self.size} numbers of {shorten(self.tensor)} {verb}", ""
        if not self.position:
            count = f"{shorten(self.tensor)} is"
        else:
            row = "" if self.row is None else f", row {self.row} of the data"
            where = f" ({'the first ' if self.nonfinite > 1 else ''}at {list(self.position)}{row})"
        return f"{count} {self.value}{where} {WHEN[self.kind]}; {self.advice}"


def diverged(finding: NonFiniteTensor, step: int | None, epoch: int | None) -> DivergedError:
    """The error for a non-finite tensor."""
    numbers = {"step": step, "epoch": epoch}
    where = ", ".join(f"{name} {number}" for name, number in numbers.items() if number is not None)
    return DivergedError(f"training diverged{where and f' in {where}'}: {finding}", step, epoch, finding)


class NonFiniteSummary(NamedTuple):
    """The number of non-finite entries of an array, and the index and the value of the first one."""

    nonfinite: int
    position: tuple[int, ...]
    value: float


def find_nonfinite(array: Array, nan_allowed: bool = False) -> NonFiniteSummary | None:
    """The non-finite entries of an array on any device, or None; with `nan_allowed`, only the infinite ones."""
    if _sums_are_finite(array):
        return None
    host = to_numpy(array)
    positions = np.argwhere(np.isinf(host) if nan_allowed else ~np.isfinite(host))
    if not len(positions):
        return None
    first = tuple(int(i) for i in positions[0])
    return NonFiniteSummary(len(positions), first, float(host[first]))


def all_finite(*arrays: Array) -> bool:
    """True if all numbers of the arrays are finite. Costs one sum per array, and one number is read from a device."""
    return _sums_are_finite(*arrays) or all(find_nonfinite(array) is None for array in arrays)


def largest(*arrays: Array) -> float:
    """The largest absolute value of the finite numbers in the arrays; 0 if there is none."""
    hosts = (np.abs(to_numpy(array)) for array in arrays)
    return max((float(np.max(host, where=np.isfinite(host), initial=0.0)) for host in hosts), default=0.0)


# A non-finite number makes the sum non-finite, and the sum is computed on the device. The sum of finite numbers may
# overflow too: then the numbers themselves must be checked.
def _sums_are_finite(*arrays: Array) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return isfinite(float(sum(array.sum() for array in arrays)))
