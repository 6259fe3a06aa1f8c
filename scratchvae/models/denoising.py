"""The warning of a model that was not trained to remove noise."""

from __future__ import annotations

from typing import Any

from scratchvae.errors import DenoiseWarning, warn
from scratchvae.validation import shorten


def warn_unless_trained_with_noise(model: Any) -> None:
    """Issue a DenoiseWarning if `model.metadata` has no "corrupt", the noise of its training."""
    if not (isinstance(model.metadata, dict) and model.metadata.get("corrupt")):
        kind = shorten(type(model).__name__, 40)
        warn(
            f"this {kind} was not trained to remove noise, so that denoise gives its reconstruction; train it with "
            "corrupt=Masking(0.3), or the noise at hand",
            DenoiseWarning,
        )
