"""Refusals of evaluation and plotting."""

import numpy as np
from refusals.table import (
    CLASSES,
    COUNTS,
    INPUTS,
    PATHS,
    POSITIVES,
    SEEDS,
    SIZES,
    X,
    Y,
    data,
    labels,
    model,
    refuse_all,
    refuse_one,
    row,
    wrong,
    wrong_rows,
)  # fmt: skip
from refusals.training import NO_BINARIZATION, NO_MODELS, PLACES, place

from scratchvae import datasets, evaluation, plotting, training
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError

SPLIT = datasets.Split(X, Y)
DATA = datasets.Dataset("six rows", SPLIT, SPLIT, (2, 2))
NO_VAES = NO_MODELS + wrong(ConfigError, "expected a ", model("Autoencoder"))
FACTORS = {"shape": Y}


def numbers(name, axes="(N, D)", bare=("as one row", "of pictures", "of five axes", "too narrow", "too wide")):
    """Values that are not arrays of numbers; rows of any width, and NaN, are valid."""
    return [
        w._replace(words=(name, "expected") if w.error is ShapeError else w.words)
        for w in data(name, INPUTS, support=None, missing=True)
        if w.label not in bare and w.error is not RangeError
    ]


def evaluation_rows():
    function = "evaluation.classification"
    semi = lambda: model("SemiSupervisedVAE")  # noqa: E731
    no_classifier = NO_MODELS + wrong(ConfigError, "expected a SemiSupervisedVAE", model(), model("ConditionalVAE"))
    yield from refuse_one(function, "model", no_classifier, lambda v: evaluation.classification(v, X, Y))
    yield from refuse_one(function, "images", data("images", INPUTS), lambda v: evaluation.classification(semi(), v, Y))
    yield from refuse_one(function, "labels", labels(6, CLASSES), lambda v: evaluation.classification(semi(), X, v))
    yield row(
        function,
        "labels",
        "None",
        lambda: evaluation.classification(semi(), X, None),
        DTypeError,
        "None",
        "expected whole numbers",
    )

    yield from refuse_one("evaluation.active_units", "vae", NO_VAES, lambda v: evaluation.active_units(v, X))
    yield from refuse_one(
        "evaluation.active_units", "images", data("images", INPUTS), lambda v: evaluation.active_units(model(), v)
    )

    function, density = "evaluation.log_likelihood", evaluation.log_likelihood
    yield from refuse_one(function, "model", NO_VAES, lambda v: density(v, X))
    yield from refuse_one(function, "x", data("x", INPUTS), lambda v: density(model(), v, 3))
    yield from refuse_one(function, "samples", COUNTS, lambda v: density(model(), X, v))
    yield from refuse_one(function, "seed", SEEDS, lambda v: density(model(), X, 3, seed=v))
    yield from refuse_one(function, "binarize", NO_BINARIZATION, lambda v: density(model(), X, 3, binarize=v))
    conditional = lambda: model("ConditionalVAE")  # noqa: E731
    yield from refuse_one(function, "labels", labels(6, CLASSES), lambda v: density(conditional(), X, 3, labels=v))

    function = "evaluation.imputation_error"
    error = lambda **v: evaluation.imputation_error(**{"truth": X, "completed": X, "observed": X > 0.5, **v})  # noqa: E731
    for name in ("truth", "completed"):
        yield from refuse_one(function, name, numbers(name), lambda v, n=name: error(**{n: v}))
        for problem, v in {"of fewer rows": X[1:], "a row": X[0]}.items():
            yield row(
                function, name, problem, lambda v=v, n=name: error(**{n: v}), ShapeError, str(v.shape), "expected"
            )
    masks = wrong_rows(
        "observed",
        ("of numbers", np.ones_like(X), DTypeError, "float64", "expected booleans"),
        ("None", None, DTypeError, "expected booleans"),
        ("a str", "all", DTypeError, "expected booleans"),
        ("a list of lists", [[True] * 4, [True]], DTypeError, "expected"),
        ("of one row", np.ones(4, bool), ShapeError, "(4,)", "expected"),
        ("of all", np.ones(X.shape, bool), ShapeError, "expected some False"),
    )
    yield from refuse_all(function, "observed", masks, lambda v: error(observed=v))

    function, gap = "evaluation.mutual_information_gap", evaluation.mutual_information_gap
    codes = [w for w in data("codes", INPUTS, support=None) if w.label not in ("too narrow", "too wide")]
    codes = [w._replace(words=("codes", "expected") if w.error is ShapeError else ("codes",)) for w in codes]
    yield from refuse_all(function, "codes", codes, lambda v: gap(v, FACTORS))
    no_factors = wrong(ConfigError, "expected", None, 3, "shape", [1, 2], np.ones(6), {1, 2})
    yield from refuse_all(function, "factors", no_factors, lambda v: gap(X, v))
    yield row(function, "factors", "none", lambda: gap(X, {}), ShapeError, "expected at least one")
    factor = wrong_rows(
        "factor 'shape'",
        ("None", None, DTypeError, "None", "expected"),
        ("a str", "square", DTypeError, "expected"),
        ("complex", Y * 1j, DTypeError, "complex128", "expected"),
        ("a number", 3.0, ShapeError, "()", "expected (N,)"),
        ("a table", X, ShapeError, "(6, 4)", "expected (N,)"),
        ("too few", Y[1:], ShapeError, "5", "6"),
        ("NaN", np.full(6, np.nan), RangeError, "NaN"),
        ("the same in all rows", np.ones(6), RangeError, "leave it out"),
    )
    yield from refuse_all(function, "factor 'shape'", factor, lambda v: gap(X, {"shape": v}))
    bins = SIZES + wrong(ConfigError, "expected a whole number of at least 2", 0, 1)
    yield from refuse_one(function, "bins", bins, lambda v: gap(X, FACTORS, v))

    function, psnr = "evaluation.psnr", evaluation.psnr
    for name in ("images", "clean"):
        pair = lambda v, n=name: psnr(**{"images": X, "clean": X, n: v})  # noqa: E731
        yield from refuse_one(function, name, numbers(name), pair)
        for problem, v in {"of fewer rows": X[1:], "a row": X[0]}.items():
            yield row(function, name, problem, lambda v=v, p=pair: p(v), ShapeError, str(v.shape), "expected the same")
    yield from refuse_one(function, "peak", POSITIVES, lambda v: psnr(X, X, v))


