"""The argument parser of a command: short help, one-line errors, suggestions."""

from __future__ import annotations

import argparse
import copy
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from scratchvae.cli.config_file import CONFIG_OPTION, OPTION_TYPES, check_data_found, read_settings
from scratchvae.cli.messages import as_typed, nearest, nearest_option, shorten
from scratchvae.cli.options import Option, add_options, help_text
from scratchvae.errors import LONGEST_MESSAGE, ConfigError

LISTED = 110  # characters of a list of choices in a message
REWORDED = (
    (r"argument (.*?): expected one argument", r"\1: expected a value after it"),
    (r"argument (.*?): expected at least one argument", r"\1: expected one or more values after it"),
    (r"argument (.*?): expected (\d+) arguments", r"\1: expected \2 values after it"),
    (r"argument (.*?): ignored explicit argument (.*)", r"\1 takes no value; leave out \2"),
    (r"the following arguments are required: COMMAND", "no COMMAND was given; start with scratchvae train"),
    (r"the following arguments are required: (MODEL.*)", r"missing: \1; MODEL is a model file or the folder of a run"),
    (r"the following arguments are required: (.*)", r"missing: \1"),
    (r"ambiguous option: (.*?) could match (.*)", r"\1 is ambiguous: expected one of \2"),
    (r"argument (.*)", r"\1"),
)  # by argparse, and in the words of this command


class ShowHelp(argparse.Action):
    """Print the help, with every option for `--help-all`, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        """Print and exit."""
        assert isinstance(parser, Parser)
        sys.stdout.write(parser.format_help(everything="--help-all" in self.option_strings))
        parser.exit()


class HelpFormatter(argparse.HelpFormatter):
    """Help without a heading above the list of commands, and without line breaks at hyphens."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.fill(" ".join(text.split()), width, break_on_hyphens=False, initial_indent=indent)

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._SubParsersAction):
            return "".join(map(self._format_action, action._get_subactions()))
        return super()._format_action(action)


