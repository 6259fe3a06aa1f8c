"""The kernels: one pass over memory in place of several.

Written for CuPy's ElementwiseKernel and ReductionKernel, and for those of these names in `backend.native`, which
compile for the host. A body is C++ for one number; inputs broadcast, so that a bias (O,) meets each row, a
gradient (B, 1) each column. An array may be read and written by the same kernel.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple


class Elementwise(NamedTuple):
    """A loop over all numbers; called with every input, then every output."""

    inputs: str
    outputs: str
    operation: str
    name: str


class RowSum(NamedTuple):
    """A sum over each row of what `operation` makes of a number; called with every input, then the output (B,)."""

    inputs: str
    output: str
    operation: str
    name: str


BIAS_RELU = Elementwise(
    "T x, T bias",
    "T y",
    "T a = x + bias; y = a < T(0) ? T(0) : a",
    "scratchvae_bias_relu",
)
RELU_GRADIENT = Elementwise("T y, T dy", "T dx", "dx = T(y > T(0)) * dy", "scratchvae_relu_gradient")

REPARAMETERIZE = Elementwise(
    "T mu, T logvar, T eps",
    "T z, T sigma",
    "sigma = exp(T(0.5) * logvar); z = sigma * eps + mu",
    "scratchvae_reparameterize",
)
REPARAMETERIZE_GRADIENT = Elementwise(
    "T dz, T sigma, T eps",
    "T dmu, T dlogvar",
    "dmu = dz; dlogvar = sigma * eps * T(0.5) * dz",
    "scratchvae_reparameterize_gradient",
)
REPARAMETERIZE_GRADIENT_WITH_KL = Elementwise(
    "T dz, T sigma, T eps, T dmu_kl, T dlogvar_kl",
    "T dmu, T dlogvar",
    "dmu = dz + dmu_kl; dlogvar = sigma * eps * T(0.5) * dz + dlogvar_kl",
    "scratchvae_reparameterize_gradient_with_kl",
)
GAUSSIAN_KL = RowSum("T mu, T logvar", "T kl", "T(0.5) * (mu * mu + expm1(logvar) - logvar)", "scratchvae_gaussian_kl")
GAUSSIAN_KL_PER_DIMENSION = Elementwise(
    "T mu, T logvar", "T kl", "kl = T(0.5) * (mu * mu + expm1(logvar) - logvar)", "scratchvae_gaussian_kl_per_dimension"
)
GAUSSIAN_KL_ACCUMULATE = Elementwise(
    "T mu, T logvar",
    "float64 sums",
    "sums += T(0.5) * (mu * mu + expm1(logvar) - logvar)",
    "scratchvae_gaussian_kl_accumulate",
)
GAUSSIAN_KL_GRADIENT = Elementwise(
    "T mu, T logvar, T dkl",
    "T dmu, T dlogvar",
    "dmu = dkl * mu; dlogvar = dkl * T(0.5) * expm1(logvar)",
    "scratchvae_gaussian_kl_gradient",
)

BERNOULLI = RowSum(
    "T logit, T pixel",
    "T log_likelihood",
    "pixel * logit - ((logit < T(0) ? T(0) : logit) + log1p(exp(-fabs(logit))))",
    "scratchvae_bernoulli",
)
BERNOULLI_GRADIENT = Elementwise(
    "T logit, T pixel, T dlog_likelihood",
    "T dlogit",
    "T e = exp(-fabs(logit)); T p = (logit >= T(0) ? T(1) : e) / (T(1) + e); dlogit = dlog_likelihood * (pixel - p)",
    "scratchvae_bernoulli_gradient",
)

ELBO = Elementwise(
    "T log_likelihood, T kl, float64 weight", "T value", "value = log_likelihood - T(weight) * kl", "scratchvae_elbo"
)
ACCUMULATE_TERMS = Elementwise(
    "T value, T reconstruction, T kl",
    "float64 values, float64 reconstructions, float64 kls",
    "values += value; reconstructions += reconstruction; kls += kl",
    "scratchvae_accumulate_terms",
)

ADAM = Elementwise(
    "T g, T beta1, T beta2, T epsilon, T rate, T decay",
    "T theta, T m, T v",
    "m = beta1 * m + g; v = beta2 * v + g * g; theta = decay * theta - rate * (m / (sqrt(v) + epsilon))",
    "scratchvae_adam",
)

SOURCES = tuple(source for source in list(globals().values()) if isinstance(source, Elementwise | RowSum))


@cache
def compiled(kernels: Any, source: Elementwise | RowSum) -> Any:
    """The kernel of `source`, compiled at its first call by the classes of `kernels`: see `Backend.kernels`."""
    if isinstance(source, Elementwise):
        return kernels.ElementwiseKernel(*source)
    inputs, output, operation, name = source
    return kernels.ReductionKernel(inputs, output, operation, "a + b", f"{output.split()[1]} = a", "0", name)


def launch(kernels: Any, source: Elementwise | RowSum, *arguments: Any) -> None:
    """Run the kernel of `source` over its inputs and outputs, in the order in which it names them."""
    if isinstance(source, Elementwise):
        compiled(kernels, source)(*arguments)
    else:
        compiled(kernels, source)(*arguments, axis=1)
