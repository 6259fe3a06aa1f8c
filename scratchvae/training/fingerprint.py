"""How a run trains and on what: so that it is only ever resumed in the same way."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.memory import RowReader
from scratchvae.models import Model

CHUNK_BYTES = 2**22  # bytes


def fingerprint(model: Model, settings: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """What the bits of a training depend on, as JSON can hold it: its model, its settings and its data, by name."""
    found = {
        "model": type(model).__name__,
        **{f"model.{name}": value for name, value in model.to_config().items()},
        "backend": model.backend.name,
        **{name: describe(value) for name, value in settings.items()},
        **{name: None if rows is None else digest(rows) for name, rows in data.items()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))  # so that it equals what is read from a file
    return plain


def describe(value: Any) -> Any:
    """What kind of thing it is and how it is set, as JSON can hold it; of a function, its name is all that is known."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {name: describe(each) for name, each in value.items()}
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return name
    settings = {of: kept for of, kept in getattr(value, "__dict__", {}).items() if _is_setting(of, kept)}
    return {"kind": type(value).__qualname__, **{of: describe(kept) for of, kept in settings.items()}}


def digest(rows: Any) -> str:
    """A name for rows (N, …) by which others are told from them: every number counts."""
    rows = to_numpy(rows) if hasattr(rows, "dtype") else np.asarray(rows)
    hashed = hashlib.sha256()
    for part in RowReader(rows, "rows").slices(max(1, CHUNK_BYTES * len(rows) // max(1, rows.nbytes))):
        hashed.update(np.ascontiguousarray(rows[part]).data)
    return f"{' × '.join(map(str, rows.shape))} of {rows.dtype}, {hashed.hexdigest()[:16]}"


def _is_setting(name: str, value: Any) -> bool:
    return (
        name != "t"
        and not name.startswith("_")
        and (isinstance(value, bool | int | float | str | None) or callable(value))
    )
