"""The format of a row in the table of refusals.

A row is one call with one wrong argument, and the error that it must raise:

    row("VAE.sample", "count", "too many", lambda: vae().sample(10**30), ConfigError, "expected a whole number")

The arguments are the public name after `sv.`, the argument, the problem, the call, the class of the error, and words of
its message. Every message must name the argument and say what to do.

`checkers.py` tests each checker with every wrong value:

    refuse_all("validation.check_int", "count", COUNTS, lambda v: check_int("count", v))

Each public function and argument has one further row, which shows that it calls the checker:

    refuse_one("VAE.sample", "count", COUNTS, lambda v: vae().sample(v))

`refuse_one` takes the last and most specific value of a list: 0 for a count shows that the minimum is 1 and that the
checker is called. Of a sum of lists, it takes the last value of each.

A new public function or method needs a row for each argument, in the file of its package, or a line with the reason in
`test_functions.py` if it has no arguments that can be wrong. A new command needs rows in `test_commands.py`. The tests
fail without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, RangeError, ScratchVAEError, ShapeError

# every message contains one of these words, which say what to do
INSTRUCTION = re.compile(
    r"expected|choose|take|leave|pass|use|convert|make|give|try|name|set|call|fetch|install|divide|shift|fill|drop"
    r"|write|keep|save|return only"
)


class Row(NamedTuple):
    function: str
    argument: str
    problem: str
    call: Callable[[], Any]
    error: type[ScratchVAEError]
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.function}({self.argument} {self.problem})"


def row(function, argument, problem, call, error, *words):
    return Row(function, argument, problem, call, error, words)


def assert_refused(row: Row) -> None:
    with pytest.raises(ScratchVAEError) as refusal:
        row.call()
    message = str(refusal.value)
    assert type(refusal.value) is row.error, message
    assert re.search(rf"(?<!\w){re.escape(row.argument)}(?!\w)", message), message
    assert [word for word in row.words if word not in message] == [], message
    assert INSTRUCTION.search(message), message
    assert len(message) < 1000 and "\n" not in message, message


class Wrong(NamedTuple):
    """A wrong value for any argument of its kind."""

    label: str
    value: Any
    error: type[ScratchVAEError]
    words: tuple[str, ...]


class WrongValues(tuple):
    """Wrong values of one kind, the most specific last. A sum has its summands in `kinds`."""

    kinds: tuple[tuple[Wrong, ...], ...]

    def __new__(cls, values: Iterable[Wrong], kinds=None) -> WrongValues:
        wrongs = super().__new__(cls, values)
        wrongs.kinds = kinds or (wrongs,)
        return wrongs

    def __add__(self, other):
        other = other if isinstance(other, WrongValues) else WrongValues(other)
        return WrongValues([*self, *other], self.kinds + other.kinds)


def refuse_all(function: str, argument: str, wrongs: Iterable[Wrong], call) -> Iterator[Row]:
    """One row per wrong value."""
    for wrong in wrongs:
        yield Row(function, argument, wrong.label, lambda v=wrong.value: call(v), wrong.error, wrong.words)


def refuse_one(function: str, argument: str, wrongs: Iterable[Wrong], call) -> Iterator[Row]:
    """One row for the last wrong value, or for the last of each kind."""
    wrongs = wrongs if isinstance(wrongs, WrongValues) else WrongValues(wrongs)
    yield from refuse_all(function, argument, [kind[-1] for kind in wrongs.kinds], call)


def wrong(error, instruction, *values):
    return WrongValues(Wrong(label(value), value, error, (*start_of(value), instruction)) for value in values)


def text_of(value):
    """The repr of a value; "" if it fails or is not reproducible."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int with more than 4300 digits
        return ""
    return "" if " at 0x" in text else text


def label(value):
    text = text_of(value)
    return text if 0 < len(text) <= 24 else f"of {type(value).__name__} {text[:12]}…"


def start_of(value):
    """The part of the repr that a message must contain."""
    return tuple(filter(None, [text_of(value)[:16]]))


def wrong_rows(name, *cases):
    """Wrong values with their own problem names and message words."""
    return WrongValues(Wrong(problem, value, error, (name, *words)) for problem, value, error, *words in cases)


