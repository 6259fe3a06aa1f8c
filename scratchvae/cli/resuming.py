"""Training that is interrupted and goes on, on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scratchvae.cli.arguments import Arguments
from scratchvae.cli.recipe import flag
from scratchvae.errors import ConfigError, DivergedError
from scratchvae.models import Model
from scratchvae.training import save

FILE, LAST_GOOD = "checkpoint.npz", "last-good.npz"


def add_checkpoints(parser: Arguments) -> None:
    """Whether training is kept on the disk as it goes, and gone on with."""
    parser.add_argument(
        "--checkpoint",
        nargs="?",
        const="",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help=f"keep all of training in a .npz file after each epoch, {FILE} in DIR unless named, and the one before it",
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
        help="go on from the checkpoint, if there is one: with the same settings, to the same bits as without a break",
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
    return {"checkpoint": path, "resume": args.resume, "retries": args.retries, **kept}


@contextmanager
def last_good(model: Model, out: Path) -> Iterator[None]:
    """Of training that diverges, write the model as it was before the step into `out`."""
    try:
        yield
    except DivergedError as error:
        save(model, out / LAST_GOOD)
        raise DivergedError(f"{error}; the model as it was before is in {out / LAST_GOOD}") from error
