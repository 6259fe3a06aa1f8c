"""Data sets and their splits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds, uniform

from scratchvae.datasets import Dataset, Split
from scratchvae.datasets.dataset import split_by_mask
from scratchvae.errors import DataError


@given(st.integers(1, 30), st.integers(1, 4), seeds, st.booleans())
def test_part_all_restores_the_order_of_a_split_set(rows, width, seed, labelled):
    images, labels = uniform(seed, rows, width), np.arange(rows)
    test_mask = uniform(seed + 1, rows) < 0.4
    data = split_by_mask("mine", Split(images, labels if labelled else None), test_mask, None)
    assert np.array_equal(data.test.images, images[test_mask])
    assert np.array_equal(data.train.images, images[~test_mask])
    whole = data.part("all")
    assert np.array_equal(whole.images, images)
    if labelled:
        assert np.array_equal(data.test.labels, labels[test_mask])
        assert np.array_equal(whole.labels, labels)
    else:
        assert data.train.labels is data.test.labels is whole.labels is None


@pytest.fixture
def parts():
    return [Split(uniform(k, 3 + k, 2), np.full(3 + k, k)) for k in range(3)]


def test_a_set_of_three_splits_has_a_validation_part(parts):
    train, validation, test = parts
    data = Dataset("three", train, test, None, validation=validation)
    assert data.part("validation") is validation
    images, labels = data.part("all")
    assert np.array_equal(images, np.concatenate([part.images for part in parts]))
    assert labels.tolist() == [0] * 3 + [1] * 4 + [2] * 5
    with pytest.raises(DataError, match="three has no part 'valid': expected 'train', 'validation', 'test' or 'all'"):
        data.part("valid")


def test_a_set_of_two_splits_has_no_validation_part(parts):
    data = Dataset("two", parts[0], parts[1], None)
    with pytest.raises(DataError, match="two has no part 'validation': expected 'train', 'test' or 'all'"):
        data.part("validation")


def test_part_all_has_labels_only_if_every_split_has(parts):
    train, validation, test = parts
    assert Dataset("a", train, test._replace(labels=None), None).part("all").labels is None
    assert Dataset("b", train, test, None, validation=validation._replace(labels=None)).part("all").labels is None
