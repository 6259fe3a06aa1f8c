"""Printed forms of objects: the call that makes them, short enough for a screen.

    repr(Sequential(Linear(784, 512), ReLU(), Linear(512, 40)))  # Sequential(Linear(784, 512), ReLU(), Linear(512, 40))

A class takes part by `__repr__ = call_repr`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from scratchvae.validation import shorten

WIDTH = 100  # characters of a line
LINES = 20
ITEMS, TEXT = 12, 60  # items and characters of a tuple, list or dict
NESTING = 8  # calls inside calls


class _Unknown:
    def __repr__(self) -> str:
        return "…"


UNKNOWN = _Unknown()


def call_repr(instance: Any) -> str:
    """The call that makes `instance`: required arguments, the first one, and those that differ from their defaults.

    The values come from `instance.config()`, or from the attributes that have the names of the arguments. The text has
    at most `LINES` lines of at most `WIDTH` characters. It never raises.
    """
    return fit_lines(value_repr(instance, as_call=True))


def value_repr(value: Any, indent: int = 0, as_call: bool = False) -> str:
    """`value` as Python code where it is short, and a summary of it in angle brackets where it is not."""
    try:
        if as_call or _shows_call(value):
            return _call(value, indent) if indent < NESTING else f"{type(value).__name__}(…)"
        if hasattr(value, "dtype") and getattr(value, "ndim", False):
            return f"<{value.dtype} array {tuple(value.shape)}>"
        if type(value) in (tuple, list):
            opening, closing = "[]" if type(value) is list else "()"
            items = [(value_repr(item, indent + 1), item) for item in value[:ITEMS]]
            comma = "," * (len(value) == 1 and type(value) is tuple)
            return opening + _join(items, len(value)) + comma + closing
        if type(value) is dict:
            items = [(f"{key!r}: {value_repr(value[key], indent + 1)}", value[key]) for key in list(value)[:ITEMS]]
            return "{" + _join(items, len(value)) + "}"
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            return str(value.__qualname__)
        return shorten(repr(value))
    except Exception:  # an attribute that raises, or an integer of more than 4300 digits
        return f"<{type(value).__name__}>"


def fields_repr(record: Any) -> str:
    """A named tuple with an array as its dtype and shape, floats with 6 digits and a long tuple by its first items."""
    fields = [f"{name}={value_repr(_rounded(getattr(record, name)))}" for name in record._fields]
    return join_lines(f"{type(record).__name__}(", fields, ")")


def join_lines(opening: str, items: list[str], closing: str) -> str:
    """The items between commas, broken into lines of at most `WIDTH` characters after a comma."""
    lines = [opening]
    for number, item in enumerate(items):
        text = item + (closing if number == len(items) - 1 else ", ")
        if len(lines[-1]) + len(text.rstrip()) > WIDTH:
            lines.append(4 * " ")
        lines[-1] += text
    return fit_lines("\n".join(line.rstrip() for line in lines))


def table_lines(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows of cells in columns: the first `left` columns align on the left, the others on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def html_table(caption: str, rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """A table as escaped HTML, for a notebook: the first row is the header, `notes` are paragraphs below it."""
    from html import escape

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head, body = line(rows[0], "th"), "".join(line(row, "td") for row in rows[1:])
    table = f"<table><caption>{escape(caption)}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
    return table + "".join(f"<p>{escape(note)}</p>" for note in notes)


def wrap(text: str) -> str:
    """`text` in lines of at most `WIDTH` characters, broken at spaces; each line after the first is indented."""
    from textwrap import fill

    return fit_lines(fill(text, WIDTH, subsequent_indent=4 * " ", break_on_hyphens=False))


def fit_lines(text: str) -> str:
    """`text` on at most `LINES` lines of at most `WIDTH` characters; lines in the middle are left out."""
    lines = [line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in text.split("\n")]
    if len(lines) > LINES:
        head, tail = LINES // 2, LINES // 2 - 1
        lines[head:-tail] = [f"    … {len(lines) - head - tail} more lines"]
    return "\n".join(lines)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return tuple(map(_rounded, value)) if type(value) is tuple else value


def _join(items: list[tuple[str, Any]], total: int) -> str:
    """The first items, of `total`, that fit in `TEXT` characters; calls count for nothing, as they may fill lines."""
    shown: list[str] = []
    for text, item in items:
        if sum(map(len, shown)) + len(text) > TEXT and not _shows_call(item):
            break
        shown.append(text)
    return ", ".join([*shown, f"… {total - len(shown)} more"] if len(shown) < total else shown)


def _call(instance: Any, indent: int) -> str:
    name = type(instance).__name__
    parts = [f"{key}{value_repr(value, indent + 1)}" for key, value in _arguments(instance)]
    line = f"{name}({', '.join(parts)})"
    if len(line) + 4 * indent <= WIDTH and "\n" not in line:
        return line
    margin = 4 * " "
    return "\n".join([f"{name}(", *(f"{margin}{part},".replace("\n", f"\n{margin}") for part in parts), ")"])


def _arguments(instance: Any) -> list[tuple[str, Any]]:
    """Pairs of "name=", "" for a positional argument, and a value."""
    parameters, values = _parameters(type(instance)), _values(instance)
    shown: list[tuple[str, Any]] = []
    for position, (name, parameter) in enumerate(parameters.items()):
        if name not in values:
            continue
        value = values[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            shown += [("", item) for item in value] if isinstance(value, tuple | list) else [("*", value)]
        elif parameter.default is parameter.empty:
            shown.append((f"{name}=" if parameter.kind is parameter.KEYWORD_ONLY else "", value))
        elif position == 0 or not _same(value, parameter.default):
            shown.append((f"{name}=", value))
    return shown + [(f"{name}=", value) for name, value in values.items() if name not in parameters]


def _values(instance: Any) -> dict[str, Any]:
    kind = type(instance)
    if callable(getattr(kind, "config", None)):
        try:
            return dict(instance.config())
        except Exception:  # a class of the user's own that keeps no attribute for an argument
            pass
    return {name: getattr(instance, name, UNKNOWN) for name in _parameters(kind)}


def _parameters(kind: Any) -> Mapping[str, Any]:
    import inspect

    if kind.__init__ is object.__init__:
        return {}
    return {name: p for name, p in inspect.signature(kind.__init__).parameters.items() if name != "self"}


def _shows_call(value: Any) -> bool:
    method: Any = type(value).__repr__
    return method is call_repr


def _same(value: Any, default: Any) -> bool:
    try:
        return value is default or bool(type(value) is type(default) and value == default)
    except Exception:  # the comparison of arrays
        return False
