"""Tests against the real CuPy without a GPU: it has the functions that we call, and it compiles our kernels.

The compiler is NVIDIA's own, from the wheels nvidia-cuda-nvrtc-cu12 and nvidia-cuda-runtime-cu12. CuPy generates the
source of a kernel in private functions: the first part of this file follows those of CuPy 14.
"""

import inspect
import re
from importlib.util import find_spec

import numpy as np
import pytest

from scratchvae.backend import fake_cupy
from scratchvae.fused.kernels import KERNEL_SOURCES, ElementwiseKernelSource, compile_kernel

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

ARRAY, INDEXER, SCALAR = 1, 2, 3
SCALARS = (
    "beta1",
    "beta2",
    "epsilon",
    "step_size",
    "decay",
    "alpha",
    "precision",
    "log_library_size",
    "missing",
    "smallest",
)


def generate_source(kernel, dtype_name, axes):
    """Return the C++ that CuPy generates for a kernel with T = `dtype_name`; axes=1 means contiguous arrays."""
    from cupy._core import _kernel, _reduction
    from cupy._core._carray import Indexer
    from cupy._core._scalar import CScalar

    fixed_types = {"double": "f8", "long long": "i8"}
    reduction = isinstance(kernel, cupy.ReductionKernel)
    inputs, outputs = kernel.in_params, kernel.out_params

    def dtype(p):
        return np.dtype(fixed_types.get(p.ctype, dtype_name))

    def array(p, axes):
        return _kernel._ArgInfo(ARRAY, cupy.ndarray, dtype(p), 1 if p.raw else axes, p.raw or axes == 1, True)

    def scalar(kind):
        return _kernel._ArgInfo(SCALAR, CScalar, np.dtype(kind), 0, True, True)

    def indexer(axes):
        return _kernel._ArgInfo(INDEXER, Indexer, None, axes, True, True)

    arguments = [scalar(dtype(p)) if p.name in SCALARS else array(p, axes) for p in inputs]
    arguments += [array(p, 1 if reduction else axes) for p in outputs]
    if reduction:
        types = _kernel._TypeMap((("T", np.dtype(dtype_name)), ("IndexT", np.dtype("i4"))))
        return _reduction._ReductionKernel_get_cached_function_code(
            kernel.nin,
            kernel.nout,
            kernel._params,
            (*arguments, indexer(axes), indexer(1), scalar("i4")),
            types,
            kernel.name,
            512,
            kernel.reduce_type,
            kernel.identity,
            kernel.map_expr,
            kernel.reduce_expr,
            kernel.post_map_expr,
            kernel.preamble,
            kernel.options,
        )
    types = _kernel._TypeMap((("T", np.dtype(dtype_name)),))
    return _kernel._get_elementwise_kernel_code(
        (*arguments, indexer(axes)),
        types,
        kernel.params,
        kernel.operation,
        kernel.name,
        kernel.preamble,
        **kernel.kwargs,
    )


def compile_source(code, architecture="sm_90"):
    """Compile as CuPy does: it always sets numbers of float that are subnormal to 0."""
    from cupy._core import core
    from cupy.cuda import compiler

    headers = "".join(f"#include <{header}>\n" for header in core._cupy_header_list)
    flags = ("-ftz=true", f"-arch={architecture}", "--device-as-default-execution-space")
    options = (*core.assemble_cupy_compiler_options(()), *flags)
    return compiler._NVRTCProgram(headers + code, "kernel.cu", method="cubin").compile(options)


needs_nvrtc = pytest.mark.skipif(
    find_spec("nvidia") is None or find_spec("nvidia.cuda_nvrtc") is None,
    reason="nvidia-cuda-nvrtc-cu12 is not installed",
)


# Most of the time is spent on the headers, so all variants of a kernel are compiled at once, each in a namespace.
@needs_nvrtc
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])  # A100; H100 and H200
@pytest.mark.parametrize("source", KERNEL_SOURCES, ids=lambda source: source.name)
def test_every_kernel_compiles_for_a_device(source, architecture):
    kernel, code = compile_kernel(cupy, source), ""
    variants = [(dtype, axes) for dtype in ("float32", "float64") for axes in (1, 2)]
    for dtype, axes in variants:
        generated = generate_source(kernel, dtype, axes).replace('extern "C" __global__', "__global__")
        undefine = "".join(f"#undef {name}\n" for name in re.findall(r"^#define (\w+)", generated, re.M))
        code += f"namespace {dtype}_{axes} {{\n{generated}\n{undefine}}}\n"
    binary, _ = compile_source(code, architecture)
    assert all(f"{dtype}_{axes}".encode() in binary for dtype, axes in variants)


@needs_nvrtc
def test_a_kernel_with_a_mistake_does_not_compile():
    from cupy.cuda.compiler import CompileException

    wrong = ElementwiseKernelSource("T x", "T y", "y = x + nowhere", "scratchvae_mistake")
    with pytest.raises(CompileException, match="nowhere"):
        compile_source(generate_source(compile_kernel(cupy, wrong), "float32", 1))


UFUNCS = fake_cupy.UFUNCS.split()
FUNCTIONS = [name for name in vars(fake_cupy.Module) if not name.startswith("__") and name not in UFUNCS]
METHODS = "astype copy fill get reshape set sum min max __getitem__ __setitem__ __len__ __iadd__ __rsub__ __neg__"


def parameters(function):
    return set(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", UFUNCS)
def test_each_ufunc_of_the_fake_is_a_ufunc_of_cupy(name):
    assert isinstance(getattr(cupy, name), cupy.ufunc)
    assert (getattr(cupy, name).nin, getattr(cupy, name).nout) == (getattr(np, name).nin, 1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_of_the_fake_exists_in_cupy_with_the_same_arguments(name):
    cupy_function = getattr(cupy, name)
    if not inspect.isfunction(cupy_function):  # matmul is an object
        cupy_function = type(cupy_function).__call__
    assert parameters(getattr(fake_cupy.Module, name)) - {"a", "b"} <= parameters(cupy_function)


@pytest.mark.parametrize("name", [*METHODS.split(), "T", "dtype", "ndim", "shape", "size"])
def test_each_array_method_of_the_fake_exists_in_cupy(name):
    assert hasattr(cupy.ndarray, name)
    assert hasattr(fake_cupy.DeviceArray, name)


def test_what_the_wide_stand_in_shares_with_numpy_exists_in_cupy():
    names = [*fake_cupy.SHARED_FUNCTIONS.split(), *fake_cupy.CONSTANTS.split()]
    assert [name for name in names if not hasattr(cupy, name)] == []
    methods = [*fake_cupy.METHODS.split(), *(f"__{n}__" for n in (*fake_cupy.ARITHMETIC, *fake_cupy.COMPARISONS))]
    assert [name for name in methods if not hasattr(cupy.ndarray, name)] == []


@pytest.mark.parametrize("source", KERNEL_SOURCES, ids=lambda source: source.name)
def test_cupy_parses_the_parameters_of_each_kernel_in_order(source):
    kernel = compile_kernel(cupy, source)
    expected = [text.split()[-1] for text in ", ".join(source[:2]).split(", ")]
    assert [p.name for p in (*kernel.in_params, *kernel.out_params)] == expected
    assert kernel.name == source.name
