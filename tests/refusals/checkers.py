"""Refusals of the checkers, with every wrong value of their kind. `test_functions` tests that they are called."""

import numpy as np
from refusals.modules import D, array, not_arrays
from refusals.table import (
    CLASSES,
    COUNTS,
    FLAGS,
    FRACTIONS,
    FUNCTIONS,
    INPUTS,
    NAMES,
    PATHS,
    POSITIVES,
    REALS,
    SEEDS,
    WIDTHS,
    WrongValues,
    data,
    labels,
    model,
    refuse_all,
    row,
    wrong,
)

from scratchvae import layers, validation
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.models.labels import check_labels
from scratchvae.plotting import checks


def validation_rows():
    settings = {
        "check_int": (COUNTS, lambda v: validation.check_int("n", v)),
        "check_seed": (SEEDS, lambda v: validation.check_seed(v, "n")),
        "check_ints": (WIDTHS, lambda v: validation.check_ints("n", v)),
        "check_float": (REALS, lambda v: validation.check_float("n", v)),
        "check_positive": (POSITIVES, lambda v: validation.check_positive("n", v)),
        "check_fraction": (FRACTIONS, lambda v: validation.check_fraction("n", v)),
        "check_choice": (NAMES, lambda v: validation.check_choice("n", v, ("relu", "tanh"))),
        "check_bool": (FLAGS, lambda v: validation.check_bool("n", v)),
        "check_path": (PATHS, lambda v: validation.check_path("n", v, "vae.npz")),
        "check_type": (FUNCTIONS, lambda v: validation.check_type("n", v, layers.Layer, "a layer")),
        "check_callable": (FUNCTIONS, lambda v: validation.check_callable("n", v, "a function")),
    }
    for name, (wrongs, call) in settings.items():
        yield from refuse_all(f"validation.{name}", "n", wrongs, call)


def data_rows():
    of_any_support = {"likelihood": "gaussian"}
    for problem, (wrongs, settings) in {
        "in [0, 1]": (data("x", INPUTS), {}),
        "of any numbers": (data("x", INPUTS, support=None), of_any_support),
        "with NaN for missing": (data("x", INPUTS, missing=True), {"missing": True}),
    }.items():
        yield from refuse_all(f"check_rows, {problem}", "x", wrongs, lambda v, s=settings: model(**s).check_data(v))
    for allow_unlabelled in (False, True):
        yield from refuse_all(
            f"check_labels, some={allow_unlabelled}",
            "labels",
            labels(6, CLASSES, allow_unlabelled),
            lambda v, s=allow_unlabelled: check_labels(v, 6, CLASSES, allow_unlabelled=s),
        )


def module_rows():
    """`Module.check_inputs`, `check_width` and `check_gradients`, which every module calls."""

    def linear():
        layer = layers.Linear(D, 2, seed=0)
        layer.forward(array(D))
        return layer

    def conditional(targets):
        layer = layers.ConditionalLinear(D, 2, 2, seed=0)
        return layer.forward(array(D), targets)

    yield from refuse_all("check_inputs, bound", "x", not_arrays("x", array(D)), lambda v: linear().forward(v))
    unbound = [w for w in not_arrays("x", array(D)) if w.label not in ("too wide", "of float32 among float64")]
    fresh = lambda v: layers.Linear(D, 2, seed=0).forward(v)  # noqa: E731
    yield from refuse_all("check_inputs, unbound", "x", unbound, fresh)
    half, none = array(D, dtype="float16"), np.zeros((3, 0))
    yield row("check_inputs, unbound", "x", "of float16", lambda: fresh(half), DTypeError, "float16", "convert")
    yield row("check_inputs, unbound", "x", "of no width", lambda: fresh(none), ShapeError, "(3, 0)", "expected")
    targets = [w for w in not_arrays("targets", array(2)) if w.value is not None]
    yield from refuse_all("check_width", "targets", targets, conditional)
    yield from refuse_all("check_gradients", "dy", not_arrays("dy", array(2)), lambda v: linear().backward(v))
    early = lambda: layers.Linear(D, 2).backward(array(2))  # noqa: E731
    yield row("check_gradients", "forward", "not called", early, ShapeError, "before forward; call forward first")
    shorter = lambda: linear().backward(array(2)[:-1])  # noqa: E731
    yield row("check_gradients", "dy", "of fewer rows", shorter, ShapeError, "expected")


def plotting_rows():
    any_numbers = data("images", INPUTS, support=None, missing=True)
    any_width = [w for w in any_numbers if w.label in ("of objects", "of dates", "a str", "ragged", "a set", "masked")]
    yield from refuse_all("check_images", "images", any_width, lambda v: checks.check_images("images", v))
    shapes = WrongValues(
        [
            *wrong(ConfigError, "expected a tuple of whole numbers", 2, 4.0, "22", {2}, np.array([2, 2])),
            *wrong(ConfigError, "expected (height, width)", (2,), (4, 1, 2), (3, 3), (), (4, 2), (2, 2, 1, 1)),
            *wrong(ConfigError, "plot_table draws rows", None),
            *wrong(ConfigError, "pictures of 2 channels cannot be drawn", (1, 2, 2)),
        ]
    )
    yield from refuse_all("check_image_shape", "shape", shapes, lambda v: checks.check_image_shape(v, INPUTS))
    ranges = wrong(
        ConfigError, "expected two numbers", None, 1.0, "01", (0.0,), (0.0, 1.0, 2.0), (1.0, 0.0), ("a", "b"),
        (np.nan, 1.0), {}, (0.0, np.inf), (None, 1.0),
    )  # fmt: skip
    yield from refuse_all("check_value_range", "value_range", ranges, checks.check_value_range)
    names = wrong(ConfigError, "expected a name for each", None, 3, "ab", ("a",), ("a", 3), ("a", "b", "c"), {})
    yield from refuse_all("check_names", "names", names, lambda v: checks.check_names("names", v, 2))


ROWS = [*validation_rows(), *data_rows(), *module_rows(), *plotting_rows()]