# --- pictures

SHAPES = (
    *wrong(ConfigError, "expected a tuple of whole numbers", 2, 4.0, "22", {2}, np.array([2, 2])),
    *wrong(ConfigError, "expected (height, width)", (2,), (4, 1, 1), (3, 3), (), (4, 2)),
    *((w := wrong(ConfigError, "whole number", 0)[0])._replace(label="(0, 4)", value=(0, 4), words=("[0]=0",)),),
)
RANGES = wrong(
    ConfigError, "expected two numbers", None, 1.0, "01", (0.0,), (0.0, 1.0, 2.0), (1.0, 0.0), ("a", "b"),
    (np.nan, 1.0), {}, (0.0, np.inf), (None, 1.0),
)  # fmt: skip
TITLES = wrong(ConfigError, "expected a string", None, 3, b"title", ["title"])
PARTS = wrong(ConfigError, "expected a Split", None, 3, "train", X, (X,), [])
HISTORIES = wrong(ConfigError, "expected a History", None, 3, [], {}, training.History)
CODES = np.random.default_rng(2).standard_normal((6, 2))


def picture_list_rows(function, name, call):
    """Rows for an argument with pictures (N, D), beside other arguments with D = 4."""
    yield from refuse_one(function, name, numbers(name, bare=("too narrow", "too wide")), call)


