"""The one place where old names stay: headers of earlier formats, as the present one writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scratchvae.errors import FileError

# Of 0.1.0: a name in its configurations, and what stands for it now.
LIKELIHOODS_0_1 = {"gaussian_learnt": "gaussian_learned", "gaussian_decoded": "gaussian_heteroscedastic"}
FIRST_OF_CHECKPOINTS = 3


def migrate(header: dict[str, Any], version: int) -> dict[str, Any]:
    """The header of a file of format `version`, in the names of the present format. Raises FileError."""
    if version >= FIRST_OF_CHECKPOINTS:
        return header
    config = header.get("config")
    if isinstance(config, dict) and isinstance(config.get("likelihood"), str):
        likelihood = config["likelihood"]
        header = {**header, "config": {**config, "likelihood": LIKELIHOODS_0_1.get(likelihood, likelihood)}}
    return header


def resume_command(version: int) -> str:
    """By what the training of a checkpoint of that format can go on."""
    return "--resume" if version >= FIRST_OF_CHECKPOINTS else "scratchvae 0.1.0"


def require_resumable(path: Path, version: int) -> None:
    """Raises FileError for a checkpoint whose training cannot go on in this version."""
    if version < FIRST_OF_CHECKPOINTS:
        raise FileError(
            f"{path} is a checkpoint of scratchvae 0.1.0, whose training this version cannot resume: load its model "
            "and train that on, or resume it with 0.1.0"
        )
