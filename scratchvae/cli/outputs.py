"""Results on standard output, and in files."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EINVAL
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.cli.messages import count_of, in_option_names, split_clauses
from scratchvae.cli.options import Option, option_names
from scratchvae.cli.tables import schema_of, write_decoded
from scratchvae.cli.train_options import OPTIONS
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import ConfigError
from scratchvae.plotting import plot_table, save_picture
from scratchvae.plotting.figures import PICTURE_SUFFIXES, Figure

ARRAY_SUFFIXES = (".npy", ".csv")
LONGEST_NUMBER = 16  # characters of a number in a table, which otherwise has an exponent
SUFFIXES = PICTURE_SUFFIXES + ARRAY_SUFFIXES
NO_MATPLOTLIB = "pictures need matplotlib; install it with  pip install 'scratchvae[cli]'"


class Printer:
    """Print lines unless `silent`; a closed pipe, as of `| head`, makes it silent."""

    def __init__(self, silent: bool) -> None:
        self.silent = silent

    def __call__(self, line: str) -> None:
        """Print one line."""
        if not self.silent:
            try:
                print(line, flush=True)
            except OSError as error:
                if not is_broken_pipe(error):
                    raise
                self.silent = True
                discard_stdout()


@contextmanager
def redirect_warnings(write: Callable[[str], None], *categories: type[Warning]) -> Iterator[None]:
    """Call `write` with the message of each warning of these categories."""
    with warnings.catch_warnings():
        show_others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *position: Any) -> None:
            if issubclass(category, categories):
                write(str(message))
            else:
                show_others(message, category, *position)

        warnings.showwarning = show  # type: ignore[assignment]
        for category in categories:
            warnings.simplefilter("always", category)
        yield


@contextmanager
def collect_warnings(*categories: type[Warning]) -> Iterator[list[str]]:
    """Collect the messages of warnings of these categories, to be printed after a progress bar or a table."""
    messages: list[str] = []
    with redirect_warnings(messages.append, *categories):
        yield messages


def print_warning(message: str, command: str = "train") -> None:
    """Print a warning of a command on standard error."""
    line = f"scratchvae {command}: warning: {in_option_names(message, option_names(OPTIONS))}"
    print(split_clauses(line), file=sys.stderr, flush=True)


def is_broken_pipe(error: BaseException) -> bool:
    """True if the reader of standard output has closed it, which Windows reports as "Invalid argument"."""
    if sys.platform == "win32" and isinstance(error, OSError) and (error.errno, error.filename) == (EINVAL, None):
        return True
    return isinstance(error, BrokenPipeError)


def discard_stdout() -> None:
    """Discard everything that is printed from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output_option(stem: str) -> Option:
    """The file for rows, as a picture or as numbers: see `output_path`."""
    return Option(
        "out",
        f"file to write, ending in {', '.join(SUFFIXES)} (default: {stem}.png; {stem}.csv for rows of a table)",
        metavar="FILE",
        common=True,
    )


def output_path(args: argparse.Namespace, model: Any, stem: str) -> str:
    """The file for rows of `model`: --out, or `stem` with the usual suffix. Raises ConfigError or FileError."""
    out: str = getattr(args, "out", f"{stem}.csv" if model.image_shape is None else f"{stem}.png")
    check_rows_path(out, model, SUFFIXES)
    return out


def check_rows_path(out: str, model: Any, suffixes: tuple[str, ...]) -> None:
    """`check_output_path` for rows of `model`: those of a table of several kinds of columns are no .npy array."""
    if out.endswith(".npy") and schema_of(model) is not None:
        raise ConfigError(f"--out {out}: expected a name that ends in .csv, for a table of several kinds of columns")
    check_output_path(out, suffixes)


def picture_option(default: str, content: str) -> Option:
    """The file for a picture of rows: see `picture_path`."""
    return Option(
        "picture",
        f"{content}, ending in {', '.join(PICTURE_SUFFIXES)} (default: {default})",
        metavar="FILE",
        common=True,
    )


def picture_path(args: argparse.Namespace, model: Any, default: str) -> str | None:
    """The file for a picture of rows of `model`: --picture, or `default` unless they are rows of a table, then None.

    Raises ConfigError or FileError.
    """
    out: str = getattr(args, "picture", default)
    check_output_path(out, PICTURE_SUFFIXES, "--picture")
    return out if hasattr(args, "picture") or model.image_shape is not None else None


def draw_rows_of(
    model: Any, sets: dict[str, Any], title: str, draw_images: Callable[[], Figure], joined: bool = False
) -> Figure:
    """The figure of `draw_images` or, for rows of a table, scatter plots of the sets of rows, `joined` for paths."""
    if model.image_shape is not None:
        return draw_images()
    return plot_table({name: to_numpy(rows) for name, rows in sets.items()}, column_names(model), title, joined=joined)


def check_output_path(out: str, suffixes: tuple[str, ...], option: str = "--out") -> None:
    """Check, before the work, that `out` can be written. Raises ConfigError or FileError."""
    if Path(out).suffix not in suffixes:
        raise ConfigError(f"{option} {out or repr(out)}: expected a name that ends in {', '.join(suffixes)}")
    check_writable(Path(out).parent)


def write_rows(rows: Any, out: str, model: Any, draw: Callable[[], Figure], labels: list[str] | None = None) -> None:
    """Write rows (N, D) of data, with their labels, to a .npy or .csv file, or the figure of `draw` to a picture."""
    if Path(out).suffix in PICTURE_SUFFIXES:
        save_picture(draw(), out)
        print(f"wrote {out}")
    else:
        array = to_numpy(rows)
        if (schema := schema_of(model)) is not None:
            write_decoded(schema, array, out, labels)
            print(f"wrote {out}: {count_of(len(array), 'row')} of {count_of(len(schema.columns), 'column')}")
            return
        write_array(array, out, column_names(model), labels)
        print(f"wrote {out}: {count_of(len(array), 'row')} of {count_of(array.shape[1], 'number')}")


def column_names(model: Any) -> list[str]:
    """The names of the columns of the rows of a model; without names, x0, x1, …"""
    if (schema := schema_of(model)) is not None:
        return list(schema.names)
    return list(model.schema.columns or (f"x{k}" for k in range(model.input_dim)))


def write_array(
    rows: Array, out: str, names: list[str], labels: list[str] | None = None, files: Sequence[str] | None = None
) -> None:
    """Write rows (N, Z) to a .npy file, or to a .csv file with a header row.

    labels, files   a .csv file has a last column "label" and a first column "file" of these, if they are not None
    """
    with atomic_write(out) as file:
        if Path(out).suffix == ".npy":
            np.save(file, rows)
            return
        text = TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(text, lineterminator="\n")
        table.writerow([*([] if files is None else ["file"]), *names, *([] if labels is None else ["label"])])
        for k, row in enumerate(rows):
            cells = [_number_text(number) for number in row]
            table.writerow([*([] if files is None else [files[k]]), *cells, *([] if labels is None else [labels[k]])])
        text.detach()


def _number_text(number: Any) -> str:
    """The shortest text of a number; of a model's float32 among float64, that of the float32."""
    if number != number:
        return ""  # an empty cell is a missing value
    single = np.float32(number)
    shortest = single if single == number else number
    positional = np.format_float_positional(shortest, trim="-")
    return positional if len(positional) <= LONGEST_NUMBER else np.format_float_scientific(shortest, trim="-")


def write_text(text: str, path: Path) -> None:
    """Write `text` to a file."""
    with atomic_write(path) as file:
        file.write((text + "\n").encode())
