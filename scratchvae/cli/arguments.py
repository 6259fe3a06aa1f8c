"""Options that several commands share, and the data and models that they name."""

from __future__ import annotations

import argparse
import json
from math import isfinite, isnan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.cli.argument_parser import Parser
from scratchvae.cli.messages import as_typed, count_of, nearest
from scratchvae.cli.options import UNSET, Option, switch
from scratchvae.cli.tables import is_table, load_table, schema_of
from scratchvae.dataframes import check_columns
from scratchvae.datasets import COLORS, NAMES, Dataset, load
from scratchvae.datasets.dataset import square
from scratchvae.datasets.files import LARGEST_GREY, is_shards
from scratchvae.datasets.idx import find_idx_sets
from scratchvae.datasets.tables import SUFFIXES
from scratchvae.errors import ConfigError, DataError, FileError
from scratchvae.io import load as load_model
from scratchvae.models import VAE, Model, SemiSupervisedVAE
from scratchvae.models.labels import UNLABELLED
from scratchvae.objectives import ImportanceWeighted
from scratchvae.rows import RowReader, RowSource, ScaledRows, dense, extremes, find_shards, is_pattern
from scratchvae.training import Score
from scratchvae.training.callbacks.progress import objective_name
from scratchvae.validation import join_choices

HELD_OUT_SEED = 0  # of the choice of test rows, the same for every run, so that runs can be compared

Commands = Any  # the private class of argparse that add_subparsers returns

DATA_SETTINGS = ("data", "data_dir", "key", "color", "size", "mmap")  # arguments that name the data
DEBUG = switch("debug", "after an error, print the traceback too")
JSON = switch("json", "print the result as JSON", common=True)
BACKEND = Option(
    "backend",
    "where to compute",
    choices=("numpy", "native", "cupy", "auto"),
    default="numpy",
    common=True,
    details="numpy: CPU; native: CPU, with kernels that the C++ compiler of this machine makes (not on Windows); "
    "cupy: GPU; auto: GPU if one works, else CPU",
)
MODEL = (
    Option(
        "model",
        "a model file, or the folder that train wrote, such as runs/digits",
        default=None,
        metavar="MODEL",
        positional=True,
    ),
    BACKEND,
)


def add_command(commands: Commands, name: str, run: Any, summary: str, example: str, help_all: bool = True) -> Parser:
    """Add a command with a summary of one line, and an example below its help."""
    parser: Parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=f"example: {example}"
    )
    if help_all:
        parser.add_help_action("--help-all", help="show every option")
    parser.set_defaults(run=run)
    parser.add_options([DEBUG._replace(default=UNSET)])  # so that it does not undo `scratchvae --debug COMMAND`
    return parser


def data_options(default: str | None, default_text: str, missing: str = "", common: bool = False) -> tuple[Option, ...]:
    """The data, and where to find it, with a clause of the help about missing values.

    common   `--help` shows how the images of a folder are read
    """
    return (
        Option(
            "data",
            f"a data set, such as digits or mnist; a .npy, .npz, .csv or .tsv file; or a folder of "
            f"images{missing} {default_text}",
            default=default,
            metavar="DATA",
            nargs="?",
            positional=True,
            details=f"Data sets: {', '.join(NAMES)}. A folder may also hold idx files, or .npy files, whose rows are "
            "taken together and stay in the files, as do those of a pattern such as 'shards/*.npy', in quotes",
        ),
        Option(
            "data-dir",
            "the folder of a data set (default: $SCRATCHVAE_DATA, then the cache, then a download of MNIST and "
            "Fashion-MNIST)",
            metavar="DIR",
        ),
        Option("key", "the array of an .npz file that holds several", metavar="NAME"),
        switch(
            "mmap",
            "leave the rows of a .npy file in the file",
            details="For data larger than memory. Folders and patterns of .npy files are always mapped. train, embed, "
            "score and evaluate read the rows in parts; other commands read all that they use",
        )._replace(default=UNSET),
        Option(
            "color",
            "pixels of a folder of images (default: those of the model, else grey)",
            choices=COLORS,
            common=common,
        ),
        Option(
            "size",
            "scale images of a folder to this height and width",
            type=int,
            nargs=2,
            metavar="N",
            common=common,
        ),
    )


def part_option(default: str) -> Option:
    """The part of the data. "test" is the default for the training data of a model alone: see `read_rows`."""
    return Option(
        "part",
        "part of the data" + (" (default: test; all of other data of your own)" if default == "test" else ""),
        choices=("train", "validation", "test", "all"),
        default=UNSET if default == "test" else default,
        common=True,
        details="The test part of your own data is a tenth of the rows, chosen at random; binarized-mnist alone has a "
        "validation part",
    )


