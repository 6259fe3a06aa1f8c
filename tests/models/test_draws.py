"""`Draws`: several latent draws of one row as separate rows."""

import numpy as np
from strategies import normal

from scratchvae.backend import NUMPY, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.memory import BatchBuffers
from scratchvae.models.draws import Draws


def bound_draws(count, backend=NUMPY, rows=5, classes=2):
    draws = Draws(count)
    draws.bind(BatchBuffers(backend, "float64", rows), 4, 9, classes)
    return draws


def test_one_draw_returns_its_arguments_unchanged():
    draws, arrays = bound_draws(1), (normal(0, 5, 4), normal(1, 5, 9), normal(2, 5, 3))
    assert all(array is result for array, result in zip(arrays, draws.forward(*arrays), strict=True))
    targets = np.eye(2)[[0, 1, 1, 0, 1]]
    assert draws.repeat(targets) is targets and draws.repeat(None) is None
    assert draws.backward(arrays[0]) is arrays[0]
    assert draws.backward_inputs(*arrays[1:]) == arrays[1:]
    assert not any(hasattr(repeat, "input_shape") for repeat in (draws.repeat_h, draws.repeat_x, draws.repeat_targets))


def test_several_draws_repeat_rows_and_sum_their_gradients():
    for count in (2, 3):
        draws, h, x, eps = bound_draws(count), normal(0, 5, 4), normal(1, 5, 9), normal(2, 5, 3 * count)
        h_repeated, x_repeated, eps_repeated = draws.forward(h, x, eps)
        assert np.array_equal(h_repeated, np.repeat(h, count, axis=0)) and np.array_equal(
            x_repeated, np.repeat(x, count, axis=0)
        )
        assert np.array_equal(eps_repeated, eps.reshape(5 * count, 3)) and np.shares_memory(eps_repeated, eps)
        targets = np.eye(2)[[0, 1, 1, 0, 1]]
        assert np.array_equal(draws.repeat(targets), np.repeat(targets, count, axis=0)) and draws.repeat(None) is None
        dh, dx, deps = normal(3, 5 * count, 4), normal(4, 5 * count, 9), normal(5, 5 * count, 3)
        np.testing.assert_allclose(draws.backward(dh), dh.reshape(5, count, 4).sum(axis=1), rtol=1e-14)
        summed_dx, reshaped_deps = draws.backward_inputs(dx, deps)
        np.testing.assert_allclose(summed_dx, dx.reshape(5, count, 9).sum(axis=1), rtol=1e-14)
        assert np.array_equal(reshaped_deps, deps.reshape(5, 3 * count))


def test_draws_give_the_same_on_a_device():
    host, device = bound_draws(3), bound_draws(3, FAKE_CUPY)
    arrays, targets = (normal(0, 5, 4), normal(1, 5, 9), normal(2, 5, 9)), np.eye(2)[[0, 1, 1, 0, 1]]
    for ours, theirs in zip(host.forward(*arrays), device.forward(*map(FAKE_CUPY.upload, arrays)), strict=True):
        assert np.array_equal(to_numpy(theirs), ours)
    assert np.array_equal(to_numpy(device.repeat(FAKE_CUPY.upload(targets))), host.repeat(targets))
    dh = normal(3, 15, 4)
    assert np.array_equal(to_numpy(device.backward(FAKE_CUPY.upload(dh))), host.backward(dh))
