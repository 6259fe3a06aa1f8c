"""Training that is interrupted and goes on, on the command line."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from scratchvae.cli.options import arguments, refuse
from scratchvae.cli.outputs import Printer
from scratchvae.cli.train_options import CHECKPOINT, OPTIONS
from scratchvae.disk import versions
from scratchvae.errors import ConfigError, DivergedError, FileError
from scratchvae.io import describe_file, save
from scratchvae.training import Callback, Checkpoint, TrainingState

LAST_FINITE = "last-finite.npz"


def make_checkpoint(args: argparse.Namespace, out: Path) -> Checkpoint | None:
    """The callback that writes checkpoints while training; None unless it is asked for."""
    if not hasattr(args, "checkpoint") and not args.resume:
        refuse(args, "without checkpoints: leave it out, or add --checkpoint", "every", "keep")
        return None
    path = getattr(args, "checkpoint", None) or str(out / CHECKPOINT)
    if not path.endswith(".npz"):
        raise ConfigError(f"--checkpoint {path}: expected a name that ends in .npz; DATA is named before --checkpoint")
    return Checkpoint(path, **arguments(args, OPTIONS, "checkpoint"))


def report_resume(say: Printer, checkpoint: Checkpoint | None) -> None:
    """Say from where training goes on, if that is wished for."""
    if checkpoint is not None and checkpoint.resume:
        for path in (found := versions(checkpoint.path)):
            with suppress(FileError):  # one that is damaged gives way to the one before, or is told of when it is read
                facts = describe_file(path)
                say(f"going on from {path}: {facts['epochs']} epochs, {facts['updates']} updates, {facts['training']}")
                return
        if not found:
            say(f"there is no {checkpoint.path} to go on from: training begins anew")


class LastFinite(Callback):
    """Write the model into the folder `out` if training diverges, as it was before that step."""

    def __init__(self, out: Path) -> None:
        self.path = out / LAST_FINITE

    def on_fit_end(self, state: TrainingState) -> None:
        """Write it, and tell where it is."""
        if isinstance(state.error, DivergedError):
            save(state.model, self.path)
            state.error.args = (f"{state.error}; the model as it was before that step is in {self.path}",)
