"""The table that `scratchvae gradcheck` prints."""

from __future__ import annotations

from typing import Any

from scratchvae.verification import CHECKED_MODULES, CHECKS, Check, Comparison, Measurement
from scratchvae.verification.checks import failure_messages

Findings = dict[str, Comparison | None]  # by oracle; None where there is nothing to compare
WIDTH = max(map(len, (*CHECKED_MODULES, *CHECKS)))
CELL = 17
NOTHING = "–"


class Table:
    """Prints a line as soon as it is known, and keeps what was found."""

    def __init__(self, oracles: list[str], silent: bool) -> None:
        self.silent = silent
        self.units: dict[str, Any] = {}
        self.checks: dict[str, Any] = {}
        self.failures: list[str] = []
        self.count = 0
        self.oracles = oracles

    def add(self, name: str, findings: Findings) -> None:
        """What each oracle found of one piece."""
        if not self.units:
            self._line("largest relative error", *self.oracles)
        self.units[name] = {of: finding and finding._asdict() for of, finding in findings.items()}
        self._line(name, *map(_error, findings.values()))
        for of, finding in findings.items():
            if finding is not None:
                self.count += len(finding.errors)
                self.failures += [f"{name} by {of}: {which} {said}" for which, said in finding.failures.items()]

    def add_check(self, check: Check, found: dict[str, Measurement]) -> None:
        """What a check measured; its line tells what is closest to its limit, or beyond."""
        if not self.checks:
            self._line("")
            self._line("besides", "measured", "allowed")
        self.checks[check.name] = {of: m._asdict() for of, m in found.items()}
        worst = max(found.values(), key=lambda m: (not m.passed, m.value / (m.allowed or 1.0)))
        self._line(check.name, f"{worst.value:.2g}", f"{worst.allowed:.2g}", note=check.unit)
        self.count += len(found)
        self.failures += [f"{check.name}, {message}" for message in failure_messages(found)]

    def conclude(self, absent: dict[str, str], policy: str) -> None:
        """Print the verdict, after each failure and each oracle that is not installed."""
        print()
        for failure in self.failures:
            print(f"FAILED  {failure}")
        for name, reason in absent.items():
            print(f"not held against {name}: {reason}")
        if any(found is None for unit in self.units.values() for found in unit.values()):
            print(f"{NOTHING} has no gradient to compare")
        print(policy)
        failed = f"{len(self.failures)} of {self.count} comparisons FAILED"
        print(failed if self.failures else f"all {self.count} comparisons agree")

    def as_json(self) -> dict[str, Any]:
        """Everything that was found."""
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


def _error(finding: Comparison | None) -> str:
    if finding is None:
        return NOTHING
    return f"{'FAILED ' if finding.failures else ''}{finding.worst:.1e}"
