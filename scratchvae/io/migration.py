"""Migration of headers of earlier formats to the names of the current format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scratchvae.errors import FileError

LIKELIHOODS_0_1 = {"gaussian_learnt": "gaussian_learned", "gaussian_decoded": "gaussian_heteroscedastic"}  # 0.1.0: now
FIRST_RESUMABLE_FORMAT = 3


def migrate(header: dict[str, Any], version: int) -> dict[str, Any]:
    """The header of a file of format `version`, with the names of the current format.

    Files of 0.1.0 have no scale: their models were trained on the numbers as they were.
    """
    config = header.get("config")
    if isinstance(config, dict):
        config = {"scale": "none", **config}
        header = {**header, "config": config}
    if version >= FIRST_RESUMABLE_FORMAT:
        return header
    if isinstance(config, dict) and isinstance(config.get("likelihood"), str):
        likelihood = config["likelihood"]
        header = {**header, "config": {**config, "likelihood": LIKELIHOODS_0_1.get(likelihood, likelihood)}}
    return header


def resume_command(version: int) -> str:
    """The option or the version that resumes a checkpoint of this format."""
    return "--resume" if version >= FIRST_RESUMABLE_FORMAT else "scratchvae 0.1.0"


def require_resumable(path: Path, version: int) -> None:
    """Raises FileError for a checkpoint of a format that this version cannot resume."""
    if version < FIRST_RESUMABLE_FORMAT:
        raise FileError(
            f"{path} is a checkpoint of scratchvae 0.1.0, which this version cannot resume: load its model and train "
            "that further, or resume it with 0.1.0"
        )
