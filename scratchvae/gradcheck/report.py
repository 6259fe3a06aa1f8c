"""What a check found, to read, to print and to assert."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10

from scratchvae.gradcheck.finite_difference import Array
from scratchvae.validation import check_choice

AGREES = "agrees"
WRONG = "wrong"
KINK = "kink"
UNRESOLVED = "unresolved"
NOT_FINITE = "not finite"

_MEANING = {
    AGREES: "",
    WRONG: "{numeric} by finite differences, {analytic} by vjp",
    KINK: "the slope of f jumps here: check at another point",
    UNRESOLVED: "finite differences are known to {uncertainty:.0e} of the gradient only: compute f in float64, check "
    "inputs and outputs of one size, take a smaller step, or allow a larger tolerance",
    NOT_FINITE: "{numeric} by finite differences, {analytic} by vjp",
}


@dataclass(frozen=True)
class Argument:
    """One input of f: ⟨dy, J u⟩ by finite differences beside ⟨vjp(dy), u⟩, where the two are farthest apart.

    error         relative: see `check`
    verdict       "agrees", "wrong", "kink", "unresolved" or "not finite"
    numeric       ⟨dy, J u⟩, known to `uncertainty`, which is relative as `error` is
    analytic      ⟨vjp(dy), u⟩
    length        ‖vjp(dy)‖
    kink          by how much the slope of ⟨dy, f⟩ along u jumps at the point; 0 where it is smooth
    direction, dy u, of the input's shape and length 1, and dy, of the output's
    coordinate    the index at which the gradient is farthest off; None where nobody looked for it
    """

    name: str
    shape: tuple[int, ...]
    error: float
    verdict: str
    numeric: float
    analytic: float
    length: float
    uncertainty: float
    kink: float
    direction: Array
    dy: Array
    coordinate: tuple[int, ...] | None

    @property
    def explanation(self) -> str:
        """What the verdict means here; empty where the gradient agrees."""
        digits = max(6, 3 - floor(log10(min(max(self.error, 1e-12), 1.0))))  # as many as tell the two apart
        numbers = {name: f"{getattr(self, name):.{digits}g}" for name in ("numeric", "analytic")}
        text = _MEANING[self.verdict].format(**{**vars(self), **numbers})
        return f"at [{', '.join(map(str, self.coordinate))}]: {text}" if text and self.coordinate else text


@dataclass(frozen=True)
class Report:
    """What `check` found of each input; true if every gradient agrees. Prints as a table, with `notes` under it."""

    arguments: tuple[Argument, ...]
    tolerance: float
    seed: int
    directions: int
    long_double: bool
    notes: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.passed

    @property
    def passed(self) -> bool:
        """Whether every gradient agrees."""
        return all(argument.verdict == AGREES for argument in self.arguments)

    @property
    def errors(self) -> tuple[float, ...]:
        """The largest relative error of each input's gradient."""
        return tuple(argument.error for argument in self.arguments)

    @property
    def worst(self) -> float:
        """The largest of all."""
        return max(self.errors)

    def __getitem__(self, name: str) -> Argument:
        """What was found of the input of that name. Raises ConfigError."""
        found = {argument.name: argument for argument in self.arguments}
        return found[check_choice("input", name, tuple(found))]

    def __str__(self) -> str:
        cells = [("input", "shape", "error", "verdict", "")]
        cells += [(a.name, str(a.shape), f"{a.error:.1e}", a.verdict, a.explanation) for a in self.arguments]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        wrong = sum(a.verdict in (WRONG, NOT_FINITE) for a in self.arguments)
        unjudged = sum(a.verdict in (KINK, UNRESOLVED) for a in self.arguments)
        counts = {"WRONG": wrong, "NOT JUDGED": unjudged}
        failed = [f"{count} of {len(self.arguments)} {verdict}" for verdict, count in counts.items() if count]
        summary = ", ".join(failed) or "every gradient agrees"
        precision = "long double" if self.long_double else "double"
        how = f"tolerance {self.tolerance:g}, seed {self.seed}, {self.directions} directions, f in {precision}"
        return "\n".join(line.rstrip() for line in [*lines, f"{summary} ({how})", *self.notes])
