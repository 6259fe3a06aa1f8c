"""How a run trains and on what: so that it is only ever resumed in the same way."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from scratchvae.backend import to_numpy
from scratchvae.memory import Rows

if TYPE_CHECKING:
    from scratchvae.training.trainer import Trainer

AT_ONCE = 2**22  # bytes


def recipe(trainer: Trainer, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the bits of a run depend on, as JSON can hold it: the trainer, its model, the `data` by name, and `more`."""
    model = trainer.model
    return {
        "model": type(model).__name__,
        **{f"model.{name}": value for name, value in model.config.items()},
        "backend": model.backend.name,
        **{name: getattr(trainer, name) for name in ("batch_size", "seed", "clip_norm", "binarize")},
        **{name: describe(getattr(trainer, name)) for name in ("optimizer", "kl_weight", "corrupt")},
        **more,
        **{name: None if rows is None else fingerprint(rows) for name, rows in data.items()},
    }


def describe(value: Any) -> Any:
    """What kind of thing it is and how it is set, as JSON can hold it; of a function, its name is all that is known."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return name
    settings = {of: kept for of, kept in getattr(value, "__dict__", {}).items() if _is_setting(of, kept)}
    return {"kind": type(value).__qualname__, **{of: describe(kept) for of, kept in settings.items()}}


def fingerprint(rows: Any) -> str:
    """A name for rows (N, …) by which others are told from them: every number counts."""
    rows = to_numpy(rows) if hasattr(rows, "dtype") else np.asarray(rows)
    digest = hashlib.sha256()
    for part in Rows(rows, "rows").parts(max(1, AT_ONCE * len(rows) // max(1, rows.nbytes))):
        digest.update(np.ascontiguousarray(rows[part]).data)
    return f"{' × '.join(map(str, rows.shape))} of {rows.dtype}, {digest.hexdigest()[:16]}"


def _is_setting(name: str, value: Any) -> bool:
    return (
        name != "t"
        and not name.startswith("_")
        and (isinstance(value, bool | int | float | str | None) or callable(value))
    )
