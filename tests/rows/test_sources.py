"""Rows of several files, of a sparse matrix and of a selection: the same as those of the array that they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, seeds

from scratchvae.errors import DataError, DTypeError, ShapeError
from scratchvae.rows import (
    RowReader,
    RowSelection,
    ShardedRows,
    SparseRows,
    dense,
    extremes,
    is_pattern,
    is_sparse,
    open_shards,
)

sparse = pytest.importorskip("scipy.sparse")


def sources(seed):
    """Pairs of a source and the array that it stands for."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, (rng.integers(1, 40), rng.integers(1, 6))).astype(rng.choice(["u1", "i4", "f4", "f8"]))
    x[rng.random(x.shape) < 0.6] = 0
    cuts = np.sort(rng.integers(0, len(x) + 1, 3))
    parts = [part for part in np.split(x, cuts) if len(part)]
    chosen = rng.integers(0, len(x), rng.integers(1, 30))
    ascending = np.flatnonzero(rng.random(len(x)) < 0.9)
    yield ShardedRows(parts), x
    yield SparseRows(sparse.csr_array(x)), x
    yield SparseRows(sparse.csr_matrix(x)), x
    yield RowSelection(ShardedRows(parts), chosen), x[chosen]
    yield RowSelection(x, ascending), x[ascending]
    yield RowSelection(SparseRows(sparse.csr_array(x)), ascending), x[ascending]


@examples(40, 400)
@given(seeds, st.data())
def test_a_source_reads_and_gathers_the_rows_of_its_array(seed, data):
    for source, x in sources(seed):
        assert source.shape == x.shape
        assert (source.dtype, source.ndim, source.size, source.nbytes) == (x.dtype, x.ndim, x.size, x.nbytes)
        np.testing.assert_array_equal(dense(source), x)
        np.testing.assert_array_equal(np.asarray(source), x)
        if not len(x):
            continue
        index = st.integers(-len(x), len(x) - 1)
        start, stop = data.draw(index), data.draw(index)
        indices = np.array(data.draw(st.lists(st.integers(0, len(x) - 1), max_size=9)), int)
        for rows in (slice(start, stop), slice(start, stop, 2), slice(None, None, -1), indices, x[:, 0] > 2, start):
            found = source[rows]
            assert found.dtype == x.dtype
            np.testing.assert_array_equal(found, x[rows])
        reader, out = RowReader(source), np.empty((len(indices), x.shape[1]), x.dtype)
        reader.gather(indices, out)
        np.testing.assert_array_equal(out, x[indices])
        np.testing.assert_array_equal(np.concatenate([source[part] for part in reader.slices(3)]), x)
        assert extremes(source) == (x.min(), x.max())


def test_numbers_of_one_cell_of_a_sparse_matrix_are_added():
    matrix = sparse.csr_array((np.array([1, 2, 4, 8]), np.array([1, 1, 0, 1]), np.array([0, 2, 2, 4])), (3, 2))
    np.testing.assert_array_equal(dense(SparseRows(matrix)), [[0, 3], [0, 0], [4, 8]])
    np.testing.assert_array_equal(SparseRows(matrix)[np.array([2, 0, 0])], [[4, 8], [0, 3], [0, 3]])


def test_columns_in_any_order_are_read():
    matrix = sparse.csr_array((np.array([1, 2, 4]), np.array([2, 0, 1]), np.array([0, 2, 3])), (2, 3))
    np.testing.assert_array_equal(dense(SparseRows(matrix)), [[2, 0, 1], [0, 4, 0]])


def test_nan_is_no_extreme():
    assert extremes(np.array([[np.nan, 2.0], [5.0, np.nan]])) == (2.0, 5.0)
    assert extremes(np.full((2, 2), np.nan)) == (np.inf, -np.inf)


class Forged:
    """The attributes of a CSR matrix."""

    format, nnz, tocsr = "csr", 1, None

    def __init__(self, data, indices, indptr, shape):
        self.data, self.indices, self.indptr, self.shape = map(np.array, (data, indices, indptr, shape))


@pytest.mark.parametrize(
    ("indices", "indptr"),
    [([5], [0, 1, 1]), ([-1], [0, 1, 1]), ([0], [0, 1]), ([0], [0, 2, 1]), ([0], [1, 1, 1]), ([], [0, 1, 1])],
    ids=["column", "negative column", "rows", "falling", "start", "too few"],
)
def test_a_damaged_sparse_matrix_is_refused(indices, indptr):
    with pytest.raises(ShapeError, match=r"damaged sparse matrix.* make it again"):
        SparseRows(Forged([1.0], np.array(indices, int), indptr, (2, 3)))


