"""The folder of a run: which one, whose it is for now, and what is written into it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import scratchvae
from scratchvae.cli.arguments import as_json
from scratchvae.cli.config_file import CONFIG
from scratchvae.cli.model_options import has_kl
from scratchvae.cli.outputs import collect_warnings_of, print_warning, write_text
from scratchvae.datasets import Dataset
from scratchvae.disk import check_writable, locked
from scratchvae.errors import ConfigError, UnlockedWarning
from scratchvae.io import MODEL, load, save
from scratchvae.models import Model
from scratchvae.plotting import REPORT_PICTURES, draw_report, save_picture
from scratchvae.training import Callback, History, TrainingState

LOCK = ".lock"


@contextmanager
def run_folder(args: argparse.Namespace, data: Dataset, model: Model) -> Iterator[Path]:
    """The folder that a run writes into, --out or runs/DATA, in which no other run writes meanwhile.

    Raises ConfigError, BusyError or FileError: before the work, not after it.
    """
    out = Path(args.out) if hasattr(args, "out") else Path("runs", Path(data.name).resolve().stem)
    check_writable(out)
    with collect_warnings_of(print_warning, UnlockedWarning), locked(out / LOCK):
        if not hasattr(args, "out"):
            _check_earlier(out, model)
        yield out


def _check_earlier(out: Path, model: Model) -> None:
    if (out / MODEL).exists():
        earlier = load(out).metadata.get("data")
        if earlier != model.metadata["data"]:
            raise ConfigError(f"{out} holds a model that learnt from {earlier}; name another folder with --out")


def write_config(out: Path, args: argparse.Namespace, model: Model, result: dict[str, Any] | None) -> None:
    """Write what was asked for, and what came of it, once something has."""
    settings = {name: value for name, value in vars(args).items() if name not in ("run", "command")}
    versions = {"scratchvae": scratchvae.__version__, "numpy": np.__version__}
    record = {"command": settings, "model": model.to_config(), "versions": versions, "result": result}
    write_text(as_json(record), out / CONFIG)


class Beforehand(Callback):
    """Calls `write` before the first step, once it is known that nothing is refused: for a run that may be killed."""

    def __init__(self, write: Callable[[], None]) -> None:
        self.write = write
        self._written = False

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Write, before the first epoch of all."""
        if not self._written:
            self.write()
            self._written = True


def write_run(
    out: Path, args: argparse.Namespace, model: Model, history: History, data: Dataset, result: dict[str, Any]
) -> list[str]:
    """Write the model, its records and pictures into `out`; returns the names of the files."""
    again = (out / MODEL).exists()
    save(model, out / MODEL)
    history.to_csv(out / "history.csv")
    of_kl = ["kl.csv"] if has_kl(model) else []
    if of_kl:
        history.kl_to_csv(out / "kl.csv")
    elif again:
        (out / "kl.csv").unlink(missing_ok=True)
    write_config(out, args, model, result)
    drawn = not args.no_pictures and find_spec("matplotlib")
    album = draw_report(model, history, data, args.seed) if drawn else {}
    for name, figure in album.items():
        save_picture(figure, out / f"{name}.png")
    for name in set(REPORT_PICTURES) - set(album) if again else ():
        (out / f"{name}.png").unlink(missing_ok=True)  # the earlier run's, of another model
    return [MODEL, "history.csv", *of_kl, CONFIG, *(f"{name}.png" for name in album)]
