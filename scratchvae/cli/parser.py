"""What can be typed after `scratchvae`."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

import scratchvae
from scratchvae.cli import classify, denoise, embed, evaluate, generate, gradcheck, impute, info, latent_space, train
from scratchvae.cli.arguments import DEBUG
from scratchvae.cli.config_file import nearest, read_settings
from scratchvae.cli.options import add_options
from scratchvae.cli.train_options import OPTIONS
from scratchvae.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one line, and lets options stand between MODEL and DATA."""

    _mixing = False

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, with positionals and options in any order wherever argparse can do so."""
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            typed, rest = self.parse_known_intermixed_args(args, namespace)
            if hasattr(typed, "config"):
                self.set_defaults(**self._settings(typed.config))
                typed, rest = self.parse_known_intermixed_args(args, namespace)
                del typed.config  # an earlier run's; what it said is among the settings now
            if rest:
                meant = nearest(rest[0].partition("=")[0], self._option_string_actions)
                self.error(f"it takes no {rest[0]}{meant}")
            return typed, rest
        finally:
            self._mixing = False

    def _settings(self, path: str) -> dict[str, Any]:
        try:
            return read_settings(path, (DEBUG, *OPTIONS))
        except ConfigError as error:
            self.error(" ".join(str(error).split()))


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = Parser(
        prog="scratchvae",
        description="Train a variational autoencoder and use it. Without data of your own, it learns 8×8 digits.",
        epilog="example: scratchvae train && scratchvae sample runs/digits --out more.png",
    )
    parser.add_argument("--version", action="version", version=f"scratchvae {scratchvae.__version__}")
    add_options(parser, [DEBUG])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (train, generate, latent_space, denoise, impute, embed, classify, evaluate, gradcheck, info):
        module.add_commands(commands)
    return parser
