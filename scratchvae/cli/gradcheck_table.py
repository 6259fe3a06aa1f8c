"""The table that `scratchvae gradcheck` prints."""

from __future__ import annotations

from typing import Any

from scratchvae.verification import CASES, CHECKS, Check, Comparison, Measurement
from scratchvae.verification.checks import failure_messages

Comparisons = dict[str, Comparison | None]  # by oracle; None if there is no gradient to compare
WIDTH = max(map(len, (*CASES, *CHECKS)))
CELL = 17
NOTHING = "–"


class Table:
    """Prints a line for each result at once, and collects the results."""

    def __init__(self, oracles: list[str], silent: bool) -> None:
        self.silent = silent
        self.units: dict[str, Any] = {}
        self.checks: dict[str, Any] = {}
        self.failures: list[str] = []
        self.count = 0
        self.oracles = oracles

    def add(self, name: str, comparisons: Comparisons) -> None:
        """Add the comparisons of one unit with each oracle."""
        if not self.units:
            self._line("largest relative error", *self.oracles)
        self.units[name] = {oracle: result and result._asdict() for oracle, result in comparisons.items()}
        self._line(name, *map(_error, comparisons.values()))
        for oracle, result in comparisons.items():
            if result is not None:
                self.count += len(result.errors)
                self.failures += [f"{name} by {oracle}: {which} {reason}" for which, reason in result.failures.items()]

    def add_check(self, check: Check, measurements: dict[str, Measurement]) -> None:
        """Add the measurements of a check; its line has the one closest to its limit, or beyond it."""
        if not self.checks:
            self._line("")
            self._line("other checks", "measured", "allowed")
        self.checks[check.name] = {name: measurement._asdict() for name, measurement in measurements.items()}
        worst = max(measurements.values(), key=lambda m: (not m.passed, m.value / (m.allowed or 1.0)))
        self._line(check.name, f"{worst.value:.2g}", f"{worst.allowed:.2g}", note=check.unit)
        self.count += len(measurements)
        self.failures += [f"{check.name}, {message}" for message in failure_messages(measurements)]

    def conclude(self, absent: dict[str, str], policy: str) -> None:
        """Print each failure, each oracle that is not installed, and the verdict."""
        print()
        for failure in self.failures:
            print(f"FAILED  {failure}")
        for name, reason in absent.items():
            print(f"not compared with {name}: {reason}")
        if any(result is None for unit in self.units.values() for result in unit.values()):
            print(f"{NOTHING} no gradient to compare")
        print(policy)
        failed = f"{len(self.failures)} of {self.count} comparisons FAILED"
        print(failed if self.failures else f"all {self.count} comparisons agree")

    def as_json(self) -> dict[str, Any]:
        """All results as JSON can hold them."""
        return {
            "passed": not self.failures,
            "comparisons": self.count,
            "failures": self.failures,
            "units": self.units,
            "checks": self.checks,
        }

    def _line(self, name: str, *cells: str, note: str = "") -> None:
        if not self.silent:
            text = "  ".join([f"{name:<{WIDTH}}", *(f"{cell:>{CELL}}" for cell in cells), note])
            print(text.rstrip(), flush=True)


def _error(result: Comparison | None) -> str:
    if result is None:
        return NOTHING
    return f"{'FAILED ' if result.failures else ''}{result.worst:.1e}"
