"""The UCI tables."""

import hashlib

import numpy as np
import pytest

from scratchvae.datasets import load, uci
from scratchvae.errors import DataError
from scratchvae.models import VAE

ROWS = [[f"P{k}", f"{k}.5", f"-{k}e-2", "late" if k % 3 else "early"] for k in range(12)]
CELLS = "".join(",".join(row) + "\n" for row in ROWS)
SHA256 = hashlib.sha256(CELLS.encode()).hexdigest()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a replacement for the yeast table with known cells; return its folder."""
    table = uci.UCITable("yeast.data", 1, slice(1, -1), ("mcg", "gvh"), -1, SHA256)
    monkeypatch.setitem(uci.TABLES, "uci/yeast", table)

    def write(content):
        (tmp_path / table.file).write_bytes(content)
        return tmp_path

    return write


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte-order mark"])
@pytest.mark.parametrize("between", [",", ";", "\t", " ", " \t", ", "])
def test_the_same_cells_are_read_from_any_layout(write, end, mark, between):
    lines = ["# about", "#", "name of;the\tcolumns, at last", *(between.join(row) + " " for row in ROWS), ""]
    data = load("uci/yeast", folder=write((mark + end.join(lines)).encode()))
    assert (data.name, data.image_shape) == ("uci/yeast", None)
    rows = data.part("all")
    assert rows.images.dtype == np.float64
    assert np.array_equal(rows.images, [[k + 0.5, -k * 1e-2] for k in range(12)])
    assert rows.labels.tolist() == [0 if k % 3 == 0 else 1 for k in range(12)]
    assert (data.columns, data.classes) == (("mcg", "gvh"), ("early", "late"))
    assert np.array_equal(data.test.images, rows.images[9:10])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-9],
        lambda text: text.replace("3.5", "3.6"),
        lambda text: text.replace("late", "never", 1),
        lambda text: text.replace("P5,5.5", "P5,"),
        lambda text: text.replace("P5,", ""),
        lambda text: text + "P12,1,2,late\n",
        lambda text: "\n".join(reversed(text.split("\n"))),
        lambda text: "<html>not found</html>",
        lambda text: "",
    ],
    ids=["truncated", "a number", "a class", "a hole", "a cell less", "a row more", "turned round", "a page", "empty"],
)
def test_other_cells_are_refused(write, change):
    with pytest.raises(DataError, match=f"yeast.data: the content has SHA-256.*expected {SHA256[:8]}"):
        load("uci/yeast", folder=write(change("names\n" + CELLS).encode()))


def test_a_too_large_file_is_refused_without_reading(write):
    with pytest.raises(DataError, match=r"yeast.data cannot be read .*expected at most 1048576"):
        load("uci/yeast", folder=write(b"1," * (1 << 20)))


def test_a_binary_file_is_refused(write):
    with pytest.raises(DataError, match=r"yeast.data cannot be read.*download it again"):
        load("uci/yeast", folder=write(b"\xff\xfe\x00"))


def test_the_wines_have_the_names_of_their_header(real_set):
    for name in ("uci/red-wine", "uci/white-wine"):
        data = real_set(name)
        assert data.columns[0] == "fixed acidity"
        alcohol = data.columns.index("alcohol")
        assert 8 <= data.train.images[:, alcohol].min() < data.train.images[:, alcohol].max() <= 15
    assert real_set("uci/yeast").classes[:2] == ("CYT", "ERL")


@pytest.mark.parametrize(
    ("name", "shape", "column", "mean", "classes"),
    [
        ("uci/concrete", (1030, 9), -1, 35.818, None),
        ("uci/red-wine", (1599, 12), -1, 5.63602, None),
        ("uci/white-wine", (4898, 12), -1, 5.87791, None),
        ("uci/banknote", (1372, 4), 0, 0.433735, [762, 610]),
        ("uci/yeast", (1484, 8), 0, 0.500121, [463, 5, 35, 44, 51, 163, 244, 429, 20, 30]),
    ],
)
def test_real_tables_have_the_known_size_mean_and_classes(real_set, name, shape, column, mean, classes):
    data = real_set(name)
    rows = data.part("all")
    assert rows.images.shape == shape
    assert len(data.test.images) == shape[0] // 10
    assert rows.images[:, column].mean() == pytest.approx(mean, rel=1e-5)
    assert len(data.columns) == shape[1]
    assert (data.classes is None) == (classes is None)
    assert (rows.labels if classes is None else np.bincount(rows.labels).tolist()) == classes


def test_a_bernoulli_model_refuses_a_table(write):
    data = load("uci/yeast", folder=write(("names\n" + CELLS).encode()))
    with pytest.raises(ValueError, match="uci/yeast holds values from"):
        VAE(input_dim=2, latent_dim=1).check_data(data.train.images, data.name)
