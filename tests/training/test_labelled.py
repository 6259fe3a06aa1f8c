"""Minibatches: their order, partly labelled rows, and rows with added noise."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.models.scale import Scale
from scratchvae.optim import SGD
from scratchvae.training.labelled import LabelledMinibatches, NoiseAugmenter, batches_per_epoch
from scratchvae.training.minibatches import Minibatches, MinibatchSource
from scratchvae.training.preprocess import Preprocessor

MODEL = sv.VAE(1, 1, (1,), likelihood="gaussian")


def source_of(rows, batch, seed=0):
    images, rng = np.arange(rows, dtype="float32")[:, None], np.random.default_rng(seed)
    return MinibatchSource(MODEL, images, batch, rng, Preprocessor(MODEL, False, None, None, None))


def batches_of(labels, batch, share=None, seed=0):
    minibatches = LabelledMinibatches(source_of(len(labels), batch, seed), labels, 3, share)
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


HALF = np.array([0, 1, 2, -1, -1, -1])
ORDERS = {
    "rows without labels": lambda: (Minibatches(source_of(3, 2)), [range(3)]),
    "labelled rows": lambda: (LabelledMinibatches(source_of(3, 2), HALF[:3], 3), [range(3)]),
    "both kinds": lambda: (LabelledMinibatches(source_of(6, 4), HALF, 3), [range(3), range(3, 6)]),
    "repeated labelled rows": lambda: (LabelledMinibatches(source_of(6, 4), HALF, 3, 2 / 3), [range(3), range(3, 6)]),
}


# Three rows have 6 orders, two times three rows 36.
@pytest.mark.parametrize("make", ORDERS.values(), ids=ORDERS)
def test_every_order_of_the_rows_of_a_kind_is_equally_frequent_and_independent_of_others(make):
    minibatches, kinds = make()
    epochs = [np.concatenate([x[:, 0].astype(int) for x in minibatches]) for _ in range(400)]
    orders = []  # of three rows each, in successive epochs
    for kind in kinds:
        rows = np.array([epoch[np.isin(epoch, kind)] for epoch in epochs])
        orders += [["".join(map(str, row)) for row in part] for part in np.split(rows, rows.shape[1] // 3, axis=1)]
    assert len(orders) == minibatches.rows // 3
    pairs = [zip(*two, strict=True) for two in combinations(orders, 2)] + [pairwise(part) for part in orders]
    for of_two in pairs:
        _, counts = np.unique(["".join(pair) for pair in of_two], return_counts=True)
        assert len(counts) == 36 and chisquare(counts).pvalue > 1e-6


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


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
@pytest.mark.parametrize("scale", ["none", "standardize"])
def test_each_number_of_a_noisy_row_has_its_own_standard_deviation_in_the_units_of_the_data(kind, scale):
    rng, inputs = np.random.default_rng(0), []
    codes, input_std = rng.standard_normal((30, 50)) * 10 ** rng.uniform(-2, 2, 50), 10 ** rng.uniform(-3, 3, (30, 50))
    codes[:, 0], input_std[:, 0] = np.arange(30), 0.0  # the number of the row, without noise
    labels = np.where(np.arange(30) < 20, np.arange(30) % 3, -1 if kind is sv.SemiSupervisedVAE else 1)
    model = kind(50, 2, (4,), likelihood="gaussian", classes=3, scale=scale, dtype="float64")
    model.theta[...] = 0.0  # so that it takes numbers of any size
    forward = model.forward

    def recording_forward(x, *rest, **named):
        inputs.append(model.in_data_units(x.copy()))
        return forward(x, *rest, **named)

    model.forward = recording_forward
    sv.Trainer(model, batch_size=16, optimizer=SGD(1e-200)).fit(codes, 2, labels=labels, input_std=input_std)
    noisy = np.concatenate(inputs)
    rows = noisy[:, 0].round().astype(int)
    assert sorted(rows) == sorted([*range(30)] * 2)
    noise = ((noisy - codes[rows]) / np.where(input_std, input_std, 1.0)[rows])[:, 1:]
    assert np.abs(noise).max() < 5.5 and abs((noise**2).mean() - 1) < 5.5 * np.sqrt(2 / noise.size)
    assert len(np.unique(noise.round(3), axis=0)) == 60


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