def rows_options(part: str) -> tuple[Option, ...]:
    """The model, and the rows: by default a part of its training data set."""
    return (*MODEL, *data_options(None, "(default: the training data of the model)"), part_option(part))


def seed_option(purpose: str) -> Option:
    """The seed of random numbers."""
    return Option("seed", f"seed of {purpose}", int, 0, metavar="N", common=True)


def read_data(args: argparse.Namespace, model: Model | None = None) -> Dataset:
    """The data set that the arguments name, with integers as they are, and held-out rows as for `model`.

    A model without a record of these is from version 0.1.0, in which every tenth row was held out, and bytes were
    divided by 255. Raises DataError.
    """
    return load_data({name: getattr(args, name) for name in DATA_SETTINGS if hasattr(args, name)}, model)


def load_data(settings: dict[str, Any], model: Model | None = None) -> Dataset:
    """`read_data` of these arguments by name; for an unknown data set, the message suggests one. Raises DataError."""
    data, size = settings["data"], settings.get("size")
    seed: int | None = HELD_OUT_SEED if model is None else model.metadata.get("held_out_seed")
    scale = "none" if model is None or model.schema.scale is not None else "auto"
    if data not in NAMES and not exists(data):
        near = nearest(data, NAMES) or nearest_path(data, (".npy", ".npz", ".csv", ".tsv", ""))
        expected = (
            ": expected a data set such as digits or mnist (see scratchvae train --help-all), a .npy, .npz, .csv or "
            ".tsv file, or a folder of images"
        )
        raise DataError(f"there is no data {as_typed(data)}{f'; did you mean {near}?' if near else expected}")
    if _names_tables(data):
        raise DataError(f"{data} names tables; expected a single .csv or .tsv file: join them into one")
    if (schema := None if model is None else schema_of(model)) is not None:
        if data not in NAMES and is_table(settings):
            return load_table(data, schema, seed)
        if data in NAMES or Path(data).suffix.lower() not in SUFFIXES:
            raise ConfigError(
                f"{data} is no table; expected a .csv or .tsv file, for a model of a table of several kinds of columns"
            )
    return load(
        data,
        settings.get("data_dir"),
        settings.get("key"),
        seed,
        scale,
        settings.get("color") or "grey",
        None if size is None else tuple(size),
        settings.get("mmap", False),
    )


def _names_tables(data: str) -> bool:
    """True for a pattern or a folder of .csv and .tsv files alone."""
    if data in NAMES or not (is_pattern(data) or Path(data).is_dir()):
        return False
    files = find_shards(data) if is_pattern(data) else [f.name for f in Path(data).iterdir() if f.name[0] != "."]
    return bool(files) and all(Path(file).suffix.lower() in SUFFIXES for file in files)


def read_model(args: argparse.Namespace) -> Any:
    """The model that the arguments name. Raises FileError."""
    if not exists(args.model):
        near = nearest_path(args.model, (".npz", ""))
        hint = (
            f"; did you mean {near}?" if near else ": expected a model file, or the folder of a run of scratchvae train"
        )
        raise FileError(f"there is no model {as_typed(args.model)}{hint}")
    model = load_model(args.model, args.backend)
    if not np.isfinite(to_numpy(model.theta)).all():
        raise ConfigError(
            f"{args.model} has weights that are not finite: its training diverged; train it again with a smaller --lr"
        )
    return model


def exists(path: str) -> bool:
    """True if there is such a file or folder, or a file that matches the pattern."""
    try:
        return bool(path) and (bool(find_shards(path)) if is_pattern(path) else Path(path).exists())
    except (OSError, ValueError):  # a name that is too long, or has a null character
        return False


def nearest_path(path: str, suffixes: tuple[str, ...]) -> str | None:
    """The most similar file or folder beside `path` that has one of the suffixes; None if none is similar."""
    try:
        folder = Path(path).parent
        names = [entry.name for entry in folder.iterdir() if entry.suffix in suffixes and entry.name[0] != "."]
    except (OSError, ValueError):
        return None
    near = nearest(Path(path).name, names)
    return None if near is None else str(folder / near)


def read_vae(args: argparse.Namespace) -> VAE:
    """The model that the arguments name, which must be a VAE. Raises ConfigError or FileError."""
    model = read_model(args)
    if not isinstance(model, VAE):
        raise ConfigError(f"{args.model} is an {type(model).__name__}; {args.command} needs a VAE, which has a prior")
    return model


