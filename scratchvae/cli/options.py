"""An option of a command, written once: for argparse and its help, for `train --config`, and for the Python call."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from scratchvae.errors import ConfigError

Arguments = argparse.ArgumentParser | argparse._ArgumentGroup
UNSET = argparse.SUPPRESS  # a default of none: what is not typed is not among the settings


class Option(NamedTuple):
    """How an option is typed, what it takes, and what it is for.

    name         as it is typed, without the dashes
    type         of what it takes; bool for a switch
    positional   whether it is typed without its name
    kept         whether `train --config` takes it from the record of an earlier run
    argument     of the Python call that it stands for, such as "model.latent_dim"; "" for none
    The others are those of argparse.
    """

    name: str
    help: str
    type: Callable[[str], Any] = str
    default: Any = UNSET
    choices: Sequence[str] | None = None
    metavar: str | None = None
    nargs: str | None = None
    const: str | None = None
    positional: bool = False
    kept: bool = True
    argument: str = ""

    @property
    def dest(self) -> str:
        """Its name among the settings."""
        return self.name.replace("-", "_")


def switch(name: str, help: str, *, kept: bool = True, argument: str = "") -> Option:
    """An option that is off unless it is typed."""
    return Option(name, help, bool, False, kept=kept, argument=argument)


def add_options(parser: Arguments, options: Iterable[Option]) -> None:
    """Let a command take the options."""
    for option in options:
        name = option.name if option.positional else flag(option.name)
        if option.type is bool:
            parser.add_argument(name, action="store_true", default=option.default, help=option.help)
        else:
            parser.add_argument(
                name,
                type=option.type,
                default=option.default,
                choices=option.choices,
                metavar=option.metavar,
                nargs=option.nargs,
                const=option.const,
                help=option.help,
            )


def arguments(args: argparse.Namespace, options: Iterable[Option], callee: str) -> dict[str, Any]:
    """The arguments that the options stand for in the call of `callee`, without those that are not set, or "none"."""
    found = {}
    for option in options:
        of, _, name = option.argument.partition(".")
        value = getattr(args, option.dest, "none")
        if of == callee and value != "none":
            found[name] = value
    return found


def refuse(args: argparse.Namespace, why: str, *names: str) -> None:
    """Raises ConfigError where an option of one of these names is set, which does nothing, for that reason."""
    for name in names:
        if hasattr(args, name.replace("-", "_")):
            raise ConfigError(f"{flag(name)} does nothing {why}")


def flag(name: str) -> str:
    """An option as it is typed."""
    return f"--{name}"
