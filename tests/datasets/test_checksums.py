"""Array files verified by checksums."""

import os
import pickle
import zipfile

import numpy as np
import pytest
from array_checksums import checksum_of

from scratchvae.datasets.checksums import check_digest, read_contents
from scratchvae.errors import DataError

A = np.random.default_rng(0).integers(0, 256, (30, 8), np.uint8)
B = np.random.default_rng(1).integers(0, 256, (30, 8), np.uint8)
PAIR = {"a": checksum_of(A), "b": checksum_of(B)}


@pytest.fixture
def pair(tmp_path):
    np.savez(tmp_path / "pair.npz", a=A, b=B)
    return tmp_path / "pair.npz"


@pytest.fixture
def single(tmp_path):
    np.save(tmp_path / "single.npy", A)
    return tmp_path / "single.npy"


def assert_refused(path, contents, *words):
    with pytest.raises(DataError) as refusal:
        read_contents(path, contents)
    for word in (str(path), *words):
        assert word in refusal.value.message


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_returned_in_the_requested_order(tmp_path, save, order):
    save(tmp_path / "pair.npz", other=np.zeros(3), b=np.asarray(B, order=order), a=np.asarray(A, order=order))
    a, b = read_contents(tmp_path / "pair.npz", PAIR)
    assert np.array_equal(a, A) and np.array_equal(b, B)


def test_the_array_of_a_npy_file_has_no_name(single):
    (array,) = read_contents(single, {"": checksum_of(A)})
    assert np.array_equal(array, A)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float64])
def test_a_changed_number_is_refused_for_every_dtype(tmp_path, dtype):
    array = A.astype(dtype)
    path = tmp_path / "array.npy"
    np.save(path, array)
    read_contents(path, {"": checksum_of(array)})
    array[17, 3] = not array[17, 3]
    np.save(path, array)
    assert_refused(path, {"": checksum_of(A.astype(dtype))}, "SHA-256", "damaged, or another file")


def test_swapped_members_are_refused_by_name(tmp_path):
    np.savez(tmp_path / "pair.npz", a=B, b=A)
    assert_refused(tmp_path / "pair.npz", PAIR, "pair.npz, a", "SHA-256")


def test_the_second_member_is_verified(tmp_path):
    np.savez(tmp_path / "pair.npz", a=A, b=A)
    assert_refused(tmp_path / "pair.npz", PAIR, "pair.npz, b", "SHA-256")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (A[:-1], "uint8 of shape (29, 8)"),
        (A.reshape(8, 30), "uint8 of shape (8, 30)"),
        (A[..., None], "uint8 of shape (30, 8, 1)"),
        (A.view(np.int8), "int8 of shape (30, 8)"),
        (A / 255, "float64 of shape (30, 8)"),
        (np.array(7), "int64 of shape ()"),
    ],
    ids=["a row less", "the other way round", "one axis more", "signed", "divided", "a number"],
)
def test_another_shape_or_dtype_is_refused_with_the_expected_one(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    assert_refused(tmp_path / "a.npy", {"": checksum_of(A)}, words, "expected uint8 of shape (30, 8)", "another file")


def test_an_archive_of_other_arrays_is_refused_with_their_names(tmp_path, single):
    np.savez(tmp_path / "other.npz", b=B, c=A)
    assert_refused(tmp_path / "other.npz", PAIR, "holds the arrays b, c; expected the arrays a, b")
    assert_refused(tmp_path / "other.npz", {"": checksum_of(A)}, "expected one array without a name")
    assert_refused(single, PAIR, "holds one array without a name (.npy); expected the arrays a, b")
    with zipfile.ZipFile(tmp_path / "none.npz", "w"):
        pass
    assert_refused(tmp_path / "none.npz", PAIR)


@pytest.mark.parametrize("kind", ["pair", "single"])
@pytest.mark.parametrize("part", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(request, kind, part):
    path = request.getfixturevalue(kind)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert_refused(path, PAIR if kind == "pair" else {"": checksum_of(A)}, "download it again")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"1,2,3\n4,5,6\n"])
def test_a_file_without_arrays_is_refused(single, content):
    single.write_bytes(content)
    assert_refused(single, {"": checksum_of(A)}, "neither a .npy nor an .npz file")


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


def test_nothing_is_unpickled(tmp_path):
    bomb = Bomb(str(tmp_path / "boom"))
    objects = np.array([[bomb] * 8] * 30, object)
    np.savez(tmp_path / "pair.npz", a=objects, b=objects)
    np.save(tmp_path / "single.npy", objects)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(bomb))
    single = {"": checksum_of(A)}
    for path, contents in (("pair.npz", PAIR), ("single.npy", single), ("bare.npy", single)):
        assert_refused(tmp_path / path, contents)
    assert not (tmp_path / "boom").exists()


def test_a_digest_covers_all_bytes():
    sha256 = checksum_of(A).sha256
    check_digest("here", A.tobytes(), sha256)
    with pytest.raises(DataError, match=f"here.*expected {sha256[:8]}"):
        check_digest("here", A.tobytes()[:-1], sha256)
