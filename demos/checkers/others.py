"""The gradient checkers of other libraries, on NumPy functions, with their default tolerances and in float64.

Each returns True if the gradient passes. The seed chooses the inputs, and what a checker draws itself.
"""

from importlib.util import find_spec

import numpy as np


def is_real(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def flat(forward, backward, inputs):
    """forward and backward of the real inputs alone, with a tuple of arrays as the output."""
    real = [k for k, x in enumerate(inputs) if is_real(x)]

    def with_constants(arrays):
        arrays = iter(arrays)
        return [next(arrays) if is_real(x) else x for x in inputs]

    def f(*arrays):
        y = forward(*with_constants(arrays))
        return y if isinstance(y, tuple) else (y,)

    def vjp(dy, *arrays):
        single = not isinstance(forward(*inputs), tuple)
        gradients = backward(dy[0] if single else dy, *with_constants(arrays))
        return gradients if isinstance(gradients, tuple) else (gradients,)

    return f, vjp, [inputs[k] for k in real]


def torch_check(forward, backward, inputs, seed, fast=False):
    import torch

    f, vjp, arrays = flat(forward, backward, inputs)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.save_for_backward(*tensors)
            return tuple(torch.tensor(np.asarray(y)) for y in f(*(t.detach().numpy() for t in tensors)))

        @staticmethod
        def backward(ctx, *dy):
            gradients = vjp([d.numpy() for d in dy], *(t.numpy() for t in ctx.saved_tensors))
            return tuple(torch.tensor(np.asarray(g)) for g in gradients)

    torch.manual_seed(seed)
    tensors = [torch.tensor(x, requires_grad=True) for x in arrays]
    return torch.autograd.gradcheck(Function.apply, tensors, raise_exception=False, fast_mode=fast)


def torch_fast_check(forward, backward, inputs, seed):
    return torch_check(forward, backward, inputs, seed, fast=True)


def autograd_check(forward, backward, inputs, seed):
    from autograd.extend import defvjp_argnums, primitive
    from autograd.test_util import check_grads

    f, vjp, arrays = flat(forward, backward, inputs)
    ends = np.cumsum([np.size(y) for y in f(*arrays)])[:-1]
    shapes = [np.shape(y) for y in f(*arrays)]

    @primitive
    def vector(*xs):
        return np.concatenate([np.ravel(y) for y in f(*xs)])

    def gradients(argnums, _, xs, __):
        def pull_back(dy):
            parts = [part.reshape(shape) for part, shape in zip(np.split(dy, ends), shapes, strict=True)]
            all_gradients = vjp(parts, *xs)
            return [all_gradients[k] for k in argnums]

        return pull_back

    defvjp_argnums(vector, gradients)
    np.random.seed(seed)  # noqa: NPY002  (it draws its direction from there)
    try:
        check_grads(vector, modes=["rev"], order=1)(*arrays)
    except AssertionError:
        return False
    return True


def jax_check(forward, backward, inputs, seed):
    import jax
    from jax.test_util import check_vjp

    f, vjp, arrays = flat(forward, backward, inputs)

    def with_vjp(*xs):
        xs = [np.asarray(x) for x in xs]
        return f(*xs), lambda dy: tuple(vjp([np.asarray(d) for d in dy], *xs))

    np.random.seed(seed)  # noqa: NPY002
    with jax.enable_x64(True):
        try:
            check_vjp(lambda *xs: f(*(np.asarray(x) for x in xs)), with_vjp, tuple(arrays))
        except AssertionError:
            return False
    return True


CHECKERS = {
    "torch": ("torch", torch_check),
    "torch, fast": ("torch", torch_fast_check),
    "autograd": ("autograd", autograd_check),
    "jax": ("jax", jax_check),
}


def installed():
    """The checkers whose library is installed, by name."""
    return {name: check for name, (library, check) in CHECKERS.items() if find_spec(library) is not None}
