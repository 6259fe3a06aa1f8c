"""Arrays as they are given from outside: what of it are real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.errors import DTypeError
from scratchvae.validation import short_repr

Array = np.ndarray[Any, np.dtype[Any]]


def as_numpy(name: str, given: Any) -> Array:
    """`given` as an array on the host; raises DTypeError where it makes none, or lies on a device.

    A NumPy array is let in as it is, but not one with a mask, which nothing here would heed.
    """
    if type(given) is np.ndarray:
        return given
    if isinstance(given, np.ma.MaskedArray):
        raise DTypeError(
            f"{name} is a masked array, whose mask would be lost; pass {name}.filled(numpy.nan), of floats, to what "
            "takes NaN for missing, or drop those rows"
        )
    try:
        return np.asarray(given)
    except Exception as error:  # a device's array, rows of unequal length, whatever another's class has to say
        raise DTypeError(
            f"{name} is a {type(given).__qualname__} that makes no array here ({error}); expected rows of one length"
        ) from None


def check_real(name: str, given: Any, array: Any) -> None:
    """Raises DTypeError unless `array`, made of what was `given`, holds real numbers."""
    if array.dtype.kind in "fiub":
        return
    mend = (
        "convert it with .astype('float32')"
        if array.ndim and hasattr(given, "dtype")
        else "pass a NumPy array of floats"
    )
    what = f"has dtype {array.dtype}" if array.ndim else f"is {short_repr(given)}, of dtype {array.dtype}"
    raise DTypeError(f"{name} {what}; expected real numbers: {mend}")


def to_host(name: str, given: Any) -> Array:
    """As `as_numpy`, but what lies on a device is fetched from there."""
    try:
        return as_numpy(name, given)
    except DTypeError:
        if not (hasattr(given, "dtype") and callable(getattr(given, "get", None))):
            raise
    return np.asarray(given.get())


def as_real_array(name: str, given: Any) -> Array:
    """As `to_host`, of real numbers. Raises DTypeError."""
    array = to_host(name, given)
    check_real(name, given, array)
    return array
