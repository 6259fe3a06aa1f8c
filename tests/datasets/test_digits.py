"""The digits data set of the package."""

import hashlib

import numpy as np
import pytest

from scratchvae.datasets import load

PIXELS = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_digits_have_1500_training_and_297_test_rows(digits):
    assert digits.train.images.shape == (1500, 64)
    assert digits.test.images.shape == (297, 64)
    assert digits.train.labels.shape == (1500,)
    assert digits.test.labels.shape == (297,)
    assert digits.image_shape == (8, 8)
    assert digits.name == "digits"


@pytest.mark.parametrize("part", ["train", "test"])
def test_pixels_are_float32_sixteenths_from_0_to_1(digits, part):
    images = digits.part(part).images
    assert images.dtype == np.float32
    assert images.min() == 0.0
    assert images.max() == 1.0
    assert np.array_equal(images * 16, np.rint(images * 16))


@pytest.mark.parametrize("part", ["train", "test", "all"])
def test_the_classes_are_about_equally_frequent(digits, part):
    labels = digits.part(part).labels
    classes, counts = np.unique(labels, return_counts=True)
    assert np.issubdtype(labels.dtype, np.integer)
    assert classes.tolist() == list(range(10))
    assert counts.min() > 0.085 * len(labels)


def test_the_pixels_equal_the_source_byte_for_byte(digits):
    pixels = (np.concatenate([digits.train.images, digits.test.images]) * 16).astype(np.uint8)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == PIXELS


def test_part_all_is_train_followed_by_test(digits):
    images, labels = digits.part("all")
    assert np.array_equal(images, np.concatenate([digits.train.images, digits.test.images]))
    assert np.array_equal(labels, np.concatenate([digits.train.labels, digits.test.labels]))


def test_changes_of_loaded_data_do_not_affect_the_next_load(digits):
    changed = load("digits")
    changed.train.images[...] = 7
    changed.train.labels[...] = 7
    again = load("digits")
    assert np.array_equal(again.train.images, digits.train.images)
    assert np.array_equal(again.train.labels, digits.train.labels)
