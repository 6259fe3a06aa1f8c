"""What the front door does not let in: how a row of the table is written.

A row is one call with one wrong input, and what must come of it:

    row("VAE.sample", "count", "of many", lambda: vae().sample(10**30), ConfigError, "expected a whole number")

which is the name as it is typed after `sv.`, the argument, what is wrong with it, the call, the exception, and words
of the message: the argument and what to do are looked for in any case. Values that are wrong for many arguments alike
have a list here, which `each` goes through:

    each("VAE.sample", "count", COUNTS, lambda v: vae().sample(v))

A new public name, or method, needs a row in the file of its room, beside the others, or, if it takes nothing that can
be wrong, a line with the reason in `test_functions.py`. A new command needs rows in `test_commands.py`. The tests of
completeness there go red until it has.
"""

from collections.abc import Callable, Iterator
from functools import cache
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, RangeError, ScratchVAEError, ShapeError


class Row(NamedTuple):
    of: str
    argument: str
    given: str
    call: Callable[[], Any]
    error: type[ScratchVAEError]
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.of}({self.argument} {self.given})"


def row(of, argument, given, call, error, *words):
    return Row(of, argument, given, call, error, words)


class Wrong(NamedTuple):
    """A value that is wrong for any argument of its kind."""

    label: str
    value: Any
    error: type[ScratchVAEError]
    words: tuple[str, ...]


def each(of: str, argument: str, wrongs, call, error=None) -> Iterator[Row]:
    """A row for each of the wrong values; `error` where this function calls them by another class."""
    for wrong in wrongs:
        yield Row(of, argument, wrong.label, lambda v=wrong.value: call(v), error or wrong.error, wrong.words)


def wrong(error, do, *values):
    return tuple(Wrong(label(value), value, error, (*given(value), do)) for value in values)


def text_of(value):
    """A value as Python writes it; "" where it does not, or differently each time."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # of a whole number with more than 4300 digits
        return ""
    return "" if " at 0x" in text else text


def label(value):
    text = text_of(value)
    return text if 0 < len(text) <= 24 else f"of {type(value).__name__} {text[:12]}…"


def given(value):
    """What a message must tell of a value: as much as fits."""
    return tuple(filter(None, [text_of(value)[:16]]))


def wrong_rows(name, *cases):
    """Wrong values that are told apart by what is said of them, not by how Python writes them."""
    return tuple(Wrong(said, value, error, (name, *words)) for said, value, error, *words in cases)


# --- settings

WHOLES = wrong(
    ConfigError, "expected a whole number of at least", None, "3", b"3", True, 2.0, nan, inf, 1j, [3], (3,), {},
    np.ones(2), np.array(3), object(), int, -1, -(10**30),
)  # fmt: skip
SIZES = WHOLES + wrong(ConfigError, "at most", 10**30, 2**64, 10**5000)
COUNTS = SIZES + wrong(ConfigError, "expected a whole number of at least 1", 0)
SEEDS = WHOLES + wrong(ConfigError, "at most", 2**128, 10**5000)
REALS = wrong(
    ConfigError, "expected a finite number of at least", None, "1", b"1", True, nan, inf, -inf, 1j, [1.0], {},
    np.ones(2), object(), 10**400, -1.0, np.datetime64("2020-01-01"),
)  # fmt: skip
POSITIVES = REALS + wrong(ConfigError, "expected a positive number", 0, 0.0)
FRACTIONS = REALS + wrong(ConfigError, "expected a number from 0 up to, not including, 1", 1, 1.0, 2)
NAMES = wrong(ConfigError, "choose one of", None, "", "nosuch", 3, True, b"relu", ["relu"], {"relu"}, {}, object, nan)
FLAGS = wrong(ConfigError, "expected True or False", None, 1, 0, "yes", [], np.ones(2), "False")
WIDTHS = (
    *wrong(ConfigError, "expected a tuple of whole numbers", None, 512, "512", b"512", 5.0, {512}, {512: 1}),
    *wrong(ConfigError, "expected a tuple of whole numbers", np.ones(2, int), (n for n in (3, 4)), range),
    *(
        Wrong(f"({v!r},)", (3, v), ConfigError, ("[1]=", "expected a whole number"))
        for v in (0, -1, 2.0, True, "3", None, [3], nan)
    ),
)
PATHS = wrong(ConfigError, "expected a path, such as", None, 3, 2.0, True, b"a.npz", ["a.npz"], {}, object())
FUNCTIONS = wrong(ConfigError, "expected", 3, "fast", [], {}, True, object(), np.ones(2))

# --- arrays


def data(name: str, width: int, support=(0.0, 1.0), missing=False):
    """What are no rows (B, width) of finite numbers within the support."""
    rows = np.full((2, width), 0.5)
    spoilt = {key: rows.copy() for key in ("NaN", "inf")}
    spoilt["NaN"][1, 0], spoilt["inf"][0, -1] = nan, inf
    expected = f"expected (B, {width})"
    cases = [
        *([] if missing else [("with NaN", spoilt["NaN"], RangeError, "NaN")]),
        ("with inf", spoilt["inf"], RangeError, "NaN or infinite"),
        ("all inf", -np.full((2, width), inf), RangeError, "NaN or infinite"),
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
    ]
    if support == (0.0, 1.0):
        cases += [
            ("above 1", np.full((2, width), 255.0), RangeError, "255", "0 to 1: divide 8-bit images by 255"),
            ("of bytes above 1", np.full((2, width), 255, np.uint8), RangeError, "255", "divide"),
            ("below 0", np.full((2, width), -0.5), RangeError, "-0.5", "shift"),
        ]
    return wrong_rows(name, *cases)


def labels(rows: int, classes: int, some=False):
    """What are no labels (rows,) from 0 to classes − 1."""
    right = np.zeros(rows, int)
    high, low, wide = right.copy(), right.copy(), f"expected ({rows},)"
    high[-1], low[0] = classes, -2 if some else -1
    cases = [
        ("too high", high, RangeError, str(classes), "expected 0 to"),
        ("too low", low, RangeError, str(low[0]), "expected 0 to"),
        ("one too high for all", classes, RangeError, str(classes), "expected 0 to"),
        ("too few", right[:-1], ShapeError, f"({rows - 1},)", wide),
        ("too many", np.zeros(rows + 1, int), ShapeError, f"({rows + 1},)", wide),
        ("a column", right[:, None], ShapeError, f"({rows}, 1)", wide),
        ("floats", right.astype(float), DTypeError, "float64", "expected whole numbers"),
        ("booleans", right.astype(bool), DTypeError, "bool", "expected whole numbers"),
        ("NaN", np.full(rows, nan), DTypeError, "float64", "expected whole numbers"),
        ("a str", "three", DTypeError, "expected whole numbers"),
        ("of str", ["a"] * rows, DTypeError, "expected whole numbers"),
        ("of None", [None] * rows, DTypeError, "object", "expected whole numbers"),
        ("of a huge int", 10**30, DTypeError, "object", "expected whole numbers"),
        ("ragged", [[0], [1, 2]], DTypeError, "expected"),
        ("a dict", {0: 1}, DTypeError, "expected whole numbers"),
        ("of dates", np.zeros(rows, "M8[s]"), DTypeError, "datetime64", "expected whole numbers"),
    ]
    return tuple(Wrong(said, value, error, tuple(words)) for said, value, error, *words in cases)


# --- models, small, and made once

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
