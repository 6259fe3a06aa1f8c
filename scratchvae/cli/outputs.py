"""Where results go."""

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
from scratchvae.cli.options import Option
from scratchvae.disk import atomic_write, check_writable
from scratchvae.errors import ConfigError
from scratchvae.plotting import save_picture
from scratchvae.plotting.figures import PICTURE_SUFFIXES, Figure

ARRAY_SUFFIXES = (".npy", ".csv")
SUFFIXES = PICTURE_SUFFIXES + ARRAY_SUFFIXES


class Printer:
    """Prints lines for a person, or none; goes on without a word when whoever listened has gone (`| head`)."""

    def __init__(self, silent: bool) -> None:
        self.silent = silent

    def __call__(self, line: str) -> None:
        """Print one line."""
        if not self.silent:
            try:
                print(line, flush=True)
            except OSError as error:
                if not reader_has_gone(error):
                    raise
                self.silent = True
                forget_stdout()


@contextmanager
def collect_warnings_of(tell: Callable[[str], None], *categories: type[Warning]) -> Iterator[None]:
    """Hands what is warned of in these categories to `tell`, when it comes."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, kind: type[Warning], *where: Any) -> None:
            if issubclass(kind, categories):
                tell(str(message))
            else:
                shown(message, kind, *where)

        warnings.showwarning = show  # type: ignore[assignment]
        for category in categories:
            warnings.simplefilter("always", category)
        yield


@contextmanager
def collect_warnings(*categories: type[Warning]) -> Iterator[list[str]]:
    """Collects what is warned of in these categories, to be told when a bar or a table does not stand in the way."""
    held: list[str] = []
    with collect_warnings_of(held.append, *categories):
        yield held


def print_warning(message: str) -> None:
    """Print a warning of `train` on standard error, in one line."""
    print(f"scratchvae train: warning: {message}", file=sys.stderr, flush=True)


def reader_has_gone(error: BaseException) -> bool:
    """Whether it tells that nobody reads what is printed; Windows says no more of that than "Invalid argument"."""
    unsaid = sys.platform == "win32" and isinstance(error, OSError) and (error.errno, error.filename) == (EINVAL, None)
    return unsaid or isinstance(error, BrokenPipeError)


def forget_stdout() -> None:
    """Let what is still to be printed go nowhere, for nobody reads it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def out_option(default: str) -> Option:
    """Where rows go, as a picture or as numbers."""
    return Option("out", f"ends in {', '.join(SUFFIXES)}", default=default, metavar="FILE")


def check_out(out: str, suffixes: tuple[str, ...], option: str = "--out") -> None:
    """Raises ConfigError or FileError if nothing could be written to `out`: before the work, not after it."""
    if Path(out).suffix not in suffixes:
        raise ConfigError(f"{option} {out}: expected a name that ends in {', '.join(suffixes)}")
    check_writable(Path(out).parent)


def write_rows(rows: Any, out: str, draw: Callable[[], Figure]) -> None:
    """Rows (N, D) to a .npy or .csv file, or as what `draw` makes of them to a picture."""
    if Path(out).suffix in PICTURE_SUFFIXES:
        save_picture(draw(), out)
    else:
        host = to_numpy(rows)
        write_array(host, out, [f"x{k}" for k in range(host.shape[1])])
    print(f"wrote {out}")


def write_array(rows: Array, out: str, names: list[str], labels: Array | None = None) -> None:
    """Rows (N, Z) to a .npy file, or to a .csv file under a line of names, with a column of labels if there are any."""
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
    """`text` to a file."""
    with atomic_write(path) as file:
        file.write((text + "\n").encode())
