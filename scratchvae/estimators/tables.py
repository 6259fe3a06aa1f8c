"""Tables of several kinds of columns, whose errors are in the words of the estimators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from scratchvae.arrays import Array
from scratchvae.errors import DTypeError, RangeError, ShapeError
from scratchvae.estimators.rows import check_size
from scratchvae.tables import TableSchema

WORDS = {
    "the schema does not know": "fit did not see",
    "as in the table of the schema": "as in the table of fit",
}


def infer_schema(X: Any, kinds: Mapping[Any, str] | None) -> TableSchema:
    """The schema of a table. Raises ConfigError, DTypeError, RangeError or ShapeError."""
    if getattr(X, "shape", None):
        check_size(X.shape)
    with reworded("choose another kind in kinds"):
        return TableSchema.infer(X, kinds)


def encode_table(schema: TableSchema, X: Any) -> Array:
    """The rows (N, schema.width) of a table. Raises DTypeError, RangeError or ShapeError."""
    with reworded("fit again with a table of such values"):
        rows = schema.encode(X)
    check_size((len(rows), len(schema.columns)))
    return rows


@contextmanager
def reworded(advice: str) -> Iterator[None]:
    """Reword the errors of a schema, with this advice instead of another schema."""
    try:
        yield
    except (DTypeError, RangeError, ShapeError) as error:
        message = error.message.replace("infer another schema", advice)
        for word, other in WORDS.items():
            message = message.replace(word, other)
        if message.startswith("table "):
            message = f"X{message.removeprefix('table')}"
        kind = next(kind for kind in (DTypeError, RangeError, ShapeError) if isinstance(error, kind))
        raise kind(message) from None
