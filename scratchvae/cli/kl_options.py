"""What `train` lets one say on the KL, and on noise in what the encoder sees."""

from __future__ import annotations

import argparse

from scratchvae.cli.model_options import steps_an_epoch
from scratchvae.cli.options import refuse
from scratchvae.cli.train_options import LEVEL
from scratchvae.errors import ConfigError
from scratchvae.training import Corruption, KLCycles, KLWarmUp, KLWeight
from scratchvae.training.corruption import corruption
from scratchvae.validation import check_int


def make_kl_weight(args: argparse.Namespace, rows: int) -> KLWeight | None:
    """The weight of the KL over time, over `rows` rows; None for 1."""
    if hasattr(args, "kl_warmup") and hasattr(args, "kl_cycles"):
        raise ConfigError("--kl-warmup and --kl-cycles were both given: choose one")
    steps = steps_an_epoch(args, rows)
    if hasattr(args, "kl_warmup"):
        return KLWarmUp(check_int("--kl-warmup", args.kl_warmup) * steps)
    if hasattr(args, "kl_cycles"):
        return KLCycles(check_int("--epochs", args.epochs) * steps, check_int("--kl-cycles", args.kl_cycles))
    return None


def make_corruption(args: argparse.Namespace) -> Corruption | None:
    """The noise that the encoder sees; None for none."""
    if args.corrupt == "none":
        refuse(args, "without noise: leave it out, or add --corrupt masking", "corrupt-level")
        return None
    return corruption(args.corrupt, getattr(args, "corrupt_level", LEVEL))