# --- settings

WHOLES = wrong(
    ConfigError, "expected a whole number of at least", None, "3", b"3", True, 2.0, nan, inf, 1j, [3], (3,), {},
    np.ones(2), np.array(3), object(), int, -(10**30), -1,
)  # fmt: skip
SIZES = WrongValues([*wrong(ConfigError, "at most", 10**30, 2**64, 10**5000), *WHOLES])
COUNTS = WrongValues([*SIZES, *wrong(ConfigError, "expected a whole number of at least 1", 0)])
SEEDS = WrongValues([*wrong(ConfigError, "at most", 2**128, 10**5000), *WHOLES])
NOT_REAL = (
    None, "1", b"1", True, nan, inf, -inf, 1j, [1.0], {}, np.ones(2), object(), 10**400, -1.0,
    np.datetime64("2020-01-01"),
)  # fmt: skip
REALS = wrong(ConfigError, "expected a finite number of at least", *NOT_REAL)
POSITIVES = wrong(ConfigError, "expected a positive number", *NOT_REAL, 0, 0.0)
FRACTIONS = WrongValues([*REALS, *wrong(ConfigError, "expected a number from 0 up to, not including, 1", 2, 1, 1.0)])
NAMES = wrong(ConfigError, "choose one of", None, "", 3, True, b"relu", ["relu"], {"relu"}, {}, object, nan, "nosuch")
FLAGS = wrong(ConfigError, "expected True or False", None, 0, "yes", [], np.ones(2), "False", 1)
WIDTHS = WrongValues(
    [
        *wrong(ConfigError, "expected a tuple of whole numbers", None, 512, "512", b"512", 5.0, {512}, {512: 1}),
        *wrong(ConfigError, "expected a tuple of whole numbers", np.ones(2, int), (n for n in (3, 4)), range),
        *(
            Wrong(f"({v!r},)", (3, v), ConfigError, ("[1]=", "expected a whole number"))
            for v in (-1, 2.0, True, "3", None, [3], nan, 0)
        ),
    ]
)
PATHS = wrong(ConfigError, "expected a path, such as", None, 2.0, True, b"a.npz", ["a.npz"], {}, object(), 3)
FUNCTIONS = wrong(ConfigError, "expected", 3, [], {}, True, object(), np.ones(2), "fast")

# --- arrays


def data(name: str, width: int, support=(0.0, 1.0), missing=False):
    """Values that are not rows (B, width) of finite numbers within the support."""
    rows = np.full((2, width), 0.5)
    nonfinite = {key: rows.copy() for key in ("NaN", "inf")}
    nonfinite["NaN"][1, 0], nonfinite["inf"][0, -1] = nan, inf
    expected = f"expected (B, {width})"
    cases = [
        ("all inf", -np.full((2, width), inf), RangeError, "infinite"),
        ("without rows", np.empty((0, width)), ShapeError, f"(0, {width})", expected),
        ("too narrow", np.ones((2, width - 1)), ShapeError, f"(2, {width - 1})", expected),
        ("too wide", np.ones((2, width + 1)), ShapeError, f"(2, {width + 1})", expected),
        ("as one row", np.ones(width), ShapeError, f"({width},)", "None, :]"),
        ("of pictures", np.ones((5, width, 1)), ShapeError, "reshape"),
        ("of five axes", np.ones((2,) * 5), ShapeError, expected),
        ("of no axes", np.array(0.5), ShapeError, "()", expected),
        ("a number", 0.5, ShapeError, "()", expected),
        ("an empty list", [], ShapeError, "(0,)", expected),
        ("None", None, DTypeError, "None", "expected"),
        ("a str", "digits", DTypeError, "'digits'", "expected"),
        ("bytes", b"digits", DTypeError, "b'digits'", "expected"),
        ("a list of str", [["a"] * width], DTypeError, "<U1", "expected real numbers"),
        ("complex", rows.astype(complex), DTypeError, "complex128", "expected real numbers"),
        ("of objects", rows.astype(object), DTypeError, "object", "expected real numbers"),
        ("of None", [[None] * width], DTypeError, "object", "expected real numbers"),
        ("of a huge int", [[10**400] * width], DTypeError, "object", "expected real numbers"),
        ("of dates", np.zeros((2, width), "M8[s]"), DTypeError, "datetime64", "expected real numbers"),
        ("of spans of time", np.zeros((2, width), "m8[s]"), DTypeError, "timedelta64", "expected real numbers"),
        ("of records", np.zeros(2, [("a", "f4")]), DTypeError, "expected real numbers"),
        ("ragged", [[0.0] * width, [1.0]], DTypeError, "list", "expected"),
        ("a dict", {"x": rows}, DTypeError, "{'x':", "expected"),
        ("a set", {1.0, 2.0}, DTypeError, "{1.0,", "expected"),
        ("a generator", (r for r in rows), DTypeError, "generator", "expected"),
        ("a module", np, DTypeError, "module", "expected"),
        ("masked", np.ma.masked_array(rows, rows > 0), DTypeError, "mask", "pass"),
        ("with inf", nonfinite["inf"], RangeError, "infinite"),
        *([] if missing else [("with NaN", nonfinite["NaN"], RangeError, "NaN")]),
    ]
    if support == (0.0, 1.0):
        cases += [
            ("of bytes above 1", np.full((2, width), 255, np.uint8), RangeError, "255", "divide"),
            ("below 0", np.full((2, width), -1.5), RangeError, "-1.5"),
            ("above 1", np.full((2, width), 255.0), RangeError, "255", "divide 8-bit images by 255"),
        ]
    return wrong_rows(name, *cases)


