"""Latent-space arithmetic: interpolation between codes, traversals along a dimension, and analogies.

Codes are small arrays: the arithmetic runs on the host, the decoder on the model's device.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.validation import check_choice, check_int, short_repr


def linear(a: Array, b: Array, t: Array) -> Any:
    """Codes (T, Z) on the straight line from a (Z,) to b (Z,), at positions t (T, 1) from 0 to 1."""
    return (1.0 - t) * a + t * b


# Let θ be the angle between the unit vectors â and b̂. Their sum s and their difference d = b̂ − â are orthogonal, since
# s·d = |b̂|² − |â|² = 0, and |s| = 2 cos(θ/2), |d| = 2 sin(θ/2), so that
#   â = ½ s − ½ d = cos(θ/2) ŝ − sin(θ/2) d̂
#   b̂ = ½ s + ½ d = cos(θ/2) ŝ + sin(θ/2) d̂
# The arc between them, with an angle φ = (t − ½) θ that grows evenly from −θ/2 to θ/2, is
#   u(t) = cos φ ŝ + sin φ d̂ = [sin((1 − t) θ) â + sin(t θ) b̂] / sin θ
# The last form is Shoemake's. It is 0/0 for parallel codes, where the middle one stays accurate, because sin φ vanishes
# with d. θ = 2 arctan(|d|/|s|) is accurate to all digits near 0 and π, arccos(â·b̂) only to half of them.
def spherical(a: Array, b: Array, t: Array) -> Any:
    """Spherical interpolation: codes (T, Z) on an arc from a (Z,) to b (Z,), at positions t (T, 1) from 0 to 1.

    The direction follows the great circle at constant speed, and the length changes linearly from |a| to |b|. Shoemake
    1985 (slerp) for unit vectors, White 2016 for codes. White's formula is the same for |a| = |b|; for other lengths it
    diverges as the codes become opposite. Parallel codes, or a code of 0, give the straight line, which is the limit.

    Raises RangeError for opposite codes, which have no unique shortest arc.
    """
    length_a, length_b = _length(a), _length(b)
    if not length_a or not length_b:
        return linear(a, b, t)
    unit_a, unit_b = a / length_a, b / length_b
    s, d = unit_a + unit_b, unit_b - unit_a
    length_s, length_d = _length(s), _length(d)
    if length_s < 8 * np.finfo(s.dtype).eps:
        raise RangeError(
            "the codes of a and b are opposite, so that no arc between them is the shortest: use kind='linear'"
        )
    angle = (t - 0.5) * (2.0 * np.arctan2(length_d, length_s))
    direction = np.cos(angle) * (s / length_s) + np.sin(angle) * (d / (length_d or 1.0))
    return ((1.0 - t) * length_a + t * length_b) * direction


PATHS = {"linear": linear, "spherical": spherical}


def _length(v: Array) -> Any:
    largest = np.abs(v).max()  # after division by it, no square overflows, and not all underflow
    return largest * np.linalg.norm(v / largest) if largest else largest


def interpolate(model: Any, a: Any, b: Any, steps: int, kind: str, labels: Any) -> Array:
    """Rows (steps, D) decoded on a path from the code of a (D,) to the code of b (D,), both ends included.

    kind     "linear"      the straight line
             "spherical"   an arc: see `spherical`. In many dimensions, two draws from N(0, I) have lengths of about √Z
                           and are nearly orthogonal. The straight line between them passes closer to 0 than typical
                           draws are; the arc does not. White 2016
    labels   the class of all rows, for class-conditional models

    Raises ConfigError for another kind or fewer than 2 steps, RangeError for opposite codes and "spherical",
    otherwise as `embed`.
    """
    path = PATHS[check_choice("kind", kind, tuple(PATHS))]
    t = np.linspace(0.0, 1.0, check_int("steps", steps, minimum=2), dtype=_code_dtype(model))[:, None]
    start, end = (_codes(model, _single_row(model, x, name), name, labels)[0] for name, x in (("a", a), ("b", b)))
    decoded: Array = model.decode(path(start, end, t), labels)
    return decoded


def analogy(model: Any, a: Any, b: Any, c: Any, labels: Any) -> Array:
    """The row that is to c as a is to b: decode(code(a) − code(b) + code(c)), in the shape of c, (D,) or (N, D).

    a and b are a row (D,) each, or several rows (N, D), of whose codes the mean is taken. If a holds smiling faces and
    b faces that do not smile, a − b is the direction of a smile (a visual attribute vector, Larsen et al. 2016). The
    direction is added to each row of c. labels are the class of all rows, for class-conditional models. Raises as
    `embed`, and RangeError if the sum overflows.
    """
    plus, minus = (
        _codes(model, _as_rows(model.as_rows(x, name)), name, labels).mean(axis=0) for name, x in (("a", a), ("b", b))
    )
    c = model.as_rows(c, "c")
    decoded: Array = model.decode(plus - minus + _codes(model, _as_rows(c), "c", labels), labels)
    return decoded[0] if c.ndim == 1 else decoded


def traverse(model: Any, x: Any, dimension: int, values: Any, labels: Any) -> Array:
    """Latent traversal (Higgins et al. 2017): rows (T, D), decoded while z[dimension] takes each of `values` (T,).

    x         a row (D,), whose code gives the other dimensions; None: they are 0, the mean of the usual prior
    values    of z[dimension]; None: 11 even steps from −3 to 3, which cover 99.7 % of the prior
    labels    the class of all rows, for class-conditional models

    Raises ConfigError for a dimension that does not exist; DTypeError, ShapeError or RangeError for values that are not
    a list of finite numbers; otherwise as `embed`.
    """
    if check_int("dimension", dimension, minimum=0) >= model.latent_dim:
        raise ConfigError(f"dimension={dimension}: expected one of the latent dimensions 0 to {model.latent_dim - 1}")
    path = np.linspace(-3.0, 3.0, 11) if values is None else _check_values(values)
    if x is None:
        code = np.zeros(model.latent_dim, _code_dtype(model))
    else:
        code = _codes(model, _single_row(model, x, "x"), "x", labels)[0]
    z = np.tile(code, (len(path), 1))
    z[:, dimension] = path
    decoded: Array = model.decode(z, labels)
    return decoded


def _code_dtype(model: Any) -> np.dtype[Any]:
    return np.promote_types(model.dtype, np.float64)


def _single_row(model: Any, x: Any, name: str) -> Array:
    """One row, (D,) or (1, D), as (1, D)."""
    x = model.as_rows(x, name)
    if x.shape == (1, model.input_dim):
        return x  # type: ignore[no-any-return]
    if x.shape != (model.input_dim,):
        raise ShapeError(f"{name} has shape {short_repr(x.shape)}; expected ({model.input_dim},), one row")
    rows: Array = x[None, :]
    return rows


def _codes(model: Any, x: Any, name: str, labels: Any) -> Array:
    x = model.check_data(x, name, scored=False)
    if not len(x):
        raise ShapeError(f"{name} has shape {short_repr(x.shape)}; expected (B, {model.input_dim}) with B ≥ 1")
    return to_numpy(model.embed(x, labels)).astype(_code_dtype(model))


def _as_rows(x: Array) -> Array:
    """A row (D,) as (1, D); other arrays unchanged."""
    return x[None, :] if x.ndim == 1 else x


def _check_values(values: Any) -> Array:
    array = as_real_array("values", values)
    if array.ndim != 1 or not len(array):
        raise ShapeError(
            f"values has shape {short_repr(array.shape)}; expected (T,), such as numpy.linspace(-3, 3, 11)"
        )
    return array
