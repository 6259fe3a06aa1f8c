"""The rows that the page shows: which ones, their numbers in few bytes, and the columns of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.explorer.weights import packed
from scratchvae.models import Model
from scratchvae.probability import MaskedLikelihood
from scratchvae.probability.count_likelihood import CountLikelihood
from scratchvae.rng import generator
from scratchvae.tables import TableSchema
from scratchvae.tables.column import Column, printable

MOST_ROWS = 2000  # more points in a plane hide each other
MOST_CHARACTERS = 700_000  # of the rows in the page


def choose_rows(count: int, wanted: int) -> Array:
    """The numbers of `wanted` of `count` rows, in order: all of them, or a random choice, always the same."""
    if wanted >= count:
        return np.arange(count)
    return np.sort(generator(0, "shown rows").permutation(count)[:wanted])


def pack_pictures(images: Array) -> dict[str, Any]:
    """Rows (N, D) of pictures: bytes from 0 to `levels`, which stand for numbers from `low` to `high`, if they can be.

    Few levels that are exact, such as the 17 of the digits of scikit-learn, are preferred to 256. Pictures with missing
    pixels have float32.
    """
    low, high = value_range(images)
    if not np.isfinite(images).all():
        return {"low": low, "high": high, **packed(images.astype(np.float32))}
    unit = (images.astype(np.float64) - low) / (high - low)
    whole = round(high - low)
    for levels in (1, 15, 16, 255, *([whole] if 0 < whole < 256 else [])):
        steps = np.rint(unit * levels)
        if np.abs(steps / levels - unit).max(initial=0.0) < 1e-7:
            break
    else:
        levels, steps = 255, np.rint(unit * 255)
    return {"low": low, "high": high, "levels": levels, **packed(steps.astype(np.uint8))}


def value_range(images: Array) -> tuple[float, float]:
    """The numbers of black and of white: 0 and 1 if all are between them, else the least and the largest."""
    finite = images[np.isfinite(images)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0.0 and high <= 1.0:
        return 0.0, 1.0
    return (low, high) if high > low else (low, low + 1.0)


# --- tables


def describe_columns(model: Model, images: Array, schema: TableSchema | None) -> list[dict[str, Any]]:
    """The columns of a table: where they are in a row (N, D) of `images`, how to write them, and their range there."""
    if schema is not None:
        return [_column_of_schema(column, schema.slices[column.name], images) for column in schema.columns]
    names = model.schema.columns or [f"x{k}" for k in range(model.input_dim)]
    likelihood = model.likelihood
    while isinstance(likelihood, MaskedLikelihood):
        likelihood = likelihood.inner
    kind = "count" if isinstance(likelihood, CountLikelihood) else "number"
    return [
        {"name": name, "kind": kind, "start": k, "width": 1, **_range_of(images[:, k])} for k, name in enumerate(names)
    ]


def _column_of_schema(column: Column, place: slice, images: Array) -> dict[str, Any]:
    entry = {"name": str(column.name), "kind": column.kind, "start": place.start, "width": column.width}
    if column.kind in ("category", "constant"):
        values = column.values if column.form != "date" else column.decode(np.zeros((1, 1)))[0].astype(str).tolist()
        return {**entry, "values": [printable(value) for value in values]}
    if column.kind in ("number", "date"):
        entry |= {"shift": column.shift, "factor": column.factor, "decimals": column.decimals, "unit": column.unit}
    return {**entry, **_range_of(images[:, place.start])}


def _range_of(numbers: Array) -> dict[str, float]:
    """The least and the largest known number; 0 and 1 for a column without any."""
    known = numbers[np.isfinite(numbers)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return {"low": low, "high": high if high > low else low + 1.0}
