"""Arrays in files: false claims of a header are refused before memory is allocated."""

import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from scratchvae.disk import read_arrays
from scratchvae.disk.directory import BOMB, LARGEST_DIRECTORY
from scratchvae.errors import FileError

MEMORY = 2**23  # bytes that a refusal may allocate


def all_names(names):
    return names


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_that_claims(descr="'<f4'", shape="(3,)", fortran="False", content=b"\0" * 12, version=1, length=None):
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    claimed = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", claimed) + text + content


def write_zip(members, path, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def assert_refused_with_little_memory(path, *words):
    tracemalloc.start()
    try:
        with pytest.raises(FileError) as refusal:
            read_arrays(path, all_names)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    for word in (str(path), *words):
        assert word in refusal.value.message


dtypes = st.sampled_from(["<f4", ">f8", "<i2", "|u1", "|b1", "<c8", "<U3", "|S2", "<M8[s]", "<f2"])


@given(dtype=dtypes, shape=st.lists(st.integers(0, 4), max_size=3), fortran=st.booleans(), seed=seeds)
def test_arrays_are_read_as_numpy_reads_them(tmp_path, dtype, shape, fortran, seed):
    raw = np.random.default_rng(seed).integers(0, 2, tuple(shape))
    array = np.asarray(raw.astype(dtype), order="F" if fortran else "C")
    np.save(tmp_path / "one.npy", array)
    np.savez_compressed(tmp_path / "some.npz", a=array, b=raw)
    (one,) = read_arrays(tmp_path / "one.npy", all_names).values()
    some = read_arrays(tmp_path / "some.npz", all_names)
    assert some.keys() == {"a", "b"}
    for loaded, expected in ((one, array), (some["a"], array), (some["b"], raw)):
        assert (loaded.dtype, loaded.shape) == (expected.dtype, expected.shape)
        assert loaded.tobytes() == expected.tobytes()


def test_arrays_that_are_not_chosen_are_not_read(tmp_path):
    np.savez(tmp_path / "two.npz", a=np.arange(3), b=np.arange(10_000))
    content = bytearray((tmp_path / "two.npz").read_bytes())
    content[content.index(npy_bytes(np.arange(10_000))[-8:])] ^= 1
    (tmp_path / "two.npz").write_bytes(content)
    assert read_arrays(tmp_path / "two.npz", lambda names: ["a"])["a"].tolist() == [0, 1, 2]
    assert_refused_with_little_memory(tmp_path / "two.npz")


def test_bytes_of_booleans_other_than_0_become_1(tmp_path):
    (tmp_path / "odd.npy").write_bytes(npy_that_claims("'|b1'", "(4,)", content=bytes([0, 1, 2, 255])))
    (array,) = read_arrays(tmp_path / "odd.npy", all_names).values()
    assert (~array).tolist() == [True, False, False, False]
    assert array.view(np.uint8).tolist() == [0, 1, 1, 1]


CLAIMS = {
    "of 10^18 numbers": npy_that_claims(shape=f"({10**18},)"),
    "of many axes that overflow": npy_that_claims(shape=str((2**32, 2**32, 2**32))),
    "of fewer than none": npy_that_claims(shape="(-3,)"),
    "of fewer than none, twice": npy_that_claims(shape="(-3, -1)"),
    "of more than is there": npy_that_claims(shape="(4,)"),
    "of less than is there": npy_that_claims(shape="(2,)"),
    "with a header of 1 GB": npy_that_claims(version=2, length=2**30),
    "with a header of 4 GB": npy_that_claims(version=2, length=2**32 - 1),
    "with a header that is cut": npy_that_claims(length=200),
    "of objects": npy_bytes(np.array([{}, []], object)),
    "of records": npy_bytes(np.zeros(3, [("a", "<f4")])),
    "of one huge item": npy_that_claims("'|V1000000000'", "()"),
    "of items of no size": npy_that_claims("'<U0'", "(1000000000000000000,)", content=b""),
    "of no dtype": npy_that_claims("'<q9'"),
    "that nests": npy_that_claims("'<f4'", "(" * 4000 + ")" * 4000),
    "that computes": npy_that_claims(shape="(9**9**9,)"),
    "of a later version": b"\x93NUMPY\x09\x00" + npy_bytes(np.zeros(3))[8:],
    "of a shape of text": npy_that_claims(shape="('3',)"),
}


@pytest.mark.parametrize("content", CLAIMS.values(), ids=CLAIMS)
@pytest.mark.parametrize("within", ["npy", "npz", "packed npz"])
def test_a_false_header_is_refused_before_memory_is_allocated(tmp_path, content, within):
    path = tmp_path / "claims"
    if within == "npy":
        path.write_bytes(content)
    else:
        write_zip({"a.npy": content}, path, zipfile.ZIP_DEFLATED if within != "npz" else zipfile.ZIP_STORED)
    assert_refused_with_little_memory(path)


@pytest.mark.parametrize("text", ["(" * 2000, "{" * 200, "-" * 2000, "not " * 500, "1" * 2000, "[" * 2000, "-" * 9000])
def test_a_header_that_cannot_be_parsed_is_refused(tmp_path, text):
    raw = text.encode() + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(raw)) + raw + bytes(12))
    assert_refused_with_little_memory(tmp_path / "a.npy", "header")


