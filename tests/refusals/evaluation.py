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
    mosaics = {
        "draw_images": lambda **v: P.draw_images(**{"images": X, "shape": size, "columns": 3, **v}),
        "draw_interpolations": lambda **v: P.draw_interpolations(**{"frames": X, "shape": size, "steps": 3, **v}),
    }
    for name, call in mosaics.items():
        function, first = f"plotting.{name}", "images" if name == "draw_images" else "frames"
        yield from picture_list_rows(function, first, lambda v, c=call, n=first: c(**{n: v}))
        count = "columns" if name == "draw_images" else "steps"
        yield from refuse_one(function, count, COUNTS, lambda v, c=call, n=count: c(**{n: v}))
        yield from refuse_one(function, "shape", SHAPES, lambda v, c=call: c(shape=v))
        yield from refuse_one(function, "value_range", RANGES, lambda v, c=call: c(value_range=v))
    yield from refuse_one("plotting.draw_images", "title", TITLES, lambda v: mosaics["draw_images"](title=v))

    function = "plotting.draw_reconstructions"
    pair = lambda **v: P.draw_reconstructions(**{"originals": X, "reconstructions": X, "shape": size, **v})  # noqa: E731
    for name in ("originals", "reconstructions"):
        yield from picture_list_rows(function, name, lambda v, n=name: pair(**{n: v}))
        yield row(
            function,
            "reconstructions",
            f"other than {name}",
            lambda n=name: pair(**{n: X[1:]}),
            ShapeError,
            "(5, 4)",
            "expected",
        )
    yield from refuse_one(function, "shape", SHAPES, lambda v: pair(shape=v))
    yield from refuse_one(function, "columns", COUNTS, lambda v: pair(columns=v))

    function = "plotting.draw_rows"
    draw_rows = lambda **v: P.draw_rows(**{"image_sets": (X, X), "shape": size, "columns": 3, "title": "", **v})  # noqa: E731
    yield from refuse_all(
        function,
        "image_sets",
        wrong(ConfigError, "expected", None, 3, "rows", [], {}, X),
        lambda v: draw_rows(image_sets=v),
    )
    yield from picture_list_rows(function, "image_sets[1]", lambda v: draw_rows(image_sets=(X, v)))
    yield row(
        function,
        "image_sets[1]",
        "of fewer rows",
        lambda: draw_rows(image_sets=(X, X[1:])),
        ShapeError,
        "(5, 4)",
        "expected",
    )
    names = wrong(ConfigError, "expected a name for each", None, 3, "ab", ("a",), ("a", 3), ("a", "b", "c"), {})
    yield from refuse_one(function, "names", names, lambda v: draw_rows(names=v))
    yield from refuse_one(function, "shape", SHAPES, lambda v: draw_rows(shape=v))
    yield from refuse_one(function, "columns", COUNTS, lambda v: draw_rows(columns=v))
    yield from refuse_one(function, "title", TITLES, lambda v: draw_rows(title=v))
    yield from refuse_one(function, "value_range", RANGES, lambda v: draw_rows(value_range=v))

    function = "plotting.draw_traversals"
    draw_traversals = lambda **v: P.draw_traversals(  # noqa: E731
        **{"frames": X, "shape": size, "names": ["a", "b"], "values": [-1.0, 0.0, 1.0], **v}
    )
    yield from picture_list_rows(function, "frames", lambda v: draw_traversals(frames=v))
    names = wrong(ConfigError, "expected a name for each", None, 3, "ab", ["a"], ["a", 3], {})
    yield from refuse_one(function, "names", names, lambda v: draw_traversals(names=v))
    values = wrong_rows(
        "values", ("None", None, DTypeError, "expected"), ("a str", "far", DTypeError, "expected"),
        ("a number", 1.0, ShapeError, "()", "expected"), ("too few", [1.0], ConfigError, "expected"),
        ("empty", [], ShapeError, "(0,)", "expected"),
    )  # fmt: skip
    values = [w if w.label != "too few" else w._replace(words=("expected",)) for w in values]
    for w in values:
        argument = "names" if w.label == "too few" else "values"
        yield from refuse_one(function, argument, [w], lambda v: draw_traversals(values=v))
    yield from refuse_one(function, "shape", SHAPES, lambda v: draw_traversals(shape=v))
    yield from refuse_one(function, "value_range", RANGES, lambda v: draw_traversals(value_range=v))

    function = "plotting.draw_analogies"
    draw_analogies = lambda **v: P.draw_analogies(**{"a": X[0], "b": X[1], "c": X, "answers": X, "shape": size, **v})  # noqa: E731
    for name in ("a", "b"):
        ends = wrong_rows(
            name, ("None", None, DTypeError, "expected"), ("a str", "far", DTypeError, "expected"),
            ("rows", X, ShapeError, "(6, 4)", "expected"), ("narrow", X[0, 1:], ShapeError, "(3,)", "expected"),
        )  # fmt: skip
        yield from refuse_one(function, name, ends, lambda v, n=name: draw_analogies(**{n: v}))
    for name in ("c", "answers"):
        yield from picture_list_rows(function, name, lambda v, n=name: draw_analogies(**{n: v}))
        yield row(
            function,
            "answers",
            f"other than {name}",
            lambda n=name: draw_analogies(**{n: X[1:]}),
            ShapeError,
            "(5, 4)",
            "expected",
        )
    yield from refuse_one(function, "shape", SHAPES, lambda v: draw_analogies(shape=v))
    yield from refuse_one(function, "value_range", RANGES, lambda v: draw_analogies(value_range=v))

    no_data = [w for w in numbers("images") if w.error is DTypeError or "without" in w.label]
    yield from refuse_one("plotting.value_range_of", "images", no_data, P.value_range_of)
    for problem, value in {"NaN alone": X * np.nan, "infinite": X * np.inf}.items():
        yield row(
            "plotting.value_range_of", "images", problem, lambda v=value: P.value_range_of(v), RangeError, "expected"
        )


