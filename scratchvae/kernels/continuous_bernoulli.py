"""The continuous Bernoulli's log-density and mean on logits, safe at any argument and exact around 0."""

from __future__ import annotations

from typing import Any, NamedTuple

from scratchvae.backend import Array
from scratchvae.kernels.polynomial import horner

# The density on [0, 1] is exp(x t) over its integral, exp(x t − A(t)) with A(t) = log((exp(t) − 1)/t). With a = |t|,
# g = (1 − exp(−a))/a, which lies in (0, 1], and h = [t ≥ 0]:
#   A(t) = h t + log g                        →  log p = (x − h) t − log g
# so nothing overflows, and with expm1 nothing cancels in g for small a. The mean is A′(t), and A(t) − ½ t is an even
# function of t:
#   E x = ½ + t r(a),   r(a) = (1/g − 1 − ½ a) / a²
# where the numerator is a²/12 − …, smaller than the rounding error of 1/g for small a. r then comes from a series: with
# the Bernoulli numbers B_k, y/(exp(y) − 1) = Σ_k B_k yᵏ/k!, which is 1/g at y = −a. Its first terms are 1 and ½ a, and
# all others are even,
#   r(a) = Σ_{k ≥ 1} B_2k a^(2k−2)/(2k)! = 1/12 − a²/720 + a⁴/30240 − …
# Each term is about (a/2π)² times the one before: for a < ¼, six terms leave out less than 2e-17 of the sum.

SERIES_BELOW = 0.25  # a below which r is computed by the series
TINY = 1e-30  # lower bound of a, at which g is 1 to the last digit: avoids 0/0

SERIES = (  # coefficients, that of a¹⁰ first
    -691.0 / 1307674368000.0,
    1.0 / 47900160.0,
    -1.0 / 1209600.0,
    1.0 / 30240.0,
    -1.0 / 720.0,
    1.0 / 12.0,
)


class Scratch(NamedTuple):
    """Three work arrays of the shape of t."""

    a: Array
    b: Array
    c: Array


def continuous_bernoulli(xp: Any, t: Array, x: Array, log_p: Array, derivative: Array, scratch: Scratch) -> None:
    """Write log p(x | t) into `log_p`, and ∂/∂t = x − E x into `derivative`."""
    h = scratch.b
    xp.greater_equal(t, 0.0, out=h)
    xp.subtract(x, h, out=log_p)
    log_p *= t
    log_g = _write_r(xp, t, derivative, scratch)
    log_p -= log_g
    derivative *= t
    derivative += 0.5
    xp.subtract(x, derivative, out=derivative)


def continuous_bernoulli_mean(xp: Any, t: Array, out: Array, scratch: Scratch) -> Array:
    """Write E x = ½ + t r(|t|) into `out`, and return it."""
    _write_r(xp, t, out, scratch)
    out *= t
    out += 0.5
    return out


# With y = log(1 + u (exp(−a) − 1))/(−a) and h = [t ≥ 0], x = h + (2h − 1)(−y)
def continuous_bernoulli_draw(xp: Any, t: Array, u: Array, out: Array, scratch: Scratch) -> Array:
    """Write a draw x in [0, 1] into `out`, from u uniform on [0, 1), and return it."""
    a, y, h = scratch
    xp.abs(t, out=a)
    xp.maximum(a, TINY, out=a)
    xp.negative(a, out=y)
    xp.expm1(y, out=y)
    y *= u
    xp.log1p(y, out=y)
    y /= a
    xp.greater_equal(t, 0.0, out=h)
    xp.multiply(h, 2.0, out=out)
    out -= 1.0
    out *= y
    out += h
    xp.maximum(out, 0.0, out=out)
    xp.minimum(out, 1.0, out=out)
    return out


def _write_r(xp: Any, t: Array, r: Array, scratch: Scratch) -> Array:
    """Write r(|t|) into `r`, and return log g, in the second array of `scratch`."""
    a, g, b = scratch
    xp.abs(t, out=a)
    xp.maximum(a, TINY, out=a)
    xp.negative(a, out=g)
    xp.expm1(g, out=g)
    g /= a
    xp.negative(g, out=g)

    # Without branches: both formulas are evaluated for every a, clamped to its own range, and masked by it.
    xp.reciprocal(g, out=r)
    r -= 1.0
    xp.multiply(a, 0.5, out=b)
    r -= b
    xp.maximum(a, SERIES_BELOW, out=b)
    r /= b
    r /= b
    xp.greater_equal(a, SERIES_BELOW, out=b)
    r *= b

    square, series = b, a
    xp.minimum(a, SERIES_BELOW, out=square)
    square *= square
    horner(xp, SERIES, square, out=series)
    xp.less(square, SERIES_BELOW * SERIES_BELOW, out=square)
    series *= square
    r += series

    xp.log(g, out=g)
    return g
