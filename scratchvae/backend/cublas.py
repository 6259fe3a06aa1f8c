"""CuPy with matrix products that can be recorded in a CUDA graph.

While a stream is recorded, CuPy refuses to call cuBLAS. Here the products call `cublasGemmEx` of the same library,
which records them like any kernel.
"""

from __future__ import annotations

import ctypes
import os
from importlib import import_module
from pathlib import Path
from threading import local
from typing import Any, NamedTuple

from scratchvae.backend.array_module import ArrayModule
from scratchvae.backend.plans import Plans

WORKSPACE = 2**25  # bytes that cuBLAS may use on a Hopper GPU, by its documentation; part of a recorded product
FLOAT32, FLOAT64 = (0, 68), (1, 70)  # cudaDataType_t and cublasComputeType_t
FLOAT32_AS_TF32 = 0, 77
DEFAULT_ALGORITHM = -1
MISSING: Any = object()
INT, POINTER = ctypes.c_int, ctypes.c_void_p
GEMM_TYPES: Any = [POINTER, *[INT] * 5, POINTER, *[POINTER, INT, INT] * 2, POINTER, POINTER, *[INT] * 4]


class RecordableCuPy(ArrayModule):
    """CuPy as an array module, with its own `matmul`.

    cupy      the module
    library   the cuBLAS that CuPy has loaded
    """

    def __init__(self, cupy: Any, library: ctypes.CDLL) -> None:
        super().__init__(cupy)
        self._array_type, self._gemm = cupy.ndarray, library.cublasGemmEx
        self._gemm.restype, self._gemm.argtypes = INT, GEMM_TYPES
        self._handles = _Handles(cupy, library)
        self._plans: Plans[Plan | None] = Plans()
        tf32 = os.environ.get("CUPY_TF32", "0") not in ("", "0")  # as CuPy reads it
        self._types = {"f": FLOAT32_AS_TF32 if tf32 else FLOAT32, "d": FLOAT64}
        self._factors = {"f": (ctypes.c_float(1), ctypes.c_float(0)), "d": (ctypes.c_double(1), ctypes.c_double(0))}

    def matmul(self, a: Any, b: Any, out: Any = None, **settings: Any) -> Any:
        """`cupy.matmul`. A product of matrices and vectors with `out` can be recorded."""
        plan = None
        if out is not None and not settings and type(a) is type(b) is type(out) is self._array_type:
            key = a.shape, a.strides, b.shape, b.strides, out.shape, out.strides, a.dtype.char, b.dtype, out.dtype
            plan = self._plans.get(key, MISSING)
            if plan is MISSING:
                plan = self._plans.add(key, self._make_plan(a, b, out))
        if plan is None:
            return self._module.matmul(a, b, out=out, **settings)
        start_a, start_b, start = a.data.ptr, b.data.ptr, out.data.ptr
        end = start + plan.size
        if (start_a < end and start < start_a + plan.size_a) or (start_b < end and start < start_b + plan.size_b):
            return self._module.matmul(a, b, out=out)  # the output overlaps an input
        status = self._gemm(
            self._handles.of_stream(), *plan.sizes, plan.one, start_b, *plan.b, start_a, *plan.a, plan.zero, start,
            *plan.out, DEFAULT_ALGORITHM,
        )  # fmt: skip
        if status:
            raise _error(status)
        return out

    # cuBLAS has matrices in columns. An array in rows is the transpose of one in columns, so that
    #   C = A B   becomes   Cᵀ = Bᵀ Aᵀ
    def _make_plan(self, a: Any, b: Any, out: Any) -> Plan | None:
        """The arguments of cublasGemmEx that depend on shapes, strides and dtypes; None if CuPy is to compute it."""
        kind = a.dtype.char
        if not a.dtype == b.dtype == out.dtype or kind not in self._types or 0 in (a.size, b.size):
            return None
        if a.ndim > 2 or b.ndim > 2 or not a.ndim or not b.ndim:
            return None
        a2, b2 = (a[None] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)
        (m, k), n = a2.shape, b2.shape[1]
        if len(b2) != k or out.shape != (*a.shape[:-1], *b.shape[1:]) or not out.flags.c_contiguous:
            return None
        layout_a, layout_b = _layout(a2), _layout(b2)
        if layout_a is None or layout_b is None or max(m, n, k, layout_a[1], layout_b[1]) >= 2**31:
            return None
        data, compute = self._types[kind]
        one, zero = (ctypes.addressof(number) for number in self._factors[kind])
        sizes = layout_b[0], layout_a[0], n, m, k
        steps = (data, layout_a[1]), (data, layout_b[1]), (data, n, compute)
        return Plan(sizes, one, zero, *steps, _extent(a), _extent(b), out.nbytes)


