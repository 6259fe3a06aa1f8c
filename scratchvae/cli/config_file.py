"""The settings of `train` from a file, such as the config.json of an earlier run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scratchvae.cli.options import Option
from scratchvae.errors import ConfigError

CONFIG = "config.json"  # in the folder of a run
LARGEST = 1 << 20  # bytes
SEE = "; see scratchvae train --help"
SHOWN = 60  # characters of what was given, in a message
KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
}  # by the type of an option: what it may be in JSON
OPTION = Option(
    "config",
    "take settings from here, and what is typed before them: the config.json that train wrote, or its folder, but for "
    'where it wrote and how; or any JSON object of option names, such as {"latent": 20, "hidden": [512, 256]}',
    metavar="FILE",
)


def read_settings(path: str, options: Iterable[Option]) -> dict[str, Any]:
    """The settings in a JSON file by the names that argparse has for them, once each fits its option.

    They stand under "command", as `train` writes them, or else are all of the file. Raises ConfigError.
    """
    known = {option.dest: option for option in options}
    settings: dict[str, Any] = {}
    for name, value in _settings_of(path, known).items():
        dest = name.replace("-", "_")
        if dest not in known:
            raise ConfigError(f"{path} sets {_shown(name)}, which train does not know{nearest(dest, known) or SEE}")
        if dest in settings:
            raise ConfigError(f"{path} sets {_shown(name)} twice")
        settings[dest] = _checked(f"{path} sets {name}", value, known[dest])
    return settings


def _settings_of(path: str, known: dict[str, Option]) -> dict[str, Any]:
    import json

    try:
        content = json.loads(
            _read(path), parse_int=_whole, parse_constant=_refuse_constant, object_pairs_hook=_without_twins
        )
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError(f"{path} is no file of settings: it is nested too deep") from None
    except ValueError as error:
        raise ConfigError(
            f"{path} holds no settings in JSON: {error}; expected the config.json that train wrote"
        ) from None
    if isinstance(content, dict):
        recorded = content.get("command")
        content = content if recorded is None else recorded
        if recorded is not None and isinstance(recorded, dict):
            of_its_run = {name for name, option in known.items() if not option.kept}
            content = {name: value for name, value in recorded.items() if name not in of_its_run}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {_shown(content)}; expected a JSON object of option names")
    return content


def _read(path: str) -> str:
    try:
        file = Path(path)
        file = file / CONFIG if file.is_dir() else file
        if not file.is_file():  # a pipe would be waited for
            raise FileNotFoundError(f"there is no file {file}")
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ConfigError(f"{path} is larger than {LARGEST} bytes: it is no file of settings")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: {error.reason} at byte {error.start}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; expected the config.json that train wrote") from None


def _whole(digits: str) -> int:
    if len(digits) > 19 or abs(int(digits)) >= 1 << 63:
        raise ValueError(f"the number {digits[:20]}… is too large" if len(digits) > 20 else f"{digits} is too large")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON's")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{_shown(max(names, key=names.count))} stands there twice")
    return content


def _checked(what: str, value: Any, option: Option) -> Any:
    """`value`, once it is what the option takes."""
    several = option.nargs == "*"
    values = value if several and isinstance(value, list) else [value]
    types, expected = KINDS[option.type]
    if several:
        expected = f"a list of which each is {expected}"
    fits = all(isinstance(each, types) and (bool in types or not isinstance(each, bool)) for each in values)
    if several != isinstance(value, list) or not fits:
        raise ConfigError(f"{what} to {_shown(value)}; expected {expected}")
    if option.choices is not None and value not in option.choices:
        raise ConfigError(f"{what} to {_shown(value)}; choose one of {', '.join(option.choices)}")
    return float(value) if option.type is float else value


def nearest(name: str, known: Iterable[str]) -> str:
    """A question after the one of the `known` names that looks most like that; "" if none does."""
    from difflib import get_close_matches

    near = get_close_matches(name[:SHOWN], known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
