"""Tests of the native backend: results and errors of compiled kernels, and errors of the compiler."""

import sys

import numpy as np
import pytest
from emulated_backend import needs_compiler
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds, uniform

import scratchvae as sv
from scratchvae.backend import NUMPY, get_backend, native
from scratchvae.backend.native import ElementwiseKernel, ReductionKernel, compiler
from scratchvae.disk import cache_folder
from scratchvae.errors import BackendError
from scratchvae.fused import fused
from scratchvae.layers import Conv2d
from scratchvae.layers.patches import Patches
from scratchvae.memory import BatchBuffers

sizes = st.integers(1, 40)


def scale_kernel():
    return ElementwiseKernel("T x, T k, T row, T column", "T y", "y = k * x + row * column", "scratchvae_test_scale")


def sum_kernel():
    return ReductionKernel("T x, T y", "T out", "x * y", "a + b", "out = a", "0", "scratchvae_test_total")


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@given(rows=sizes, columns=sizes, seed=seeds)
def test_inputs_broadcast_and_halves_of_rows_are_read_and_written_in_place(rows, columns, seed, dtype):
    whole = normal(seed, rows, 2 * columns).astype(dtype)
    left, right = whole[:, :columns], whole[:, columns:]
    row, column = normal(seed + 1, columns).astype(dtype), normal(seed + 2, rows, 1).astype(dtype)
    expected = left * 2 + row * column
    left_before = left.copy()
    scale_kernel()(left, 2.0, row, column, right)
    np.testing.assert_allclose(right, expected, rtol=4 * np.finfo(dtype).eps, atol=16 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(left, left_before)


@needs_compiler
@given(rows=sizes, columns=sizes, seed=seeds)
def test_a_reduction_sums_each_row(rows, columns, seed):
    x, y = normal(seed, 2, rows, columns)
    out = np.full(rows, np.nan)
    sum_kernel()(x, y, out, axis=1)
    np.testing.assert_allclose(out, (x * y).sum(axis=1), rtol=1e-13, atol=1e-13)


@needs_compiler
def test_every_element_of_a_vector_of_any_length_is_computed():
    for size in (1, 63, 64, 65, 10_001):
        y = np.zeros(size)
        ElementwiseKernel("T x", "T y", "y = x + T(1)", "scratchvae_test_next")(np.arange(float(size)), y)
        np.testing.assert_array_equal(y, np.arange(1.0, size + 1))


@needs_compiler
def test_invalid_kernel_arguments_are_refused():
    x, k, row, column, y = normal(0, 3, 4), 2.0, normal(1, 4), normal(2, 3, 1), np.zeros((3, 4))
    kernel = scale_kernel()
    kernel(x, k, row, column, y)
    locked = y.copy()
    locked.flags.writeable = False
    for arguments, message in (
        ((x, k, row, y), "takes 5"),
        ((x.astype("float32"), k, row, column, y), "the arrays have dtypes"),
        ((x.astype("int64"), k, row, column, y), "the arrays have dtypes"),
        ((x, "2", row, column, y), "given a str"),
        ((x, k, row, column, 0.0), "given a float"),
        ((x, k, row, column, np.zeros((4, 3))), "broadcast"),
        ((x, k, row, column, np.zeros((1, 4))), "outputs have shapes"),
        ((x, k, row, column, np.zeros((3, 8))[:, ::2]), "gaps"),
        ((x, k, row, column, locked), "read-only"),
        ((normal(0, 2, 3, 4), k, row, column, np.zeros((2, 3, 4))), "one or two axes"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            kernel(*arguments)
    with pytest.raises(NotImplementedError, match="axis 0"):
        sum_kernel()(x, x, np.zeros(3), axis=0)
    with pytest.raises(NotImplementedError, match="does not sum"):
        ReductionKernel("T x", "T y", "x", "max(a, b)", "y = a", "0", "scratchvae_test_max")


@needs_compiler
def test_the_backend_is_numpy_plus_kernels():
    backend = get_backend("native")
    assert backend.xp.exp is np.exp and backend.xp.matmul.__doc__.startswith("`numpy.matmul`")
    assert backend.array_type is np.ndarray and backend.kernels is native
    assert NUMPY.kernels is None and NUMPY.xp is np
    x = normal(0, 3)
    assert type(backend.upload(x)) is np.ndarray and sv.to_numpy(x) is x


@needs_compiler
def test_a_model_trains_to_the_same_weights_as_with_numpy():
    thetas = []
    for backend in ("numpy", "native"):
        vae = sv.VAE(9, 2, (8, 7), dtype="float64", backend=backend)
        sv.Trainer(vae, lr=1e-2, batch_size=16).fit(uniform(0, 50, 9), epochs=3, validation=uniform(1, 9, 9))
        thetas.append(vae.theta)
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=0, atol=1e-10)
    assert get_backend("native").on_host


@needs_compiler
def test_a_compiled_library_is_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = 'extern "C" int scratchvae_test_seven() { return 7; } extern "C" int scratchvae_test_eight() { return 8; }'
    for _ in range(2):
        compiler.compile_functions.cache_clear()
        functions = compiler.compile_functions(source, "scratchvae_test_seven", "scratchvae_test_eight")
        assert [function() for function in functions] == [7, 8]
    assert len(list((cache_folder() / "native").iterdir())) == 1


@needs_compiler
def test_a_library_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "damaged").write_bytes(b"no library")
    monkeypatch.setattr(compiler, "_compile", lambda *_: tmp_path / "damaged")
    with pytest.raises(BackendError, match=r"cannot load .*\.so; delete it, and it is compiled again"):
        compiler.compile_functions("", "scratchvae_test_damaged")


@needs_compiler
def test_a_compile_error_is_reported_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BackendError, match=r"cannot compile a kernel \(.*nowhere"):
        compiler.compile_functions("int f() { return nowhere; }", "scratchvae_test_wrong")
    assert not list(tmp_path.rglob("*.so"))


