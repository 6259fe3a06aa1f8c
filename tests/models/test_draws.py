"""Several draws of a row, as rows of their own."""

import numpy as np
from fake_cupy import FAKE_CUPY
from strategies import normal

from scratchvae.backend import NUMPY, to_numpy
from scratchvae.memory import BatchBuffers
from scratchvae.models.draws import Draws


def bound(count, backend=NUMPY, rows=5, classes=2):
    draws = Draws(count)
    draws.bind(BatchBuffers(backend, "float64", rows), 4, 9, classes)
    return draws


def test_with_one_draw_everything_passes_as_it_is():
    draws, arrays = bound(1), (normal(0, 5, 4), normal(1, 5, 9), normal(2, 5, 3))
    assert all(given is taken for given, taken in zip(arrays, draws.forward(*arrays), strict=True))
    targets = np.eye(2)[[0, 1, 1, 0, 1]]
    assert draws.repeat(targets) is targets and draws.repeat(None) is None
    assert draws.backward(arrays[0]) is arrays[0]
    assert draws.backward_inputs(*arrays[1:]) == arrays[1:]
    assert not any(hasattr(repeat, "input_shape") for repeat in (draws.repeat_h, draws.repeat_x, draws.repeat_targets))


def test_with_several_each_row_comes_so_often_with_noise_of_its_own_and_its_gradients_are_added():
    for count in (2, 3):
        draws, h, x, eps = bound(count), normal(0, 5, 4), normal(1, 5, 9), normal(2, 5, 3 * count)
        h_tall, x_tall, eps_tall = draws.forward(h, x, eps)
        assert np.array_equal(h_tall, np.repeat(h, count, axis=0)) and np.array_equal(
            x_tall, np.repeat(x, count, axis=0)
        )
        assert np.array_equal(eps_tall, eps.reshape(5 * count, 3)) and np.shares_memory(eps_tall, eps)
        targets = np.eye(2)[[0, 1, 1, 0, 1]]
        assert np.array_equal(draws.repeat(targets), np.repeat(targets, count, axis=0)) and draws.repeat(None) is None
        dh, dx, deps = normal(3, 5 * count, 4), normal(4, 5 * count, 9), normal(5, 5 * count, 3)
        np.testing.assert_allclose(draws.backward(dh), dh.reshape(5, count, 4).sum(axis=1), rtol=1e-14)
        given_dx, given_deps = draws.backward_inputs(dx, deps)
        np.testing.assert_allclose(given_dx, dx.reshape(5, count, 9).sum(axis=1), rtol=1e-14)
        assert np.array_equal(given_deps, deps.reshape(5, 3 * count))


def test_on_a_device_it_is_the_same():
    here, there = bound(3), bound(3, FAKE_CUPY)
    arrays, targets = (normal(0, 5, 4), normal(1, 5, 9), normal(2, 5, 9)), np.eye(2)[[0, 1, 1, 0, 1]]
    for ours, theirs in zip(here.forward(*arrays), there.forward(*map(FAKE_CUPY.upload, arrays)), strict=True):
        assert np.array_equal(to_numpy(theirs), ours)
    assert np.array_equal(to_numpy(there.repeat(FAKE_CUPY.upload(targets))), here.repeat(targets))
    dh = normal(3, 15, 4)
    assert np.array_equal(to_numpy(there.backward(FAKE_CUPY.upload(dh))), here.backward(dh))
