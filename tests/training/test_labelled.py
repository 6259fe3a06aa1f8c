"""Minibatches of partly labelled rows, and rows with added noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.models.scale import Scale
from scratchvae.training.labelled import LabelledMinibatches, NoiseAugmenter, batches_per_epoch
from scratchvae.training.minibatches import MinibatchSource
from scratchvae.training.preprocess import Preprocessor

MODEL = sv.VAE(1, 1, (1,), likelihood="gaussian")


def batches_of(labels, batch, share=None, seed=0):
    images = np.arange(len(labels), dtype="float32")[:, None]
    rng = np.random.default_rng(seed)
    source = MinibatchSource(MODEL, images, batch, rng, Preprocessor(MODEL, False, None, None, None))
    minibatches = LabelledMinibatches(source, labels, 3, share)
    return minibatches, [(x[:, 0].astype(int), minibatches.targets.copy()) for x in minibatches]


@given(seed=st.integers(0, 99), known=st.integers(1, 30), other=st.integers(0, 30), batch=st.integers(1, 20))
def test_each_row_occurs_once_with_its_target_and_labelled_rows_are_spread_evenly(seed, known, other, batch):
    labels = np.random.default_rng(seed).permutation([*(np.arange(known) % 3), *[-1] * other])
    minibatches, batches = batches_of(labels, batch, seed=seed)
    rows = np.concatenate([x for x, _ in batches])
    assert (
        len(batches) == len(minibatches)
        and sorted(rows) == list(range(len(labels)))
        and minibatches.rows == len(labels)
    )
    for x, targets in batches:
        assert np.array_equal(targets, np.where(labels[x, None] < 0, 0, np.eye(3)[labels[x]]))
        assert abs((labels[x] >= 0).sum() - len(x) * minibatches.share) <= 1
    assert minibatches.share == known / len(labels)


def test_labelled_rows_are_repeated_to_reach_their_share():
    labels = np.full(1000, -1)
    labels[:6] = np.arange(6) % 3
    minibatches, batches = batches_of(labels, 50, share=0.2)
    rows = np.concatenate([x for x, _ in batches])
    counts = np.bincount(rows, minlength=1000)
    assert minibatches.share == pytest.approx(0.2, abs=1e-3) and len(rows) == minibatches.rows == 994 + 248
    assert (counts[6:] == 1).all() and set(counts[:6]) <= {41, 42}
    assert {int((labels[x] >= 0).sum()) for x, _ in batches[:-1]} <= {9, 10, 11}


@given(
    rows=st.integers(4, 60),
    known=st.integers(1, 3),
    batch=st.integers(1, 200),
    share=st.sampled_from([None, 0.8, 0.95]),
)
def test_the_batches_of_an_epoch_are_counted_before_they_are_made(rows, known, batch, share):
    labels = np.where(np.arange(rows) < known, np.arange(rows) % 3, -1)
    minibatches, batches = batches_of(labels, batch, share)
    assert len(batches) == len(minibatches) == batches_per_epoch(rows, batch, labels, share)
    assert sum(len(x) for x, _ in batches) == minibatches.rows
    assert batches_per_epoch(rows, batch) == -(-rows // batch)


def test_a_batch_larger_than_the_rows_holds_all_draws_of_an_epoch():
    images, labels = uniform(0, 20, 9), np.where(np.arange(20) < 3, np.arange(20), -1)
    model = sv.SemiSupervisedVAE(9, 2, (4,), classes=3)
    trainer = sv.Trainer(model, batch_size=1000)
    trainer.fit(images, 2, labels=labels, labelled_share=0.9)
    assert trainer.optimizer.t == 2


def test_an_invalid_share_is_refused():
    labels = np.array([0, 1, 2, -1])
    for share in (0, 1, 1.5, -0.1, "a tenth"):
        with pytest.raises(ConfigError, match="labelled_share"):
            batches_of(labels, 2, share)
    with pytest.raises(ConfigError, match="3 of 4 rows have a label; leave it out"):
        batches_of(labels, 2, 0.5)


def test_noisy_rows_have_the_given_mean_and_standard_deviation():
    rng, x = np.random.default_rng(0), np.tile([[1.0, -2.0, 5.0]], (4000, 1))
    input_std = np.tile([[0.5, 0.0, 2.0]], (4000, 1))
    noisy = NoiseAugmenter(input_std, rng, x, Scale())(x.copy(), np.arange(4000))
    np.testing.assert_allclose(noisy.mean(axis=0), x[0], atol=0.12)
    np.testing.assert_allclose(noisy.std(axis=0), input_std[0], rtol=0.05, atol=1e-12)
    first_rows, clean_rows = NoiseAugmenter(input_std, rng, x, Scale())(x[:3].copy(), np.arange(3)), x[:3]
    assert not np.array_equal(first_rows, clean_rows) and np.array_equal(first_rows[:, 1], clean_rows[:, 1])


def test_training_with_input_std_draws_rows_and_leaves_the_data_unchanged():
    codes, input_std, labels = normal(0, 30, 4), uniform(1, 30, 4), np.arange(30) % 3
    before = codes.copy()
    theta = []
    for std in (None, input_std, input_std, 0 * input_std):
        model = sv.SemiSupervisedVAE(4, 2, (5,), "tanh", "gaussian", classes=3)
        sv.Trainer(model, batch_size=10).fit(codes, 2, labels=labels, input_std=std)
        theta.append(model.theta)
    assert np.array_equal(codes, before)
    assert np.array_equal(theta[1], theta[2]) and np.array_equal(theta[0], theta[3])
    assert not np.array_equal(theta[0], theta[1])
    trainer = sv.Trainer(model)
    with pytest.raises(RangeError, match="input_std holds values from -"):
        trainer.fit(codes, 1, labels=labels, input_std=-input_std)
    with pytest.raises(ShapeError, match=r"input_std has shape \(30, 3\)"):
        trainer.fit(codes, 1, labels=labels, input_std=input_std[:, 1:])
    with pytest.raises(ShapeError, match="input_std has 29 rows and images has 30"):
        trainer.fit(codes, 1, labels=labels, input_std=input_std[1:])
