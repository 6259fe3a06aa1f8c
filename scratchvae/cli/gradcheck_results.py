"""The output of `scratchvae gradcheck`: a summary, and a table of all errors."""

from __future__ import annotations

from math import isnan
from typing import Any

from scratchvae.cli.messages import count_of
from scratchvae.verification import CASES, CHECKS, Check, Comparison, Measurement
from scratchvae.verification.checks import failure_messages
from scratchvae.verification.comparison import FINITE_DIFFERENCE

Comparisons = dict[str, Comparison | None]  # by oracle; None if there is no gradient to compare
IN_PROSE = {FINITE_DIFFERENCE: "finite differences"}
WIDTH = max(map(len, (*CASES, *CHECKS)))
CELL = 18
NOTHING = "–"


class Results:
    """Collects the results of units and checks, to print them or to return them as JSON.

    tolerances  the largest relative error at which a unit agrees, by oracle
    """

    def __init__(self, tolerances: dict[str, float]) -> None:
        self.tolerances = tolerances
        self.units: dict[str, Comparisons] = {}
        self.checks: dict[Check, dict[str, Measurement]] = {}
        self.failures: list[str] = []

    def add(self, name: str, comparisons: Comparisons) -> None:
        """Add the comparisons of one unit with each oracle."""
        self.units[name] = comparisons
        for oracle, result in comparisons.items():
            if result is not None:
                against = IN_PROSE.get(oracle, oracle)
                self.failures += [
                    f"{name} against {against}: {which} {reason}" for which, reason in result.failures.items()
                ]

    def add_check(self, check: Check, measurements: dict[str, Measurement]) -> None:
        """Add the measurements of a check."""
        self.checks[check] = measurements
        self.failures += [f"{check.name}, {message}" for message in failure_messages(measurements)]

    @property
    def count(self) -> int:
        """The number of comparisons."""
        return sum(map(self._count_of, self.tolerances)) + sum(map(len, self.checks.values()))

    def print_summary(self, absent: dict[str, str], seed: int) -> None:
        """Print the verdict, each failure, each oracle that is not installed and, of several units, the worst one."""
        seeded = f"(seed {seed})"
        if self.failures:
            print(f"{len(self.failures)} of {count_of(self.count, 'comparison')} FAILED {seeded}\n")
        else:
            print("1 comparison agrees" if self.count == 1 else f"all {self.count} comparisons agree", seeded)
        for failure in self.failures:
            print(f"FAILED  {failure}")
        if absent:
            print()
        for name, reason in absent.items():
            print(f"not compared with {name}: {reason}")
        if set(self.tolerances) == {FINITE_DIFFERENCE}:
            print("\nfinite differences do not see an error that is in the forward and in its backward")
        if len(self.units) > 1:
            print("\ncompared with       comparisons  largest relative error")
            for oracle in self.tolerances:
                _print_summary_line(IN_PROSE.get(oracle, oracle), self._count_of(oracle), self._worst_of(oracle))
            if self.checks:
                check, nearest = max(
                    ((check, _nearest_to_limit(measurements)) for check, measurements in self.checks.items()),
                    key=lambda item: _rank(item[1]),
                )
                text = f"nearest to its limit: {nearest.value:.2g} in {check.name} (allowed: {nearest.allowed:g})"
                _print_summary_line("other checks", sum(map(len, self.checks.values())), text)

    def print_table(self) -> None:
        """Print a line for each unit and each check."""
        print()
        _print_row("largest relative error", *(IN_PROSE.get(oracle, oracle) for oracle in self.tolerances))
        for name, comparisons in self.units.items():
            _print_row(name, *map(_cell, comparisons.values()))
        _print_row("allowed", *(f"{tolerance:g}" for tolerance in self.tolerances.values()))
        if any(result is None for comparisons in self.units.values() for result in comparisons.values()):
            print(f"{NOTHING}  not compared: finite differences check gradients alone")
        if self.checks:
            print()
            _print_row("other checks", "measured", "allowed")
        for check, measurements in self.checks.items():
            nearest = _nearest_to_limit(measurements)
            failed = "" if nearest.passed else "FAILED "
            _print_row(check.name, f"{failed}{nearest.value:.2g}", f"{nearest.allowed:.2g}", note=check.unit)

    def as_json(self) -> dict[str, Any]:
        """All results as JSON can hold them."""
        return {
            "passed": not self.failures,
            "comparisons": self.count,
            "failures": self.failures,
            "units": {
                name: {oracle: result and result._asdict() for oracle, result in comparisons.items()}
                for name, comparisons in self.units.items()
            },
            "checks": {
                check.name: {name: measurement._asdict() for name, measurement in measurements.items()}
                for check, measurements in self.checks.items()
            },
            "tolerances": self.tolerances,
        }

    def _by_unit(self, oracle: str) -> dict[str, Comparison]:
        results = {name: comparisons[oracle] for name, comparisons in self.units.items()}
        return {name: result for name, result in results.items() if result is not None}

    def _count_of(self, oracle: str) -> int:
        return sum(len(result.errors) for result in self._by_unit(oracle).values())

    def _worst_of(self, oracle: str) -> str:
        """The largest error of an oracle, with its unit."""
        errors = {name: result.worst for name, result in self._by_unit(oracle).items()}
        if not errors:
            return NOTHING
        worst = max(errors, key=lambda name: (isnan(errors[name]), errors[name]))
        return f"{_error(errors[worst])} in {worst} (allowed: {self.tolerances[oracle]:g})"


def _print_summary_line(name: str, count: int, text: str) -> None:
    print(f"{name:<{CELL}}  {count:>11}  {text}")


def _print_row(name: str, *cells: str, note: str = "") -> None:
    text = "  ".join([f"{name:<{WIDTH}}", *(f"{cell:>{CELL}}" for cell in cells), note])
    print(text.rstrip())


def _nearest_to_limit(measurements: dict[str, Measurement]) -> Measurement:
    """The measurement that is nearest to its limit, or farthest beyond it."""
    return max(measurements.values(), key=_rank)


def _rank(measurement: Measurement) -> tuple[bool, float]:
    return not measurement.passed, measurement.value / (measurement.allowed or 1.0)


def _cell(result: Comparison | None) -> str:
    if result is None:
        return NOTHING
    return f"{'FAILED ' if result.failures else ''}{_error(result.worst)}"


def _error(error: float) -> str:
    return f"{error:.1e}" if error else "0"
