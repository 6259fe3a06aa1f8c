"""Omniglot and the reduction of its pictures."""

import numpy as np
import pytest
from array_checksums import checksum_of
from hypothesis import given
from strategies import seeds, uniform

from scratchvae.datasets import load, omniglot
from scratchvae.datasets.omniglot import shrink
from scratchvae.errors import DataError


@pytest.fixture
def papers(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    papers = {part: rng.random((n, 20, 105, 105)) < 0.9 for part, n in (("background", 3), ("evaluation", 2))}
    for part, paper in papers.items():
        monkeypatch.setattr(omniglot, part.upper(), checksum_of(paper))
        np.savez(tmp_path / f"images_{part}.npz", images=paper, labels=np.zeros(len(paper)))
    return papers


@given(seeds)
def test_a_pixel_is_the_share_of_ink_in_its_area(seed):
    ink = uniform(seed, 2, 105, 105) < uniform(seed, 1)
    quarters = ink.repeat(4, axis=1).repeat(4, axis=2)  # 420 = 28 · 15 pixels per side
    shares = quarters.reshape(2, 28, 15, 28, 15).mean(axis=(2, 4))
    small = shrink(ink)
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, shares, rtol=1e-6)


@pytest.mark.parametrize("ink", [0, 1])
def test_pictures_of_only_ink_or_only_paper_are_exact(ink):
    assert np.array_equal(shrink(np.full((1, 105, 105), ink, bool)), np.full((1, 28, 28), ink))


def test_labels_are_character_numbers_and_ink_is_1(papers, tmp_path):
    data = load("omniglot", folder=tmp_path)
    assert (data.name, data.image_shape) == ("omniglot", (28, 28))
    assert data.train.labels.tolist() == np.repeat([0, 1, 2], 20).tolist()
    assert data.test.labels.tolist() == np.repeat([3, 4], 20).tolist()
    for split, paper in zip((data.train, data.test), papers.values(), strict=True):
        assert np.array_equal(split.images, shrink(~paper.reshape(-1, 105, 105)).reshape(-1, 784))
        assert split.images.mean() < 0.2


def test_exchanged_files_are_refused(papers, tmp_path):
    background, evaluation = (tmp_path / f"images_{part}.npz" for part in papers)
    evaluation.write_bytes(background.read_bytes())
    with pytest.raises(DataError, match=r"images_evaluation.npz, images: bool of shape \(3, 20, 105, 105\)"):
        load("omniglot", folder=tmp_path)
    evaluation.unlink()
    with pytest.raises(DataError, match=r"no omniglot.*images_evaluation.npz"):
        load("omniglot", folder=tmp_path)


@pytest.mark.slow
def test_the_real_characters_have_the_known_share_of_ink(real_set):
    data = real_set("omniglot")
    assert data.train.images.shape == (19280, 784)
    assert data.test.images.shape == (13180, 784)
    assert (data.train.labels[-1], data.test.labels[0], data.test.labels[-1]) == (963, 964, 1622)
    for split, share in ((data.train, 0.0779396), (data.test, 0.0842840)):
        assert split.images.min() == 0 and split.images.max() == 1
        assert abs(split.images.mean(dtype=np.float64) - share) < 1e-6
        assert split.images[:, 0].mean() < 1e-3
