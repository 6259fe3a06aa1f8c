"""Input validation: one pass over the data in chunks finds the range and the mean of all rows."""

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import fake_cupy
from scratchvae.errors import DataError, DTypeError, RangeError
from scratchvae.models import input_validation
from scratchvae.rows import RowReader

ROWS, WIDTH = 60, 7


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(input_validation, "CHUNK_BYTES", 13 * 4 * WIDTH)  # chunks of 13 float32 rows


@pytest.fixture
def vae():
    return sv.VAE(WIDTH, 2, (3,))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4", bool, np.uint8])
@pytest.mark.parametrize("rows", [1, 6, 13, 26, ROWS])
def test_the_mean_of_the_rows_equals_numpys_bit_for_bit(vae, dtype, rows):
    x = (uniform(0, ROWS, WIDTH) ** 9 * (1 if np.dtype(dtype).kind == "f" else 2)).astype(dtype)[:rows]
    expected, mean = np.mean(x, axis=0, dtype=np.float64), np.full(WIDTH, np.nan)
    for array in (x, np.repeat(x, 2, axis=0)[::2], np.asfortranarray(x)):
        assert vae.check_data(array, "x", mean) is array
        assert np.array_equal(mean, expected)


def test_infinite_values_are_refused_before_the_mean_is_computed(vae):
    x = uniform(0, ROWS, WIDTH)
    x[3, 2], x[4, 2] = np.inf, -np.inf  # their sum is NaN; NumPy would warn
    with pytest.raises(RangeError, match="NaN or infinite"):
        vae.check_data(x, "x", np.empty(WIDTH))


@pytest.mark.parametrize("at", [0, 12, 13, 40, ROWS - 1])
def test_values_out_of_range_are_found_in_any_row(vae, at):
    x = uniform(0, ROWS, WIDTH)
    for value, message in ((np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite"), (1.5, "1.5"), (-0.5, "-0.5")):
        x_invalid = x.copy()
        x_invalid[at, 4] = value
        for mean in (None, np.empty(WIDTH)):
            with pytest.raises(RangeError, match=message):
                vae.check_data(x_invalid, "x", mean)


@pytest.mark.parametrize(("at_once", "rows"), [(13 * 4 * WIDTH, 13), (1, 1), (4 * WIDTH - 1, 1)])
def test_a_chunk_has_as_many_rows_as_the_limit_allows(vae, monkeypatch, at_once, rows):
    chunk_sizes, slices = [], RowReader.slices
    monkeypatch.setattr(input_validation, "CHUNK_BYTES", at_once)
    monkeypatch.setattr(RowReader, "slices", lambda self, rows: (chunk_sizes.append(rows), slices(self, rows))[1])
    vae.check_data(uniform(0, ROWS, WIDTH).astype("float32"), "x", np.empty(WIDTH))
    assert chunk_sizes == [rows]


def test_few_rows_in_memory_are_checked_at_once_and_mapped_rows_in_chunks(vae, monkeypatch, tmp_path):
    x, mapped, slices = uniform(0, 13, WIDTH).astype("float32"), [], RowReader.slices
    monkeypatch.setattr(RowReader, "slices", lambda self, rows: (mapped.append(self.mapped), slices(self, rows))[1])
    np.save(tmp_path / "x.npy", x)
    vae.check_data(x)
    assert mapped == []
    vae.check_data(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert mapped == [True]


def test_rows_on_a_device_are_checked_at_once(monkeypatch):
    monkeypatch.setattr(input_validation, "CHUNK_BYTES", 1)
    vae, before = sv.VAE(WIDTH, 2, (3,), backend=fake_cupy.FAKE_CUPY), fake_cupy.reads
    vae.check_data(fake_cupy.DeviceArray(uniform(0, ROWS, WIDTH)))
    assert fake_cupy.reads - before == 2


def test_data_in_a_truncated_file_is_refused_by_name(vae, monkeypatch):
    def raise_truncated(self):
        raise DataError(self.name)

    monkeypatch.setattr(RowReader, "_check", raise_truncated)
    with pytest.raises(DataError, match=r"^mine$"):
        vae.check_data(uniform(0, ROWS, WIDTH), "mine")


@pytest.mark.parametrize("first", [True, False])
def test_the_range_covers_all_rows_and_nan_is_reported_first(vae, first):
    x = uniform(0, ROWS, WIDTH)
    x[2], x[-3] = (7.0, -3.0) if first else (-3.0, 7.0)
    with pytest.raises(RangeError, match="x holds values from -3 to 7; expected 0 to 1: bring them into that range"):
        vae.check_data(x)
    x[-1 if first else 0, 1] = np.nan
    with pytest.raises(RangeError, match="NaN"):
        vae.check_data(x)


@pytest.mark.parametrize("missing", [False, True])
def test_advice_on_missing_values_is_for_rows_of_data_without_labels(missing):
    vae, conditional = sv.VAE(WIDTH, 2, (3,), missing=missing), sv.ConditionalVAE(WIDTH, 2, (3,), classes=3)
    x, z, eps = np.full((4, WIDTH), np.inf), np.full((4, 2), np.nan), np.full((4, 2), np.nan)
    for call in (
        lambda: vae.decode(z),
        lambda: vae.elbo(np.zeros((4, WIDTH)), eps),
        lambda: conditional.embed(np.full((4, WIDTH), np.nan), 1),
    ):
        with pytest.raises(RangeError, match=r"NaN or infinite values; expected finite numbers$"):
            call()
    expected = r"^x holds (NaN or )?infinite values, the first in row 1, column 1; drop those rows"
    with pytest.raises(RangeError, match=expected) as refusal:
        vae.embed(x)
    assert ("make the model with missing=True" in str(refusal.value)) is not missing


def test_an_empty_column_is_counted_from_1():
    x = uniform(0, ROWS, WIDTH)
    x[:, 1] = np.nan
    with pytest.raises(RangeError, match="images has no observed value in column 2, so that nothing"):
        sv.Trainer(sv.VAE(WIDTH, 2, (3,), missing=True)).fit(x, 1)


def test_a_data_set_in_place_of_its_rows_is_named():
    data, vae = sv.datasets.load("digits"), sv.VAE(64, 2, (3,))
    for kind, call in (
        ("Dataset", lambda: sv.Trainer(vae).fit(data, 1)),
        ("Split", lambda: sv.Trainer(vae).fit(data.train, 1)),
        ("Split", lambda: sv.Trainer(vae).fit(data.train.images, 1, validation=data.test)),
        ("Split", lambda: vae.embed(data.train)),
        ("Dataset", lambda: vae.impute(data)),
        ("Dataset", lambda: sv.score(vae, data)),
    ):
        with pytest.raises(DTypeError, match=f" is a {kind}; .* pass its images, as in data.train.images$"):
            call()
    model = sv.ConditionalVAE(64, 2, (3,))
    with pytest.raises(DTypeError, match=r"labels is a Split; .* pass its labels, as in data.train.labels$"):
        model.embed(data.train.images, data.train)
