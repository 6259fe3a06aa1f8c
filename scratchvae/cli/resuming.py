"""Checkpoints and the last finite weights of a training, on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from scratchvae.cli.messages import count_of
from scratchvae.cli.options import arguments, refuse
from scratchvae.cli.outputs import Printer
from scratchvae.cli.train_options import CHECKPOINT, OPTIONS
from scratchvae.disk import versions
from scratchvae.errors import ConfigError, DivergedError, FileError
from scratchvae.io import LAST_FINITE, MODEL, describe_file, save
from scratchvae.training import Callback, Checkpoint, TrainingState


def make_checkpoint(args: argparse.Namespace, out: Path) -> Checkpoint | None:
    """The callback that writes checkpoints; None without --checkpoint and --resume. Raises ConfigError."""
    if not hasattr(args, "checkpoint") and not args.resume:
        refuse(args, "without checkpoints: leave it out, or add --checkpoint", "every", "keep")
        return None
    path = getattr(args, "checkpoint", None) or str(out / CHECKPOINT)
    if not path.endswith(".npz"):
        raise ConfigError(f"--checkpoint {path}: expected a name that ends in .npz; DATA stands before --checkpoint")
    return Checkpoint(path, **arguments(args, OPTIONS, "checkpoint"))


def make_callbacks(
    out: Path,
    checkpoint: Checkpoint | None,
    write_result: Callable[[dict[str, Any] | None], None],
    is_first: bool = True,
) -> list[Callback]:
    """The callbacks that write into the folder of the run; `write_result` writes its settings and its result.

    Without checkpoints, the record of an earlier run remains until its model is replaced. Of several processes, only
    the one that `is_first` writes.
    """
    if not is_first:
        return [] if checkpoint is None else [checkpoint]
    if checkpoint is None:
        return [LastFinite(out, write_result if not (out / MODEL).exists() else lambda result: None)]
    return [LastFinite(out, write_result), WriteConfig(partial(write_result, None)), checkpoint]


def report_resume(say: Printer, checkpoint: Checkpoint | None) -> None:
    """With --resume, print the checkpoint that training continues from."""
    if checkpoint is None or not checkpoint.resume:
        return
    paths = versions(checkpoint.path)
    for path in paths:
        with suppress(FileError):  # of a damaged one; the checkpoint before is read in its place
            facts = describe_file(path)
            epochs, steps = count_of(facts["epochs"], "epoch"), count_of(facts["updates"], "step")
            ended = "" if facts["training"].startswith("not ended") else f", {facts['training']}"
            say(f"continuing from {path}: {epochs}, {steps}{ended}")
            return
    if not paths:
        say(f"there is no checkpoint {checkpoint.path}: training starts from the beginning")


class WriteConfig(Callback):
    """Call `write` once, before the first step, so that a run that is killed leaves its settings too."""

    def __init__(self, write: Callable[[], None]) -> None:
        self.write = write
        self._written = False

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Call `write` in the first epoch."""
        if not self._written:
            self.write()
            self._written = True


class LastFinite(Callback):
    """Save the model in the folder `out` if training diverges, with the weights before the step that diverged.

    The file of an earlier training is removed before the first step. `write_result` is called with the result of a
    training that diverged.
    """

    def __init__(self, out: Path, write_result: Callable[[dict[str, Any]], None]) -> None:
        self.path = out / LAST_FINITE
        self.write_result = write_result

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Remove the file of an earlier training."""
        self.path.unlink(missing_ok=True)

    def on_fit_end(self, state: TrainingState) -> None:
        """Save the model, and add its path to the error."""
        error = state.error
        if isinstance(error, DivergedError):
            state.model.metadata["stopped"] = f"diverged in epoch {error.epoch}; these weights are those before"
            save(state.model, self.path)
            self.write_result({"stopped": "diverged", "epoch": error.epoch, "step": error.step, "error": error.message})
            error.args = (f"{error}; the model before that step is in {self.path}",)
