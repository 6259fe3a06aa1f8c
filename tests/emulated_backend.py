"""Kernels for devices, run on the host: those of the backend "native" behind the stand-in's arrays.

What CuPy refuses is refused: an array of the host, an `out` of another shape, numbers of two types under one name.
"""

import fake_cupy
import numpy as np
import pytest
from fake_cupy import DeviceArray

from scratchvae.backend import Backend, native
from scratchvae.errors import BackendError

try:
    COMPILER = native.compiler.find_compiler()
except BackendError:
    COMPILER = None


def on_the_host(arguments):
    fake_cupy._launch()
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            raise TypeError(f"Unsupported type {type(argument)}")
    return [a._host if isinstance(a, DeviceArray) else a for a in arguments]


class ElementwiseKernel(native.ElementwiseKernel):
    def __call__(self, *arguments):
        super().__call__(*on_the_host(arguments))


class ReductionKernel(native.ReductionKernel):
    def __call__(self, *arguments, axis):
        super().__call__(*on_the_host(arguments), axis=axis)


class Module(fake_cupy.Module):
    """The stand-in with kernels."""

    ElementwiseKernel = ElementwiseKernel
    ReductionKernel = ReductionKernel


EMULATED = Backend("emulated", Module, DeviceArray, np.empty, fake_cupy.Event, kernels=Module)

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler to make kernels with")
ALL_BACKENDS = [
    "numpy",
    pytest.param("native", marks=needs_compiler),
    pytest.param(fake_cupy.FAKE_CUPY, id="fake_cupy"),
    pytest.param(EMULATED, id="emulated", marks=needs_compiler),
]  # what a model can compute on here


def covering(kinds, **rotating):
    """Parameters (kind, backend, ...) for a test: each kind on NumPy, and each other backend with one of the kinds.

    Further arguments are lists of values, which are taken in turn. The full product would test the same code again.
    """
    kinds = list(kinds)
    pairs, rows = [(kind, ALL_BACKENDS[0], ()) for kind in kinds], []
    for k, backend in enumerate(ALL_BACKENDS[1:]):
        pairs.append((kinds[-1 - 2 * k], backend.values[0], backend.marks))
    for k, (kind, backend, marks) in enumerate(pairs):
        values = [values[k % len(values)] for values in rotating.values()]
        name = backend if isinstance(backend, str) else backend.name
        rows.append(pytest.param(kind, backend, *values, marks=marks, id="-".join(map(str, (kind, name, *values)))))
    return rows