class Plan(NamedTuple):
    """The arguments of `cublasGemmEx` that depend on the shapes, strides and dtypes of a, b and the output.

    sizes                    transpositions of b and a, then n, m, k
    one, zero                addresses of the factors α and β
    a, b, out                dtype and the distance of rows, in numbers; of out also the dtype of the computation
    size_a, size_b, size     of the memory from the first number to the last, in bytes
    """

    sizes: tuple[int, ...]
    one: int
    zero: int
    a: tuple[int, int]
    b: tuple[int, int]
    out: tuple[int, int, int]
    size_a: int
    size_b: int
    size: int


class _Handles(local):
    """The handles of cuBLAS of each thread, one for each device."""

    def __init__(self, cupy: Any, library: ctypes.CDLL) -> None:
        self._cupy, self._library = cupy, library
        self._handles: dict[int, _Handle] = {}

    def of_stream(self) -> Any:
        """The handle of the current device, set to the current stream."""
        cuda = self._cupy.cuda
        device, stream = cuda.runtime.getDevice(), cuda.get_current_stream().ptr
        handle = self._handles.get(device)
        if handle is None:
            handle = self._handles[device] = _Handle(self._cupy, self._library)
        if handle.stream != stream:
            handle.set_stream(stream)
        return handle.pointer


class _Handle:
    """A handle of cuBLAS with its workspace, which is destroyed with its thread."""

    def __init__(self, cupy: Any, library: ctypes.CDLL) -> None:
        self.pointer, self.stream, self._library = POINTER(), -1, library
        _check(library.cublasCreate_v2(ctypes.byref(self.pointer)))
        self._workspace = cupy.empty(WORKSPACE, "uint8")

    def set_stream(self, stream: int) -> None:
        """Set the stream, which takes the workspace away, and then the workspace."""
        _check(self._library.cublasSetStream_v2(self.pointer, POINTER(stream)))
        workspace, size = POINTER(self._workspace.data.ptr), ctypes.c_size_t(WORKSPACE)
        _check(self._library.cublasSetWorkspace_v2(self.pointer, workspace, size))
        self.stream = stream

    def __del__(self) -> None:
        if self.pointer:
            self._library.cublasDestroy_v2(self.pointer)


def _layout(matrix: Any) -> tuple[int, int] | None:
    """1 if a matrix is the transpose of one in rows, and the distance of the rows, in numbers; None if neither."""
    (rows, columns), (step, across) = matrix.shape, (stride // matrix.itemsize for stride in matrix.strides)
    if columns == 1 or across == 1:
        step = columns if rows == 1 else step
        return (0, step) if step >= columns else None
    if rows == 1 or step == 1:
        return (1, across) if across >= rows else None
    return None


def _extent(array: Any) -> int:
    """The bytes from the first number of an array with positive strides to the end of its last."""
    last: int = sum((size - 1) * step for size, step in zip(array.shape, array.strides, strict=True))
    return last + int(array.itemsize)


def _check(status: int) -> None:
    if status:
        raise _error(status)


def _error(status: int) -> Exception:
    library: Any = import_module("cupy_backends.cuda.libs.cublas")
    return library.CUBLASError(status)  # type: ignore[no-any-return]


def recordable(cupy: Any) -> Any:
    """CuPy with products that can be recorded; CuPy itself if its cuBLAS is not found, as on other systems than Linux.

    cuBLAS must have computed a product before.
    """
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
        paths = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "/libcublas.so" in line}
        return RecordableCuPy(cupy, ctypes.CDLL(sorted(paths)[0]))
    except (OSError, IndexError, AttributeError):
        return cupy
