"""Tests of the null device: it does what CUDA allows, and no sooner than CUDA must."""

import ctypes

import numpy as np
import pytest

import null_device
from null_device.build import build_kernel, host_source, split_parameters
from scratchvae.backend import to_numpy

pytestmark = pytest.mark.null_device


def memory(array):
    """The present content of an array on the device or in pinned memory, without waiting for any work."""
    address = array.data.ptr if hasattr(array.data, "ptr") else array.ctypes.data
    numbers = ctypes.cast(address, ctypes.POINTER(np.ctypeslib.as_ctypes_type(array.dtype)))
    return np.ctypeslib.as_array(numbers, array.shape).copy()


@pytest.fixture
def cupy(gpu):
    return gpu.kernels


# --- the queue


def test_late_work_is_done_when_the_host_waits(late, cupy):
    x = cupy.ones(3)
    y = x + 1
    assert np.isnan(memory(y)).all()
    cupy.cuda.get_current_stream().synchronize()
    assert memory(y).tolist() == [2, 2, 2]


def test_without_late_work_is_done_at_once(device, cupy):
    device.set("late", False)
    assert memory(cupy.ones(3) + 1).tolist() == [2, 2, 2]


def test_an_event_waits_for_the_work_before_it(late, cupy):
    event = cupy.cuda.Event()
    x = cupy.ones(3)
    event.record()
    y = x + 1
    assert not event.done
    event.synchronize()
    assert event.done and memory(x).tolist() == [1, 1, 1] and np.isnan(memory(y)).all()


@pytest.mark.parametrize("non_blocking", [False, True])
def test_only_blocking_streams_wait_for_the_default_stream(late, cupy, non_blocking):
    x = cupy.zeros(3)
    cupy.cuda.Device().synchronize()
    with cupy.cuda.Stream(non_blocking=non_blocking) as stream:
        x += 1
    y = x.copy()
    cupy.cuda.Stream.null.synchronize()
    assert memory(y).tolist() == [0 if non_blocking else 1] * 3
    y.fill(7)
    with stream:
        x += y
    stream.synchronize()
    assert memory(x).tolist() == [1 if non_blocking else 8] * 3


def test_a_stream_waits_for_an_event_of_another(late, cupy):
    streams = [cupy.cuda.Stream(non_blocking=True) for _ in range(2)]
    x, y = cupy.zeros(3), cupy.zeros(3)
    cupy.cuda.Device().synchronize()
    with streams[0]:
        x += 1
        event = streams[0].record()
    with streams[1]:
        streams[1].wait_event(event)
        cupy.copyto(y, x)
    streams[1].synchronize()
    assert memory(y).tolist() == [1, 1, 1]


# --- copies


def test_pageable_memory_is_read_at_once_and_pinned_memory_later(late, gpu):
    pageable, pinned = np.ones(4), gpu.pinned((4,), np.float64)
    pinned.fill(1)
    arrays = [gpu.upload(host) for host in (pageable, pinned)]
    pageable.fill(2), pinned.fill(2)
    assert [to_numpy(array)[0] for array in arrays] == [1, 2]


def test_a_download_into_pinned_memory_is_late(late, gpu):
    pinned = gpu.pinned((4,), np.float64)
    pinned.fill(7)
    gpu.upload(np.ones(4)).get(out=pinned, blocking=False)
    assert pinned.tolist() == [7] * 4
    gpu.xp.cuda.get_current_stream().synchronize()
    assert pinned.tolist() == [1] * 4


def test_pinned_memory_that_is_freed_while_it_is_copied_is_nan(late, gpu):
    pinned = gpu.pinned((4,), np.float64)
    pinned.fill(1)
    array = gpu.upload(pinned)
    del pinned
    assert np.isnan(to_numpy(array)).all()


# --- memory


def test_new_and_freed_memory_is_nan(device, cupy):
    x = cupy.empty((5, 7), "float32")
    assert np.isnan(to_numpy(x)).all()
    x.fill(1)
    pointer, size = x.data.ptr, x.nbytes
    del x
    cupy.cuda.Device().synchronize()
    assert ctypes.string_at(pointer, size) == b"\xff" * size


def test_work_before_the_end_of_an_array_still_reads_it(late, cupy):
    x = cupy.ones(3)
    y = x + 1
    del x
    assert to_numpy(y).tolist() == [2, 2, 2]


# --- graphs


def record(cupy, compute):
    """The graph of what `compute` launches in a stream of its own."""
    stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
    cupy.cuda.Device().synchronize()
    with stream, cupy.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        try:
            compute()
        finally:
            graph = stream.end_capture()
    return graph, pool


