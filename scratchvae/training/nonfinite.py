"""Numbers that are not finite: whether there are any, and which."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import DivergedError
from scratchvae.representation import fields_repr

WHEN = {  # of each kind, what its sentence ends with
    "data": "as it came in",
    "weights": "before the step was made",
    "activation": "on the way forward",
    "loss": "on the way forward",
    "gradient": "on the way back",
    "update": "after the update",
}


class NonFiniteTensor(NamedTuple):
    """The first tensor of a step, in the order in which they come to be, that is not finite.

    kind     "data", "weights", "activation", "loss", "gradient" or "update"
    layer    its owner as `model.params` names it: "encoder.0"; "batch" of what a step is given
    tensor   "x", "encoder.0.W", "the output of encoder.0 (Linear)", "d encoder.0.W", "m of encoder.0.W", …
    bad      how many of its `size` numbers are not finite
    place    of the first of them, counted from 0 in each axis; () of a single number
    value    which is NaN or ±infinity
    row      of data, the number of that row in the rows that are trained on; None where it is not known
    advice   what was seen there, and what to try
    """

    kind: str
    layer: str
    tensor: str
    bad: int
    size: int
    place: tuple[int, ...]
    value: float
    row: int | None
    advice: str

    def __repr__(self) -> str:
        return fields_repr(self)

    def __str__(self) -> str:
        count, where = f"{self.bad} of {self.size} numbers of {self.tensor} {'is' if self.bad == 1 else 'are'}", ""
        if not self.place:
            count = f"{self.tensor} is"
        else:
            row = "" if self.row is None else f", row {self.row} of the data"
            where = f" ({'the first ' if self.bad > 1 else ''}at {list(self.place)}{row})"
        return f"{count} {self.value}{where} {WHEN[self.kind]}; {self.advice}"


def diverged(finding: NonFiniteTensor, step: int | None, epoch: int | None) -> DivergedError:
    """The error that tells of a finding."""
    where = ", ".join(f"{of} {number}" for of, number in (("step", step), ("epoch", epoch)) if number is not None)
    return DivergedError(f"training diverged{where and f' in {where}'}: {finding}", step, epoch, finding)


class NonFiniteSummary(NamedTuple):
    """How many numbers of an array are not finite, and the place and the value of the first."""

    numbers: int
    place: tuple[int, ...]
    value: float


def find_nonfinite(array: Array, nan: bool = False) -> NonFiniteSummary | None:
    """What is not finite in `array`, of any device; None if nothing is. With `nan`, NaN is as it should be."""
    if _sums_are_finite(array):
        return None
    host = to_numpy(array)
    bad = np.isinf(host) if nan else ~np.isfinite(host)
    places = np.argwhere(bad)
    if not len(places):
        return None
    place = tuple(int(i) for i in places[0])
    return NonFiniteSummary(len(places), place, float(host[place]))


def all_finite(*arrays: Array) -> bool:
    """Whether every number of the `arrays` is finite, at the cost of a sum each; of a device, one number is read."""
    return _sums_are_finite(*arrays) or all(find_nonfinite(array) is None for array in arrays)


def largest(*arrays: Array) -> float:
    """The largest size of a finite number in the `arrays`; 0 if there is none."""
    hosts = (np.abs(to_numpy(array)) for array in arrays)
    return max((float(np.max(host, where=np.isfinite(host), initial=0.0)) for host in hosts), default=0.0)


# A number that is not finite makes a sum that is not, in one pass that leaves a device's array where it is. A sum of
# finite numbers may overflow as well: then each has to be looked at.
def _sums_are_finite(*arrays: Array) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return isfinite(float(sum(array.sum() for array in arrays)))
