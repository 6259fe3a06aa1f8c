"""Refusals of data sets, their factors, arrays and backends."""

import numpy as np
from refusals.table import COUNTS, FLAGS, SEEDS, X, refuse_all, refuse_one, row, wrong
from refusals.training import place

import scratchvae as sv
from scratchvae import datasets
from scratchvae.errors import BackendError, ConfigError, DataError, DTypeError

GRID = {"shape": [0], "scale": 1.0, "rotation": 0.0, "x": 0.5, "y": 0.5}
NO_NUMBERS = wrong(
    ConfigError, "expected", None, "square", [None], 1j, {}, [[0.5], [0.5, 0.7]], np.nan, np.inf, [[0.5]]
)


def dataset_rows():
    sources = wrong(DataError, "expected a name, or a path", None, 3, b"digits", ["digits"], {}, X)
    yield from refuse_all("datasets.load", "source", sources, datasets.load)
    for problem, name in {"unknown": "digit", "": "", "NUL": "a\0b", "long": "a" * 300, "no array": "cifar-10"}.items():
        yield row("datasets.load", "no data", problem, lambda n=name: datasets.load(n), DataError, "expected", "digits")
    for problem, name in {"text": "text", "empty.npz": "empty.npz"}.items():
        yield row("datasets.load", problem, "no data", lambda n=name: datasets.load(place(n)), DataError)
    yield row(
        "datasets.load", "folder", "empty", lambda: datasets.load(place("folder")), DataError, "no images", "expected"
    )
    folders = wrong(DataError, "expected a folder", 3, b"here", ["here"], {}, True)
    yield from refuse_all("datasets.load", "folder", folders, lambda v: datasets.load("mnist", v))
    yield row(
        "datasets.load", "folder", "without it", lambda: datasets.load("mnist", place("folder")), DataError, "expected"
    )
    for name in ("mnist", "omniglot", "frey-faces", "olivetti", "olivetti-32", "uci/yeast", "binarized-mnist"):
        missing = lambda n=name: datasets.load(n, place("folder"))  # noqa: E731
        yield row("datasets.load", "folder", f"without {name}", missing, DataError)
    keys = wrong(DataError, "expected", 3, b"a", ["a"], {}, True)
    yield from refuse_all("datasets.load", "key", keys, lambda v: datasets.load(place("arrays.npz"), key=v))
    yield row(
        "datasets.load",
        "key",
        "not there",
        lambda: datasets.load(place("arrays.npz"), key="b"),
        DataError,
        "'b'",
        "name one",
    )
    yield row(
        "datasets.load", "key", "of no .npz", lambda: datasets.load("digits", key="a"), DataError, "'a'", "leave it out"
    )
    parts = wrong(
        DataError, "expected 'train', 'test' or 'all'", None, "", "valid", "validation", 3, ["train"], {}, b"train"
    )
    yield from refuse_one("datasets.load", "mmap", FLAGS, lambda v: datasets.load(place("array.npy"), mmap=v))
    for name in ("digits", "arrays.npz"):
        mapped = lambda n=name: datasets.load(n if n == "digits" else place(n), mmap=True)  # noqa: E731
        yield row("datasets.load", "mmap", f"of {name}", mapped, DataError, "only for .npy files", "leave it out")
    yield from refuse_all("datasets.Dataset.part", "part", parts, datasets.load("digits").part)


def factor_rows():
    yield from refuse_one("datasets.draw_factors", "count", COUNTS, datasets.draw_factors)
    yield from refuse_one("datasets.draw_factors", "seed", SEEDS, lambda v: datasets.draw_factors(3, v))
    yield row(
        "datasets.factor_grid",
        "factors",
        "unknown",
        lambda: datasets.factor_grid(colour=1),
        ConfigError,
        "colour",
        "expected",
    )
    for name in GRID:
        refuse = refuse_all if name == "shape" else refuse_one
        yield from refuse("datasets.factor_grid", name, NO_NUMBERS, lambda v, n=name: datasets.factor_grid(**{n: v}))
        yield from refuse(
            "datasets.render_sprites", "factor", NO_NUMBERS, lambda v, n=name: datasets.render_sprites({**GRID, n: v})
        )
    render = datasets.render_sprites
    yield from refuse_one(
        "datasets.render_sprites",
        "factors",
        wrong(ConfigError, "expected", None, 3, "all", [], {}, {"shape": 1}, X),
        render,
    )
    yield row(
        "datasets.render_sprites",
        "factors",
        "of two lengths",
        lambda: render({**GRID, "x": [0.1] * 2, "y": [0.1] * 3}),
        ConfigError,
    )
    for value in (-1, 3, 0.5):
        yield row(
            "datasets.render_sprites",
            "shape",
            f"{value}",
            lambda v=value: render({**GRID, "shape": v}),
            ConfigError,
            "expected 0 to 2",
        )
    for value in (0, -1.0):
        yield row(
            "datasets.render_sprites",
            "scale",
            f"{value}",
            lambda v=value: render({**GRID, "scale": v}),
            ConfigError,
            "positive",
        )
    sides = wrong(ConfigError, "expected", None, 32, "32", (32,), (1, 2, 3), {}, 3.0)
    yield from refuse_all("datasets.render_sprites", "image_shape", sides, lambda v: render(GRID, v))
    for side in (0, -1, 2.0, None, "8", 10**30):
        yield row(
            "datasets.render_sprites",
            "image_shape[1]",
            f"{side!r}",
            lambda s=side: render(GRID, (8, s)),
            ConfigError,
            "whole number",
        )
    yield from refuse_one("datasets.render_sprites", "antialias", FLAGS, lambda v: render(GRID, antialias=v))


def backend_rows():
    names = wrong(BackendError, "choose 'numpy'", None, "", "gpu", "Numpy", 3, True, ["numpy"], {}, np, b"numpy", X)
    yield from refuse_all("get_backend", "backend", names, sv.get_backend)
    strangers = wrong(
        DTypeError, "expected an array of a backend", None, 3, 0.5, "x", [1.0], (1.0,), {}, object(), dict
    )
    yield from refuse_all("to_numpy", "array", strangers, sv.to_numpy)


ROWS = [*dataset_rows(), *factor_rows(), *backend_rows()]
