"""One pass over the data, part by part, finds what passes over the whole find."""

import numpy as np
import pytest
from drawing import uniform

import scratchvae as sv
from scratchvae.errors import RangeError
from scratchvae.models import door

ROWS, WIDTH = 60, 7


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(door, "AT_ONCE", 13 * 4 * WIDTH)  # of float32, parts of 13 rows


@pytest.fixture
def vae():
    return sv.VAE(WIDTH, 2, (3,))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4", bool, np.uint8])
@pytest.mark.parametrize("rows", [1, 6, 13, 26, ROWS])
def test_the_mean_of_the_rows_is_numpys_to_the_bit(vae, dtype, rows):
    x = (uniform(0, ROWS, WIDTH) ** 9 * (1 if np.dtype(dtype).kind == "f" else 2)).astype(dtype)[:rows]
    expected, mean = np.mean(x, axis=0, dtype=np.float64), np.full(WIDTH, np.nan)
    for array in (x, np.repeat(x, 2, axis=0)[::2], np.asfortranarray(x)):
        assert vae.admit_data(array, "x", mean) is array
        assert np.array_equal(mean, expected)


def test_the_mean_of_no_range_that_was_refused_is_asked_for(vae):
    x = uniform(0, ROWS, WIDTH)
    x[3, 2], x[4, 2] = np.inf, -np.inf  # whose sum is no number, of which NumPy would warn
    with pytest.raises(RangeError, match="NaN or infinite"):
        vae.admit_data(x, "x", np.empty(WIDTH))


@pytest.mark.parametrize("at", [0, 12, 13, 40, ROWS - 1])
def test_what_is_out_of_range_is_found_wherever_it_is(vae, at):
    x = uniform(0, ROWS, WIDTH)
    for value, message in ((np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite"), (1.5, "1.5"), (-0.5, "-0.5")):
        spoilt = x.copy()
        spoilt[at, 4] = value
        for mean in (None, np.empty(WIDTH)):
            with pytest.raises(RangeError, match=message):
                vae.admit_data(spoilt, "x", mean)


@pytest.mark.parametrize("first", [True, False])
def test_the_ends_of_the_range_are_those_of_all_rows_and_nan_outweighs_them(vae, first):
    x = uniform(0, ROWS, WIDTH)
    x[2], x[-3] = (7.0, -3.0) if first else (-3.0, 7.0)
    with pytest.raises(RangeError, match="x holds values from -3 to 7; expected 0 to 1: shift"):
        vae.admit_data(x)
    x[-1 if first else 0, 1] = np.nan
    with pytest.raises(RangeError, match="NaN"):
        vae.admit_data(x)
