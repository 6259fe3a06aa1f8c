"""The columns of a table of several kinds, which `train` reads by a schema."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from scratchvae.cli.arguments import DATA_SETTINGS, HELD_OUT_SEED, read_data
from scratchvae.cli.messages import nearest
from scratchvae.cli.options import refuse
from scratchvae.cli.tables import encode_file, is_table, reworded, split_labels
from scratchvae.datasets import NAMES, Dataset
from scratchvae.datasets.cells import HINT
from scratchvae.datasets.table_text import open_table
from scratchvae.errors import ConfigError, DataError
from scratchvae.tables import KINDS, TableSchema
from scratchvae.tables.hints import have_leading_zeros
from scratchvae.tables.kinds import holds_words
from scratchvae.tables.reading import TableFile, read_file
from scratchvae.validation import join_choices

AUTO = "auto"
EXAMPLE = "year=category"
LEADING_ZERO = re.compile(r"(?<![^,;\s\"])0\d")  # at the beginning of a cell


def read_training_data(args: argparse.Namespace) -> tuple[Dataset, TableSchema | None]:
    """The data of a training; with the schema of a table whose columns are of several kinds, and its encoded rows.

    A table has a schema if some column holds texts, dates or codes with leading zeros, beside the one named label, or
    with --kinds. Sets args.missing if cells are missing. Raises ConfigError or DataError.
    """
    words = getattr(args, "kinds", [AUTO])
    if (wrong := next((word for word in words if "=" not in word), None)) is not None and words != [AUTO]:
        raise ConfigError(
            f"--kinds {wrong}: expected NAME=KIND, such as {EXAMPLE}, or {AUTO} alone; DATA stands before --kinds"
        )
    readable = args.data not in NAMES and is_table({name: getattr(args, name, None) for name in DATA_SETTINGS})
    if not hasattr(args, "kinds"):
        try:
            data = read_data(args)
            file = _read_codes(args.data) if readable and data.image_shape is None else None
            if file is None:
                return data, None
        except DataError as error:
            file = _read_words(args.data, error) if readable else None
            if file is None:
                raise
    elif readable:
        with reworded(args.data):
            file = read_file(Path(args.data))
    else:
        data = read_data(args)  # raises for data that does not exist
        raise ConfigError(f"--kinds is for .csv and .tsv files, and {data.name} is none: leave it out")
    _refuse_other_options(args)
    kinds = _chosen_kinds(args, file)
    with reworded(args.data, "choose another kind with --kinds"):
        schema = TableSchema.infer(split_labels(file, list(kinds))[0], kinds)
        data = encode_file(file, schema, HELD_OUT_SEED)
    if any(np.isnan(part.images).any() for part in (data.train, data.test)):
        if args.model in ("conditional", "semi-supervised"):
            raise ConfigError(
                f"{args.data} has missing values, which --model {args.model} cannot learn from: fill them in, for "
                "example with scratchvae impute, or leave those rows out"
            )
        args.missing = True
    return data, schema


def _read_words(path: str, error: DataError) -> TableFile | None:
    """The table of a file, if a column beside the labels holds texts or dates; else None.

    error   why the file is no table of numbers. Raises DataError with a better reason, if there is one.
    """
    try:
        file = read_file(Path(path))
        rest, _ = split_labels(file)
    except DataError:
        if "is not a number" in error.message:  # and may be a category
            raise
        return None
    if any(map(holds_words, rest.cells)):
        return file
    if error.message.endswith(HINT):
        advice = "write NA if it is missing, leave the column out, or add --kinds NAME=category"
        raise DataError(error.message.replace(HINT, advice))
    return None


def _read_codes(path: str) -> TableFile | None:
    """The table of a file of numbers, if a column beside the labels has whole numbers with leading zeros; else None."""
    with open_table(Path(path)) as text:
        if not any(map(LEADING_ZERO.search, text)):
            return None
    try:
        file = read_file(Path(path))
        rest, _ = split_labels(file)
    except DataError:  # without names of columns, for example
        return None
    return file if any(have_leading_zeros(cells.known.tolist()) for cells in rest.cells) else None


def _chosen_kinds(args: argparse.Namespace, file: TableFile) -> dict[str, str]:
    """The kinds of --kinds by the names of the columns. Raises ConfigError."""
    kinds: dict[str, str] = {}
    names = [str(cells.label) for cells in file.cells]
    words: list[str] = getattr(args, "kinds", [AUTO])
    for word in words if words != [AUTO] else []:
        name, _, kind = word.rpartition("=")
        if name not in names:
            near = nearest(name, names)
            expected = f"did you mean {near!r}?" if near else f"expected some of {join_choices(names, 60)}"
            if "," in name and "=" in name:
                expected = f"separate several by spaces: {' '.join(word.split(','))}"
            raise ConfigError(f"--kinds {word}: {args.data} has no column {name!r:.40}; {expected}")
        if kind not in KINDS:
            near = nearest(kind, KINDS)
            expected = f"did you mean {near}?" if near else f"choose one of {', '.join(KINDS)}"
            raise ConfigError(f"--kinds {word}: {kind!r:.20} is no kind; {expected}")
        if name in kinds:
            raise ConfigError(f"--kinds names the column {name!r:.40} twice: choose one kind")
        kinds[name] = kind
    return kinds


def _refuse_other_options(args: argparse.Namespace) -> None:
    """Raise ConfigError for an option that has no effect on a table of several kinds of columns."""
    table = "a table of several kinds of columns"
    refuse(args, f"on {table}, each of which has its own: leave it out", "likelihood", "sigma")
    reasons = {"scale": ", whose numbers are standardized", "binarize": ", which has no pixels", "corrupt": ""}
    for name, default in (("scale", "auto"), ("binarize", "none"), ("corrupt", "none")):
        if getattr(args, name) != default:
            raise ConfigError(f"--{name} {getattr(args, name)} is not for {table}{reasons[name]}: leave it out")
    refuse(args, f"on {table}: leave it out", "corrupt-level")
