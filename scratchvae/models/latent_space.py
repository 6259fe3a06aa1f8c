"""Paths through the latent space: from code to code, along one dimension, and by the difference of two codes.

Codes are few numbers: they are computed with on the host, and decoded where the model is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.validation import check_choice, check_int


def linear(a: Array, b: Array, t: Array) -> Any:
    """Codes (T, Z) on the straight line from a (Z,) to b (Z,), at the times t (T, 1) from 0 to 1."""
    return (1.0 - t) * a + t * b


# Unit vectors â and b̂ stand at the angle θ. Their sum s and their difference d = b̂ − â are at right angles, for
# s·d = |b̂|² − |â|² = 0, and |s| = 2 cos(θ/2), |d| = 2 sin(θ/2), so that
#   â = ½ s − ½ d = cos(θ/2) ŝ − sin(θ/2) d̂
#   b̂ = ½ s + ½ d = cos(θ/2) ŝ + sin(θ/2) d̂
# Between them the arc of a circle turns evenly, φ = (t − ½) θ from −θ/2 to θ/2:
#   u(t) = cos φ ŝ + sin φ d̂ = [sin((1 − t) θ) â + sin(t θ) b̂] / sin θ
# The right form is Shoemake's, 0/0 where the codes are parallel; the left one has no digits to lose there, for sin φ
# vanishes with d. And θ = 2 arctan(|d|/|s|) keeps all digits near 0 and π, where arccos(â·b̂) has half of them.
def spherical(a: Array, b: Array, t: Array) -> Any:
    """Codes (T, Z) from a (Z,) to b (Z,) whose direction turns evenly along a great circle, at times t (T, 1).

    Shoemake 1985 (Slerp) for unit vectors, White 2016 for codes. The length goes evenly from |a| to |b|. White's
    formula is the same where the two are equal; where they are not, its middle grows without bound as codes become
    opposite. Parallel codes, or a code of 0, which has no direction, give the straight line, the limit.

    Raises RangeError for opposite codes: they have no shortest arc between them.
    """
    length_a, length_b = _length(a), _length(b)
    if not length_a or not length_b:
        return linear(a, b, t)
    unit_a, unit_b = a / length_a, b / length_b
    s, d = unit_a + unit_b, unit_b - unit_a
    length_s, length_d = _length(s), _length(d)
    if length_s < 8 * np.finfo(s.dtype).eps:
        raise RangeError(
            "the codes of a and b are opposite, and of the arcs between them none is the shortest: take kind='linear'"
        )
    angle = (t - 0.5) * (2.0 * np.arctan2(length_d, length_s))
    turned = np.cos(angle) * (s / length_s) + np.sin(angle) * (d / (length_d or 1.0))
    return ((1.0 - t) * length_a + t * length_b) * turned


PATHS = {"linear": linear, "spherical": spherical}


def _length(v: Array) -> Any:
    largest = np.abs(v).max()  # the squares of what is divided by it neither overflow nor all vanish
    return largest * np.linalg.norm(v / largest) if largest else largest


def interpolate(model: Any, a: Any, b: Any, steps: int, kind: str, labels: Any) -> Array:
    """Pictures (steps, D) on the way from the code of a (D,) to the code of b (D,), both ends included.

    kind     "linear"      the straight line
             "spherical"   the arc of a circle: see `spherical`. Between two draws from N(0, I) in many dimensions,
                           which are about √Z long and at right angles, the straight line passes nearer to 0 than draws
                           come; the arc stays among them. White 2016
    labels   the class of all of them, for a model that takes classes

    Raises ConfigError for another kind or fewer than 2 steps, RangeError for opposite codes and "spherical",
    otherwise as `embed`.
    """
    way = PATHS[check_choice("kind", kind, tuple(PATHS))]
    t = np.linspace(0.0, 1.0, check_int("steps", steps, minimum=2), dtype=_wide(model))[:, None]
    start, end = (_codes(model, _alone(model, x, name), name, labels)[0] for name, x in (("a", a), ("b", b)))
    decoded: Array = model.decode(way(start, end, t), labels)
    return decoded


def analogy(model: Any, a: Any, b: Any, c: Any, labels: Any) -> Array:
    """The row that is to c as a is to b: decode(code(a) − code(b) + code(c)), in the shape of c, (D,) or (N, D).

    a and b are a row (D,) each, or a group of rows (N, D), for which the mean of their codes stands: with a all
    faces that smile and b all that do not, a − b is what a smile is. Each row of c is answered for itself. labels are
    the class of all rows, for a model that takes classes. Larsen et al. 2016 (visual attribute vectors). Raises as
    `embed`, and RangeError where the sum overflows.
    """
    plus, minus = (
        _codes(model, _rows(model.validator.check_numbers(x, name)), name, labels).mean(axis=0)
        for name, x in (("a", a), ("b", b))
    )
    c = model.validator.check_numbers(c, "c")
    answers: Array = model.decode(plus - minus + _codes(model, _rows(c), "c", labels), labels)
    return answers[0] if c.ndim == 1 else answers


def traverse(model: Any, x: Any, dimension: int, values: Any, labels: Any) -> Array:
    """Pictures (T, D) along one latent dimension, which takes each of `values` (T,) while all others stay.

    x         a row (D,) at whose code the others stay; None for 0, the mean of a VAE's prior
    values    of z[dimension]; None for 11 even steps from −3 to 3, where 99.7 % of the prior is
    labels    the class of all of them, for a model that takes classes

    The latent traversal of Higgins et al. 2017. Raises ConfigError for a dimension that is not there, DTypeError,
    ShapeError or RangeError for values that are no list of finite numbers, otherwise as `embed`.
    """
    if check_int("dimension", dimension, minimum=0) >= model.latent_dim:
        raise ConfigError(f"dimension={dimension}: expected one of the latent dimensions 0 to {model.latent_dim - 1}")
    path = np.linspace(-3.0, 3.0, 11) if values is None else _path(values)
    if x is None:
        code = np.zeros(model.latent_dim, _wide(model))
    else:
        code = _codes(model, _alone(model, x, "x"), "x", labels)[0]
    z = np.tile(code, (len(path), 1))
    z[:, dimension] = path
    decoded: Array = model.decode(z, labels)
    return decoded


def _wide(model: Any) -> np.dtype[Any]:
    return np.promote_types(model.dtype, np.float64)


def _alone(model: Any, x: Any, name: str) -> Array:
    """One row (D,) as rows."""
    x = model.validator.check_numbers(x, name)
    if x.shape != (model.input_dim,):
        raise ShapeError(f"{name} has shape {x.shape}; expected ({model.input_dim},), one row")
    rows: Array = x[None, :]
    return rows


def _codes(model: Any, x: Any, name: str, labels: Any) -> Array:
    return to_numpy(model.embed(model.check_data(x, name), labels)).astype(_wide(model))


def _rows(x: Array) -> Array:
    """A row as rows; rows as they are."""
    return x[None, :] if x.ndim == 1 else x


def _path(values: Any) -> Array:
    path = as_real_array("values", values)
    if path.ndim != 1 or not len(path):
        raise ShapeError(f"values has shape {path.shape}; expected (T,), such as numpy.linspace(-3, 3, 11)")
    return path
