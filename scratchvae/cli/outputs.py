"""Results on standard output, and in files."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EINVAL
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.cli.messages import in_option_names, split_clauses
from scratchvae.cli.options import Option, option_names
from scratchvae.cli.train_options import OPTIONS
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import ConfigError
from scratchvae.plotting import save_picture
from scratchvae.plotting.figures import PICTURE_SUFFIXES, Figure

ARRAY_SUFFIXES = (".npy", ".csv")
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


def print_warning(message: str) -> None:
    """Print a warning of `train` on standard error."""
    line = f"scratchvae train: warning: {in_option_names(message, option_names(OPTIONS))}"
    print(split_clauses(line), file=sys.stderr, flush=True)


def is_broken_pipe(error: BaseException) -> bool:
    """True if the reader of standard output has closed it, which Windows reports as "Invalid argument"."""
    if sys.platform == "win32" and isinstance(error, OSError) and (error.errno, error.filename) == (EINVAL, None):
        return True
    return isinstance(error, BrokenPipeError)


def discard_stdout() -> None:
    """Discard everything that is printed from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output_option(default: str) -> Option:
    """The file for rows, as a picture or as numbers."""
    return Option(
        "out", f"file to write, ending in {', '.join(SUFFIXES)}", default=default, metavar="FILE", common=True
    )


def picture_option(name: str, default: str, content: str) -> Option:
    """The file for a picture."""
    return Option(
        name, f"{content}, ending in {', '.join(PICTURE_SUFFIXES)}", default=default, metavar="FILE", common=True
    )


def check_output_path(out: str, suffixes: tuple[str, ...], option: str = "--out") -> None:
    """Check, before the work, that `out` can be written. Raises ConfigError or FileError."""
    if Path(out).suffix not in suffixes:
        raise ConfigError(f"{option} {out or repr(out)}: expected a name that ends in {', '.join(suffixes)}")
    check_writable(Path(out).parent)


def write_rows(rows: Any, out: str, draw: Callable[[], Figure]) -> None:
    """Write rows (N, D) to a .npy or .csv file, or the figure of `draw` to a picture."""
    if Path(out).suffix in PICTURE_SUFFIXES:
        save_picture(draw(), out)
    else:
        array = to_numpy(rows)
        write_array(array, out, [f"x{k}" for k in range(array.shape[1])])
    print(f"wrote {out}")


def write_array(rows: Array, out: str, names: list[str], labels: Array | None = None) -> None:
    """Write rows (N, Z) to a .npy file, or to a .csv file with a header row and, if there are labels, their column."""
    with atomic_write(out) as file:
        if Path(out).suffix == ".npy":
            np.save(file, rows)
            return
        columns = [*names, "label"] if labels is not None else names
        file.write((",".join(columns) + "\n").encode())
        for k, row in enumerate(rows):
            cells = [np.format_float_positional(number, trim="0") for number in row]
            file.write((",".join([*cells, str(labels[k])] if labels is not None else cells) + "\n").encode())


def write_text(text: str, path: Path) -> None:
    """Write `text` to a file."""
    with atomic_write(path) as file:
        file.write((text + "\n").encode())
