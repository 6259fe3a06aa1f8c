"""Checkpoints and the last finite weights of a training, on the command line."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from scratchvae.cli.messages import count_of
from scratchvae.cli.options import arguments, refuse
from scratchvae.cli.outputs import Printer
from scratchvae.cli.train_options import CHECKPOINT, OPTIONS
from scratchvae.disk import versions
from scratchvae.errors import ConfigError, DivergedError, FileError
from scratchvae.io import describe_file, save
from scratchvae.training import Callback, Checkpoint, TrainingState

LAST_FINITE = "last-finite.npz"


def make_checkpoint(args: argparse.Namespace, out: Path) -> Checkpoint | None:
    """The callback that writes checkpoints; None without --checkpoint and --resume. Raises ConfigError."""
    if not hasattr(args, "checkpoint") and not args.resume:
        refuse(args, "without checkpoints: leave it out, or add --checkpoint", "every", "keep")
        return None
    path = getattr(args, "checkpoint", None) or str(out / CHECKPOINT)
    if not path.endswith(".npz"):
        raise ConfigError(f"--checkpoint {path}: expected a name that ends in .npz; DATA stands before --checkpoint")
    return Checkpoint(path, **arguments(args, OPTIONS, "checkpoint"))


def report_resume(say: Printer, checkpoint: Checkpoint | None) -> None:
    """With --resume, print the checkpoint that training continues from."""
    if checkpoint is None or not checkpoint.resume:
        return
    paths = versions(checkpoint.path)
    for path in paths:
        with suppress(FileError):  # of a damaged one; the checkpoint before is read in its place
            facts = describe_file(path)
            epochs, steps = count_of(facts["epochs"], "epoch"), count_of(facts["updates"], "step")
            say(f"continuing from {path}: {epochs}, {steps}, {facts['training']}")
            return
    if not paths:
        say(f"there is no checkpoint {checkpoint.path}: training starts from the beginning")


class LastFinite(Callback):
    """Save the model in the folder `out` if training diverges, with the weights before the step that diverged."""

    def __init__(self, out: Path) -> None:
        self.path = out / LAST_FINITE

    def on_fit_end(self, state: TrainingState) -> None:
        """Save the model, and add its path to the error."""
        if isinstance(state.error, DivergedError):
            save(state.model, self.path)
            state.error.args = (f"{state.error}; the model before that step is in {self.path}",)