def picture_rows():
    P = plotting
    size = (2, 2)
    images = lambda **v: P.plot_images(**{"images": X, "shape": size, "columns": 3, **v})  # noqa: E731
    yield from picture_list_rows("plotting.plot_images", "images", lambda v: images(images=v))
    yield from refuse_one("plotting.plot_images", "columns", COUNTS, lambda v: images(columns=v))
    yield from refuse_one("plotting.plot_images", "shape", SHAPES, lambda v: images(shape=v))
    yield from refuse_one("plotting.plot_images", "value_range", RANGES, lambda v: images(value_range=v))
    yield from refuse_one("plotting.plot_images", "title", TITLES, lambda v: images(title=v))
    for name in ("row_names", "column_names"):
        names = wrong(ConfigError, "expected a name for each", None, 3, "ab", ("a",), ("a", 3), {})
        yield from refuse_one("plotting.plot_images", name, names, lambda v, n=name: images(**{n: v}))

    function = "plotting.plot_rows"
    plot_rows = lambda **v: P.plot_rows(**{"sets": {"a": X, "b": X}, "shape": size, "columns": 3, **v})  # noqa: E731
    yield from refuse_all(
        function,
        "sets",
        wrong(ConfigError, "expected images by name", None, 3, "rows", [], {}, X, (X, X), {1: X}),
        lambda v: plot_rows(sets=v),
    )
    yield from picture_list_rows(function, "sets['b']", lambda v: plot_rows(sets={"a": X, "b": v}))
    yield row(
        function,
        "sets['b']",
        "of fewer rows",
        lambda: plot_rows(sets={"a": X, "b": X[1:]}),
        ShapeError,
        "(5, 4)",
        "expected",
    )
    yield from refuse_one(function, "shape", SHAPES, lambda v: plot_rows(shape=v))
    yield from refuse_one(function, "columns", COUNTS, lambda v: plot_rows(columns=v))
    yield from refuse_one(function, "title", TITLES, lambda v: plot_rows(title=v))
    yield from refuse_one(function, "value_range", RANGES, lambda v: plot_rows(value_range=v))

    no_data = [w for w in numbers("images") if w.error is DTypeError or "without" in w.label]
    yield from refuse_one("plotting.value_range_of", "images", no_data, P.value_range_of)
    for problem, value in {"NaN alone": X * np.nan, "infinite": X * np.inf}.items():
        yield row(
            "plotting.value_range_of", "images", problem, lambda v=value: P.value_range_of(v), RangeError, "expected"
        )


