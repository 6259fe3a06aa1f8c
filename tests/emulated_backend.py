"""A device backend with kernels, emulated on the host: kernels of the backend "native" on arrays of `fake_cupy`.

It refuses what CuPy refuses: host arrays, an `out` of another shape, two dtypes for one type parameter.
"""

import numpy as np
import pytest

from scratchvae.backend import Backend, fake_cupy, native
from scratchvae.backend.fake_cupy import DeviceArray
from scratchvae.errors import BackendError

try:
    COMPILER = native.compiler.find_compiler()
except BackendError:
    COMPILER = None


def to_host_arguments(arguments):
    fake_cupy.count_launch()
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            raise TypeError(f"Unsupported type {type(argument)}")
    return [a._host if isinstance(a, DeviceArray) else a for a in arguments]


class ElementwiseKernel(native.ElementwiseKernel):
    def __call__(self, *arguments):
        super().__call__(*to_host_arguments(arguments))


class ReductionKernel(native.ReductionKernel):
    def __call__(self, *arguments, axis):
        super().__call__(*to_host_arguments(arguments), axis=axis)


class Module(fake_cupy.Module):
    """The array module of `fake_cupy`, with kernels."""

    ElementwiseKernel = ElementwiseKernel
    ReductionKernel = ReductionKernel

    class lib:
        class stride_tricks:
            @staticmethod
            def as_strided(x, shape, strides):
                return DeviceArray(np.lib.stride_tricks.as_strided(x._host, shape, strides))


EMULATED = Backend("emulated", Module, DeviceArray, np.empty, fake_cupy.Event, kernels=Module)

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler for the kernels")
ALL_BACKENDS = [
    "numpy",
    pytest.param("native", marks=needs_compiler),
    pytest.param(fake_cupy.FAKE_CUPY, id="fake_cupy"),
    pytest.param(EMULATED, id="emulated", marks=needs_compiler),
]  # backends that work on this machine


def covering(kinds, **lists):
    """Parameters (kind, backend, ...) for a test: each kind on NumPy, and each other backend with one of the kinds.

    Each further argument is a list, whose values are used in turn. The full product would test the same code again.
    """
    kinds = list(kinds)
    pairs, rows = [(kind, ALL_BACKENDS[0], ()) for kind in kinds], []
    for k, backend in enumerate(ALL_BACKENDS[1:]):
        pairs.append((kinds[-1 - 2 * k], backend.values[0], backend.marks))
    for k, (kind, backend, marks) in enumerate(pairs):
        values = [values[k % len(values)] for values in lists.values()]
        name = backend if isinstance(backend, str) else backend.name
        rows.append(pytest.param(kind, backend, *values, marks=marks, id="-".join(map(str, (kind, name, *values)))))
    return rows
