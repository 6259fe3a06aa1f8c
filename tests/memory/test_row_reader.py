"""Rows of a file: the same numbers as in memory, only what was asked for, and nothing that was written is lost."""

import mmap
import re
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
from scratchvae.memory import RowReader

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


def opened(path, mode="r"):
    return np.load(path, mmap_mode=mode)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("view", VIEWS)
@given(seed=seeds, count=st.integers(1, 80), at_once=st.integers(1, 70))
def test_a_view_of_a_map_is_read_as_the_same_view_in_memory(path, view, mode, seed, count, at_once):
    array, expected = VIEWS[view](opened(path, mode)), VIEWS[view](DATA)
    chosen = np.random.default_rng(seed).integers(0, len(expected), count)
    for source in (array, expected):
        out = np.empty((count, expected.shape[1]))
        RowReader(source).gather(chosen, out)
        assert np.array_equal(out, expected[chosen])
        parts = list(RowReader(source).slices(at_once))
        assert np.array_equal(np.concatenate([source[part] for part in parts]), expected)
        assert {part.stop - part.start for part in parts[:-1]} <= {at_once}


@pytest.mark.parametrize(
    ("dtype", "skipped"), [("f4", 0), (">f4", 0), ("f8", 3), ("f4", 5 + mmap.ALLOCATIONGRANULARITY)]
)
def test_a_map_of_any_dtype_that_begins_anywhere_in_its_file_is_gathered(tmp_path, dtype, skipped):
    (tmp_path / "raw").write_bytes(bytes(skipped) + DATA.astype(dtype).tobytes())
    mapped = np.memmap(tmp_path / "raw", dtype, "r", skipped, DATA.shape)
    chosen, out = np.arange(59, -1, -1), np.empty(DATA.shape, dtype)
    RowReader(mapped).gather(chosen, out)
    assert np.array_equal(out, DATA.astype(dtype)[chosen])


@pytest.mark.parametrize("skipped", [0, 3])
def test_no_gather_copies_more_than_the_rows_it_is_asked_for(tmp_path, skipped):
    (tmp_path / "raw").write_bytes(bytes(skipped) + DATA.tobytes())
    rows, out = RowReader(np.memmap(tmp_path / "raw", "f8", "r", skipped, DATA.shape)), np.empty((6, 700))
    tracemalloc.start()
    try:
        rows.gather(np.arange(6), out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < DATA.nbytes / 4


class Recorder:
    """A map that writes down what it is advised of, and may say that its file was cut."""

    def __init__(self, rows):
        self.length = rows._map.size()
        self.announced = []
        self.given_back = 0
        self.failing = False
        rows._map = self

    def size(self):
        return self.length

    def madvise(self, advice, *place):
        if self.failing:
            raise OSError(22, "Invalid argument")
        if advice == mmap.MADV_WILLNEED:
            self.announced.append(place)
        self.given_back += advice == mmap.MADV_DONTNEED


advised = pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="this system takes no advice")


@advised
@pytest.mark.parametrize("skipped", [0, 24 + 3 * mmap.ALLOCATIONGRANULARITY])
@pytest.mark.parametrize("view", sorted(VIEWS.keys() - {"transposed", "columns backwards"}))
def test_what_is_announced_are_the_pages_of_the_chosen_rows(tmp_path, view, skipped):
    (tmp_path / "raw").write_bytes(bytes(skipped) + DATA.tobytes())
    array = VIEWS[view](np.memmap(tmp_path / "raw", "f8", "r", skipped, DATA.shape))
    rows, chosen = RowReader(array), np.array([17, 3, 17, 28])
    recorder = Recorder(rows)
    rows.gather(chosen, np.empty((4, array.shape[1])))
    content = (tmp_path / "raw").read_bytes()[skipped - skipped % mmap.ALLOCATIONGRANULARITY :]
    assert len(recorder.announced) == 4
    for row, (begin, length) in zip(array[chosen], recorder.announced, strict=True):
        assert begin % mmap.PAGESIZE == 0
        assert content[begin : begin + length].endswith(row.tobytes())
        assert length < row.nbytes + mmap.PAGESIZE


def test_rows_that_are_not_whole_in_the_file_are_not_announced(path):
    rows = RowReader(opened(path).T)
    recorder = Recorder(rows)
    rows.gather(np.arange(5), np.empty((5, 60)))
    assert recorder.announced == []


