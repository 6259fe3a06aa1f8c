"""The sources of the fused kernels: one pass over memory instead of several.

They are compiled by CuPy's ElementwiseKernel and ReductionKernel, or by the classes of the same names in
`backend.native`. The operation is C++ for one element. Inputs broadcast: a bias (O,) over rows, a gradient (B, 1) over
columns. The same array may be input and output.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple


class ElementwiseKernelSource(NamedTuple):
    """A kernel that applies `operation` to every element; called with all inputs, then all outputs."""

    inputs: str
    outputs: str
    operation: str
    name: str


class RowSumKernelSource(NamedTuple):
    """A kernel that sums the expression `operation` over each row; called with all inputs, then the output (B,)."""

    inputs: str
    output: str
    operation: str
    name: str


BIAS_RELU = ElementwiseKernelSource(
    "T x, T bias",
    "T y",
    "T a = x + bias; y = a < T(0) ? T(0) : a",
    "scratchvae_bias_relu",
)
RELU_GRADIENT = ElementwiseKernelSource("T y, T dy", "T dx", "dx = T(y > T(0)) * dy", "scratchvae_relu_gradient")

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
REPARAMETERIZE_GRADIENT_WITH_KL = ElementwiseKernelSource(
    "T dz, T sigma, T eps, T dmu_kl, T dlogvar_kl",
    "T dmu, T dlogvar",
    "dmu = dz + dmu_kl; dlogvar = sigma * eps * T(0.5) * dz + dlogvar_kl",
    "scratchvae_reparameterize_gradient_with_kl",
)
GAUSSIAN_KL = RowSumKernelSource(
    "T mu, T logvar", "T kl", "T(0.5) * (mu * mu + expm1(logvar) - logvar)", "scratchvae_gaussian_kl"
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

BERNOULLI = RowSumKernelSource(
    "T logit, T pixel",
    "T log_likelihood",
    "pixel * logit - ((logit < T(0) ? T(0) : logit) + log1p(exp(-fabs(logit))))",
    "scratchvae_bernoulli",
)
BERNOULLI_GRADIENT = ElementwiseKernelSource(
    "T logit, T pixel, T dlog_likelihood",
    "T dlogit",
    "T e = exp(-fabs(logit)); T p = (logit >= T(0) ? T(1) : e) / (T(1) + e); dlogit = dlog_likelihood * (pixel - p)",
    "scratchvae_bernoulli_gradient",
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

ADAM = ElementwiseKernelSource(
    "T g, T beta1, T beta2, T epsilon, T step_size, T decay",
    "T theta, T m, T v",
    "m = beta1 * m + g; v = beta2 * v + g * g; theta = decay * theta - step_size * (m / (sqrt(v) + epsilon))",
    "scratchvae_adam",
)

KernelSource = ElementwiseKernelSource | RowSumKernelSource
KERNEL_SOURCES = tuple(value for value in list(globals().values()) if isinstance(value, KernelSource))


@cache
def compile_kernel(kernels: Any, source: KernelSource) -> Any:
    """Return the kernel of `source`, of a class of `kernels` (see `Backend`); it is compiled at its first call."""
    if isinstance(source, ElementwiseKernelSource):
        return kernels.ElementwiseKernel(*source)
    inputs, output, operation, name = source
    return kernels.ReductionKernel(inputs, output, operation, "a + b", f"{output.split()[1]} = a", "0", name)


def launch(kernels: Any, source: KernelSource, *arguments: Any) -> None:
    """Run the kernel of `source` with its inputs and outputs, in the order of their declaration."""
    kernel = compile_kernel(kernels, source)
    if isinstance(source, ElementwiseKernelSource):
        kernel(*arguments)
    else:
        kernel(*arguments, axis=1)