def model_picture_rows():
    P = plotting
    conditional = lambda: model("ConditionalVAE")  # noqa: E731
    no_labelled = NO_MODELS + wrong(ConfigError, "expected a ConditionalVAE", model())
    yield from refuse_one("plotting.draw_classes", "model", no_labelled, lambda v: P.draw_classes(v, (2, 2)))
    yield from refuse_one("plotting.draw_classes", "shape", SHAPES, lambda v: P.draw_classes(conditional(), v))
    yield from refuse_one("plotting.draw_classes", "seed", SEEDS, lambda v: P.draw_classes(conditional(), None, v))
    yield from refuse_one(
        "plotting.draw_classes", "columns", COUNTS, lambda v: P.draw_classes(conditional(), None, columns=v)
    )
    yield from refuse_one(
        "plotting.draw_classes", "value_range", RANGES, lambda v: P.draw_classes(conditional(), None, value_range=v)
    )
    styles = lambda **v: P.draw_class_swaps(**{"model": conditional(), "images": X, "labels": Y, "shape": (2, 2), **v})  # noqa: E731
    yield from refuse_one("plotting.draw_class_swaps", "model", no_labelled, lambda v: styles(model=v))
    yield from refuse_one("plotting.draw_class_swaps", "images", data("images", INPUTS), lambda v: styles(images=v))
    yield from refuse_one("plotting.draw_class_swaps", "labels", labels(6, CLASSES), lambda v: styles(labels=v))
    yield from refuse_one("plotting.draw_class_swaps", "shape", SHAPES, lambda v: styles(shape=v))
    yield from refuse_one("plotting.draw_class_swaps", "value_range", RANGES, lambda v: styles(value_range=v))

    yield from refuse_one("plotting.draw_manifold", "vae", NO_VAES, lambda v: P.draw_manifold(v, (2, 2)))
    yield row(
        "plotting.draw_manifold",
        "vae",
        "of three dimensions",
        lambda: P.draw_manifold(deep(), None),
        ConfigError,
        "3",
        "expected",
    )
    yield from refuse_one("plotting.draw_manifold", "shape", SHAPES, lambda v: P.draw_manifold(model(), v))
    yield from refuse_one("plotting.draw_manifold", "side", COUNTS, lambda v: P.draw_manifold(model(), None, v))
    yield from refuse_one(
        "plotting.draw_manifold", "value_range", RANGES, lambda v: P.draw_manifold(model(), None, value_range=v)
    )

    codes = [w for w in data("codes", INPUTS, support=None) if w.label not in ("too narrow", "too wide")]
    codes = [w._replace(words=("codes", "expected") if w.error is ShapeError else ("codes",)) for w in codes]
    yield from refuse_one("plotting.draw_codes", "codes", codes, lambda v: P.draw_codes(v, None))
    names = wrong_rows(
        "labels", ("a number", 3, ShapeError, "()", "expected (6,)"),
        ("too few", Y[1:], ShapeError, "(5,)", "expected (6,)"),
        ("a table", X, ShapeError, "(6, 4)", "expected (6,)"), ("ragged", [[1], [1, 2]], DTypeError, "expected"),
        ("of objects", [None] * 6, DTypeError, "object", "expected"),
    )  # fmt: skip
    tables = wrong(ConfigError, "expected rows by name", None, [], {}, {3: CODES})
    yield from refuse_all("plotting.draw_table", "sets", tables, lambda v: P.draw_table(v, ["a", "b"], "t"))
    columns = wrong(ConfigError, "columns", None, ["a"], "ab", ["a", 3])
    yield from refuse_all("plotting.draw_table", "columns", columns, lambda v: P.draw_table({"s": CODES}, v, "t"))
    yield from refuse_one("plotting.draw_codes", "labels", names, lambda v: P.draw_codes(CODES, v))

    yield from refuse_one("plotting.draw_latent", "model", NO_MODELS, lambda v: P.draw_latent(v, SPLIT, (2, 2)))
    yield from refuse_one("plotting.draw_latent", "split", PARTS, lambda v: P.draw_latent(model(), v, (2, 2)))
    yield from refuse_one("plotting.draw_latent", "shape", SHAPES, lambda v: P.draw_latent(model(), SPLIT, v))
    draw_paths = lambda **v: P.draw_model_interpolations(**{"model": model(), "split": SPLIT, "shape": (2, 2), **v})  # noqa: E731
    yield from refuse_one("plotting.draw_model_interpolations", "model", NO_MODELS, lambda v: draw_paths(model=v))
    yield from refuse_one("plotting.draw_model_interpolations", "split", PARTS, lambda v: draw_paths(split=v))
    yield from refuse_one("plotting.draw_model_interpolations", "shape", SHAPES, lambda v: draw_paths(shape=v))
    yield from refuse_one("plotting.draw_model_interpolations", "paths", COUNTS, lambda v: draw_paths(paths=v))
    steps = SIZES + wrong(ConfigError, "at least 2", 0, 1)
    yield from refuse_one("plotting.draw_model_interpolations", "steps", steps, lambda v: draw_paths(steps=v))

    draw_report = lambda **v: P.draw_report(**{"model": model(), "history": training.History(), "data": DATA, **v})  # noqa: E731
    yield from refuse_one("plotting.draw_report", "model", NO_MODELS, lambda v: draw_report(model=v))
    yield from refuse_one("plotting.draw_report", "history", HISTORIES, lambda v: draw_report(history=v))
    yield from refuse_one(
        "plotting.draw_report",
        "data",
        wrong(ConfigError, "expected a Dataset", None, "digits", X, SPLIT),
        lambda v: draw_report(data=v),
    )
    yield from refuse_one("plotting.draw_report", "seed", SEEDS, lambda v: draw_report(seed=v))
    unlabelled = DATA._replace(test=datasets.Split(X, None))
    yield row(
        "plotting.draw_report",
        "data",
        "without labels",
        lambda: draw_report(model=conditional(), data=unlabelled),
        ConfigError,
        "labels",
        "expected",
    )
    yield from refuse_one("plotting.draw_history", "history", HISTORIES, P.draw_history)
    yield row(
        "plotting.draw_history",
        "history",
        "of no epochs",
        lambda: P.draw_history(training.History()),
        ConfigError,
        "expected",
    )

    figure = lambda: P.draw_images(X, None, 3)  # noqa: E731
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


def deep():
    import scratchvae as sv

    return sv.VAE(INPUTS, 3, ())


ROWS = [*evaluation_rows(), *picture_rows(), *model_picture_rows()]
