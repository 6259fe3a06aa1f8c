"""What `train` lets one say on the KL, and on noise in what the encoder sees."""

from __future__ import annotations

import argparse

from scratchvae.cli.arguments import Arguments
from scratchvae.cli.recipe import steps_an_epoch
from scratchvae.errors import ConfigError
from scratchvae.settings import whole
from scratchvae.training import Corruption, KLCycles, KLWarmUp, KLWeight
from scratchvae.training.corruption import KINDS, corruption

LEVEL = 0.3  # of noise, unless another is asked for


def add_balance(parser: Arguments) -> None:
    """How the KL is weighed and charged, and what noise is to be taken away."""
    parser.add_argument(
        "--free-bits",
        type=float,
        default=argparse.SUPPRESS,
        metavar="NATS",
        help="KL that each latent dimension has for nothing, on the mean of a batch; 0 without it",
    )
    parser.add_argument(
        "--kl-warmup",
        type=int,
        default=argparse.SUPPRESS,
        metavar="EPOCHS",
        help="let the weight of the KL rise from 0 to beta over so many epochs",
    )
    parser.add_argument(
        "--kl-cycles",
        type=int,
        default=argparse.SUPPRESS,
        metavar="N",
        help="let it rise so many times, each time over half of a cycle, and stay at beta for the other half",
    )
    parser.add_argument(
        "--corrupt",
        choices=["none", *KINDS],
        default="none",
        help="learn to denoise: put noise into what the encoder sees, and ask for the rows without it",
    )
    parser.add_argument(
        "--corrupt-level",
        type=float,
        default=argparse.SUPPRESS,
        metavar="L",
        help=f"standard deviation of gaussian, probability of the others; {LEVEL} without it",
    )


def make_kl_weight(args: argparse.Namespace, rows: int) -> KLWeight | None:
    """The weight of the KL over time, over `rows` rows; None for 1."""
    if hasattr(args, "kl_warmup") and hasattr(args, "kl_cycles"):
        raise ConfigError("--kl-warmup and --kl-cycles were both given: choose one")
    steps = steps_an_epoch(args, rows)
    if hasattr(args, "kl_warmup"):
        return KLWarmUp(whole("--kl-warmup", args.kl_warmup) * steps)
    if hasattr(args, "kl_cycles"):
        return KLCycles(whole("--epochs", args.epochs) * steps, whole("--kl-cycles", args.kl_cycles))
    return None


def make_corruption(args: argparse.Namespace) -> Corruption | None:
    """The noise that the encoder sees; None for none."""
    if args.corrupt == "none":
        if hasattr(args, "corrupt_level"):
            raise ConfigError("--corrupt-level does nothing without noise: leave it out, or add --corrupt masking")
        return None
    return corruption(args.corrupt, getattr(args, "corrupt_level", LEVEL))
