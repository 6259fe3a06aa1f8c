"""Tests of flat vectors, batch buffers and modules that bind themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds, uniform

import scratchvae as sv
from scratchvae.backend import NUMPY
from scratchvae.errors import ShapeError
from scratchvae.layers import ReLU
from scratchvae.memory import BatchBuffers, FlatVector, Module

shapes = st.dictionaries(
    st.text("abc.", min_size=1, max_size=4), st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), max_size=5
)


@given(shapes, seeds)
def test_views_share_the_memory_of_the_vector_in_the_order_of_the_names(shapes, seed):
    flat = FlatVector(np, shapes, "float64")
    assert {name: view.shape for name, view in flat.views.items()} == shapes
    rng = np.random.default_rng(seed)
    for view in flat.views.values():
        view[...] = rng.standard_normal(view.shape)
    joined = [view.ravel() for view in flat.views.values()]
    assert np.array_equal(flat.data, np.concatenate(joined) if joined else np.empty(0))


def test_with_prefix_returns_the_views_of_one_part_only():
    flat = FlatVector(np, {"a.0.W": (2, 3), "ab.0.W": (1,), "a.1.b": (4,)}, "float32")
    assert list(flat.with_prefix("a")) == ["0.W", "1.b"]
    assert np.shares_memory(flat.with_prefix("a")["1.b"], flat.data)


def test_row_slices_of_a_buffer_are_contiguous():
    matrix = BatchBuffers(NUMPY, "float32", 8).matrix(5)
    assert matrix.shape == (8, 5)
    assert matrix[:3].flags.c_contiguous


def test_a_module_without_output_shape_is_refused():
    with pytest.raises(NotImplementedError, match=r"Module lacks output_shape\(input_shape\)"):
        Module().bind(BatchBuffers(NUMPY, "float32", 1), (1,))


def test_backward_before_forward_is_refused_for_bound_and_unbound_modules():
    bound = ReLU()
    bound.bind(BatchBuffers(NUMPY, "float64", 3), (2,))
    for module in (bound, ReLU()):
        with pytest.raises(ShapeError, match="call forward first"):
            module.backward(np.ones((3, 2)))


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 2, 2)])
def test_a_module_that_binds_itself_refuses_inputs_that_are_not_rows(shape):
    with pytest.raises(ShapeError, match="one row per sample"):
        ReLU().forward(np.ones(shape))


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_vectors_and_buffers_on_the_host_are_aligned_to_cache_lines(dtype):
    vae = sv.VAE(9, 2, (8,), dtype=dtype)
    trainer = sv.Trainer(vae)
    trainer.step(uniform(0, 3, 9))
    vectors = (vae.theta, vae.dtheta, trainer.optimizer.m, trainer.optimizer.v, BatchBuffers(NUMPY, dtype, 3).matrix(5))
    assert [array.ctypes.data % 64 for array in vectors] == [0] * 5
    assert all(array.flags.c_contiguous for array in vectors)
