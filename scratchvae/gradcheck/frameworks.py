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


def function_class(f: Any) -> Any:
    """The `torch.autograd.Function` whose `apply` f is; f itself if it is none."""
    owner = getattr(f, "__self__", None)
    return owner if getattr(f, "__name__", "") == "apply" and library_of_function(owner) == TORCH else f


def forward_arguments(function: Any, names: Sequence[str]) -> tuple[str, ...]:
    """The arguments of the forward of a `torch.autograd.Function`: the names, after ctx if it takes that."""
    import torch

    has_setup = function.setup_context is not torch.autograd.Function.setup_context
    return tuple(names) if has_setup else ("ctx", *names)


def watched_apply(function: Any, names: Sequence[str], notes: dict[str, None]) -> Callable[..., Any]:
    """The `apply` of a `torch.autograd.Function`, which notes the faults of its backward that PyTorch hides.

    PyTorch sums a gradient whose shape the input was broadcast to, and forbids a change of dy without looking for it.
    """
    import torch

    shapes: list[tuple[int, ...] | None] = []

    class Watched(function):  # type: ignore[misc]
        @staticmethod
        def backward(ctx: Any, *dys: Any) -> Any:
            copies = [dy.detach().clone() if isinstance(dy, torch.Tensor) else None for dy in dys]
            gradients = function.backward(ctx, *dys)
            if any(copy is not None and not torch.equal(dy, copy) for dy, copy in zip(dys, copies, strict=True)):
                notes["note: backward changes dy in place, which PyTorch forbids"] = None
            given = gradients if isinstance(gradients, tuple) else (gradients,)
            for name, shape, gradient in zip(names, shapes, given, strict=False):
                if isinstance(gradient, torch.Tensor) and shape is not None and tuple(gradient.shape) != shape:
                    notes[
                        f"note: backward returns shape {tuple(gradient.shape)} for {name}, which has {shape}: PyTorch "
                        "sums it, and a caller of backward does not"
                    ] = None
            return gradients

    def apply(*inputs: Any) -> Any:
        shapes[:] = [tuple(x.shape) if isinstance(x, torch.Tensor) else None for x in inputs]
        return Watched.apply(*inputs)

    return apply


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