@advised
@pytest.mark.parametrize(("held", "times"), [(0, 7), (3, 3), (3 - 1e-9, 4), (7, 1)])
def test_as_many_rows_stay_mapped_as_are_held_each_with_a_huge_page(path, monkeypatch, held, times):
    monkeypatch.setattr("scratchvae.memory.row_reader.MAX_MAPPED", int(held * (2**21 + 8 * 700)))
    rows = RowReader(opened(path))
    recorder = Recorder(rows)
    rows.gather(np.arange(7), np.empty((7, 700)))
    assert recorder.given_back == times


@pytest.mark.parametrize("mode", ["r", "c"])
def test_advice_that_the_system_does_not_take_changes_nothing(path, mode):
    rows, out = RowReader(opened(path, mode)), np.empty((7, 700))
    Recorder(rows).failing = True
    rows.gather(np.arange(7), out)
    assert np.array_equal(out, DATA[:7])
    assert len(list(rows.slices(20))) == 3


def test_a_map_of_one_axis_is_read_in_parts(path):
    assert np.array_equal(np.concatenate([DATA[3][part] for part in RowReader(opened(path)[3]).slices(30)]), DATA[3])


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages as Linux tells them")
@pytest.mark.parametrize("read", ["slices", "gather"])
def test_pages_are_given_back_once_they_were_read(tmp_path, read):
    mapped = np.memmap(tmp_path / "zeros", "f4", "w+", shape=(40_000, 512))  # 80 MB, none of them on the disk
    rows, before = RowReader(mapped), resident()
    if read == "gather":
        rows.gather(np.arange(0, 40_000, 7), np.empty((5715, 512), "f4"))
    else:
        for part in rows.slices(1000):
            mapped[part].sum()
    given_back = resident() - before
    mapped.sum()
    assert given_back < 10_000 < 70_000 < resident() - before


def resident():
    """Kilobytes of files that are in this process' memory."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssFile", "RssShmem")))


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_what_was_written_into_a_map_is_still_there(path, mode):
    mapped = opened(path, mode)
    mapped[::2] = 0.25
    expected = np.array(mapped)
    rows = RowReader(mapped[1:])
    for part in rows.slices(7):
        assert np.array_equal(mapped[1:][part], expected[1:][part])
    rows.gather(np.arange(59), np.empty((59, 700)))
    assert np.array_equal(mapped, expected)
    if mode == "r+":
        mapped.flush()
        assert np.array_equal(np.load(path), expected)
    else:
        assert np.array_equal(np.load(path), DATA)


def test_the_length_of_the_file_is_looked_at_before_each_part_and_each_gather(path):
    rows, out = RowReader(opened(path)[:50], "images"), np.zeros((4, 700))
    recorder, parts = Recorder(rows), rows.slices(10)
    assert next(parts) == slice(0, 10)
    recorder.length -= 1
    message = (
        f"images is in {re.escape(str(path))}, which was truncated to {recorder.length} bytes "
        f".* {recorder.length + 1}: "
    )
    with pytest.raises(DataError, match=message):
        next(parts)
    with pytest.raises(DataError, match=message):
        rows.gather(np.arange(4), out)
    assert not out.any()


CUT = """
import os, sys, numpy as np
from scratchvae.memory import RowReader
mapped = np.load(sys.argv[1], mmap_mode="r")
rows = RowReader(mapped[:50], "images")
os.truncate(sys.argv[1], mapped.offset + int(sys.argv[2]))
for read in (lambda: next(rows.slices(3)), lambda: rows.gather(np.arange(4), np.empty((4, 700)))):
    try:
        read()
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print("read")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts no file that is mapped")
@pytest.mark.parametrize("left", [0, 4096, DATA.nbytes - 1])
def test_a_file_that_was_cut_after_it_was_mapped_is_refused_before_it_is_touched(path, left):
    command = [sys.executable, "-c", CUT, str(path), str(left)]  # a process of its own, for to touch it would end it
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert line.startswith(f"DataError images is in {path}, which was truncated to {128 + left} bytes")
        assert f"expected at least {128 + DATA.nbytes}: " in line
    assert len(done.stdout.splitlines()) == 2


def test_a_file_that_grew_is_read(path):
    mapped = opened(path)
    with path.open("ab") as file:
        file.write(bytes(100))
    assert len(list(RowReader(mapped).slices(60))) == 1


def test_a_copy_of_a_map_is_no_map(path):
    for copy in (opened(path).copy(), opened(path)[[0, 1]], opened(path) + 1):
        assert RowReader(copy)._map is None
    with pytest.raises(StopIteration):
        next(RowReader(opened(path)[:0]).slices(1))
