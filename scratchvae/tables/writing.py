"""Tables of pandas, polars and PyArrow, or dicts of arrays, from the values of columns.

A package is imported only to make a table of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scratchvae.arrays import Array
from scratchvae.tables.column import Column, Decoded
from scratchvae.tables.reading import package_of

_ZONE = re.compile(r"(?:tz|time_zone)='?([^'\])]+)")
_TIME_UNIT = re.compile(r"\b(ns|us|ms|s)\b")


def write_table(columns: Sequence[Column], decoded: Mapping[Any, Decoded], package: str, like: Any) -> Any:
    """A table of `package` with these columns; with the types and the index of `like`, if that is one of it."""
    like = like if like is not None and package_of(like) == package else None
    if package == "pandas":
        return _pandas(columns, decoded, like)
    if package == "polars":
        return _polars(columns, decoded, like)
    if package == "pyarrow":
        return _pyarrow(columns, decoded, like)
    return {column.name: _array(column, *decoded[column.name]) for column in columns}


def _array(column: Column, values: Array, missing: Array) -> Array:
    """The values as an array, NaN or NaT where missing; with None if they are texts or booleans."""
    if column.form == "number":
        return _numbers(column, values, missing)
    if not missing.any():
        return _as_text(column, values)
    if values.dtype.kind == "M":
        return np.where(missing, np.array("NaT", values.dtype), values)
    if values.dtype.kind == "f":
        return np.where(missing, np.nan, values)
    objects = values.astype(object)
    objects[missing] = None
    return objects


def _numbers(column: Column, values: Array, missing: Array) -> Array:
    """Numbers of the column's own type, if that is one of NumPy and can hold what is missing, else in float64."""
    try:
        own = np.dtype(column.dtype)
    except TypeError:
        own = np.dtype(np.int64 if column.whole else np.float64)
    if own.kind not in ("f" if missing.any() else "iuf"):
        own = np.dtype(np.float64)
    numbers = values.astype(own)
    if missing.any():
        numbers[missing] = np.nan
    return numbers


def _as_text(column: Column, values: Array) -> Array:
    """Dates as texts, in a column of texts."""
    if values.dtype.kind == "M" and column.form == "text":
        return np.datetime_as_string(values).astype(object)
    return values


def _pandas(columns: Sequence[Column], decoded: Mapping[Any, Decoded], like: Any) -> Any:
    import pandas

    def series(column: Column) -> Any:
        values, missing = decoded[column.name]
        values = _as_text(column, values)
        if like is not None:
            dtype = like.dtypes[column.name]
        elif column.dtype in ("category", "ordered"):
            dtype = pandas.CategoricalDtype(list(column.values), column.dtype == "ordered")
        else:
            dtype = _pandas_type(pandas, column)
        if values.dtype.kind == "M" and dtype == np.dtype(object):
            return pandas.Series(_in_units(values, ("us", "D")).astype(object), dtype=dtype).mask(missing, None)
        if values.dtype.kind == "M":
            made = pandas.Series(_in_units(values, ("s", "ms", "us", "ns")))
            made = made.dt.tz_localize("UTC") if getattr(dtype, "tz", None) is not None else made
            return made.mask(missing).astype(dtype)
        if values.dtype.kind == "f":
            values = np.where(missing, 0.0, values)  # the mean of whole numbers is none
        if missing.all() and not column.values and column.kind == "constant":
            return pandas.Series([None] * len(missing), dtype=dtype)
        if getattr(dtype, "kind", "") in "iub" and missing.any() and isinstance(dtype, np.dtype):
            dtype = np.dtype(object if dtype.kind == "b" else np.float64)
        made = pandas.Series(values, dtype=object if dtype is None else None)
        if dtype is None:
            return made.mask(missing).infer_objects()
        return made.astype(dtype).mask(missing)

    index = None if like is None or len(like) != _length(decoded) else like.index
    frame = pandas.DataFrame({column.name: series(column) for column in columns})
    return frame if index is None else frame.set_axis(index, axis=0)


def _pandas_type(pandas: Any, column: Column) -> Any:
    try:
        return pandas.api.types.pandas_dtype(column.dtype)
    except TypeError:
        return None


