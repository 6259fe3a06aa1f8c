"""Binarization: a grey value is the probability of a one."""

import numpy as np
import pytest

from scratchvae.rng import BITS_AT_ONCE, fill_random_bits
from scratchvae.training import binarize
from scratchvae.training.binarize import Binarizer


@pytest.mark.parametrize(
    "dtype", ["float32", *(pytest.param(d, marks=pytest.mark.slow) for d in ("float64", "longdouble"))]
)
def test_the_frequency_of_ones_over_all_draws_is_the_grey_value(monkeypatch, dtype):
    draws = np.arange(2**16, dtype=np.uint16)
    monkeypatch.setattr(binarize, "fill_random_bits", lambda u, rng: np.copyto(u, draws[:, None]))
    x = np.append(np.arange(256) / 255, [1e-9, 1 - 1e-7, 1e-4, 0.3]).astype(dtype)
    on = Binarizer(None, np.dtype(dtype))(np.tile(x, (2**16, 1)))
    assert on.dtype == dtype
    assert set(np.unique(on)) == {0, 1}
    chance = on.mean(axis=0, dtype="float64")
    assert np.abs(chance - x).max() <= 2**-16
    assert chance[0] == 0
    assert chance[255] == 1


@pytest.mark.parametrize("size", [1, 7, BITS_AT_ONCE, 3 * BITS_AT_ONCE + 5])
def test_random_bits_fill_any_size_without_repetition(size):
    u, again = np.zeros((2, size), np.uint16)
    rng = np.random.default_rng(0)
    fill_random_bits(u, rng)
    fill_random_bits(again, rng)
    if size > 7:
        bits = np.unpackbits(u.view(np.uint8))
        assert abs(bits.mean() - 0.5) < 4 * 0.5 / np.sqrt(bits.size)
        assert np.mean(u == again) < 0.01
        assert np.mean(u[: size // 2] == u[size // 2 : 2 * (size // 2)]) < 0.01


def test_a_shorter_batch_after_a_longer_one_is_drawn_again():
    binarizer = Binarizer(np.random.default_rng(0), np.dtype("float32"))
    x = np.full((50, 40), 0.5, np.float32)
    first = binarizer(x).copy()
    second = binarizer(x[:30])
    assert second.shape == (30, 40)
    assert 0.4 < np.mean(first[:30] == second) < 0.6
