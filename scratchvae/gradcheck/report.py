"""The result of a gradient check."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Any

from scratchvae.gradcheck.finite_difference import Array
from scratchvae.representation import fit_lines, html_table, table_lines, wrap
from scratchvae.validation import check_choice, shorten

AGREES = "agrees"
WRONG = "wrong"
KINK = "kink"
UNRESOLVED = "unresolved"
NOT_FINITE = "not finite"

MAX_TABLE_ROWS = 8  # of the table that `repr` prints
MAX_NAME_LENGTH = 30  # of an input in that table, in characters

_EXPLANATIONS = {
    AGREES: "",
    WRONG: "{numeric} by {source}, {analytic} by {checked}",
    KINK: "the slope of f jumps here: check at another point; coordinates=True judges each number by itself",
    UNRESOLVED: "finite differences are uncertain by {uncertain_by} of the gradient: check at another point, with "
    "inputs and outputs of similar size, compute f in float64 or better, or allow a larger tolerance",
    NOT_FINITE: "{numeric} by {source}, {analytic} by {checked}",
}
_NO_WITNESS = (
    "along a random direction {numeric} by {source}, {analytic} by {checked}; no single coordinate confirms it: check "
    "with fewer inputs at a time, or with coordinates=True"
)
FINITE_DIFFERENCES = "finite differences"


@dataclass(frozen=True, repr=False)
class Argument:
    """The result for one input of f: ⟨dy, J u⟩ by finite differences and ⟨vjp(dy), u⟩, where they differ most.

    error          relative error; `check` defines it
    verdict        "agrees", "wrong", "kink", "unresolved" or "not finite"
    numeric        ⟨dy, J u⟩
    analytic       ⟨vjp(dy), u⟩
    gradient_norm  ‖vjp(dy)‖
    uncertainty    estimated error of `numeric`, relative to the same size as `error`
    kink           jump of the slope of ⟨dy, f⟩ along u at the point; 0 where it is smooth
    direction      u, with the shape of the input and length 1
    dy             dy, with the shape of the output
    coordinate     index of the coordinate that differs most; None if no single coordinate was checked
    source         what `numeric` comes from: "finite differences", or the name of a library
    checked        what `analytic` comes from: "vjp", "backward" of a part, or "f" for a value
    reason         of another failure than that of a gradient
    """

    name: str
    shape: tuple[int, ...]
    error: float
    verdict: str
    numeric: float
    analytic: float
    gradient_norm: float
    uncertainty: float
    kink: float
    direction: Array
    dy: Array
    coordinate: tuple[int, ...] | None
    source: str = FINITE_DIFFERENCES
    checked: str = "vjp"
    reason: str = ""

    def __repr__(self) -> str:
        text = f"<Argument {shorten(self.name)} {self.shape}: {self.verdict}, error {self.error:.1e}>"
        return wrap(f"{text[:-1]}; {self.explanation}>" if self.explanation else text)

    @property
    def explanation(self) -> str:
        """The numbers behind the verdict, and what to do; empty if the gradient agrees."""
        if self.reason:
            return self.reason
        digits = max(6, 3 - floor(log10(min(max(self.error, 1e-12), 1.0))))  # enough to show the difference
        numbers = {name: f"{getattr(self, name):.{digits}g}" for name in ("numeric", "analytic")}
        uncertain_by = f"{self.uncertainty:.0e}" if self.uncertainty < 1 else "all"
        differs = self.verdict == UNRESOLVED and self.error > 10 * self.uncertainty
        template = _NO_WITNESS if differs else _EXPLANATIONS[self.verdict]
        text = template.format(**vars(self) | numbers, uncertain_by=uncertain_by)
        return f"at [{', '.join(map(str, self.coordinate))}]: {text}" if text and self.coordinate else text


@dataclass(frozen=True, repr=False)
class Report:
    """The results of `check`, one for each input; true if every gradient agrees. Prints as a table with `notes`.

    precision   in which f was evaluated: "long double", "double" or "single"
    source      what the gradients were compared with: "finite differences", or the name of a library
    subject     what was checked: "gradient", or "property" of an optimizer
    """

    arguments: tuple[Argument, ...]
    tolerance: float
    seed: int
    directions: int
    precision: str
    notes: tuple[str, ...]
    source: str = FINITE_DIFFERENCES
    subject: str = "gradient"

    def __bool__(self) -> bool:
        return self.passed

    @property
    def passed(self) -> bool:
        """True if every gradient agrees."""
        return all(argument.verdict == AGREES for argument in self.arguments)

    @property
    def errors(self) -> tuple[float, ...]:
        """The largest relative error of each input's gradient."""
        return tuple(argument.error for argument in self.arguments)

    @property
    def worst(self) -> float:
        """The largest relative error of all gradients."""
        return max(self.errors)

    def __getitem__(self, name: str) -> Argument:
        """Return the result for the input of that name. Raises ConfigError."""
        by_name = {argument.name: argument for argument in self.arguments}
        return by_name[check_choice("input", name, tuple(by_name))]

    def to_json(self) -> str:
        """Return the report as JSON: all numbers of each result, without the arrays; null where one is not finite."""
        fields = ("name", "shape", "verdict", "error", "numeric", "analytic", "gradient_norm", "uncertainty", "kink")
        results = [
            {field: _json_value(getattr(argument, field)) for field in (*fields, "coordinate", "explanation")}
            for argument in self.arguments
        ]
        settings = ("tolerance", "seed", "directions", "precision", "source", "subject", "notes")
        return json.dumps(
            {
                "passed": self.passed,
                "summary": self._summary(),
                "results": results,
                **{name: _json_value(getattr(self, name)) for name in settings},
            },
            indent=2,
        )

    def __repr__(self) -> str:
        rows = table_lines(self._table(), left=2)
        reasons = [f"{shorten(a.name, MAX_NAME_LENGTH)}: {a.explanation}" for a in self._shown() if a.explanation]
        return fit_lines("\n".join([*rows, *map(wrap, [*reasons, self._summary(), *self.notes])]))

    def _repr_html_(self) -> str:
        header, *rows = self._table()
        reasons = ["", *(argument.explanation for argument in self._shown())]
        cells = [[*row, reason] for row, reason in zip([header, *rows], reasons, strict=False)]
        cells += [[*row, ""] for row in rows[len(cells) - 1 :]]
        return html_table("Gradient check", cells, [self._summary(), *self.notes])

    def __str__(self) -> str:
        cells = [(self._header, "shape", "error", "verdict", "")]
        cells += [(a.name, str(a.shape), f"{a.error:.1e}", a.verdict, a.explanation) for a in self.arguments]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join(line.rstrip() for line in [*lines, self._summary(), *self.notes])

    @property
    def _header(self) -> str:
        return "input" if self.subject == "gradient" else self.subject

    def _summary(self) -> str:
        verdicts = [argument.verdict for argument in self.arguments]
        counts = {
            "WRONG": verdicts.count(WRONG),
            "NOT FINITE": verdicts.count(NOT_FINITE),
            "NOT JUDGED": verdicts.count(KINK) + verdicts.count(UNRESOLVED),
        }
        failed = [f"{count} of {len(self.arguments)} {verdict}" for verdict, count in counts.items() if count]
        verb = "agrees" if self.subject == "gradient" else "holds"
        summary = ", ".join(failed) or f"every {self.subject} {verb}"
        against = f"against {self.source}" if self.source != FINITE_DIFFERENCES else f"f in {self.precision}"
        directions = f"{self.directions} direction{'s' if self.directions > 1 else ''}, {against}"
        repeated = directions if self.subject == "gradient" else f"{self.directions} steps"
        settings = f"tolerance {self.tolerance:g}, seed {self.seed}, {repeated}"
        return f"{summary} ({settings})"

    def _shown(self) -> list[Argument]:
        """The first inputs, those whose gradients do not agree before the others if not all fit."""
        if len(self.arguments) <= MAX_TABLE_ROWS:
            return list(self.arguments)
        return sorted(self.arguments, key=lambda argument: argument.verdict == AGREES)[:MAX_TABLE_ROWS]

    def _table(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [(self._header, "shape", "error", "verdict")]
        rows += [(shorten(a.name, MAX_NAME_LENGTH), str(a.shape), f"{a.error:.1e}", a.verdict) for a in self._shown()]
        hidden = len(self.arguments) - len(rows) + 1
        return [*rows, (f"… {hidden} more", "", "", "")] if hidden else rows


def is_wrong(report: Report) -> bool:
    """True if a gradient is wrong or not finite, not only undecided."""
    return any(argument.verdict in (WRONG, NOT_FINITE) for argument in report.arguments)


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value