def model_picture_rows():
    P = plotting
    vae = lambda: pictures_of("VAE", INPUTS, 2, ())  # noqa: E731
    conditional = lambda: pictures_of("ConditionalVAE", INPUTS, 2, (), classes=CLASSES)  # noqa: E731
    no_labelled = NO_MODELS + wrong(ConfigError, "expected a ConditionalVAE", model())
    inputs = data("images", INPUTS)
    of_a_model = {
        "plot_samples": (lambda **v: P.plot_samples(**{"vae": vae(), **v}), "vae", NO_VAES),
        "plot_reconstructions": (
            lambda **v: P.plot_reconstructions(**{"model": vae(), "x": X, **v}), "model", NO_MODELS
        ),
        "plot_interpolation": (
            lambda **v: P.plot_interpolation(**{"model": vae(), "a": X[0], "b": X[1], **v}), "model", NO_MODELS
        ),
        "plot_traversal": (lambda **v: P.plot_traversal(**{"vae": vae(), **v}), "vae", NO_VAES),
        "plot_analogy": (
            lambda **v: P.plot_analogy(**{"model": vae(), "a": X[0], "b": X[1], "c": X, **v}), "model", NO_MODELS
        ),
        "plot_manifold": (lambda **v: P.plot_manifold(**{"vae": vae(), "side": 3, **v}), "vae", NO_VAES),
        "plot_classes": (lambda **v: P.plot_classes(**{"model": conditional(), **v}), "model", no_labelled),
        "plot_class_swaps": (
            lambda **v: P.plot_class_swaps(**{"model": conditional(), "x": X, "labels": Y, **v}), "model", no_labelled
        ),
    }  # fmt: skip
    shapes = [w for w in SHAPES if w.value is not None]  # None is the shape of the model
    ranges = [w for w in RANGES if w.value is not None]  # None is that of the data
    axes = wrong(ConfigError, "expected matplotlib Axes", 3, "left", X)
    for name, (call, first, no_models) in of_a_model.items():
        function = f"plotting.{name}"
        yield from refuse_one(function, first, no_models, lambda v, c=call, n=first: c(**{n: v}))
        yield from refuse_one(function, "shape", shapes, lambda v, c=call: c(shape=v))
        yield from refuse_one(function, "value_range", ranges, lambda v, c=call: c(value_range=v))
        yield from refuse_one(function, "ax", axes, lambda v, c=call: c(ax=v))
    for name, argument, values in (
        ("plot_samples", "count", COUNTS),
        ("plot_samples", "seed", SEEDS),
        ("plot_samples", "columns", COUNTS),
        ("plot_reconstructions", "x", inputs),
        ("plot_reconstructions", "columns", COUNTS),
        ("plot_interpolation", "steps", SIZES + wrong(ConfigError, "at least 2", 0, 1)),
        ("plot_interpolation", "kind", wrong(ConfigError, "choose one of", "arc")),
        ("plot_traversal", "steps", COUNTS),
        ("plot_traversal", "dimensions", wrong(ConfigError, "expected", 3, "z0", [], [2], [-1], [0.5])),
        ("plot_traversal", "reach", wrong(ConfigError, "expected", None, 0.0, -1.0, "far", np.nan)),
        ("plot_analogy", "names", wrong(ConfigError, "expected a name for each", None, 3, "ab", ("a",), ("a", 3))),
        ("plot_manifold", "side", COUNTS),
        ("plot_classes", "seed", SEEDS),
        ("plot_classes", "columns", COUNTS),
        ("plot_class_swaps", "x", inputs),
        ("plot_class_swaps", "labels", labels(6, CLASSES)),
    ):
        call = of_a_model[name][0]
        yield from refuse_one(f"plotting.{name}", argument, values, lambda v, c=call, n=argument: c(**{n: v}))
    yield row(
        "plotting.plot_interpolation",
        "b",
        "of other rows",
        lambda: P.plot_interpolation(vae(), X[:2], X[:3]),
        ShapeError,
        "(3, 4)",
        "expected (2, 4)",
    )
    yield row(
        "plotting.plot_manifold",
        "vae",
        "of three dimensions",
        lambda: P.plot_manifold(deep()),
        ConfigError,
        "3",
        "expected",
    )
    for name in ("plot_manifold", "plot_class_swaps"):
        argument = of_a_model[name][1]
        table = model() if argument == "vae" else model("ConditionalVAE")
        yield row(
            f"plotting.{name}",
            argument,
            "of a table",
            lambda c=of_a_model[name][0], n=argument, t=table: c(**{n: t}),
            ConfigError,
            "no pictures",
            "expected",
        )

    codes = [w for w in data("codes", INPUTS, support=None) if w.label not in ("too narrow", "too wide")]
    codes = [w._replace(words=("codes", "expected") if w.error is ShapeError else ("codes",)) for w in codes]
    yield from refuse_one("plotting.plot_codes", "codes", codes, lambda v: P.plot_codes(v))
    names = wrong_rows(
        "labels", ("a number", 3, ShapeError, "()", "expected (6,)"),
        ("too few", Y[1:], ShapeError, "(5,)", "expected (6,)"),
        ("a table", X, ShapeError, "(6, 4)", "expected (6,)"), ("ragged", [[1], [1, 2]], DTypeError, "expected"),
        ("of objects", [None] * 6, DTypeError, "object", "expected"),
    )  # fmt: skip
    yield from refuse_one("plotting.plot_codes", "labels", names, lambda v: P.plot_codes(CODES, v))
    tables = wrong(ConfigError, "expected rows by name", None, [], {}, {3: CODES})
    yield from refuse_all("plotting.plot_table", "sets", tables, lambda v: P.plot_table(v, ["a", "b"]))
    columns = wrong(ConfigError, "columns", None, ["a"], "ab", ["a", 3])
    yield from refuse_all("plotting.plot_table", "columns", columns, lambda v: P.plot_table({"s": CODES}, v))
    yield from refuse_one("plotting.plot_table", "title", TITLES, lambda v: P.plot_table({"s": CODES}, ["a", "b"], v))
    joined = wrong(ConfigError, "expected", None, 3, "yes")
    yield from refuse_one(
        "plotting.plot_table", "joined", joined, lambda v: P.plot_table({"s": CODES}, ["a", "b"], joined=v)
    )

    yield from refuse_one("plotting.plot_latent", "model", NO_MODELS, lambda v: P.plot_latent(v, SPLIT))
    yield from refuse_one("plotting.plot_latent", "data", inputs, lambda v: P.plot_latent(vae(), v))

    plot_report = lambda **v: P.plot_report(**{"model": model(), "history": training.History(), "data": DATA, **v})  # noqa: E731
    yield from refuse_one("plotting.plot_report", "model", NO_MODELS, lambda v: plot_report(model=v))
    yield from refuse_one("plotting.plot_report", "history", HISTORIES, lambda v: plot_report(history=v))
    yield from refuse_one(
        "plotting.plot_report",
        "data",
        wrong(ConfigError, "expected a Dataset", None, "digits", X, SPLIT),
        lambda v: plot_report(data=v),
    )
    yield from refuse_one("plotting.plot_report", "seed", SEEDS, lambda v: plot_report(seed=v))
    unlabelled = DATA._replace(test=datasets.Split(X, None))
    yield row(
        "plotting.plot_report",
        "data",
        "without labels",
        lambda: plot_report(model=model("ConditionalVAE"), data=unlabelled),
        ConfigError,
        "labels",
        "expected",
    )
    yield from refuse_one("plotting.plot_history", "history", HISTORIES, P.plot_history)
    yield row(
        "plotting.plot_history",
        "history",
        "of no epochs",
        lambda: P.plot_history(training.History()),
        ConfigError,
        "expected",
    )

    figure = lambda: P.plot_images(X, (2, 2), 3)  # noqa: E731
    yield from refuse_one(
        "plotting.save_picture",
        "figure",
        wrong(ConfigError, "expected a matplotlib figure", None, 3, "picture", X),
        lambda v: P.save_picture(v, place("a.png")),
    )
    yield from refuse_one("plotting.save_picture", "path", PATHS, lambda v: P.save_picture(figure(), v))
    for name in ("picture", "picture.jpg", "picture.PNG.txt", ""):
        yield row(
            "plotting.save_picture",
            "path",
            f"{name!r}",
            lambda n=name: P.save_picture(figure(), n),
            ConfigError,
            ".png",
            "expected",
        )
    (*places,) = ((problem, f"{name}.png", *rest) for problem, name, *rest in PLACES if problem != "a folder")
    yield from refuse_one(
        "plotting.save_picture",
        "cannot write",
        wrong_rows("cannot write", *places),
        lambda v: P.save_picture(figure(), place(v)),
    )


def pictures_of(kind, *arguments, **settings):
    import scratchvae as sv

    return getattr(sv, kind)(*arguments, image_shape=(2, 2), **settings)


def deep():
    import scratchvae as sv

    return sv.VAE(INPUTS, 3, ())


ROWS = [*evaluation_rows(), *picture_rows(), *model_picture_rows()]