def test_a_graph_computes_when_it_is_launched_and_reads_what_is_there_then(late, cupy):
    x, y = cupy.ones(3), cupy.zeros(3)
    graph, _pool = record(cupy, lambda: cupy.add(x * 2, 1, out=y))
    assert to_numpy(y).tolist() == [0, 0, 0]
    late.reset()
    for factor in (1, 2):
        x.fill(factor)
        graph.launch()
        assert to_numpy(y).tolist() == [2 * factor + 1] * 3
    assert late.counts()["graphs"] == 2 and late.counts()["graph_nodes"] == 4


def test_work_of_other_streams_is_not_recorded(device, cupy):
    x, y = cupy.zeros(3), cupy.zeros(3)

    def compute():
        y.fill(1)
        with cupy.cuda.Stream.null:
            x.fill(1)

    graph, _pool = record(cupy, compute)
    assert to_numpy(x).tolist() == [1, 1, 1] and to_numpy(y).tolist() == [0, 0, 0]
    x.fill(0)
    graph.launch()
    assert to_numpy(x).tolist() == [0, 0, 0] and to_numpy(y).tolist() == [1, 1, 1]


def test_a_wait_in_a_recording_is_an_error_and_makes_it_invalid(device, cupy):
    x = cupy.ones(3)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="not permitted while the stream is recorded"):
            stream.synchronize()
        x += 1
        with pytest.raises(RuntimeError, match="the recording is invalid"):
            stream.end_capture()
    assert to_numpy(x).tolist() == [1, 1, 1]


def test_memory_that_is_not_pinned_cannot_be_recorded(device, gpu):
    x, host = gpu.upload(np.zeros(3)), np.ones(3)
    upload = gpu.xp.cuda.runtime.memcpyAsync
    stream = gpu.xp.cuda.Stream(non_blocking=True)
    stream.begin_capture()
    with pytest.raises(RuntimeError, match="memory that is not pinned cannot be recorded"):
        upload(x.data.ptr, host.ctypes.data, host.nbytes, 1, stream.ptr)
    stream.end_capture()
    with pytest.raises(RuntimeError, match="the current stream is capturing"):  # CuPy's own check
        record(gpu.kernels, lambda: x.set(host))


def test_the_default_stream_cannot_be_recorded(device, cupy):
    with pytest.raises(RuntimeError, match="cannot be recorded"):
        cupy.cuda.runtime.streamBeginCapture(0, 2)


# --- products and kernels


@pytest.fixture
def product(device, gpu):
    """A function that calls cublasGemmEx of the device for matrices by rows: α A B + β C."""
    library = device.library
    handle = ctypes.c_void_p()
    library.cublasCreate_v2(ctypes.byref(handle))

    def multiply(a, b, c, alpha=1.0, beta=0.0, step=None, compute=70):
        numbers = [ctypes.c_double(number) for number in (alpha, beta)]
        pointers = [ctypes.c_void_p(array.data.ptr) for array in (b, a, c)]
        (rows, inner), columns = a.shape, b.shape[1]
        return library.cublasGemmEx(
            handle, 0, 0, columns, rows, inner, ctypes.byref(numbers[0]), pointers[0], 1, step or columns, pointers[1],
            1, inner, ctypes.byref(numbers[1]), pointers[2], 1, columns, compute, -1,
        )  # fmt: skip

    multiply.handle, multiply.library = handle, library
    yield multiply
    library.cublasDestroy_v2(handle)


def test_a_product_with_factors(product, gpu):
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=shape) for shape in ((3, 4), (4, 5), (3, 5)))
    device_c = gpu.upload(c)
    assert product(gpu.upload(a), gpu.upload(b), device_c, 2.0, 3.0) == 0
    np.testing.assert_allclose(to_numpy(device_c), 2 * a @ b + 3 * c)
    nan = gpu.xp.empty(c.shape)
    assert product(gpu.upload(a), gpu.upload(b), nan) == 0
    np.testing.assert_allclose(to_numpy(nan), a @ b)


def test_wrong_products_are_refused(product, gpu):
    a, b, c = (gpu.upload(np.ones(shape)) for shape in ((3, 4), (4, 5), (3, 5)))
    assert product(a, b, c, step=4) == 7
    assert product(a, b, c, compute=68) == 15
    stream = gpu.xp.cuda.Stream(non_blocking=True)
    product.library.cublasSetStream_v2(product.handle, ctypes.c_ssize_t(stream.ptr))
    stream.begin_capture()
    statuses = [product(a, b, c)]
    product.library.cublasSetWorkspace_v2(product.handle, ctypes.c_void_p(a.data.ptr), ctypes.c_size_t(8))
    statuses.append(product(a, b, c))
    stream.end_capture()
    assert statuses == [15, 0]