def labels(rows: int, classes: int, some=False):
    """Values that are not labels (rows,) from 0 to classes − 1."""
    right = np.zeros(rows, int)
    high, low, wide = right.copy(), right.copy(), f"expected ({rows},)"
    high[-1], low[0] = classes, -2 if some else -1
    cases = [
        ("too low", low, RangeError, str(low[0]), "expected 0 to"),
        ("one too high for all", classes, RangeError, str(classes), "expected 0 to"),
        ("too few", right[:-1], ShapeError, f"({rows - 1},)", wide),
        ("too many", np.zeros(rows + 1, int), ShapeError, f"({rows + 1},)", wide),
        ("a column", right[:, None], ShapeError, f"({rows}, 1)", wide),
        ("floats", right.astype(float), DTypeError, "float64", "expected whole numbers"),
        ("booleans", right.astype(bool), DTypeError, "bool", "expected whole numbers"),
        ("halves", np.full(rows, 0.5), DTypeError, "float64", "expected whole numbers"),
        ("a str", "three", DTypeError, "expected whole numbers"),
        ("of str", ["a"] * rows, DTypeError, "expected whole numbers"),
        *([] if some else [("of None", [None] * rows, RangeError, "-1", "expected 0 to")]),
        *([] if some else [("NaN", np.full(rows, nan), RangeError, "-1", "expected 0 to")]),
        ("of a huge int", 10**30, DTypeError, "object", "expected whole numbers"),
        ("ragged", [[0], [1, 2]], DTypeError, "expected"),
        ("a dict", {0: 1}, DTypeError, "expected whole numbers"),
        ("of dates", np.zeros(rows, "M8[s]"), DTypeError, "datetime64", "expected whole numbers"),
        ("too high", high, RangeError, str(classes), "expected 0 to"),
    ]
    return WrongValues(Wrong(problem, value, error, tuple(words)) for problem, value, error, *words in cases)


# --- small models, cached

INPUTS, LATENT, CLASSES = 4, 2, 3
X = np.random.default_rng(0).random((6, INPUTS))
Z = np.random.default_rng(1).standard_normal((6, LATENT))
Y = np.arange(6) % CLASSES


def make(kind: str, **settings):
    classes = {"classes": CLASSES} if kind in ("ConditionalVAE", "SemiSupervisedVAE") else {}
    return getattr(sv, kind)(INPUTS, LATENT, (3,), **classes, **settings)


@cache
def model(kind: str = "VAE", **settings):
    return make(kind, **settings)
