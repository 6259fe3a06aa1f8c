"""The density φ and the CDF Φ of the standard normal, accurate for any argument.

NumPy has no error function. With Mills' ratio M(a) = (1 − Φ(a)) / φ(a), a smooth decreasing function of a ≥ 0,

    1 − Φ(a) = φ(a) M(a),      M(a) ≈ P(a) / Q(a),   degrees 9 and 10.

P and Q were fitted to M on [0, 40] with 60 digits; the relative error is at most 5.5e-17. All coefficients are
positive, so nothing cancels in the sums. Beyond 40, φ is 0 in double precision.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from scratchvae.backend import Array
from scratchvae.kernels.polynomial import horner

_MAX_ABS = 40.0  # φ is 0 in double precision beyond it

MILLS_P = (  # coefficients, that of a⁹ first
    3.4954292594722372524e-6,
    9.3878605030890729139e-5,
    1.2347781827105229193e-3,
    1.0288423185532063501e-2,
    5.9392150799537041972e-2,
    2.4548477675358780042e-1,
    7.2656377634200115710e-1,
    1.4908967701255502516,
    1.9435958895182726414,
    1.2533141373155001855,
)
MILLS_Q = (  # coefficients, that of a¹⁰ first
    3.4954292594817145953e-6,
    9.3878605028903172189e-5,
    1.2382736121576631209e-3,
    1.0382301779922720051e-2,
    6.0619938531850935480e-2,
    2.5558543140603763726e-1,
    7.8352156241582828321e-1,
    1.7167396110932334005,
    2.5635148597616284434,
    2.3486497134893963931,
    1.0,
)


def normal_pdf(xp: Any, x: Array, out: Array) -> Array:
    """Write φ(x) = exp(−x²/2) / √(2π) into `out`, and return it."""
    xp.abs(x, out=out)
    xp.minimum(out, _MAX_ABS, out=out)
    out *= out
    out *= -0.5
    xp.exp(out, out=out)
    out *= 1.0 / sqrt(2.0 * pi)
    return out


def normal_cdf(xp: Any, x: Array, out: Array, scratch: tuple[Array, Array]) -> Array:
    """Write Φ(x) = |[x ≥ 0] − φ(a) M(a)|, a = |x|, into `out`, and return it; the tail never cancels against 1."""
    a, q = scratch
    xp.abs(x, out=a)
    xp.minimum(a, _MAX_ABS, out=a)
    horner(xp, MILLS_P, a, out=out)
    horner(xp, MILLS_Q, a, out=q)
    out /= q
    out *= normal_pdf(xp, x, out=q)
    xp.greater_equal(x, 0.0, out=q)
    out -= q
    xp.abs(out, out=out)
    return out
