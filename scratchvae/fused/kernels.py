"""The sources of the fused kernels: one pass over memory instead of several.

They are compiled by CuPy's ElementwiseKernel and ReductionKernel, or by the classes of the same names in
`backend.native`. The operation is C++ for one element. Inputs broadcast: a bias (O,) over rows, a gradient (B, 1) over
columns. The same array may be input and output. A comparison with NaN is false, and every kernel returns NaN for NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from math import log, pi
from typing import Any, NamedTuple

from scratchvae.fused.special_functions import SPECIAL_FUNCTIONS
from scratchvae.probability.count_likelihood import MAX_LOG_RATE
from scratchvae.probability.gaussian_heteroscedastic import MIN_LOGVAR
from scratchvae.probability.negative_binomial import MAX_LOG_DISPERSION, MIN_LOG_DISPERSION


class ElementwiseKernelSource(NamedTuple):
    """A kernel that applies `operation` to every element; called with all inputs, then all outputs."""

    inputs: str
    outputs: str
    operation: str
    name: str
    preamble: str = ""


class RowSumKernelSource(NamedTuple):
    """A kernel that sums what `operation` returns over each row; called with all inputs, then the output (B,)."""

    inputs: str
    output: str
    operation: str
    name: str
    preamble: str = ""


class ActivationSource(NamedTuple):
    """The kernels of an activation: y of x + bias, and dx.

    saves_derivative   True: `forward` also writes ∂y/∂x, which `gradient` reads; False: `gradient` reads y
    setting            the attribute that is `alpha` in the kernels, or ""
    """

    forward: ElementwiseKernelSource
    gradient: ElementwiseKernelSource
    saves_derivative: bool
    setting: str


def _activation(name: str, operation: str, derivative: str = "", setting: str = "") -> ActivationSource:
    """The kernels of y, which `operation` computes from a, and of dx; `derivative` is ∂y/∂x as a function of y.

    Without `derivative`, the operation writes it as well.
    """
    saved = "y" if derivative else "derivative"
    return ActivationSource(
        ElementwiseKernelSource(
            "T x, T bias, T alpha",
            "T y" if derivative else "T y, T derivative",
            f"T a = x + bias; {operation}",
            f"scratchvae_bias_{name}",
        ),
        ElementwiseKernelSource(
            f"T {saved}, T dy, T alpha", "T dx", f"dx = ({derivative or saved}) * dy", f"scratchvae_{name}_gradient"
        ),
        not derivative,
        setting,
    )


RELU = _activation("relu", "y = a < T(0) ? T(0) : a", "T(y > T(0))")
LEAKY_RELU = _activation("leaky_relu", "y = a > T(0) ? a : alpha * a", "y > T(0) ? T(1) : alpha", "slope")
TANH = _activation("tanh", "y = tanh(a)", "T(1) - y * y")
SIGMOID = _activation("sigmoid", "y = T(1) / (T(1) + exp(-a))", "y * (T(1) - y)")
SOFTPLUS = _activation("softplus", "y = (a < T(0) ? T(0) : a) + log1p(exp(-fabs(a)))", "-expm1(-y)")  # σ(a) = 1 − e⁻ʸ
SILU = _activation("silu", "T s = T(1) / (T(1) + exp(-a)); y = a * s; derivative = s + y * (T(1) - s)")
GELU = _activation(
    "gelu",
    f"T cdf = T(0.5) * erfc(a * T({-(0.5**0.5)!r})); y = a * cdf; "
    f"derivative = cdf + a * (exp(T(-0.5) * a * a) * T({(2 * pi) ** -0.5!r}))",
)
ELU = _activation(
    "elu",
    "y = a > T(0) ? a : alpha * expm1(a); derivative = a > T(0) ? T(1) : alpha * exp(a)",
    setting="alpha",
)
NAN_TO_ZERO = ElementwiseKernelSource("T x", "T y", "y = x == x ? x : T(0)", "scratchvae_nan_to_zero")
NAN_TO_ZERO_GRADIENT = ElementwiseKernelSource(
    "T x, T dy", "T dx", "dx = x == x ? dy : T(0)", "scratchvae_nan_to_zero_gradient"
)
LOG1P = ElementwiseKernelSource(
    "T x, T count, T other", "T y", "y = copysign(log1p(fabs(x * count)), x) + x * other", "scratchvae_log1p"
)
LOG1P_GRADIENT = ElementwiseKernelSource(
    "T x, T dy, T count", "T dx", "dx = dy / (T(1) + fabs(x * count))", "scratchvae_log1p_gradient"
)
OBSERVED = ElementwiseKernelSource("T x", "T observed", "observed = T(x == x)", "scratchvae_observed")

REPARAMETERIZE = ElementwiseKernelSource(
    "T mu, T logvar, T eps",
    "T z, T sigma",
    "sigma = exp(T(0.5) * logvar); z = sigma * eps + mu",
    "scratchvae_reparameterize",
)
REPARAMETERIZE_GRADIENT = ElementwiseKernelSource(
    "T dz, T sigma, T eps",
    "T dmu, T dlogvar",
    "dmu = dz; dlogvar = sigma * eps * T(0.5) * dz",
    "scratchvae_reparameterize_gradient",
)
POSTERIOR_GRADIENT = ElementwiseKernelSource(
    "T dz, T sigma, T eps, T mu, T logvar, T dkl, T dlog_q",
    "T dmu, T dlogvar",
    "dmu = dz + dkl * mu; dlogvar = T(0.5) * (sigma * eps * dz + dkl * expm1(logvar) - dlog_q)",
    "scratchvae_posterior_gradient",
)
GAUSSIAN_KL = RowSumKernelSource(
    "T mu, T logvar", "T kl", "return T(0.5) * (mu * mu + expm1(logvar) - logvar)", "scratchvae_gaussian_kl"
)
GAUSSIAN_KL_PER_DIMENSION = ElementwiseKernelSource(
    "T mu, T logvar", "T kl", "kl = T(0.5) * (mu * mu + expm1(logvar) - logvar)", "scratchvae_gaussian_kl_per_dimension"
)
GAUSSIAN_KL_ACCUMULATE = ElementwiseKernelSource(
    "T mu, T logvar",
    "float64 sums",
    "sums += T(0.5) * (mu * mu + expm1(logvar) - logvar)",
    "scratchvae_gaussian_kl_accumulate",
)
GAUSSIAN_KL_GRADIENT = ElementwiseKernelSource(
    "T mu, T logvar, T dkl",
    "T dmu, T dlogvar",
    "dmu = dkl * mu; dlogvar = dkl * T(0.5) * expm1(logvar)",
    "scratchvae_gaussian_kl_gradient",
)
GAUSSIAN_DRAW_KL = RowSumKernelSource(
    "T z, T eps, T logvar", "T kl", "return T(0.5) * (z * z - eps * eps - logvar)", "scratchvae_gaussian_draw_kl"
)
ADD_PRODUCT = ElementwiseKernelSource("T x, T factor", "T out", "out += factor * x", "scratchvae_add_product")


class LikelihoodSource(NamedTuple):
    """The kernels of a likelihood: log p of each row, the gradients of the parameters, and that of x.

    Their inputs are the parameters, x, the settings, `log_s`, `missing` and, of gradients, dlog_likelihood (B, 1). See
    `FusedLikelihood` for log_s and missing.
    """

    value: RowSumKernelSource
    gradient: ElementwiseKernelSource
    data_gradient: ElementwiseKernelSource


def _likelihood(
    name: str,
    parameters: str,
    settings: str,
    common: str,
    term: str,
    derivatives: dict[str, str],
    data_derivative: str,
    preamble: str = "",
) -> LikelihoodSource:
    """The kernels of a likelihood from the statements `common` and expressions for log p and its derivatives.

    `derivatives` are those of log p by the parameters, named "d…"; others are not multiplied by dlog_likelihood.
    """
    inputs = ", ".join(f"T {word}" for word in f"{parameters} x {settings} log_s missing".split())

    def gradient(suffix: str, outputs: dict[str, str]) -> ElementwiseKernelSource:
        values = {o: f"dlog_likelihood * ({value})" if o[0] == "d" else value for o, value in outputs.items()}
        return ElementwiseKernelSource(
            f"{inputs}, T dlog_likelihood",
            ", ".join(f"T {output}" for output in outputs),
            f"{common}; " + "; ".join(f"{output} = x == x ? {value} : missing" for output, value in values.items()),
            f"scratchvae_{name}_{suffix}",
            preamble,
        )

    return LikelihoodSource(
        RowSumKernelSource(
            inputs,
            "T log_likelihood",
            f"{common}; return x == x ? {term} - log_s : missing",
            f"scratchvae_{name}",
            preamble,
        ),
        gradient("gradient", derivatives),
        gradient("data_gradient", {"dx": data_derivative}),
    )


# The formulas are those of the plain classes and of `scratchvae.kernels`.
BERNOULLI = _likelihood(
    "bernoulli",
    "logit",
    "",
    "T e = exp(-fabs(logit)); T p = (logit >= T(0) ? T(1) : e) / (T(1) + e)",
    "x * logit - ((logit < T(0) ? T(0) : logit) + log1p(e))",
    {"dlogit": "x - p"},
    "logit",
)
CONTINUOUS_BERNOULLI = _likelihood(
    "continuous_bernoulli",
    "logit",
    "",
    "ContinuousBernoulli c = continuous_bernoulli(logit)",
    "(x - T(logit >= T(0))) * logit - c.log_g",
    {"dlogit": "x - c.mean"},
    "logit",
    SPECIAL_FUNCTIONS,
)


def _gaussian(name: str, settings: str, precision: str, **more: str) -> LikelihoodSource:
    return _likelihood(
        name,
        "mu",
        settings,
        f"T e = x - mu; {precision}T scaled = e * e * precision",
        f"T(-0.5) * (scaled + logvar + T({log(2 * pi)!r}))",
        {"dmu": "e * precision", **more},
        "-e * precision",
    )


EXCESS = "T(0.5) * (scaled - T(1))"  # ∂ log p/∂(log σ²)
GAUSSIAN = _gaussian("gaussian", "logvar precision", "")
GAUSSIAN_LEARNED = _gaussian("gaussian_learned", "logvar", "T precision = exp(-logvar); ")
GAUSSIAN_DIAGONAL = _gaussian("gaussian_diagonal", "logvar", "T precision = exp(-logvar); ", excess=EXCESS)
GAUSSIAN_LEARNED_EXCESS = RowSumKernelSource(
    "T mu, T x, T logvar, T log_s, T missing",
    "T excess",
    f"T e = x - mu; T scaled = e * e * exp(-logvar); return x == x ? {EXCESS} : missing",
    "scratchvae_gaussian_learned_excess",
)
GAUSSIAN_HETEROSCEDASTIC = _likelihood(
    "gaussian_heteroscedastic",
    "mu r",
    "",
    f"BoundedLogvar s = bounded_logvar(r, T({MIN_LOGVAR})); T e = x - mu; T scaled = e * e * s.precision",
    f"T(-0.5) * (scaled + s.logvar + T({log(2 * pi)!r}))",
    {"dmu": "e * s.precision", "dr": f"{EXCESS} * s.derivative"},
    "-e * s.precision",
    SPECIAL_FUNCTIONS,
)

# The logarithm of the mean is a + log(T/L), with the total T of a row and L = `library_size`.
ROW_TOTAL = RowSumKernelSource("T x", "T total", "return x", "scratchvae_row_total")
LOG_MEAN = "T log_mean = a + (log(total) - log_library_size)"
POISSON = _likelihood(
    "poisson",
    "a",
    "total log_library_size",
    f"{LOG_MEAN}; T m = log_mean > T({MAX_LOG_RATE}) ? T({MAX_LOG_RATE}) : log_mean; T rate = exp(m)",
    "x * log_mean - rate * (T(1) + log_mean - m) - log_gamma(x + T(1))",
    {"da": "x - rate"},
    "log_mean - digamma(x + T(1))",
    SPECIAL_FUNCTIONS,
)
NEGATIVE_BINOMIAL = _likelihood(
    "negative_binomial",
    "a rho",
    "total log_library_size",
    f"{LOG_MEAN}; BoundedLogvar s = bounded_logvar(rho, T({MIN_LOG_DISPERSION})); "
    f"bool bounded = s.logvar > T({MAX_LOG_DISPERSION}); T log_r = bounded ? T({MAX_LOG_DISPERSION}) : s.logvar; "
    "T r = exp(log_r); T t = log_mean - log_r; T e = exp(-fabs(t)); T growth = (t < T(0) ? T(0) : t) + log1p(e); "
    "T p = (t < T(0) ? e : T(1)) / (T(1) + e); T q = (t < T(0) ? T(1) : e) / (T(1) + e); "
    "LogGammaRatio d = log_gamma_ratio(r, x)",
    "x * log_mean - (x + r) * growth + d.value - log_gamma(x + T(1))",
    {
        "da": "x * q - r * p",
        "drho": "((x + r) * p - r * growth + d.derivative) * (bounded ? T(0) : s.derivative)",
    },
    "digamma(x + r) - digamma(x + T(1)) - (t < T(0) ? -t : T(0)) - log1p(e)",
    SPECIAL_FUNCTIONS,
)

ELBO = ElementwiseKernelSource(
    "T log_likelihood, T kl, float64 weight", "T value", "value = log_likelihood - T(weight) * kl", "scratchvae_elbo"
)
ACCUMULATE_TERMS = ElementwiseKernelSource(
    "T value, T reconstruction, T kl",
    "float64 values, float64 reconstructions, float64 kls",
    "values += value; reconstructions += reconstruction; kls += kl",
    "scratchvae_accumulate_terms",
)

SUM_OF_WEIGHTS = RowSumKernelSource(
    "T log_w, T largest", "T total", "return exp(log_w - largest)", "scratchvae_sum_of_weights"
)
NORMALIZED_WEIGHTS = ElementwiseKernelSource(
    "T log_w, T largest, T total, T smallest",
    "T weight",
    "T w = exp(log_w - largest) / total; weight = w < smallest ? T(0) : w",
    "scratchvae_normalized_weights",
)
IMPORTANCE_BOUND = ElementwiseKernelSource(
    "T largest, T total, T log_draws", "T bound", "bound = largest + log(total) - log_draws", "scratchvae_bound"
)
WEIGHTED_SUM = RowSumKernelSource(
    "T weight, T x, T factor", "T total", "return factor * weight * x", "scratchvae_weighted_sum"
)
IMPORTANCE_TERMS = ElementwiseKernelSource(
    "T bound, T reconstruction, T unweighted_kl",
    "T value, T kl",
    "T gap = reconstruction - bound; value = reconstruction - gap; kl = gap + unweighted_kl",
    "scratchvae_importance_terms",
)
IMPORTANCE_GRADIENT = ElementwiseKernelSource(
    "T weight, T dbound, T kl_weight",
    "T dlog_w, T dkl",
    "dlog_w = dbound * weight; dkl = -kl_weight * dlog_w",
    "scratchvae_importance_gradient",
)

ADAM = ElementwiseKernelSource(
    "T g, T beta1, T beta2, T epsilon, T step_size, T decay",
    "T theta, T m, T v",
    "m = beta1 * m + g; v = beta2 * v + g * g; theta = decay * theta - step_size * (m / (sqrt(v) + epsilon))",
    "scratchvae_adam",
)

KernelSource = ElementwiseKernelSource | RowSumKernelSource


def _kernels_in(values: Iterable[Any]) -> Iterator[KernelSource]:
    for value in values:
        if isinstance(value, KernelSource):
            yield value
        elif isinstance(value, ActivationSource | LikelihoodSource):
            yield from _kernels_in(value)


KERNEL_SOURCES = tuple(_kernels_in(list(globals().values())))


# A term is the result of a function, which captures its variables by value: GCC then vectorizes it.
@cache
def compile_kernel(kernels: Any, source: KernelSource) -> Any:
    """Return the kernel of `source`, of a class of `kernels` (see `Backend`); it is compiled at its first call."""
    inputs, outputs, operation, name, preamble = source
    if isinstance(source, ElementwiseKernelSource):
        return kernels.ElementwiseKernel(inputs, outputs, operation, name, preamble=preamble)
    term, assign = f"[=]() -> T {{ {operation}; }}()", f"{outputs.split()[1]} = a"
    return kernels.ReductionKernel(inputs, outputs, term, "a + b", assign, "0", name, preamble=preamble)


def launch(kernels: Any, source: KernelSource, *arguments: Any) -> None:
    """Run the kernel of `source` with its inputs and outputs, in the order of their declaration."""
    kernel = compile_kernel(kernels, source)
    if isinstance(source, ElementwiseKernelSource):
        kernel(*arguments)
    else:
        kernel(*arguments, axis=1)


def fused_class(base: type[Any], plain: type[Any], sources: Any) -> type[Any]:
    """The class "Fused…" of a plain class, with the methods of `base`, which launches the kernels of `sources`."""
    name = plain.__name__
    members = {"__doc__": f"{name} as a `{base.__name__}`.", "__module__": base.__module__, "sources": sources}
    return type(f"Fused{name}", (base, plain), members)
