"""What can be typed after `scratchvae`."""

from __future__ import annotations

import argparse
from typing import NoReturn

import scratchvae
from scratchvae.cli import embed, evaluate, generate, info, train


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = Parser(
        prog="scratchvae",
        description="Train a variational autoencoder and use it. Without data of your own, it learns 8×8 digits.",
        epilog="example: scratchvae train && scratchvae sample runs/digits --out more.png",
    )
    parser.add_argument("--version", action="version", version=f"scratchvae {scratchvae.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (train, generate, embed, evaluate, info):
        module.add_commands(commands)
    return parser