def test_a_quoted_header_is_truncated_in_the_message(tmp_path):
    path = write_zip({"a" * 60_000 + ".npy": npy_bytes(np.zeros(3))}, tmp_path / "a.npz")
    path.write_bytes(path.read_bytes().replace(b"a" * 9, b"b" * 9, 1))
    with pytest.raises(FileError) as refusal:
        read_arrays(path, all_names)
    assert len(str(refusal.value)) <= 200


def test_a_zip_bomb_is_refused_with_a_hint(tmp_path):
    path, block = tmp_path / "bomb.npz", 2**16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as member:
        member.write(npy_that_claims("'|u1'", f"({BOMB},)", content=b""))
        for _ in range(BOMB // block):
            member.write(bytes(block))
    assert path.stat().st_size < BOMB / 500
    assert_refused_with_little_memory(path, "zip bomb", "numpy.savez")


@pytest.mark.parametrize(("field", "value"), [(20, 40), (24, 2**31)], ids=["packed", "unpacked"])
def test_a_member_with_a_false_size_is_refused(tmp_path, field, value):
    path = write_zip({"a.npy": npy_bytes(np.zeros(300))}, tmp_path / "lies.npz", zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2") + field
    content[at : at + 4] = struct.pack("<I", value)
    path.write_bytes(content)
    assert_refused_with_little_memory(path)


def test_members_with_shared_bytes_are_refused(tmp_path):
    path = write_zip({"a.npy": npy_bytes(np.zeros(300)), "b.npy": npy_bytes(np.ones(300))}, tmp_path / "shared.npz")
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\1\2")
    content[second + 42 : second + 46] = struct.pack("<I", 0)  # the offset of its local header
    path.write_bytes(content)
    assert_refused_with_little_memory(path, "overlaps another")


def test_two_members_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "twice.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("a.npy", npy_bytes(np.zeros(3)))
    assert_refused_with_little_memory(tmp_path / "twice.npz", "two members")


@pytest.mark.parametrize("wide", [False, True], ids=["32 bits", "64 bits"])
def test_a_directory_that_is_too_large_is_refused(tmp_path, wide):
    path = write_zip({"a.npy": npy_bytes(np.zeros(3))}, tmp_path / "directory.npz")
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\5\6")
    if wide:
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 2**40, 0)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
        content[end:end] = record + locator
    else:
        content[end + 12 : end + 16] = struct.pack("<I", LARGEST_DIRECTORY + 1)
    path.write_bytes(content)
    assert_refused_with_little_memory(path, "directory")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    assert_refused_with_little_memory(tmp_path / "pipe.npy", "regular file")


@pytest.mark.parametrize("name", ["nowhere.npy", "."])
def test_a_missing_file_is_refused(tmp_path, name):
    assert_refused_with_little_memory(tmp_path / name)
