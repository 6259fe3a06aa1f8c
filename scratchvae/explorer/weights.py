"""Arrays as texts, and weights with fewer digits."""

from __future__ import annotations

import copy
import zlib
from base64 import b64encode
from typing import Any, TypeVar

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.models import Model

M = TypeVar("M", bound=Model)

PRECISIONS = ("float16", "float32")


def packed(array: Array) -> dict[str, Any]:
    """An array as values of JSON: its dtype, its shape, and its bytes, compressed by zlib, in base64."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    data = b64encode(zlib.compress(little.tobytes(), 9)).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def rounded(model: M, precision: str) -> M:
    """A copy of a model with the weights that the page holds. Raises ConfigError if one is too large for float16."""
    weights = to_numpy(model.theta)
    with np.errstate(over="ignore"):
        held = weights.astype(precision)
    if not np.isfinite(held).all():
        raise ConfigError(
            f"weights='float16' ends at 65504, and the model has a weight of {np.abs(weights).max():.3g}; "
            "pass weights='float32'"
        )
    other = copy.copy(model)
    other.backend.copy_from_host(other.theta, held.astype(model.dtype))
    return other
