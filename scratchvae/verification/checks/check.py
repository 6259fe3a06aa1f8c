"""A named check and what it measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Measurement(NamedTuple):
    """Something measured, and how large it may be."""

    value: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether it is no larger than allowed; NaN is."""
        return self.value <= self.allowed


def failure_messages(found: dict[str, Measurement]) -> list[str]:
    """A line for each measurement that is larger than allowed."""
    return [f"{of}: {m.value:.3g} where {m.allowed:.3g} is allowed" for of, m in found.items() if not m.passed]


class Check(NamedTuple):
    """A check by its name: what `measure` finds, by name, from a seed; `unit` says what the numbers are."""

    name: str
    unit: str
    measure: Callable[[int], dict[str, Measurement]]
