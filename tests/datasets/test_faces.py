"""The Frey faces and the Olivetti faces."""

import numpy as np
import pytest
from array_checksums import checksum_of

from scratchvae.datasets import faces, load
from scratchvae.errors import DataError


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.fixture
def frey(tmp_path, monkeypatch):
    film = pixels(1610, 28, 20)
    monkeypatch.setattr(faces, "FREY_FACES", checksum_of(film))
    np.save(tmp_path / "frey_faces.npy", film)
    return film


@pytest.fixture
def olivetti(tmp_path, monkeypatch):
    pictures = pixels(400, 64, 64)
    monkeypatch.setattr(faces, "OLIVETTI", checksum_of(pictures))
    np.save(tmp_path / "olivetti_faces.npy", pictures)
    return pictures


def test_the_film_is_split_in_time(frey, tmp_path):
    data = load("frey-faces", folder=tmp_path)
    assert (data.name, data.image_shape, data.train.labels, data.test.labels) == ("frey-faces", (28, 20), None, None)
    assert data.train.images.dtype == np.float32
    np.testing.assert_allclose(data.train.images * 255, frey[:1600].reshape(1600, -1), rtol=1e-6)
    np.testing.assert_allclose(data.test.images * 255, frey[1600:].reshape(10, -1), rtol=1e-6)


def test_the_last_two_pictures_of_each_person_are_test_rows(olivetti, tmp_path):
    data = load("olivetti", folder=tmp_path)
    assert (data.name, data.image_shape) == ("olivetti", (64, 64))
    assert data.train.labels.tolist() == np.repeat(np.arange(40), 8).tolist()
    assert data.test.labels.tolist() == np.repeat(np.arange(40), 2).tolist()
    pictures = olivetti.reshape(40, 10, -1)
    np.testing.assert_allclose(data.train.images * 255, pictures[:, :8].reshape(320, -1), rtol=1e-6)
    np.testing.assert_allclose(data.test.images * 255, pictures[:, 8:].reshape(80, -1), rtol=1e-6)
    assert np.array_equal(data.part("all").labels, np.repeat(np.arange(40), 10))
    np.testing.assert_allclose(data.part("all").images * 255, olivetti.reshape(400, -1), rtol=1e-6)


def test_a_pixel_of_a_reduced_picture_is_the_mean_of_four(olivetti, tmp_path):
    data = load("olivetti-32", folder=tmp_path)
    assert (data.name, data.image_shape) == ("olivetti-32", (32, 32))
    small = sum(olivetti[:, i::2, j::2].astype(float) for i in (0, 1) for j in (0, 1)) / 4
    np.testing.assert_allclose(data.part("all").images * 255, small.reshape(400, -1), rtol=1e-6)
    assert np.array_equal(data.part("all").labels, load("olivetti", folder=tmp_path).part("all").labels)


@pytest.mark.parametrize(("name", "file"), [("frey-faces", "frey_faces.npy"), ("olivetti", "olivetti_faces.npy")])
def test_other_pictures_are_refused(frey, olivetti, tmp_path, name, file):
    np.save(tmp_path / file, np.load(tmp_path / file)[::-1])
    with pytest.raises(DataError, match=f"{file}.*SHA-256"):
        load(name, folder=tmp_path)
    np.save(tmp_path / file, np.load(tmp_path / file) / 255)
    with pytest.raises(DataError, match=f"{file}: float64"):
        load(name, folder=tmp_path)


def test_the_real_frey_faces_have_the_known_number_and_brightness(real_set):
    data = real_set("frey-faces")
    assert data.train.images.shape == (1600, 560)
    assert data.test.images.shape == (365, 560)
    images = data.part("all").images
    assert np.rint(images * 255).astype(int).sum() == 169968741
    upright = images.reshape(-1, 28, 20).mean(axis=0)
    assert upright[6:9, 4:8].mean() < upright[11:13, 4:8].mean() - 0.2  # an eye is darker than the cheek below it


@pytest.mark.parametrize(("name", "side"), [("olivetti", 64), ("olivetti-32", 32)])
def test_the_real_olivetti_faces_of_one_person_are_similar(real_set, name, side):
    data = real_set(name)
    assert data.train.images.shape == (320, side**2)
    assert data.test.images.shape == (80, side**2)
    assert np.rint(data.part("all").images * np.float64(255 * (64 // side) ** 2)).sum() == 216898402
    distances = ((data.test.images[:, None] - data.train.images) ** 2).sum(axis=2)
    assert np.mean(data.train.labels[distances.argmin(axis=1)] == data.test.labels) > 0.85