def test_other_functions_of_cublas_are_refused(device, cupy):
    from cupy import cublas

    with pytest.raises(RuntimeError, match="NOT_SUPPORTED"):
        cublas.gemv("N", 1.0, cupy.ones((3, 4)), cupy.ones(4), 0.0, cupy.ones(3))


def test_a_kernel_with_a_mistake_does_not_compile(device, cupy):
    with pytest.raises(RuntimeError, match="nowhere"):
        cupy.ElementwiseKernel("T x", "T y", "y = x + nowhere", "null_device_mistake")(cupy.ones(3))


def test_a_reduction_is_that_of_one_thread(device, cupy):
    x = np.random.default_rng(0).normal(size=(7, 1100))
    for axis in (0, 1, None):
        np.testing.assert_allclose(to_numpy(cupy.asarray(x).sum(axis=axis)), x.sum(axis=axis))
    assert build_kernel('extern "C" __global__ void null_device_sample(const CIndexer<1, 1> _ind, int n) {}').is_file()


def test_parameters_with_template_arguments_are_split():
    assert split_parameters("const CArray<float, 1, 1> x, int n") == ["const CArray<float, 1, 1> x", "int n"]
    source = host_source('extern "C" __global__ void f(const CArray<float, 1, 1> x, int n) {}')
    assert "f(*(CArray<float, 1, 1>*)arguments[0], *(int*)arguments[1])" in source


def test_subnormal_numbers_of_float_are_0(device, cupy):
    for dtype, tiny, result in (("float32", 1e-38, 0), ("float64", 1e-307, 1e-308)):
        assert np.finfo(dtype).smallest_normal > tiny / 10
        x = cupy.asarray(np.array([tiny], dtype))
        assert to_numpy(x * x.dtype.type(0.1)) == pytest.approx(result, rel=1e-6, abs=0)


# --- noise and counts


def units(actual, expected):
    """The differences in units in the last place, of positive numbers."""
    kind = {4: np.int32, 8: np.int64}[actual.itemsize]
    return actual.view(kind) - expected.view(kind)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sinh", "cosh"])
def test_noise_is_at_most_2_units_and_the_same_for_the_same_numbers(device, cupy, name, dtype):
    x = cupy.asarray(np.random.default_rng(0).uniform(1.1, 3, 1000).astype(dtype))
    function = getattr(cupy, name)
    device.set("noise", False)
    exact = to_numpy(function(x))
    device.set("noise", True)
    noisy = to_numpy(function(x))
    errors = units(noisy, exact)
    assert set(errors) == {-2, -1, 0, 1, 2}
    assert np.array_equal(noisy, to_numpy(function(x)))


def test_exact_results_have_no_noise_and_bounds_are_kept(device, cupy):
    device.set("noise", True)
    assert to_numpy(cupy.exp(cupy.zeros(3))).tolist() == [1, 1, 1]
    assert to_numpy(cupy.log(cupy.ones(3))).tolist() == [0, 0, 0]
    x = cupy.asarray(np.linspace(8, 20, 10_000))
    assert (np.abs(to_numpy(cupy.tanh(x))) <= 1).all()


def test_calls_are_counted(device, gpu, cupy):
    x = gpu.upload(np.ones((2, 2)))
    y = gpu.xp.matmul(x, x, out=cupy.empty((2, 2)))  # which allocates the workspace
    device.reset()
    cupy.exp(x, out=y)
    gpu.xp.matmul(x, x, out=y)
    y.fill(0)
    to_numpy(y)
    cupy.empty((2, 2))
    counts = {name: count for name, count in device.counts().items() if count}
    assert counts == {"kernels": 1, "products": 1, "fills": 1, "downloads": 1, "waits": 1, "allocations": 1}
    assert device.calls() == ["cupy_exp__float64_float64", "product 2 x 2 x 2", "fill", "download"]


# --- how it is used


def test_the_device_is_what_cupy_uses(device, gpu):
    assert gpu.name == "cupy" and gpu.free_memory() == 2**33
    assert gpu.xp.cuda.Device().compute_capability == "90"


def test_an_unknown_mode_is_refused():
    with pytest.raises(RuntimeError, match="choose one of plain, late, noise"):
        null_device.install("fast")
