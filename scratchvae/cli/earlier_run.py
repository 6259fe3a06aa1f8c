"""The settings of the earlier run in a folder, compared with those of a new run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from scratchvae.cli.config_file import CONFIG, read_settings, with_absolute_paths
from scratchvae.cli.options import UNSET
from scratchvae.cli.train_options import OPTIONS
from scratchvae.disk import versions
from scratchvae.errors import ConfigError
from scratchvae.io import MODEL
from scratchvae.training import Checkpoint

NO_EFFECT = ("no_pictures", "retries")  # on the model and on whether a run can be resumed
LISTED = 3  # changed options in a message


def changed_options(args: argparse.Namespace, out: Path) -> list[str]:
    """The options that differ from the earlier run in `out`, such as "--epochs was 2 and is 4".

    [] if its config.json is missing or has options of another version.
    """
    try:
        earlier = read_settings(str(out / CONFIG), OPTIONS)
    except ConfigError:
        return []
    both = with_absolute_paths(earlier), with_absolute_paths(vars(args))
    changes = []
    for option in OPTIONS:
        default = None if option.default is UNSET else option.default
        before, now = (settings.get(option.dest, default) for settings in both)
        if option.reusable and option.dest not in NO_EFFECT and before != now:
            changes.append(f"{option.flag} was {_shown(before)} and is {_shown(now)}")
    return changes


def describe_changes(changes: list[str]) -> str:
    """The first changes in one line."""
    more = len(changes) - LISTED
    return "; ".join([*changes[:LISTED], *([f"{more} more changed"] if more > 0 else [])])


def replacement(args: argparse.Namespace, out: Path, checkpoint: Checkpoint | None) -> str | None:
    """The message that the run replaces a model of other settings in `out`; None if there is none or if it is resumed.

    checkpoint   the checkpoints of the run, None without them
    """
    resumed = checkpoint is not None and checkpoint.resume and versions(checkpoint.path)
    if resumed or not (out / MODEL).exists():
        return None
    if not (out / CONFIG).exists():
        return f"this run replaces the model in {out}"
    changes = changed_options(args, out)
    return f"this run replaces the model in {out}, of other settings: {describe_changes(changes)}" if changes else None


def reason_not_resumed(error: ConfigError, args: argparse.Namespace, out: Path) -> ConfigError | None:
    """The error of a checkpoint in `out` that has other settings, by the names of the options; None if unknown."""
    path, separator, _ = error.message.partition(" cannot be resumed with other settings")
    if not separator or Path(path).parent != out or not _wrote_checkpoints(out):
        return None
    changes = changed_options(args, out)
    length_matters = args.schedule == "cosine" or hasattr(args, "kl_cycles")
    changes = [change for change in changes if length_matters or not change.startswith("--epochs ")]
    if not changes:
        return None
    hint = "restore these settings"
    if args.schedule == "cosine" and changes[0].startswith("--epochs "):
        hint += " (only --schedule constant allows more epochs)"
    return ConfigError(f"{path}{separator}: {describe_changes(changes)}; {hint}")


def _wrote_checkpoints(out: Path) -> bool:
    """True if the last run in `out` wrote checkpoints there; if not, they are of a run before it."""
    try:
        settings = json.loads((out / CONFIG).read_bytes())["command"]
        return settings.get("checkpoint") == "" or ("checkpoint" not in settings and settings["resume"] is True)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _shown(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
