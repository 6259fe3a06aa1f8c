"""One pass over the data, part by part, finds what passes over the whole find."""

import fake_cupy
import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import DataError, RangeError
from scratchvae.memory import RowReader
from scratchvae.models import input_validation

ROWS, WIDTH = 60, 7


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(input_validation, "CHUNK_BYTES", 13 * 4 * WIDTH)  # of float32, parts of 13 rows


@pytest.fixture
def vae():
    return sv.VAE(WIDTH, 2, (3,))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4", bool, np.uint8])
@pytest.mark.parametrize("rows", [1, 6, 13, 26, ROWS])
def test_the_mean_of_the_rows_is_numpys_to_the_bit(vae, dtype, rows):
    x = (uniform(0, ROWS, WIDTH) ** 9 * (1 if np.dtype(dtype).kind == "f" else 2)).astype(dtype)[:rows]
    expected, mean = np.mean(x, axis=0, dtype=np.float64), np.full(WIDTH, np.nan)
    for array in (x, np.repeat(x, 2, axis=0)[::2], np.asfortranarray(x)):
        assert vae.check_data(array, "x", mean) is array
        assert np.array_equal(mean, expected)


def test_the_mean_of_no_range_that_was_refused_is_asked_for(vae):
    x = uniform(0, ROWS, WIDTH)
    x[3, 2], x[4, 2] = np.inf, -np.inf  # whose sum is not a number, of which NumPy would warn
    with pytest.raises(RangeError, match="NaN or infinite"):
        vae.check_data(x, "x", np.empty(WIDTH))


@pytest.mark.parametrize("at", [0, 12, 13, 40, ROWS - 1])
def test_what_is_out_of_range_is_found_wherever_it_is(vae, at):
    x = uniform(0, ROWS, WIDTH)
    for value, message in ((np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite"), (1.5, "1.5"), (-0.5, "-0.5")):
        spoilt = x.copy()
        spoilt[at, 4] = value
        for mean in (None, np.empty(WIDTH)):
            with pytest.raises(RangeError, match=message):
                vae.check_data(spoilt, "x", mean)


@pytest.mark.parametrize(("at_once", "rows"), [(13 * 4 * WIDTH, 13), (1, 1), (4 * WIDTH - 1, 1)])
def test_a_part_has_as_many_rows_as_the_cache_holds(vae, monkeypatch, at_once, rows):
    asked, parts = [], RowReader.slices
    monkeypatch.setattr(input_validation, "CHUNK_BYTES", at_once)
    monkeypatch.setattr(RowReader, "slices", lambda self, rows: (asked.append(rows), parts(self, rows))[1])
    vae.check_data(uniform(0, ROWS, WIDTH).astype("float32"))
    assert asked == [rows]


def test_a_few_rows_in_memory_are_looked_at_whole_and_those_of_a_map_are_not(vae, monkeypatch, tmp_path):
    x, seen, parts = uniform(0, 13, WIDTH).astype("float32"), [], RowReader.slices
    monkeypatch.setattr(RowReader, "slices", lambda self, rows: (seen.append(self.mapped), parts(self, rows))[1])
    np.save(tmp_path / "x.npy", x)
    vae.check_data(x)
    assert seen == []
    vae.check_data(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert seen == [True]


def test_rows_on_a_device_are_looked_at_whole_for_each_look_stops_it(monkeypatch):
    monkeypatch.setattr(input_validation, "CHUNK_BYTES", 1)
    vae, before = sv.VAE(WIDTH, 2, (3,), backend=fake_cupy.FAKE_CUPY), fake_cupy.reads
    vae.check_data(fake_cupy.DeviceArray(uniform(0, ROWS, WIDTH)))
    assert fake_cupy.reads - before == 2


def test_data_in_a_file_that_was_cut_is_refused_by_its_name(vae, monkeypatch):
    def cut(self):
        raise DataError(self.name)

    monkeypatch.setattr(RowReader, "_check", cut)
    with pytest.raises(DataError, match=r"^mine$"):
        vae.check_data(uniform(0, ROWS, WIDTH), "mine")


@pytest.mark.parametrize("first", [True, False])
def test_the_ends_of_the_range_are_those_of_all_rows_and_nan_outweighs_them(vae, first):
    x = uniform(0, ROWS, WIDTH)
    x[2], x[-3] = (7.0, -3.0) if first else (-3.0, 7.0)
    with pytest.raises(RangeError, match="x holds values from -3 to 7; expected 0 to 1: shift"):
        vae.check_data(x)
    x[-1 if first else 0, 1] = np.nan
    with pytest.raises(RangeError, match="NaN"):
        vae.check_data(x)
