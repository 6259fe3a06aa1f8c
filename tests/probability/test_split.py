"""Tests of splitting a row into two halves."""

import numpy as np
import pytest
from hypothesis import given
from strategies import batches, normal, seeds, widths

from scratchvae.errors import ShapeError
from scratchvae.probability import SplitHalves


@given(batches, widths, seeds)
def test_split_copies_both_halves_and_joins_their_gradients(batch, half, seed):
    layer, x = SplitHalves(), normal(seed, batch, 2 * half)
    left, right = layer.forward(x)
    assert np.array_equal(np.hstack([left, right]), x)
    assert left.flags.c_contiguous and right.flags.c_contiguous
    dx = layer.backward(left.copy(), right.copy())
    assert np.array_equal(dx, x)


def test_an_odd_number_of_columns_is_refused():
    with pytest.raises(ShapeError, match="rows of width 3; expected an even width"):
        SplitHalves().forward(normal(0, 4, 3))
