"""Special functions in C++, the same as those of `scratchvae.kernels`, for a GPU as for a CPU."""

from __future__ import annotations

from math import log, pi

from scratchvae.kernels.continuous_bernoulli import SERIES, SERIES_BELOW, TINY
from scratchvae.kernels.log_gamma import DIGAMMA_SERIES, LOG_GAMMA_SERIES, SHIFT


def _horner(coefficients: tuple[float, ...], x: str) -> str:
    """Σ_k c_k xᵏ as a C++ expression; the coefficient of the highest power comes first."""
    expression = f"T({coefficients[0]!r})"
    for c in coefficients[1:]:
        expression = f"({expression} * {x} + T({c!r}))"
    return expression


# Both sides of a condition are computed before it, so that a compiler can vectorize it.
SPECIAL_FUNCTIONS = f"""
#define INLINE inline __attribute__((always_inline))

struct ContinuousBernoulli {{ T log_g, mean; }};
INLINE ContinuousBernoulli continuous_bernoulli(T t) {{
  T a = fabs(t), b = a < T({TINY}) ? T({TINY}) : a, g = -expm1(-b) / b;
  T large = b < T({SERIES_BELOW}) ? T({SERIES_BELOW}) : b, square = a * a;
  T direct = (T(1) / g - T(1) - T(0.5) * b) / large / large, series = {_horner(SERIES, "square")};
  return {{log(g), T(0.5) + t * (a < T({SERIES_BELOW}) ? series : direct)}};
}}

struct BoundedLogvar {{ T logvar, precision, derivative; }};
INLINE BoundedLogvar bounded_logvar(T r, T lower_bound) {{
  T u = r - lower_bound, e = exp(-fabs(u));
  return {{lower_bound + (u < T(0) ? T(0) : u) + log1p(e), exp(-lower_bound) * (u < T(0) ? T(1) : e) / (T(1) + e),
          (u < T(0) ? e : T(1)) / (T(1) + e)}};
}}

struct ShiftedArgument {{ T y, product, derivative; }};
INLINE ShiftedArgument shifted(T x) {{
  bool small = x < T({SHIFT});
  T c = small ? x : T({SHIFT}), product = c, derivative = T(1);
  for (int k = 1; k < {SHIFT}; k++) {{
    c += T(1);
    derivative = derivative * c + product;
    product *= c;
  }}
  return {{small ? x + T({SHIFT}) : x, small ? product : T(1), small ? derivative / product : T(0)}};
}}
INLINE T stirling(T y) {{
  T w = T(1) / (y * y);
  return {_horner(LOG_GAMMA_SERIES, "w")} / y;
}}
INLINE T digamma_series(T y) {{
  T w = T(1) / (y * y);
  return ({_horner(DIGAMMA_SERIES, "w")} / y + T(0.5)) / y;
}}
INLINE T log_gamma(T x) {{
  ShiftedArgument s = shifted(x);
  return (s.y - T(0.5)) * log(s.y) - s.y + T({0.5 * log(2 * pi)!r}) + stirling(s.y) - log(s.product);
}}
INLINE T digamma(T x) {{
  ShiftedArgument s = shifted(x);
  return log(s.y) - digamma_series(s.y) - s.derivative;
}}

struct LogGammaRatio {{ T value, derivative; }};
INLINE LogGammaRatio log_gamma_ratio(T r, T x) {{
  ShiftedArgument s0 = shifted(r), s1 = shifted(r + x);
  T m0 = r < T({SHIFT}) ? T({SHIFT}) : T(0), steps = (r + x < T({SHIFT}) ? T({SHIFT}) : T(0)) - m0, d = x + steps;
  T growth = log1p(d / s0.y);
  return {{x * log1p(m0 / r) + steps * log(s0.y) + log(s0.product / s1.product) - d + stirling(s1.y) - stirling(s0.y) +
              (s1.y - T(0.5)) * growth,
          r * (growth + s0.derivative - s1.derivative - digamma_series(s1.y) + digamma_series(s0.y)) - x}};
}}
"""
