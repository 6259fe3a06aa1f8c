"""Options of the commands: one table for argparse, the help, `train --config` and the Python calls."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, NamedTuple

from scratchvae.errors import ConfigError

UNSET = argparse.SUPPRESS  # the default of an option that is absent from the namespace unless it is typed
LISTED = 120  # characters of a list of choices in the short help


class Option(NamedTuple):
    """An option or a positional argument of a command.

    name         as it is typed, without the dashes
    help         one line for `--help`, without choices and default, which `help_text` adds
    type         of the value: str, int, float, or bool for a switch
    positional   True if it is typed without its name
    repeated     True if it may be typed several times
    common       True if `--help` shows it; `--help-all` shows every option
    details      a longer text, for `--help-all` alone
    reusable     False if `train --config` does not take it from the record of an earlier run
    positive     True for a number that must be above 0
    argument     the argument of a Python call that it sets, such as "model.latent_dim"; "" for none
    The other fields are those of `argparse.ArgumentParser.add_argument`.
    """

    name: str
    help: str
    type: Callable[[str], Any] = str
    default: Any = UNSET
    choices: Sequence[str] | None = None
    metavar: str | None = None
    nargs: str | int | None = None
    const: str | None = None
    required: bool = False
    positional: bool = False
    repeated: bool = False
    common: bool = False
    details: str = ""
    reusable: bool = True
    positive: bool = False
    argument: str = ""

    @property
    def dest(self) -> str:
        """The name in the namespace."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        """The option as it is typed; the metavar of a positional argument."""
        return (self.metavar or self.name) if self.positional else flag(self.name)

    @property
    def python_name(self) -> str:
        """The name of the argument in the Python call."""
        return self.argument.rpartition(".")[2] or self.dest


def switch(
    name: str, help: str, *, common: bool = False, details: str = "", reusable: bool = True, argument: str = ""
) -> Option:
    """An option without a value, off by default."""
    return Option(name, help, bool, False, common=common, details=details, reusable=reusable, argument=argument)


def add_options(parser: argparse._ActionsContainer, options: Iterable[Option]) -> None:
    """Add the options to an argparse parser or group."""
    for option in options:
        name = option.name if option.positional else flag(option.name)
        if option.type is bool:
            parser.add_argument(name, action="store_true", default=option.default, help=option.help)
            continue
        settings: dict[str, Any] = {
            "type": option.type,
            "default": option.default,
            "choices": option.choices,
            "metavar": option.metavar or ("NAME" if option.choices else None),
            "help": option.help,
        }
        if option.repeated:
            settings["action"] = "append"
        else:
            settings |= {"nargs": option.nargs, "const": option.const}
        if option.required:
            settings["required"] = True
        parser.add_argument(name, **settings)


def help_text(option: Option, everything: bool) -> str:
    """The help of an option with its choices and its default; with the details if `everything`."""
    text, note, default = option.help.partition(" (default:")
    separator = "; " if any("," in choice for choice in option.choices or ()) else ", "
    choices = separator.join(option.choices or ())
    if choices and (everything or len(choices) <= LISTED):
        text += f": {choices}"
    text += note + default
    if not (option.positional or option.default is UNSET or option.default is None or option.default is False):
        values = option.default if isinstance(option.default, list) else [option.default]
        text += f" (default: {' '.join(map(str, values))})"
    if everything and option.details:
        text += f". {option.details}"
    return text


def arguments(args: argparse.Namespace, options: Iterable[Option], callee: str) -> dict[str, Any]:
    """The arguments of the Python call `callee` that are set by options, without a "none" that is the default."""
    settings = {}
    for option in options:
        call, _, name = option.argument.partition(".")
        if call == callee and hasattr(args, option.dest):
            value = getattr(args, option.dest)
            if value != "none" or option.default != "none":
                settings[name] = value
    return settings


def check_positive_options(args: argparse.Namespace, options: Iterable[Option]) -> None:
    """Raise ConfigError if an option that must be a positive number is not."""
    for option in options:
        value = getattr(args, option.dest, None)
        if option.positive and value is not None and not 0 < value < inf:
            raise ConfigError(f"{option.flag} {value}: expected a positive number, such as 1e-3")


def refuse(args: argparse.Namespace, reason: str, *names: str) -> None:
    """Raise ConfigError if an option of these names is set, which has no effect for that reason."""
    for name in names:
        if hasattr(args, name.replace("-", "_")):
            raise ConfigError(f"{flag(name)} has no effect {reason}")


def refuse_together(args: argparse.Namespace, *names: str) -> None:
    """Raise ConfigError if more than one of these options is set."""
    both = [flag(name) for name in names if hasattr(args, name.replace("-", "_"))]
    if len(both) > 1:
        raise ConfigError(f"{' and '.join(both)} exclude each other: choose one")


def option_names(options: Iterable[Option]) -> dict[str, str]:
    """The option of each argument of a Python call."""
    return {option.python_name: option.flag for option in options}


def flag(name: str) -> str:
    """An option as it is typed."""
    return f"--{name}"