class Rows(NamedTuple):
    """Rows (N, D) for a model, an array or a `RowSource`, in the order of its columns.

    labels   (N,) or None: the class of each row for a model with classes, else that of the data set; −1 for none
    names    the names of the classes of `labels`, or None
    files    the name of the file of each row, or None
    """

    images: Any
    labels: Array | None
    names: tuple[str, ...] | None
    files: tuple[str, ...] | None

    def first(self, count: int) -> Rows:
        """The first `count` rows."""
        cut = [None if part is None else part[:count] for part in (self.labels, self.files)]
        return Rows(self.images[:count], cut[0], self.names, cut[1])  # type: ignore[arg-type]

    def label_texts(self) -> list[str] | None:
        """The label of each row as a text, "" for none; None without labels."""
        if self.labels is None:
            return None
        return [("" if k < 0 else str(k) if self.names is None else self.names[k]) for k in self.labels.tolist()]


def read_rows(args: argparse.Namespace, model: Any, incomplete: bool = False, lazy: bool = False) -> Rows:
    """The rows that the arguments name, by default from the data set of the training; sets args.data and args.part.

    The default part of the training data, and of data sets with a test part of their own, is "test"; that of a user's
    other data is "all". Missing values are refused unless the rows may be `incomplete`, or the model was trained with
    them. If `lazy`, rows in mapped files stay there, as a `RowSource`. Raises ConfigError, DataError, RangeError,
    ShapeError.
    """
    trained_on = not args.data or _same_data(args, model)
    if not args.data:
        for name in DATA_SETTINGS:
            if name in model.metadata and getattr(args, name, None) is None:
                setattr(args, name, model.metadata[name])
    if not args.data:
        raise ConfigError(f"{args.model} does not record its training data; add DATA after MODEL")
    if _is_image_folder(args.data):  # its pictures as the model has them
        for name in ("color", "size"):
            if name in model.metadata and not hasattr(args, name):
                setattr(args, name, model.metadata[name])
    if trained_on and args.data not in NAMES and not exists(args.data):
        raise ConfigError(f"the training data of {args.model} is no longer at {args.data}; name DATA after MODEL")
    data = read_data(args, model)
    if not hasattr(args, "part"):
        args.part = "test" if trained_on or args.data in NAMES or data.test_mask is None else "all"
    split = data.part(args.part)
    if not len(split.images):
        raise ConfigError(f"the {args.part} part of {args.data} has no rows; choose another, such as --part all")
    images = split.images
    known, names_of_data = model.schema.columns, data.columns
    same_pixels = model.image_shape is not None and known is not None and set(known) != set(names_of_data or ())
    if known is not None and names_of_data is not None and not same_pixels:  # pixels of other names have one order
        check_columns(args.data, names_of_data, known)
        if names_of_data != known:
            images = images[:, [names_of_data.index(name) for name in known]]
    width = images.shape[1]
    if width != model.input_dim or _has_other_pictures(model, data, args.data):
        shapes = data.image_shape, model.image_shape
        if None in shapes:
            has, trained = f"{count_of(width, 'number')} per row", f"rows of {model.input_dim}"
        else:
            has, trained = (f"pictures of {' × '.join(map(str, shape or ()))}" for shape in shapes)
        raise ConfigError(f"{args.data} has {has}, but {args.model} was trained on {trained}{_hint(args, model)}")
    images = _in_units_of(model, images, data, args.data)
    if not (incomplete or model.config["missing"]) and images.dtype.kind == "f" and (gaps := _count_incomplete(images)):
        fill = "leave those rows out" if model.classes else "fill them in, for example with scratchvae impute"
        raise ConfigError(
            f"{args.data} has missing values (NaN) in {count_of(gaps, 'row')}, and {args.model} was not "
            f"trained with --missing; {fill}"
        )
    if not incomplete:
        model.check_data(images, args.data, scored=False, lazy=True)
    images = images if lazy else dense(images)
    labels, names = split.labels, data.classes
    if labels is not None and model.classes:
        labels, names = _labels_of_model(labels, data, model, args.data), class_names(model)
    return Rows(images, labels, names, data.files if args.part == "all" or data.files is None else _files(data, args))


def _count_incomplete(images: Any) -> int:
    """The number of rows with NaN."""
    return sum(int(np.isnan(images[part]).any(axis=1).sum()) for part in RowReader(images, "images").slices(1 << 12))


def _is_image_folder(name: str) -> bool:
    if name in NAMES or not exists(name) or not Path(name).is_dir():
        return False
    return not find_idx_sets(Path(name)) and not is_shards(name)


def _has_other_pictures(model: Any, data: Dataset, name: str) -> bool:
    """True if both are pictures, and of another shape. That of the rows of a file may be a guess: square."""
    known, shape = model.image_shape, data.image_shape
    if known is None or shape is None or (shape == square(data.train.images.shape[1]) and not Path(name).is_dir()):
        return False
    return (*shape, 1)[:3] != (*known, 1)[:3]


