"""Tests of reading rows of a memory-mapped file: values, memory use, page advice and truncated files."""

import mmap
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds, uniform

from scratchvae.errors import DataError
from scratchvae.rows import RowReader

DATA = uniform(0, 60, 700)

VIEWS = {
    "whole": lambda x: x,
    "first rows": lambda x: x[:40],
    "last rows": lambda x: x[7:],
    "every second": lambda x: x[1::2],
    "backwards": lambda x: x[::-1],
    "some columns": lambda x: x[:, 3:90],
    "columns backwards": lambda x: x[:, ::-1],
    "pictures": lambda x: x.reshape(60, 28, 25)[5:].reshape(55, -1),
    "transposed": lambda x: x.T,
    "a view of a view": lambda x: np.asarray(x[2:])[1:],
    "windows": lambda x: np.lib.stride_tricks.as_strided(x[2:], (50, 10), (x.strides[0], x.strides[1])),
}


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "data.npy", DATA)
    return tmp_path / "data.npy"


def open_map(path, mode="r"):
    return np.load(path, mmap_mode=mode)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("view", VIEWS)
@given(seed=seeds, count=st.integers(1, 80), slice_rows=st.integers(1, 70))
def test_a_view_of_a_memory_map_reads_the_same_rows_as_in_memory(path, view, mode, seed, count, slice_rows):
    array, expected = VIEWS[view](open_map(path, mode)), VIEWS[view](DATA)
    indices = np.random.default_rng(seed).integers(0, len(expected), count)
    for source in (array, expected):
        out = np.empty((count, expected.shape[1]))
        RowReader(source).gather(indices, out)
        assert np.array_equal(out, expected[indices])
        slices = list(RowReader(source).slices(slice_rows))
        assert np.array_equal(np.concatenate([source[rows] for rows in slices]), expected)
        assert {rows.stop - rows.start for rows in slices[:-1]} <= {slice_rows}


@pytest.mark.parametrize(
    ("dtype", "skipped"), [("f4", 0), (">f4", 0), ("f8", 3), ("f4", 5 + mmap.ALLOCATIONGRANULARITY)]
)
def test_a_memory_map_of_any_dtype_and_offset_is_gathered(tmp_path, dtype, skipped):
    (tmp_path / "raw").write_bytes(bytes(skipped) + DATA.astype(dtype).tobytes())
    mapped = np.memmap(tmp_path / "raw", dtype, "r", skipped, DATA.shape)
    indices, out = np.arange(59, -1, -1), np.empty(DATA.shape, dtype)
    RowReader(mapped).gather(indices, out)
    assert np.array_equal(out, DATA.astype(dtype)[indices])


@pytest.mark.parametrize("skipped", [0, 3])
def test_gather_copies_only_the_requested_rows(tmp_path, skipped):
    (tmp_path / "raw").write_bytes(bytes(skipped) + DATA.tobytes())
    reader, out = RowReader(np.memmap(tmp_path / "raw", "f8", "r", skipped, DATA.shape)), np.empty((6, 700))
    tracemalloc.start()
    try:
        reader.gather(np.arange(6), out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < DATA.nbytes / 4


class Recorder:
    """A memory map that records calls of `madvise`, and can report another file size or fail."""

    def __init__(self, reader):
        self.length = reader._map.size()
        self.advised_ranges = []
        self.releases = 0
        self.failing = False
        reader._map = self

    def size(self):
        return self.length

    def madvise(self, advice, *page_range):
        if self.failing:
            raise OSError(22, "Invalid argument")
        if advice == mmap.MADV_WILLNEED:
            self.advised_ranges.append(page_range)
        self.releases += advice == mmap.MADV_DONTNEED


needs_madvise = pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="this system has no madvise")


@needs_madvise
@pytest.mark.parametrize("skipped", [0, 24 + 3 * mmap.ALLOCATIONGRANULARITY])
@pytest.mark.parametrize("view", sorted(VIEWS.keys() - {"transposed", "columns backwards"}))
def test_gather_advises_the_pages_of_the_requested_rows(tmp_path, view, skipped):
    (tmp_path / "raw").write_bytes(bytes(skipped) + DATA.tobytes())
    array = VIEWS[view](np.memmap(tmp_path / "raw", "f8", "r", skipped, DATA.shape))
    reader, indices = RowReader(array), np.array([17, 3, 17, 28])
    recorder = Recorder(reader)
    reader.gather(indices, np.empty((4, array.shape[1])))
    content = (tmp_path / "raw").read_bytes()[skipped - skipped % mmap.ALLOCATIONGRANULARITY :]
    assert len(recorder.advised_ranges) == 4
    for row, (begin, length) in zip(array[indices], recorder.advised_ranges, strict=True):
        assert begin % mmap.PAGESIZE == 0
        assert content[begin : begin + length].endswith(row.tobytes())
        assert length < row.nbytes + mmap.PAGESIZE


