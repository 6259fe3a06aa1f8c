"""log Γ, its derivative ψ (digamma) and its differences, for positive arguments.

From y = 8 on, Stirling's series (Abramowitz and Stegun 1964, 6.1.41) gives both. With the Bernoulli numbers B_2k

    log Γ(y) = (y − ½) log y − y + ½ log 2π + S(y),      S(y) = Σ_{k ≥ 1} B_2k / (2k (2k−1)) y^(1−2k)
    ψ(y)     = log y − 1/(2y) − T(y),                    T(y) = Σ_{k ≥ 1} B_2k / 2k y^(−2k)

of which nine terms leave out less than 1e-16. A smaller x is first shifted, by Γ(x + 1) = x Γ(x):

    log Γ(x) = log Γ(x + 8) − log P(x),                  P(x) = x (x + 1) ⋯ (x + 7)
    ψ(x)     = ψ(x + 8) − P′(x)/P(x)
"""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

from scratchvae.backend import Array
from scratchvae.kernels.polynomial import horner

SHIFT = 8  # number of steps of the recurrence, and the x from which on there are none

# Coefficients, that of y⁻¹⁷ or y⁻¹⁸ first
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)  # B_2, B_4, …
LOG_GAMMA_SERIES = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1))[::-1]  # of y^(1−2k)
DIGAMMA_SERIES = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, 1))[::-1]  # of y^(−2k)


class Scratch(NamedTuple):
    """Four work arrays of the shape of x."""

    a: Array
    b: Array
    c: Array
    d: Array


# With the mask m = [x < 8] and y = x + 8 m:
#   log Γ(x) = (y − ½) log y − y + ½ log 2π + S(y) − m log P(x)
def log_gamma(xp: Any, x: Array, out: Array, scratch: Scratch) -> Array:
    """Write log Γ(x) into `out`, and return it, for x > 0."""
    y, product, a, b = scratch
    _shift(xp, x, y, product, mask=a)
    xp.log(product, out=product)
    xp.log(y, out=out)
    xp.subtract(y, 0.5, out=a)
    out *= a
    out -= y
    out += 0.5 * log(2.0 * pi)
    out += _series(xp, LOG_GAMMA_SERIES, y, a, square=b)
    out -= product
    return out


#   ψ(x) = log y − 1/(2y) − T(y) − m P′(x)/P(x)
def digamma(xp: Any, x: Array, out: Array, scratch: Scratch) -> Array:
    """Write ψ(x) = d log Γ(x)/dx into `out`, and return it, for x > 0."""
    y, product, a, b = scratch
    _shift(xp, x, y, product, mask=a, derivative=out)
    out /= product
    xp.negative(out, out=out)
    out -= _digamma_series(xp, y, a, b)
    xp.log(y, out=a)
    out += a
    return out


# For a large r, log Γ(r + x) − log Γ(r) is the difference of two numbers near r log r, and its leading term x log r is
# compensated by other terms of a density: both would cost all digits. With y₀ and y₁, the shifted r and r + x, their
# masks m₀ and m₁, and d = y₁ − y₀ = x + 8 (m₁ − m₀), the difference of two series of Stirling is
#   d log y₀ + (y₁ − ½) log(1 + d/y₀) − d + S(y₁) − S(y₀) + m₀ log P(r) − m₁ log P(r + x)
# and x log r is subtracted by  d log y₀ − x log r = x log(1 + 8 m₀/r) + 8 (m₁ − m₀) log y₀. For r ≥ 8 both terms are
# exactly 0, and what is left, (y₁ − ½) log(1 + x/r) − x + …, is of the size of x: for r → ∞ it is 0.
#
# The derivative with respect to log r is r (ψ(r + x) − ψ(r)) − x, with
#   ψ(r + x) − ψ(r) = log(1 + d/y₀) − (1/(2y₁) + T(y₁)) + (1/(2y₀) + T(y₀)) − m₁ P′/P(r + x) + m₀ P′/P(r)
def log_gamma_ratio(xp: Any, r: Array, x: Array, out: Array, derivative: Array, scratch: tuple[Array, ...]) -> Array:
    """Write log Γ(r + x) − log Γ(r) − x log r into `out`, and its derivative with respect to log r; return `out`.

    It is Σ_{j < x} log(1 + j/r) for a whole number x, and 0 for r → ∞. `scratch` are eight arrays of the shape of r.
    """
    y0, y1, p0, p1, d, a, b, c = scratch
    _shift(xp, r, y0, p0, mask=c, derivative=b)
    b /= p0
    xp.multiply(c, SHIFT, out=a)
    a /= r
    xp.log1p(a, out=a)
    xp.multiply(a, x, out=out)  # x log(1 + 8 m₀/r)
    xp.add(r, x, out=a)
    xp.negative(c, out=d)
    _shift(xp, a, y1, p1, mask=c, derivative=derivative)
    derivative /= p1
    xp.subtract(b, derivative, out=derivative)  # m₀ P′/P(r) − m₁ P′/P(r + x)
    d += c
    d *= SHIFT
    xp.log(y0, out=a)
    a *= d
    out += a  # 8 (m₁ − m₀) log y₀
    p0 /= p1
    xp.log(p0, out=p0)
    out += p0  # m₀ log P(r) − m₁ log P(r + x)
    d += x
    out -= d
    out += _series(xp, LOG_GAMMA_SERIES, y1, a, square=b)
    out -= _series(xp, LOG_GAMMA_SERIES, y0, a, square=b)
    derivative -= _digamma_series(xp, y1, a, b)
    derivative += _digamma_series(xp, y0, a, b)
    d /= y0
    xp.log1p(d, out=d)
    derivative += d
    y1 -= 0.5
    d *= y1
    out += d  # (y₁ − ½) log(1 + d/y₀)
    derivative *= r
    derivative -= x
    return out


# P and P′ of c = min(x, 8), factor by factor: (P, P′) ← (P (c + k), P′ (c + k) + P). Where nothing is shifted, P is
# replaced by 1 and P′ by 0.
def _shift(xp: Any, x: Array, y: Array, product: Array, mask: Array, derivative: Array | None = None) -> None:
    """Write y = x + 8 m, m = [x < 8], into `y`, P or 1 into `product`, m into `mask` and P′ or 0 into `derivative`."""
    c = y
    xp.minimum(x, float(SHIFT), out=c)
    product[...] = c
    if derivative is not None:
        derivative.fill(1.0)
    for _ in range(1, SHIFT):
        c += 1.0
        if derivative is not None:
            derivative *= c
            derivative += product
        product *= c
    xp.less(x, float(SHIFT), out=mask)
    product *= mask
    xp.subtract(1.0, mask, out=y)
    product += y
    if derivative is not None:
        derivative *= mask
    xp.multiply(mask, float(SHIFT), out=y)
    y += x


def _series(xp: Any, coefficients: tuple[float, ...], y: Array, out: Array, square: Array) -> Array:
    """Write Σ_k c_k y^(1−2k), k ≥ 1, into `out`, and return it."""
    xp.reciprocal(y, out=square)
    square *= square
    horner(xp, coefficients, square, out=out)
    out /= y
    return out


def _digamma_series(xp: Any, y: Array, out: Array, square: Array) -> Array:
    """Write 1/(2y) + T(y) into `out`, and return it."""
    _series(xp, DIGAMMA_SERIES, y, out, square)
    out += 0.5
    out /= y
    return out
