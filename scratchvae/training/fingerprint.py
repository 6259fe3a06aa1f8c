"""The fingerprint of a training run: its settings and data, so that it is resumed only with the same ones."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.models import Model
from scratchvae.rows import RowReader, RowSource

ALGORITHM = "sha256/1"  # of `digest`; the number is raised whenever it returns another text for the same rows
CHUNK_BYTES = 2**22  # bytes


def fingerprint(model: Model, settings: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """The model, settings and data that determine the result of training, as JSON values by name."""
    values = {
        "model": type(model).__name__,
        **{f"model.{name}": value for name, value in model.to_config().items()},
        "backend": model.backend.name,
        **{name: describe(value) for name, value in settings.items()},
        **{name: None if rows is None else digest(rows) for name, rows in data.items()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(values))  # in the form in which a file returns them
    return plain


def describe(value: Any) -> Any:
    """The class and the settings of an object, as JSON values; for a function or a class, its name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {name: describe(item) for name, item in value.items()}
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return name
    attributes = getattr(value, "__dict__", {})
    settings = {name: describe(item) for name, item in attributes.items() if _is_setting(name, item)}
    return {"kind": type(value).__qualname__, **settings}


def digest(rows: Any) -> str:
    """The fingerprint of rows (N, …): ALGORITHM, shape, dtype and 16 hexadecimal digits.

    They are the first of the SHA-256 of the numbers in C order and little-endian byte order, the same on every machine.
    A long double counts as two float64: the nearest one, and the nearest one to the rest.
    """
    if not isinstance(rows, RowSource):
        rows = to_numpy(rows) if hasattr(rows, "dtype") else np.asarray(rows)
    hashed = hashlib.sha256()
    for part in RowReader(rows, "rows").slices(max(1, CHUNK_BYTES * len(rows) // max(1, rows.nbytes))):
        hashed.update(_portable(rows[part]).data)
    shape = " × ".join(map(str, rows.shape))
    return f"{ALGORITHM}:{shape} of {rows.dtype.newbyteorder('=')}, {hashed.hexdigest()[:16]}"


def is_incomparable(before: Any, now: Any) -> bool:
    """True if `now` is a fingerprint, and `before` one of another algorithm, so that they differ for the same rows."""
    return isinstance(now, str) and now.startswith(f"{ALGORITHM}:") and _algorithm(before) not in (None, ALGORITHM)


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings without dicts in them: {"optimizer": {"beta1": 0.9}} becomes {"optimizer.beta1": 0.9}."""
    flattened: dict[str, Any] = {}
    for name, value in settings.items():
        flattened |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flattened


def without_algorithm(value: Any) -> Any:
    """A setting; of a fingerprint, what differs between two of one version."""
    return value.removeprefix(f"{ALGORITHM}:") if isinstance(value, str) else value


def _algorithm(fingerprint: Any) -> str | None:
    """The algorithm of a fingerprint; "" for the first versions, which did not name it, None for another value."""
    return fingerprint.rpartition(":")[0] if isinstance(fingerprint, str) else None


def _portable(rows: Any) -> Any:
    if rows.dtype.kind == "f" and rows.dtype.itemsize > 8:  # its bytes differ between machines, and some are padding
        nearest = rows.astype(np.float64)
        rows = np.stack([nearest, (rows - nearest).astype(np.float64)], axis=-1)
    return np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))


def _is_setting(name: str, value: Any) -> bool:
    return (
        name != "t"
        and not name.startswith("_")
        and (isinstance(value, bool | int | float | str | None) or callable(value))
    )
