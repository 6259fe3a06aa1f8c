"""The JAX oracle, on the functions of `jax.nn`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scratchvae.backend import Array
from scratchvae.gradcheck import frameworks
from scratchvae.verification.oracles.oracle import QUADRATURE_NODES, QUADRATURE_WEIGHTS, Oracle

# Each formula runs once, on few numbers, so nearly all of the time would go into compiling it. These options turn off
# the optimization of the machine code, the code generator for fused operations, and the division of the program into
# parts that are compiled in parallel.
_FAST_COMPILATION = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


@cache
def _compiler_options() -> dict[str, Any]:
    """Return those options of `_FAST_COMPILATION` that the installed version of XLA has."""
    identity, known = jax.jit(lambda x: x).lower(0.0), {}
    for name, value in _FAST_COMPILATION.items():
        with suppress(RuntimeError):
            identity.compile(compiler_options={name: value})
            known[name] = value
    return known


class _Jax(Oracle):
    name = "jax"

    relu = staticmethod(jax.nn.relu)
    leaky_relu = staticmethod(jax.nn.leaky_relu)
    tanh = staticmethod(jnp.tanh)
    sigmoid = staticmethod(jax.nn.sigmoid)
    softplus = staticmethod(jax.nn.softplus)
    silu = staticmethod(jax.nn.silu)
    gelu = staticmethod(partial(jax.nn.gelu, approximate=False))
    elu = staticmethod(jax.nn.elu)
    affine = staticmethod(lambda x, W, b: x @ W + b)
    reparameterize = staticmethod(lambda mu, logvar, eps: mu + jnp.exp(logvar) ** 0.5 * eps)
    softmax = staticmethod(partial(jax.nn.softmax, axis=1))
    log_softmax = staticmethod(partial(jax.nn.log_softmax, axis=1))
    exp = staticmethod(jnp.exp)
    log = staticmethod(jnp.log)
    log_gamma = staticmethod(jax.lax.lgamma)

    @staticmethod
    def layer_norm(x: Any, gain: Any, bias: Any, eps: float) -> Any:
        return jax.nn.standardize(x, axis=1, epsilon=eps) * gain + bias

    @staticmethod
    def convolve(x: Any, W: Any, stride: int, padding: int) -> Any:
        border = [(padding, padding)] * 2
        return jax.lax.conv_general_dilated(x, W, (stride, stride), border, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    # As a convolution with stride 1 of the pixels at distances of `stride`, with the kernel turned by 180°.
    @staticmethod
    def convolve_transpose(x: Any, W: Any, stride: int, padding: int, output_padding: tuple[int, int]) -> Any:
        before = len(W) - 1 - padding
        return jax.lax.conv_general_dilated(
            x,
            W[::-1, ::-1].swapaxes(2, 3),
            (1, 1),
            [(before, before + more) for more in output_padding],
            lhs_dilation=(stride, stride),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    @staticmethod
    def gaussian_kl(mu: Any, logvar: Any) -> Any:
        return (jnp.square(mu) + jnp.exp(logvar) - logvar - 1).sum(axis=1) / 2

    @staticmethod
    def bernoulli(logits: Any, x: Any) -> Any:
        return (x * jax.nn.log_sigmoid(logits) + (1 - x) * jax.nn.log_sigmoid(-logits)).sum(axis=1)

    @staticmethod
    def continuous_bernoulli(logits: Any, x: Any) -> Any:
        integral = jnp.dot(jnp.exp(logits[..., None] * QUADRATURE_NODES), QUADRATURE_WEIGHTS)
        return jnp.sum(x * logits - jnp.log(integral), axis=1)

    @staticmethod
    def gaussian(mu: Any, logvar: Any, x: Any) -> Any:
        return jax.scipy.stats.norm.logpdf(x, mu, jnp.exp(logvar / 2)).sum(axis=1)

    def value(self, f: Callable[..., Any], *inputs: Array) -> Array:
        with frameworks.in_float64([frameworks.JAX]):
            return np.asarray(f(*map(jnp.asarray, inputs)))

    def value_and_vjp(self, f: Callable[..., Any], dy: Array, *inputs: Array) -> tuple[Array, list[Array]]:
        def both(dy: Any, *inputs: Any) -> Any:
            y, pull_back = jax.vjp(f, *inputs)
            return y, pull_back(dy)

        with frameworks.in_float64([frameworks.JAX]):
            arrays = [jnp.asarray(x) for x in (dy, *inputs)]
            y, gradients = jax.jit(both).lower(*arrays).compile(compiler_options=_compiler_options())(*arrays)
            return np.asarray(y), [np.asarray(gradient) for gradient in gradients]


ORACLE = _Jax()