def _polars(columns: Sequence[Column], decoded: Mapping[Any, Decoded], like: Any) -> Any:
    import polars

    def series(column: Column) -> Any:
        values, missing = decoded[column.name]
        values = _as_text(column, values)
        dtype = _polars_type(polars, column) if like is None else like.schema[column.name]
        if values.dtype.kind == "M":
            zone = getattr(dtype, "time_zone", None)
            made = polars.Series(column.name, _in_units(values, ("ms", "D", "us", "ns")))
            made = made.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else made
        else:
            made = polars.Series(column.name, _with_none(values, missing), dtype=dtype, strict=False)
        if dtype is not None and made.dtype != dtype:
            made = made.cast(dtype)
        return made.set(polars.Series(missing), None) if missing.any() else made

    return polars.DataFrame([series(column).alias(str(column.name)) for column in columns])


def _polars_type(polars: Any, column: Column) -> Any:
    """The type of polars of this name; None if it has none, so that polars finds one."""
    name = column.dtype.split("(")[0]
    if name == "Enum":
        return polars.Enum(list(column.values))
    if name == "Datetime":
        unit, zone = _TIME_UNIT.search(column.dtype), _ZONE.search(column.dtype)
        return polars.Datetime(unit[1] if unit else "us", zone[1] if zone and zone[1] != "None" else None)
    return getattr(polars, name, None) if name[:1].isupper() else None


def _in_units(dates: Array, units: Sequence[str]) -> Array:
    """The dates in their own unit if it is one of `units`, else in the first of these, which is finer."""
    return dates if np.datetime_data(dates.dtype)[0] in units else dates.astype(f"M8[{units[0]}]")


def _pyarrow(columns: Sequence[Column], decoded: Mapping[Any, Decoded], like: Any) -> Any:
    import pyarrow

    def array(column: Column) -> Any:
        values, missing = decoded[column.name]
        values = _as_text(column, values)
        kind = _pyarrow_type(pyarrow, column) if like is None else like.schema.field(str(column.name)).type
        if kind is not None and pyarrow.types.is_dictionary(kind) and column.kind == "category":
            codes = {value: k for k, value in enumerate(column.values)}
            indices = [None if m else codes[v] for v, m in zip(values.tolist(), missing, strict=True)]
            levels = pyarrow.array(list(column.values), kind.value_type)
            return pyarrow.DictionaryArray.from_arrays(
                pyarrow.array(indices, kind.index_type), levels, ordered=kind.ordered
            )
        if values.dtype.kind == "M":
            made = pyarrow.array(_in_units(values, ("s", "D", "ms", "us", "ns")), mask=missing)
        else:
            made = pyarrow.array(_with_none(values, missing))
        return made if kind is None or made.type == kind else made.cast(kind)

    return pyarrow.table({str(column.name): array(column) for column in columns})


def _pyarrow_type(pyarrow: Any, column: Column) -> Any:
    """The type of PyArrow of this name; None if it has none, so that PyArrow finds one."""
    if column.dtype.startswith("timestamp"):
        unit, zone = _TIME_UNIT.search(column.dtype), _ZONE.search(column.dtype.replace("tz=", "tz='"))
        return pyarrow.timestamp(unit[1] if unit else "us", zone[1] if zone else None)
    if column.dtype.startswith("dictionary"):
        ordered = "ordered=1" in column.dtype
        index = re.search(r"indices=(\w+)", column.dtype)
        texts = pyarrow.large_string() if "values=large_string" in column.dtype else pyarrow.string()
        return pyarrow.dictionary(pyarrow.type_for_alias(index[1] if index else "int32"), texts, ordered)
    try:
        return pyarrow.type_for_alias(column.dtype.split("[")[0])
    except ValueError:
        return None


def _with_none(values: Array, missing: Array) -> list[Any]:
    return [None if m else value for value, m in zip(values.tolist(), missing.tolist(), strict=True)]


def _length(decoded: Mapping[Any, Decoded]) -> int:
    return len(next(iter(decoded.values()))[1])