def test_rows_that_are_not_contiguous_in_the_file_are_not_advised(path):
    reader = RowReader(open_map(path).T)
    recorder = Recorder(reader)
    reader.gather(np.arange(5), np.empty((5, 60)))
    assert recorder.advised_ranges == []


@needs_madvise
@pytest.mark.parametrize(("max_rows", "releases"), [(0, 7), (3, 3), (3 - 1e-9, 4), (7, 1)])
def test_pages_are_released_after_max_mapped_bytes_with_a_huge_page_per_row(path, monkeypatch, max_rows, releases):
    monkeypatch.setattr("scratchvae.rows.reader.MAX_MAPPED", int(max_rows * (2**21 + 8 * 700)))
    reader = RowReader(open_map(path))
    recorder = Recorder(reader)
    reader.gather(np.arange(7), np.empty((7, 700)))
    assert recorder.releases == releases


@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_failing_madvise_changes_nothing(path, mode):
    reader, out = RowReader(open_map(path, mode)), np.empty((7, 700))
    Recorder(reader).failing = True
    reader.gather(np.arange(7), out)
    assert np.array_equal(out, DATA[:7])
    assert len(list(reader.slices(20))) == 3


def test_a_memory_map_of_one_axis_is_read_in_slices(path):
    assert np.array_equal(np.concatenate([DATA[3][rows] for rows in RowReader(open_map(path)[3]).slices(30)]), DATA[3])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("read", ["slices", "gather"])
def test_pages_are_released_after_reading(tmp_path, read):
    mapped = np.memmap(tmp_path / "zeros", "f4", "w+", shape=(40_000, 512))  # 80 MB of zeros in a sparse file
    reader, before = RowReader(mapped), resident_kilobytes()
    if read == "gather":
        reader.gather(np.arange(0, 40_000, 7), np.empty((5715, 512), "f4"))
    else:
        for rows in reader.slices(1000):
            mapped[rows].sum()
    growth = resident_kilobytes() - before
    mapped.sum()
    assert growth < 10_000 < 70_000 < resident_kilobytes() - before


def resident_kilobytes():
    """Return the kilobytes of mapped files in the memory of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssFile", "RssShmem")))


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_reading_preserves_values_written_into_a_memory_map(path, mode):
    mapped = open_map(path, mode)
    mapped[::2] = 0.25
    expected = np.array(mapped)
    reader = RowReader(mapped[1:])
    for rows in reader.slices(7):
        assert np.array_equal(mapped[1:][rows], expected[1:][rows])
    reader.gather(np.arange(59), np.empty((59, 700)))
    assert np.array_equal(mapped, expected)
    if mode == "r+":
        mapped.flush()
        assert np.array_equal(np.load(path), expected)
    else:
        assert np.array_equal(np.load(path), DATA)


def test_each_slice_and_each_gather_checks_the_file_size(path):
    reader, out = RowReader(open_map(path)[:50], "images"), np.zeros((4, 700))
    recorder, slices = Recorder(reader), reader.slices(10)
    assert next(slices) == slice(0, 10)
    recorder.length -= 1
    for read in (lambda: next(slices), lambda: reader.gather(np.arange(4), out)):
        with pytest.raises(DataError, match=f" {recorder.length + 1}: ") as refusal:
            read()
        words = f"images is in {path}, which was truncated to {recorder.length} bytes "
        assert refusal.value.message.startswith(words)
    assert not out.any()


READ_TRUNCATED = """
import os, sys, numpy as np
from scratchvae.rows import RowReader
mapped = np.load(sys.argv[1], mmap_mode="r")
rows = RowReader(mapped[:50], "images")
os.truncate(sys.argv[1], mapped.offset + int(sys.argv[2]))
for read in (lambda: next(rows.slices(3)), lambda: rows.gather(np.arange(4), np.empty((4, 700)))):
    try:
        read()
    except Exception as error:
        print(type(error).__name__, error.message)
    else:
        print("read")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not truncate a mapped file")
@pytest.mark.parametrize("remaining", [0, 4096, DATA.nbytes - 1])
def test_a_file_truncated_after_mapping_is_refused_before_it_is_read(path, remaining):
    command = [sys.executable, "-c", READ_TRUNCATED, str(path), str(remaining)]  # reading it would kill the process
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert result.returncode == 0, result.stderr
    for line in result.stdout.splitlines():
        assert line.startswith(f"DataError images is in {path}, which was truncated to {128 + remaining} bytes")
        assert f"expected at least {128 + DATA.nbytes}: " in line
    assert len(result.stdout.splitlines()) == 2


def test_a_file_that_grew_is_read(path):
    mapped = open_map(path)
    with path.open("ab") as file:
        file.write(bytes(100))
    assert len(list(RowReader(mapped).slices(60))) == 1


def test_a_copy_of_a_memory_map_is_an_ordinary_array(path):
    for copy in (open_map(path).copy(), open_map(path)[[0, 1]], open_map(path) + 1):
        assert RowReader(copy)._map is None
    with pytest.raises(StopIteration):
        next(RowReader(open_map(path)[:0]).slices(1))
