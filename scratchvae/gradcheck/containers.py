"""Nested tuples, lists and dicts as flat lists of their leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

from scratchvae.errors import DTypeError, ShapeError
from scratchvae.validation import shorten


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each leaf of a nested tuple, list or dict, with its name, such as "params.W" or "layers.0.b"."""
    for key, item in _items(value):
        yield from leaves(item, f"{name}.{key}".lstrip("."))
    if not is_container(value):
        yield name, value


def rebuild(template: Any, next_leaf: Callable[[Any], Any]) -> Any:
    """Return a container like `template`, with each leaf replaced by next_leaf(leaf), in the order of `leaves`."""
    if isinstance(template, dict):
        return {key: rebuild(item, next_leaf) for key, item in template.items()}
    if isinstance(template, tuple) and hasattr(template, "_fields"):
        return type(template)(*(rebuild(item, next_leaf) for item in template))
    if isinstance(template, tuple | list):
        return type(template)([rebuild(item, next_leaf) for item in template])
    return next_leaf(template)


def is_container(value: Any) -> bool:
    """True for a tuple, list or dict."""
    return isinstance(value, tuple | list | dict)


def check_no_bare_numbers(value: Any, name: str) -> None:
    """Raise DTypeError for a list of real numbers, in rows or not: an array was meant."""
    lengths = _row_lengths(value)
    if len(lengths) > 1:
        raise DTypeError(
            f"{name} is a list of rows of {shorten(' and '.join(map(str, lengths)), 40)} numbers; expected an array, "
            "or a list of arrays: make each row an array"
        )
    bare = isinstance(value, tuple | list) and not hasattr(value, "_fields") and all(map(_is_number, value))
    if lengths or (bare and any(isinstance(x, float) for x in value)):
        raise DTypeError(
            f"{name} is a list of {'rows of ' if lengths else ''}numbers; expected an array, or a list of arrays: "
            f"convert it with numpy.array({name}, 'float64')"
        )
    for key, item in _items(value):
        check_no_bare_numbers(item, f"{name}.{key}")


def check_not_ragged(value: Any, name: str) -> None:
    """Raise DTypeError for rows of numbers of unequal length that a function returned."""
    if len(_row_lengths(value)) > 1:
        raise DTypeError(f"{name} returned rows of unequal length; expected arrays or numbers")


def _row_lengths(value: Any) -> list[int]:
    """Return the different lengths of the rows, if this is a list of rows of numbers; else nothing."""
    rows = [row for row in value if isinstance(row, tuple | list)] if isinstance(value, tuple | list) else []
    is_table = rows and len(rows) == len(value) and all(_is_number(x) for row in rows for x in row)
    return sorted({len(row) for row in rows}) if is_table else []


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def aligned_leaves(value: Any, template: Any, name: str, hint: str) -> Iterator[Any]:
    """Yield the leaves of a container in the order of the template's; a list may stand for a tuple.

    Raises ShapeError unless both have the same lengths and keys, or both are leaves.
    """
    if _outline(value) != _outline(template):
        given, expected = (_outline(container) for container in (value, template))
        raise ShapeError(f"{name} returned {given}; expected {expected}, {hint}")
    if not is_container(template):
        yield value
    for key, item in _items(template):
        yield from aligned_leaves(value[key], item, f"{name} [{key}]" if isinstance(value, dict) else name, hint)


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, tuple | list) else []


def _outline(value: Any) -> str:
    """Describe the outermost container, without its leaves."""
    if isinstance(value, dict):
        return f"a dict of {shorten(', '.join(sorted(map(str, value))), 60) or 'nothing'}"
    return f"{len(value)} in a tuple or list" if isinstance(value, tuple | list) else "one array or number"