@needs_compiler
def test_flags_that_the_compiler_does_not_know_are_omitted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "FAST", ("--no-such-flag",))
    compiler.compile_functions.cache_clear()
    assert compiler.compile_functions('extern "C" int f() { return 3; }', "f")[0]() == 3


@pytest.mark.skipif(sys.platform == "win32", reason="the backend does not search for a compiler on Windows")
def test_a_missing_compiler_is_named_with_advice(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler -O9")
    with pytest.raises(BackendError, match=r"no no-such-compiler.*\$CXX"):
        compiler.find_compiler()
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BackendError, match=r"found no c\+\+, g\+\+ or clang\+\+; install GCC or Clang"):
        compiler.find_compiler()
    assert get_backend("numpy") is NUMPY


def test_windows_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(BackendError, match="'native' is for Linux and macOS; on Windows, use backend='numpy'"):
        compiler.find_compiler()


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 4), k=st.integers(1, 4), s=st.integers(1, 4), p=st.integers(0, 3), seed=seeds
)
def test_windows_are_copied_and_added_as_by_views(shape, k, s, p, seed, dtype):
    rows, height, width, channels = shape
    p = min(p, k - 1)
    picture = max(height, k - 2 * p), max(width, k - 2 * p), channels
    plain = Patches(picture, k, s, p)
    plain.allocate(BatchBuffers(NUMPY, dtype, rows))
    windows = native.Windows(picture, k, s, p, plain.places, dtype)
    x = normal(seed, plain.rows, int(np.prod(picture))).astype(dtype)
    expected = plain.gather(x)
    out = np.full_like(expected, np.nan)
    windows.gather(x, out)
    assert np.array_equal(out, expected)
    expected[...] = normal(seed + 1, *expected.shape)
    sums, wanted = np.full_like(x, np.nan), np.empty_like(x)
    windows.scatter(expected, sums)
    plain.scatter(wanted)
    np.testing.assert_allclose(sums, wanted, rtol=0, atol=64 * np.finfo(dtype).eps)


@needs_compiler
def test_a_convolution_takes_rows_with_gaps():
    layer = fused(Conv2d(1, 2, 2, seed=0), get_backend("native"))
    layer.bind(BatchBuffers(get_backend("native"), "float64", 4), (3, 3, 1))
    wide = normal(0, 4, 18)
    assert np.array_equal(layer.forward(wide[:, ::2]).copy(), layer.forward(wide[:, ::2].copy()))
