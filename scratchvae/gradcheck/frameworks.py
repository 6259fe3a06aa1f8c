"""Arrays and automatic derivatives of PyTorch, JAX and HIPS autograd, as NumPy arrays; each is optional."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError, DTypeError
from scratchvae.gradcheck.finite_difference import Array

NUMPY, TORCH, JAX, AUTOGRAD = "numpy", "torch", "jax", "autograd"
AUTODIFF_LIBRARIES = (TORCH, JAX, AUTOGRAD)


def check_installed(library: str) -> None:
    """Raise ConfigError unless the library is installed."""
    if sys.modules.get(library) is None and find_spec(library) is None:
        raise ConfigError(f"against={library!r}: {library} is not installed; pip install {library}")


def library_of(array: Any) -> str | None:
    """Return the library of an array: "torch", "jax" or "numpy"; None for another object.

    A library that has not been imported has no arrays.
    """
    if sys.modules.get(TORCH) and isinstance(array, sys.modules[TORCH].Tensor):
        return TORCH
    if sys.modules.get(JAX) and isinstance(array, sys.modules[JAX].Array):
        return JAX
    return NUMPY if isinstance(array, np.ndarray | np.generic) else None


def library_of_function(f: Any) -> str | None:
    """Return "torch" for a `torch.autograd.Function`, "jax" for a `jax.custom_vjp`, else None."""
    if sys.modules.get(TORCH) and isinstance(f, type) and issubclass(f, sys.modules[TORCH].autograd.Function):
        return TORCH
    return JAX if sys.modules.get(JAX) and isinstance(f, sys.modules[JAX].custom_vjp) else None


def to_numpy(array: Any) -> Array:
    """Return an array of any of the libraries as a NumPy array, without its gradient."""
    if library_of(array) == TORCH:
        array = array.detach().cpu()
        if str(array.dtype) == "torch.bfloat16":
            raise DTypeError(
                "a tensor has dtype torch.bfloat16; expected float64 or float32: convert it with .double()"
            )
    return np.asarray(array)


def from_numpy(array: Array, library: str, like: Any = None) -> Any:
    """Return a copy of the array as one of the library, on the device of `like`."""
    if library == TORCH:
        import torch

        return torch.from_numpy(np.array(array)).to(like.device if library_of(like) == TORCH else "cpu")
    if library == JAX:
        import jax.numpy as jnp

        return jnp.asarray(np.array(array))
    return np.array(array)


def in_float64(libraries: Collection[str]) -> AbstractContextManager[Any]:
    """Return a context in which JAX computes in float64, if it is among the libraries; its default is float32."""
    if JAX not in libraries:
        return nullcontext()
    import jax

    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)  # type: ignore[no-any-return]
    from jax.experimental import enable_x64  # before JAX 0.8

    return enable_x64()  # type: ignore[no-any-return]


def vjp(library: str, f: Callable[..., Any], inputs: Sequence[Any], dy: Sequence[Any]) -> list[Any]:
    """Return ∂Σ⟨dy, y⟩/∂input for each input, by the library.

    f maps arrays of the library to a list of such arrays y, `dy` has one array for each of them.
    """
    return {TORCH: _torch_vjp, JAX: _jax_vjp, AUTOGRAD: _autograd_vjp}[library](f, inputs, dy)


def _torch_vjp(f: Callable[..., Any], inputs: Sequence[Any], dy: Sequence[Any]) -> list[Any]:
    import torch

    inputs = [x.detach().requires_grad_() for x in inputs]
    outputs = f(*inputs)
    differentiable = [(y, d) for y, d in zip(outputs, dy, strict=True) if y.requires_grad]
    if not differentiable:
        return [torch.zeros_like(x) for x in inputs]
    ys, ds = zip(*differentiable, strict=True)
    return [*torch.autograd.grad(ys, inputs, ds, allow_unused=True, materialize_grads=True)]


def _jax_vjp(f: Callable[..., Any], inputs: Sequence[Any], dy: Sequence[Any]) -> list[Any]:
    import jax

    return [*jax.vjp(lambda *xs: list(f(*xs)), *inputs)[1](list(dy))]


def _autograd_vjp(f: Callable[..., Any], inputs: Sequence[Any], dy: Sequence[Any]) -> list[Any]:
    import autograd.numpy as anp
    from autograd import make_vjp

    def total(xs: Any) -> Any:
        return sum(anp.sum(d * y) for d, y in zip(dy, f(*xs), strict=True))

    return [*make_vjp(total)(tuple(inputs))[0](1.0)]
