"""The fixed binarization of MNIST."""

import numpy as np
import pytest
from array_checksums import checksum_of

from scratchvae.datasets import binarized_mnist, load
from scratchvae.errors import DataError


@pytest.fixture
def bits():
    rng = np.random.default_rng(0)
    return {part: rng.integers(0, 2, (rows, 784), np.uint8) for part, rows in (("train", 7), ("valid", 5), ("test", 3))}


@pytest.fixture
def folder(bits, tmp_path, monkeypatch):
    packed = {part: np.packbits(pixels, axis=1) for part, pixels in bits.items()}
    monkeypatch.setattr(binarized_mnist, "PARTS", {part: checksum_of(array) for part, array in packed.items()})
    np.savez(tmp_path / binarized_mnist.FILE, **packed)
    return tmp_path


def test_each_bit_is_a_pixel_of_its_split(folder, bits):
    data = load("binarized-mnist", folder=folder)
    assert (data.name, data.image_shape, data.test_mask) == ("binarized-mnist", (28, 28), None)
    for part, member in (("train", "train"), ("validation", "valid"), ("test", "test")):
        images, labels = data.part(part)
        assert images.dtype == np.float32 and labels is None
        assert np.array_equal(images, bits[member])


def test_exchanged_files_are_refused(folder, bits):
    path = folder / binarized_mnist.FILE
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, "train": arrays["train"][::-1]})
    with pytest.raises(DataError, match=r"npz, train.*SHA-256"):
        load("binarized-mnist", folder=folder)
    np.savez(path, **{**arrays, "valid": arrays["test"], "test": arrays["valid"]})
    with pytest.raises(DataError, match=r"npz, valid: uint8 of shape \(3, 98\); expected uint8 of shape \(5, 98\)"):
        load("binarized-mnist", folder=folder)


@pytest.mark.slow
def test_the_real_bits_have_the_known_number_of_ones(real_set):
    data = real_set("binarized-mnist")
    shares = []
    for part, rows, ink in (("train", 50000, 5118041), ("validation", 10000, 1028036), ("test", 10000, 1038896)):
        images = data.part(part).images
        assert images.shape == (rows, 784)
        assert np.array_equal(np.unique(images), [0, 1])
        assert images.sum(dtype=np.float64) == ink
        shares.append(images[:, 406].mean())  # the middle of a picture is often ink
        assert images[:, 0].max() == 0
    assert min(shares) > 0.3