class Parser(argparse.ArgumentParser):
    """A parser with options of the class `Option`, which may be typed before, between and after MODEL and DATA."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, formatter_class=HelpFormatter, add_help=False)
        self.options: dict[str, Option] = {}
        self._intermixed = False
        self._positionals.title = "arguments"
        self.commands: Mapping[str, Parser] = {}
        self.help_command = f"{self.prog} --help"
        self._typed: list[str] = []
        self.add_help_action("-h", "--help", help="show this help")

    def add_help_action(self, *flags: str, help: str) -> None:
        """Add an option that shows the help."""
        self.add_argument(*flags, action=ShowHelp, nargs=0, dest="help", default=argparse.SUPPRESS, help=help)

    def add_options(self, options: Iterable[Option], title: str | None = None) -> None:
        """Add options, in a group of their own if there is a title."""
        options = tuple(options)
        self.options |= {option.dest: option for option in options}
        add_options(self if title is None else self.add_argument_group(title), options)

    def format_usage(self) -> str:
        """One line: the positional arguments and the required options."""
        names = []
        for option in self.options.values():
            if option.positional:
                names.append(f"[{option.flag}]" if option.nargs == "?" else option.flag)
            elif option.required:
                names.append(f"{option.flag} {option.metavar}{' ...' if option.nargs == '+' else ''}")
        if self._subparsers is not None:
            names.append("COMMAND")
        return " ".join(["usage:", self.prog, *names, "[options]"]) + "\n"

    def format_help(self, everything: bool = False) -> str:
        """The help: the common options, or every option."""
        formatter = self._get_formatter()
        formatter.add_usage(self.format_usage().removeprefix("usage: ").strip(), [], [])
        formatter.add_text(self.description)
        for title, actions in self._sections(everything).items():
            formatter.start_section(title)
            formatter.add_arguments([self._described(action, everything) for action in actions])
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _sections(self, everything: bool) -> dict[str, list[argparse.Action]]:
        """The actions that the help shows, by title."""
        sections: dict[str, list[argparse.Action]] = {}
        for group in self._action_groups:
            for action in group._group_actions:
                option = self.options.get(action.dest)
                if everything or option is None or option.common or option.positional or option.required:
                    merged = group not in (self._positionals, self._optionals) and not everything
                    title = "options" if merged and self._subparsers is None else str(group.title)
                    sections.setdefault(title, []).append(action)
        return sections

    def _described(self, action: argparse.Action, everything: bool) -> argparse.Action:
        option = self.options.get(action.dest)
        if option is None:
            return action
        described = copy.copy(action)
        described.help = help_text(option, everything).replace("%", "%%")
        return described

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        for pattern, words in REWORDED:
            message, replaced = re.subn(f"^{pattern}$", words, message, flags=re.DOTALL)
            if replaced:
                break
        is_cut = message.endswith("…") and self.help_command != "scratchvae --help"  # a list of choices
        end = f" (see {self.help_command}{'-all' * is_cut})"
        line = shorten(f"{self.prog}: {message}", self._typed, LONGEST_MESSAGE - len(end))
        self.exit(2, f"{line}{end}\n")

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse options and positional arguments in any order, after the settings of --config."""
        if self._intermixed or self._subparsers is not None:
            self._typed = self._typed or list(sys.argv[1:] if args is None else args)
            if self._subparsers is not None:
                self._check_first_options(self._typed)
            return super().parse_known_args(args, namespace)
        self._intermixed, self._typed = True, list(sys.argv[1:] if args is None else args)
        try:
            typed, rest = self.parse_known_intermixed_args(args, namespace)
            if hasattr(typed, CONFIG_OPTION.dest):
                path = typed.config
                settings = self._settings(path)
                self.set_defaults(**settings)
                typed, rest = self.parse_known_intermixed_args(args, namespace)
                self._check_data_found(path, settings, typed)
                del typed.config
            if rest:
                self._refuse_unknown(rest[0])
            return typed, rest
        finally:
            self._intermixed = False

    def _settings(self, path: str) -> dict[str, Any]:
        try:
            return read_settings(path, [option for option in self.options.values() if option != CONFIG_OPTION])
        except ConfigError as error:
            self.error(error.message)

    def _check_data_found(self, path: str, settings: dict[str, Any], chosen: argparse.Namespace) -> None:
        try:
            check_data_found(path, settings, chosen)
        except ConfigError as error:
            self.error(error.message)

    def _check_first_options(self, words: Iterable[str]) -> None:
        """Refuse an unknown option before COMMAND, which argparse would report as a missing COMMAND."""
        for word in words:
            name = word.partition("=")[0]
            if word in ("-", "--") or not word.startswith("-"):
                return
            if any(flag == name or (name.startswith("--") and flag.startswith(name)) for flag in self.flags):
                continue
            command = next((command for command in self.commands if name in self.commands[command].flags), None)
            if command is not None:
                self.error(f"{as_typed(name)} stands after COMMAND, as in {self.prog} {command} {as_typed(name)}")
            self._refuse_unknown(word)

    @property
    def flags(self) -> list[str]:
        """The options as they are typed."""
        return list(self._option_string_actions)

    def _refuse_unknown(self, word: str) -> NoReturn:
        name = word.partition("=")[0]
        if word.startswith("-"):
            near = nearest_option(name.lstrip("-"), [flag[2:] for flag in self.flags if flag.startswith("--")])
            self.error(f"unknown option {as_typed(name)}{f'; did you mean --{near}?' if near else ''}")
        self.error(f"unexpected argument {as_typed(word)}")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            _, expected = OPTION_TYPES[self.options[action.dest].type]
            hint = self._hint_for_several(action, arg_string) if action.nargs in ("*", "+") else ""
            raise _error(f"{_label(action)} {as_typed(arg_string)}: expected {expected}{hint}") from None

    def _hint_for_several(self, action: argparse.Action, word: str) -> str:
        """A hint about a wrong value of an option with several values."""
        parts = [part.strip() for part in word.strip("[]() ").split(",") if part.strip()]
        if parts and parts != [word]:
            with suppress(argparse.ArgumentError):
                for part in parts:
                    super()._get_value(action, part)
                return f"; separate several by spaces: {_label(action)} {' '.join(parts)}"
        before = [option.flag for option in self.options.values() if option.positional]
        verb = "stands" if len(before) == 1 else "stand"
        return f"; {' and '.join(before)} {verb} before {_label(action)}" if before else ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = list(action.choices)
        near = nearest(str(value), choices)
        listed = ", ".join(choices)
        expected = f"did you mean {near}?" if near else f"expected one of {listed if len(listed) <= LISTED else '…'}"
        if len(listed) > LISTED and not near:
            expected = f"expected one of {listed[:LISTED].rpartition(', ')[0]}, …"
        if action.metavar == "COMMAND":
            raise _error(f"unknown command {as_typed(str(value))}; {expected}")
        raise _error(f"{_label(action)} {as_typed(str(value))} is unknown; {expected}")


def _label(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)


def _error(message: str) -> argparse.ArgumentError:
    return argparse.ArgumentError(None, message)
