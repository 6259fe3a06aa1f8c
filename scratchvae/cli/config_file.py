"""The settings of `train` from a file, such as the config.json of an earlier run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from scratchvae.cli.messages import nearest_option, suggestion
from scratchvae.cli.options import Option
from scratchvae.datasets import NAMES
from scratchvae.errors import ConfigError, FileError
from scratchvae.io import MODEL, open_archive
from scratchvae.rows import find_shards, is_pattern

CONFIG = "config.json"  # in the folder of a run
DATA_PATHS = ("data", "data_dir")  # options of the data that are paths
LARGEST = 1 << 20  # bytes
LONGEST_VALUE = 60  # characters of a value in a message
OPTION_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
}  # of each type of an option: the types of its value in JSON, and their name in a message
CONFIG_OPTION = Option(
    "config",
    "take the settings of an earlier run, from its config.json or its folder",
    metavar="FILE",
    details="Options that are typed take precedence. --out, --checkpoint and --quiet of the earlier run are ignored. "
    "Any JSON object of option names will do, "
    'such as {"latent": 20, "hidden": [512, 256]}',
)


def read_settings(path: str, options: Iterable[Option]) -> dict[str, Any]:
    """The settings in a JSON file by their names in the namespace, each checked against its option.

    The settings are the value of "command" in a file that `train` wrote, else the whole file. Data of a run that is not
    where the file names it is searched where the model in the same folder names it, then beside a folder that was moved
    together with its data. Raises ConfigError.
    """
    known = {option.dest: option for option in options}
    settings: dict[str, Any] = {}
    content, is_run = _read_object(path)
    for name, value in content.items():
        dest = name.replace("-", "_")
        if is_run and dest in known and not known[dest].reusable:
            continue
        if dest not in known:
            near = nearest_option(dest, [option.name for option in known.values()])
            hint = f"; did you mean {near}?" if near else ""
            raise ConfigError(f"{path} sets {_short(name)}, which is no option of train{hint}")
        if dest in settings:
            raise ConfigError(f"{path} sets {_short(name)} twice")
        settings[dest] = _checked(f"{path} sets {name}", value, known[dest])
    if is_run:
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        settings |= _find_data(settings, folder, content.get("out"))
    return settings


def check_data_found(path: str, settings: dict[str, Any], chosen: Any) -> None:
    """Raises ConfigError if the data of a run, whose `settings` are from `path`, is chosen and does not exist."""
    for name in DATA_PATHS:
        value = settings.get(name)
        if value is None or getattr(chosen, name, None) != value or _exists(value, name) or not _is_run(path):
            continue
        folder = "; it may have been moved: " if Path(value).is_absolute() else " here, nor where its model names it; "
        instead = "name DATA, as in scratchvae train DATA --config RUN" if name == "data" else "add --data-dir"
        raise ConfigError(f"{path} names {name.replace('_', '-')} {value}, which is not there{folder}{instead}")


def with_absolute_paths(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run, whose paths are right from any folder."""
    paths = {name: settings[name] for name in (*DATA_PATHS, "out", "checkpoint") if settings.get(name)}
    if paths.get("data") in NAMES:
        del paths["data"]
    return {**settings, **{name: str(Path(path).resolve()) for name, path in paths.items()}}


def _find_data(settings: Mapping[str, Any], folder: Path, out: Any) -> dict[str, str]:
    """The data that exists, of those settings that name what does not exist."""
    found = {}
    missing = [name for name in DATA_PATHS if name in settings and not _exists(settings[name], name)]
    for name in missing:
        candidates = [_metadata_of(folder).get(name)]
        if isinstance(out, str) and Path(out).is_absolute() and Path(settings[name]).is_absolute():
            with suppress(ValueError):  # on another drive of Windows
                candidates.append(str((folder / os.path.relpath(settings[name], out)).resolve()))
        for candidate in candidates:
            if (
                isinstance(candidate, str)
                and Path(candidate).name == Path(settings[name]).name
                and _exists(candidate, name)
            ):
                found[name] = candidate
                break
    return found


def _exists(path: str, name: str) -> bool:
    try:
        if name == "data" and (path in NAMES or (is_pattern(path) and find_shards(path))):
            return True
        return Path(path).exists()
    except (OSError, ValueError):  # no valid name
        return False


def _metadata_of(folder: Path) -> dict[str, Any]:
    """The metadata of the model in the folder of a run, or of its checkpoint; {} if there is none."""
    for file in (folder / MODEL, *sorted(folder.glob("*.npz"))):
        with suppress(FileError), open_archive(file) as archive:
            if isinstance(metadata := archive.header.get("notes"), dict):
                return metadata
    return {}


def _is_run(path: str) -> bool:
    return _read_object(path)[1]


def _read_object(path: str) -> tuple[dict[str, Any], bool]:
    """The settings in a file, and whether `train` wrote it."""
    import json

    try:
        content = json.loads(
            _read_text(path),
            parse_int=_parse_int,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_duplicates,
        )
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError(f"{path} is no file of settings: it is nested too deep") from None
    except ValueError as error:
        raise ConfigError(f"{path} is no valid JSON: {error}; expected the config.json that train wrote") from None
    is_run = isinstance(content, dict) and content.get("command") is not None
    if is_run:
        content = content["command"]
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {_short(content)}; expected a JSON object of option names")
    return content, is_run


def _read_text(path: str) -> str:
    try:
        file = Path(path)
        file = file / CONFIG if file.is_dir() else file
        if not file.is_file():  # reading from a pipe would block
            raise FileNotFoundError(f"there is no file {file}")
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ConfigError(f"{path} is larger than {LARGEST} bytes: it is no file of settings")
        return content.decode("utf-8-sig")
    except ConfigError:
        raise
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: {error.reason} at byte {error.start}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; expected the config.json that train wrote") from None


def _parse_int(digits: str) -> int:
    if len(digits) > 19 or abs(int(digits)) >= 1 << 63:
        raise ValueError(f"the number {digits[:20]}… is too large" if len(digits) > 20 else f"{digits} is too large")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{_short(max(names, key=names.count))} is set twice")
    return content


def _checked(subject: str, value: Any, option: Option) -> Any:
    """`value`, if the option accepts it."""
    several = option.nargs in ("*", "+", 2)
    values = value if several and isinstance(value, list) else [value]
    types, expected = OPTION_TYPES[option.type]
    if several:
        expected = f"a list, each element {expected}"
    fits = all(isinstance(item, types) and (bool in types or not isinstance(item, bool)) for item in values)
    if several != isinstance(value, list) or not fits:
        raise ConfigError(f"{subject} to {_short(value)}; expected {expected}")
    if option.choices is not None and value not in option.choices:
        hint = suggestion(str(value), option.choices) or f"; choose one of {', '.join(option.choices)}"
        raise ConfigError(f"{subject} to {_short(value)}{hint}")
    return float(value) if option.type is float else value


def _short(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else repr(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
