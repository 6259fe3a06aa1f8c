"""The address of an array's numbers, in a fifth of a microsecond."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_HEADER = object.__basicsize__  # bytes; the address follows it in every array: see PyArrayObject in NumPy's C API
_pointer_at = ctypes.c_void_p.from_address


def _read_address(array: Array) -> int:
    return _pointer_at(id(array) + _HEADER).value  # type: ignore[return-value]


def _ask_for_address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]  # this dictionary takes more than a microsecond to make
    return address


def _can_be_read() -> bool:
    """True if this interpreter has objects at their `id`, as CPython has, and NumPy the address where it should be."""
    whole = np.arange(6.0)
    try:
        return all(_read_address(array) == _ask_for_address(array) for array in (whole, whole[2:], whole[::-1]))
    except (ValueError, TypeError):
        return False


address_of = _read_address if _can_be_read() else _ask_for_address
