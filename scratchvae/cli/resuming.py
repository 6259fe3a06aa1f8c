"""Training that is interrupted and goes on, on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scratchvae.cli.arguments import Arguments
from scratchvae.cli.outputs import Speaker
from scratchvae.cli.recipe import flag
from scratchvae.disk import versions
from scratchvae.errors import ConfigError, DivergedError, FileError
from scratchvae.models import Model
from scratchvae.training import save
from scratchvae.training.saving import describe_file

FILE, LAST_FINITE = "checkpoint.npz", "last-finite.npz"


def add_checkpoints(parser: Arguments) -> None:
    """Whether training is kept on the disk as it goes, and gone on with."""
    parser.add_argument(
        "--checkpoint",
        nargs="?",
        const="",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help=f"keep all that is needed to go on, after each epoch, in a .npz file, {FILE} in the folder of --out "
        "unless named; name DATA before",
    )
    parser.add_argument(
        "--every", type=int, default=argparse.SUPPRESS, metavar="STEPS", help="checkpoints after so many steps instead"
    )
    parser.add_argument(
        "--keep", type=int, default=argparse.SUPPRESS, metavar="N", help="how many checkpoints to keep; 2 without it"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint, if there is one, with the same settings, to the same bits as without a break; "
        "keep checkpoints too",
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=0,
        metavar="N",
        help="when numbers are finite no longer, go back to where the epoch began and halve the learning rate, N times",
    )


def checkpoint_settings(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """What `Trainer.fit` is to be told."""
    if not hasattr(args, "checkpoint") and not args.resume:
        for option in ("every", "keep"):
            if hasattr(args, option):
                raise ConfigError(f"{flag(option)} does nothing without checkpoints: leave it out, or add --checkpoint")
        return {"retries": args.retries}
    kept = {name: getattr(args, name) for name in ("every", "keep") if hasattr(args, name)}
    path = getattr(args, "checkpoint", None) or str(out / FILE)
    if not path.endswith(".npz"):
        raise ConfigError(f"--checkpoint {path}: expected a name that ends in .npz; DATA is named before --checkpoint")
    return {"checkpoint": path, "resume": args.resume, "retries": args.retries, **kept}


def tell_of_resuming(say: Speaker, asked: dict[str, Any]) -> None:
    """Say from where training goes on, if that is wished for."""
    if asked.get("resume"):
        for path in (found := versions(Path(asked["checkpoint"]))):
            with suppress(FileError):  # one that is damaged gives way to the one before, or is told of when it is read
                facts = describe_file(path)
                say(f"going on from {path}: {facts['epochs']} epochs, {facts['updates']} updates, {facts['training']}")
                return
        if not found:
            say(f"there is no {asked['checkpoint']} to go on from: training begins anew")


@contextmanager
def last_finite(model: Model, out: Path, kept: bool) -> Iterator[None]:
    """Of training that diverges, write the model as it was before the step into `out`, unless checkpoints are kept."""
    try:
        yield
    except DivergedError as error:
        if not kept:
            save(model, out / LAST_FINITE)
            error.args = (f"{error}; the model as it was before that step is in {out / LAST_FINITE}",)
        raise
