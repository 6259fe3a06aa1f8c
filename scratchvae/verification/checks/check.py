"""A named check and its measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scratchvae.representation import fields_repr


class Measurement(NamedTuple):
    """A measured value and the largest allowed value."""

    value: float
    allowed: float

    @property
    def passed(self) -> bool:
        """True if the value is at most the allowed value; False for NaN."""
        return self.value <= self.allowed


def failure_messages(measurements: dict[str, Measurement]) -> list[str]:
    """Return a message for each measurement that exceeds its allowed value."""
    return [f"{name}: {m.value:.3g}, allowed {m.allowed:.3g}" for name, m in measurements.items() if not m.passed]


class Check(NamedTuple):
    """A named check.

    unit            the unit of the measurements
    measure(seed)   the measurements by name
    """

    name: str
    unit: str
    measure: Callable[[int], dict[str, Measurement]]

    def __repr__(self) -> str:
        return fields_repr(self)
