"""The weight of the KL over a training, and the noise in the encoder's input."""

from __future__ import annotations

import argparse

from scratchvae.cli.options import refuse, refuse_together
from scratchvae.cli.train_options import CORRUPTION_LEVEL
from scratchvae.errors import ConfigError
from scratchvae.training import Corruption, KLCycles, KLWarmUp, KLWeight
from scratchvae.training.corruption import corruption
from scratchvae.validation import check_int


def make_kl_weight(args: argparse.Namespace, steps: int) -> KLWeight | None:
    """The weight of the KL in each of the `steps` steps of each epoch; None if it is constant. Raises ConfigError."""
    refuse_together(args, "kl-warmup", "kl-cycles")
    if hasattr(args, "kl_warmup"):
        return KLWarmUp(check_int("kl_warmup", args.kl_warmup) * steps)
    if hasattr(args, "kl_cycles"):
        total, cycles = check_int("epochs", args.epochs) * steps, check_int("kl_cycles", args.kl_cycles)
        if cycles > total:
            raise ConfigError(f"--kl-cycles {cycles}: expected at most {total}, the number of training steps")
        return KLCycles(total, cycles)
    return None


def make_corruption(args: argparse.Namespace) -> Corruption | None:
    """The noise in the encoder's input; None without noise. Raises ConfigError."""
    if args.corrupt == "none":
        refuse(args, "without noise: leave it out, or add --corrupt masking", "corrupt-level")
        return None
    return corruption(args.corrupt, getattr(args, "corrupt_level", CORRUPTION_LEVEL))