@pytest.mark.parametrize("kind", ["csc", "coo", "lil", "dok", "bsr", "dia"])
def test_other_sparse_formats_are_refused_with_what_to_do(kind):
    matrix = sparse.eye_array(3).asformat(kind)
    assert is_sparse(matrix)
    with pytest.raises(DTypeError, match=rf"x is a sparse matrix of format '{kind}'; expected CSR: pass x.tocsr\(\)"):
        SparseRows(matrix)


def test_a_sparse_array_of_one_axis_is_refused():
    with pytest.raises(ShapeError, match=r"shape \(3,\); expected \(N, D\)"):
        SparseRows(sparse.csr_array(np.ones(3)), "x")


# --- files


@pytest.fixture
def folder(tmp_path):
    x = np.arange(60, dtype="u1").reshape(20, 3)
    for name, part in (("a", x[:7]), ("b", x[7:8]), ("empty", x[:0]), ("z", x[8:])):
        np.save(tmp_path / f"{name}.npy", part)
    return tmp_path


def test_a_list_a_pattern_and_a_folder_name_files(folder):
    x = np.arange(60, dtype="u1").reshape(20, 3)
    for source in (folder, str(folder), f"{folder}/*.npy", folder / "*.npy"):
        np.testing.assert_array_equal(dense(open_shards(source)), x)
    reverse = open_shards([folder / "z.npy", str(folder / "a.npy")])
    np.testing.assert_array_equal(dense(reverse), np.concatenate([x[8:], x[:7]]))
    np.testing.assert_array_equal(dense(open_shards(folder / "a.npy")), x[:7])


def test_pictures_become_rows(tmp_path):
    pictures = np.arange(2 * 3 * 4 * 3, dtype="u1").reshape(2, 3, 4, 3)
    np.save(tmp_path / "a.npy", pictures)
    rows = open_shards(tmp_path)
    assert rows.pictures == (3, 4, 3)
    np.testing.assert_array_equal(dense(rows), pictures.reshape(2, -1))


def test_a_file_in_fortran_order_is_read(tmp_path):
    x = np.arange(12.0).reshape(4, 3)
    np.save(tmp_path / "a.npy", np.asfortranarray(x))
    rows = open_shards(tmp_path)
    np.testing.assert_array_equal(dense(rows), x)
    np.testing.assert_array_equal(rows[np.array([3, 0])], x[[3, 0]])


def test_an_existing_name_with_brackets_is_no_pattern(tmp_path):
    np.save(tmp_path / "a[1].npy", np.ones((2, 3)))
    assert is_pattern(str(tmp_path / "a[2].npy"))
    assert not is_pattern(str(tmp_path / "a[1].npy"))
    assert not is_pattern(3)
    assert open_shards(tmp_path / "a[1].npy").shape == (2, 3)


REFUSED = {
    "no match": ({}, "q*.npy", DataError, "names no file; expected .npy files"),
    "an empty folder": ({}, "", DataError, "names no file"),
    "no file": ({}, "a.npy", DataError, "cannot be read"),
    "no rows": ({"a": np.ones((0, 3))}, "", DataError, "no rows in its 1 .npy files"),
    "another width": ({"a": np.ones((2, 3)), "b": np.ones((2, 4))}, "", ShapeError, "expected the same in all files"),
    "another dtype": ({"a": np.ones((2, 3)), "b": np.ones((2, 3), "f4")}, "", ShapeError, "rows of 3 float32 numbers"),
    "another shape": ({"a": np.ones((2, 4)), "b": np.ones((2, 2, 2))}, "", ShapeError, "rows of 2 × 2 float64 numbers"),
    "one axis": ({"a": np.ones(3)}, "", ShapeError, "expected (N, D), (N, H, W) or (N, H, W, C)"),
    "no columns": ({"a": np.ones((2, 0))}, "", ShapeError, "expected (N, D)"),
    "pictures in Fortran order": ({"a": np.ones((2, 3, 4), order="F")}, "", ShapeError, "in Fortran order"),
    "texts": ({"a": np.array([["b"]])}, "", DTypeError, "expected real numbers"),
    "complex": ({"a": np.ones((2, 3), complex)}, "", DTypeError, "holds complex128; expected real numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_no_shards_are_refused(tmp_path, name):
    arrays, source, error, message = REFUSED[name]
    for stem, array in arrays.items():
        np.save(tmp_path / f"{stem}.npy", array)
    with pytest.raises(error) as caught:
        open_shards(tmp_path / source)
    assert message in caught.value.message


def test_files_of_another_kind_are_refused_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones(3))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "cut.npy", np.ones((9, 9)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-8])
    (tmp_path / "text.npy").write_text("1 2 3")
    for name, message in {
        "a.npz": "which cannot be mapped; expected a .npy file",
        "objects.npy": "expected real numbers",
        "cut.npy": "claims shape",
        "text.npy": "neither a .npy",
    }.items():
        with pytest.raises(DataError, match=name) as caught:
            open_shards([tmp_path / name])
        assert message in caught.value.message