def _hint(args: argparse.Namespace, model: Any) -> str:
    """How to load a folder of images as the model needs it."""
    if not _is_image_folder(args.data) or model.image_shape is None:
        return ""
    height, width, channels = (*model.image_shape, 1)[:3]
    color = " --color rgb" if channels == 3 else " --color grey"
    return f": load it with{color} --size {height} {width}"


def _files(data: Dataset, args: argparse.Namespace) -> tuple[str, ...] | None:
    if data.test_mask is None or args.part not in ("train", "test") or data.files is None:
        return None
    return tuple(f for f, test in zip(data.files, data.test_mask, strict=True) if test == (args.part == "test"))


def _in_units_of(model: Any, images: Any, data: Dataset, name: str) -> Any:
    """Grey values in the units of the model's training data: bytes, 16-bit integers, or from 0 to 1.

    Integers say their unit, and so do images of a folder and of known data sets, which are from 0 to 1.
    """
    kind = images.dtype.newbyteorder("=")
    if kind in LARGEST_GREY:
        unit = LARGEST_GREY[kind] if extremes(images)[1] > 1 else None
    else:
        known = data.image_shape is not None and (name in NAMES or Path(name).is_dir())
        unit = 1 if known or kind == np.bool_ else None
    units = {"255": 255, "65535": 65535, "none": 1 if model.support == (0.0, 1.0) else None}
    wanted = units.get(model.scale.kind)
    if unit is None or wanted is None or unit == wanted:
        return images
    factor = np.float32(wanted / unit)
    return ScaledRows(images, factor) if isinstance(images, RowSource) else images * factor


def _same_data(args: argparse.Namespace, model: Any) -> bool:
    """True if DATA is the training data of the model."""
    return bool(model.metadata.get("data") in (args.data, str(Path(args.data).resolve())))


def class_names(model: Any) -> tuple[str, ...]:
    """The names of the classes of a model as texts; without names, their numbers."""
    names = range(model.classes) if model.schema.classes is None else model.schema.classes
    return tuple(str(name) for name in names)


def _labels_of_model(labels: Array, data: Dataset, model: Any, name: str) -> Array:
    """The labels of a data set as classes of the model, found by their names. Raises ConfigError."""
    known = {text: k for k, text in enumerate(class_names(model))}
    names = data.classes or tuple(str(k) for k in range(int(labels.max(initial=-1)) + 1))
    codes = np.array([known.get(text, len(known)) for text in names] + [UNLABELLED])  # the last one is of label −1
    mapped: Array = codes[labels]
    if (unknown := mapped == len(known)).any():
        listed = join_choices([names[k] for k in np.unique(labels[unknown])], 40)
        which = "them" if isinstance(model, SemiSupervisedVAE) else "those rows"
        raise ConfigError(
            f"{name} has {count_of(int(unknown.sum()), 'row')} of classes that the model has not learned, {listed}; "
            f"expected {join_choices(list(known), 40)}: correct the labels, or leave {which} out"
        )
    return mapped


def data_source(args: argparse.Namespace) -> dict[str, str]:
    """The data of a training, with absolute paths, so that other commands find it from any folder."""
    source = {name: getattr(args, name) for name in DATA_SETTINGS if hasattr(args, name)}
    if "data_dir" in source:
        source["data_dir"] = str(Path(source["data_dir"]).resolve())
    if args.data not in NAMES:
        source["data"] = str(Path(args.data).resolve())
    return source


def plus_minus(error: float, form: str = ".2f") -> str:
    """ " ± error" in this form; "" for NaN."""
    return "" if isnan(error) else f" ± {error:{form}}"


def describe_score(model: Model, result: Score) -> str:
    """A score in one line."""
    error = plus_minus(result.standard_error)
    name = objective_name(model)
    if not isinstance(model, VAE):
        return f"{name} {result.value:.2f}{error} nats per row"
    if isinstance(model.objective, ImportanceWeighted):
        name = f"{name} of {count_of(model.objective.draws, 'draw')}"
    elif model.objective.beta != 1.0:
        name = f"{name} with beta {model.objective.beta:g}"
    terms = f"reconstruction {result.reconstruction:.2f}, KL {result.kl:.2f}"
    return f"{name} {result.value:.2f}{error} nats per row ({terms})"


def print_json(content: dict[str, Any]) -> None:
    """Print `content` as JSON."""
    print(as_json(content))


def as_json(content: dict[str, Any]) -> str:
    """`content` as JSON, with null for NaN and infinities, which JSON does not have."""
    return json.dumps(_without_nonfinite(content), indent=2, allow_nan=False)


def _without_nonfinite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nonfinite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_nonfinite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
