"""Corruption: its distributions, its seeds, and its use in training and scores."""

import tracemalloc
from math import erf, sqrt

import numpy as np
import pytest
from hypothesis import given
from strategies import batches, seeds, uniform, widths

import scratchvae as sv
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.optim import SGD
from scratchvae.training import GaussianNoise, Masking, SaltAndPepper
from scratchvae.training.corruption import CORRUPTIONS, Corruptor, corruption, describe

IMAGES = uniform(0, 50, 9).astype("float32")
HELD_OUT = uniform(1, 20, 9).astype("float32")
GREY = np.full((400, 500), 0.25)
ALARM = 6.2  # standard errors: a false alarm once in 1e9


def assert_share(mask, expected):
    allowed = ALARM * sqrt(expected * (1 - expected) / mask.size)
    assert abs(mask.mean() - expected) <= allowed
    columns, rows = np.abs(mask.mean(axis=0) - expected), np.abs(mask.mean(axis=1) - expected)
    assert columns.max() <= ALARM * sqrt(expected * (1 - expected) / len(mask))
    assert rows.max() <= ALARM * sqrt(expected * (1 - expected) / mask.shape[1])


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_masking_writes_zeros_with_its_probability(dtype):
    noisy = Masking(0.3)(GREY.astype(dtype), seed=1)
    assert noisy.dtype == dtype and set(np.unique(noisy)) == {0.0, 0.25}
    assert_share(noisy == 0, 0.3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_salt_and_pepper_writes_both_values_equally_often(dtype):
    noisy = SaltAndPepper(0.3)(GREY.astype(dtype), seed=1)
    assert noisy.dtype == dtype and set(np.unique(noisy)) == {0.0, 0.25, 1.0}
    assert_share(noisy == 0, 0.15)
    assert_share(noisy == 1, 0.15)
    assert set(np.unique(SaltAndPepper(0.5, low=-1, high=2)(GREY, support=(-1, 2)))) == {-1.0, 0.25, 2.0}


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_gaussian_noise_has_its_standard_deviation_and_is_clipped(dtype):
    unclipped = GaussianNoise(0.5)(GREY.astype(dtype), seed=1, support=(-np.inf, np.inf)).astype("float64") - 0.25
    n = unclipped.size
    assert abs(unclipped.mean()) < ALARM * 0.5 / sqrt(n)
    assert abs(unclipped.std() / 0.5 - 1) < ALARM / sqrt(2 * n)
    clipped = GaussianNoise(0.5)(GREY.astype(dtype), seed=1)
    assert clipped.min() == 0 and clipped.max() == 1
    assert_share(clipped == 0, 0.5 * (1 + erf(-0.25 / 0.5 / sqrt(2))))
    assert_share(clipped == 1, 0.5 * (1 + erf(-0.75 / 0.5 / sqrt(2))))


@pytest.mark.parametrize("kind", CORRUPTIONS.values())
@given(seeds, batches, widths)
def test_corrupted_rows_stay_in_range_and_the_input_is_unchanged(kind, seed, rows, width):
    x = uniform(seed, rows, width)
    before, noisy = x.copy(), kind(0.7)(x, seed=seed)
    assert np.array_equal(x, before) and not np.shares_memory(noisy, x)
    sv.VAE(width, 2, (3,)).encode(noisy)


@pytest.mark.parametrize("kind", CORRUPTIONS.values())
def test_equal_seeds_give_equal_noise_and_batches_differ(kind):
    x = np.full((30, 40), 0.5, np.float32)
    assert np.array_equal(kind(0.5)(x, seed=3), kind(0.5)(x, seed=3))
    assert not np.array_equal(kind(0.5)(x, seed=3), kind(0.5)(x, seed=4))
    corrupt = Corruptor(kind(0.5), np.random.default_rng(0), x.dtype, (0.0, 1.0))
    first = corrupt(x).copy()
    second = corrupt(x[:20])
    assert second.shape == (20, 40) and not np.array_equal(second, first[:20])
    assert not np.array_equal(second[0], second[1])


def test_integers_and_booleans_become_floats():
    assert Masking(0.5)(np.eye(3, dtype=bool)).dtype == Masking(0.5)(np.eye(3, dtype=int)).dtype == np.float32


@pytest.mark.parametrize("kind", CORRUPTIONS.values())
def test_a_warm_batch_is_corrupted_in_place(kind):
    x = uniform(0, 512, 200).astype("float32")
    corrupt = Corruptor(kind(0.5), np.random.default_rng(0), x.dtype, (0.0, 1.0))
    corrupt(x)
    tracemalloc.start()
    corrupt(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64_000


def test_corruptions_are_made_and_described_by_name():
    assert [repr(corruption(name, 0.25)) for name in CORRUPTIONS] == [
        "GaussianNoise(0.25)",
        "SaltAndPepper(0.25)",
        "Masking(0.25)",
    ]
    assert [describe(kind(0.25))["kind"] for kind in CORRUPTIONS.values()] == list(CORRUPTIONS)
    assert describe(Masking(0.25)) == {"kind": "masking", "level": 0.25}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Masking(0.0), "level=0.0"),
        (lambda: Masking(1.5), "probability"),
        (lambda: SaltAndPepper(-0.1), "level=-0.1"),
        (lambda: GaussianNoise("1"), "level='1'"),
        (lambda: SaltAndPepper(0.1, low=1, high=0), "low < high"),
        (lambda: corruption("snow", 0.1), "masking"),
        (lambda: sv.Trainer(sv.VAE(9, 2, (8,)), corrupt="masking"), "expected one of GaussianNoise"),
        (lambda: sv.Trainer(sv.VAE(9, 2, (8,)), corrupt=SaltAndPepper(0.1, high=255)), "writes 255"),
        (lambda: Masking(0.1)(IMAGES + 1, support=(1, 2)), "writes 0"),
    ],
)
def test_invalid_settings_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def record_inputs(vae):
    """A list of (target rows, encoder input), extended by each forward."""
    inputs, forward = [], vae.forward
    vae.forward = lambda x, eps, corrupted=None: (
        inputs.append((x.copy(), corrupted.copy())),
        forward(x, eps, corrupted),
    )[1]
    return inputs


def test_training_encodes_corrupted_rows_scores_clean_ones_and_redraws_each_epoch():
    vae = sv.VAE(9, 2, (8,))
    inputs = record_inputs(vae)
    sv.Trainer(vae, batch_size=16, corrupt=Masking(0.4)).fit(IMAGES, 2)
    assert [len(x) for x, _ in inputs] == [16, 16, 16, 2] * 2
    clean, noisy = (np.concatenate(parts) for parts in zip(*inputs, strict=True))
    assert ((noisy == clean) | (noisy == 0)).all() and 0.3 < (noisy == 0).mean() < 0.5
    order = [np.lexsort(epoch_rows.T) for epoch_rows in (clean[:50], clean[50:])]
    assert np.array_equal(clean[:50][order[0]], clean[50:][order[1]])
    assert not np.array_equal(noisy[:50][order[0]], noisy[50:][order[1]])


def test_rows_are_binarized_before_corruption():
    vae = sv.VAE(9, 2, (8,))
    inputs = record_inputs(vae)
    trainer = sv.Trainer(vae, batch_size=16, binarize="dynamic", corrupt=Masking(0.4))
    trainer.fit(IMAGES, 3)
    trainer.step(IMAGES)
    clean, noisy = (np.concatenate(parts) for parts in zip(*inputs, strict=True))
    assert set(np.unique(clean)) == set(np.unique(noisy)) == {0.0, 1.0}
    assert (noisy <= clean).all() and 0.5 < noisy.sum() / clean.sum() < 0.7


def test_bug14_a_step_descends_the_loss_it_returns_for_the_noise_it_drew():
    vae, reference = sv.VAE(9, 2, (8,), dtype="float64"), sv.VAE(9, 2, (8,), dtype="float64")
    inputs = record_inputs(vae)
    trainer = sv.Trainer(vae, optimizer=SGD(0.1), corrupt=GaussianNoise(0.3))
    loss = trainer.step(IMAGES[:5])
    reference.initialize_output_bias(IMAGES[:5].mean(axis=0, dtype="float64"))
    terms = reference.forward(inputs[0][0], trainer._eps, inputs[0][1])
    assert loss == pytest.approx(-terms.value.mean(), rel=1e-12)
    reference.backward()
    np.testing.assert_allclose(vae.theta, reference.theta - 0.1 * reference.dtheta, rtol=1e-9, atol=1e-12)


def test_bug14_validation_is_corrupted_with_the_same_noise_every_epoch():
    vae = sv.VAE(9, 2, (8,))
    history = sv.Trainer(vae, optimizer=SGD(1e-30), corrupt=Masking(0.4)).fit(IMAGES, 2, validation=HELD_OUT)
    score = sv.score(vae, HELD_OUT, corrupt=Masking(0.4))
    assert history.validation == [-score.value] * 2 != [-sv.score(vae, HELD_OUT).value] * 2
    noisy = Masking(0.4)(HELD_OUT)
    terms = vae.terms(HELD_OUT, corrupted=noisy)
    assert score.value == pytest.approx(terms.value.mean(), rel=1e-6)
    np.testing.assert_allclose(terms.kl, vae.elbo(noisy).kl, rtol=1e-6)
    alone = [vae.terms(HELD_OUT[k : k + 1], corrupted=noisy[k : k + 1]).kl[0] for k in range(20)]
    np.testing.assert_allclose(terms.kl, alone, rtol=1e-5)


KINDS = {
    "VAE": lambda: sv.VAE(60, 2, (4,)),
    "IWAE": lambda: sv.IWAE(60, 2, (4,), importance_samples=3),
    "ConditionalVAE": lambda: sv.ConditionalVAE(60, 2, (4,), classes=2),
    "SemiSupervisedVAE": lambda: sv.SemiSupervisedVAE(60, 2, (4,), classes=2),
    "Autoencoder": lambda: sv.Autoencoder(60, 2, (4,)),
}


def step_seven_times(model, x, labels, **noise):
    trainer = sv.Trainer(model, **noise)
    for _ in range(7):
        trainer.step(x[:100], None if labels is None else labels[:100])


WAYS = {
    "score": lambda model, x, labels, **noise: sv.score(model, x, labels=labels, **noise),
    "fit": lambda model, x, labels, **noise: sv.Trainer(model, **noise).fit(x, 1, labels=labels),
    "step": step_seven_times,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_equal_grey_rows_have_bits_latent_noise_and_corruption_of_their_own(kind, way):
    model, grey, calls = KINDS[kind](), np.full((700, 60), 0.5, np.float32), []
    labels, forward = np.arange(700) % 2 if model.classes else None, model.forward

    def recording_forward(x, eps, corrupted=None, **settings):
        calls.append([x.copy(), eps.copy(), x.copy() if corrupted is None else corrupted.copy()])
        return forward(x, eps, corrupted, **settings)

    model.forward = recording_forward
    WAYS[way](model, grey, labels, binarize="dynamic")
    x, eps, _ = map(np.concatenate, zip(*calls, strict=True))
    assert len(calls) > 1 and len(x) == len(np.unique(x, axis=0)) == 700
    assert len(np.unique(eps, axis=0)) == (700 if model.noise_dim else 1)
    calls.clear()
    WAYS[way](model, grey, labels, corrupt=Masking(0.5))
    x, _, corrupted = map(np.concatenate, zip(*calls, strict=True))
    assert (x == 0.5).all() and len(np.unique(corrupted, axis=0)) == 700


def test_invalid_corrupted_rows_are_refused_by_name():
    vae = sv.VAE(9, 2, (8,))
    with pytest.raises(RangeError, match="corrupted holds values from"):
        vae.terms(IMAGES, corrupted=IMAGES - 1)
    with pytest.raises(ShapeError, match="corrupted has shape"):
        vae.terms(IMAGES, corrupted=IMAGES[:, :5])
    with pytest.raises(ShapeError):
        vae.terms(IMAGES, corrupted=IMAGES[:7])


def test_corruption_has_its_own_random_stream():
    vae, plain = sv.VAE(9, 2, (8,)), sv.VAE(9, 2, (8,))
    inputs, plain_inputs = record_inputs(vae), []
    forward = plain.forward
    plain.forward = lambda x, eps: (plain_inputs.append(x.copy()), forward(x, eps))[1]
    sv.Trainer(vae, batch_size=16, corrupt=Masking(1e-12)).fit(IMAGES, 1)
    sv.Trainer(plain, batch_size=16).fit(IMAGES, 1)
    assert all(np.array_equal(a, b) for (a, _), b in zip(inputs, plain_inputs, strict=True))
    assert np.array_equal(vae.theta, plain.theta)  # nothing is masked, so nothing differs


@pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")
def test_a_denoising_vae_denoises_better_than_one_trained_on_clean_rows():
    digits = sv.datasets.load("digits")
    clean, gains = digits.test.images, []
    noisy = Masking(0.3)(clean, seed=1)
    for corrupt in (Masking(0.3), None):
        vae = sv.VAE(64, 20, (128,), beta=0.1)
        sv.Trainer(vae, lr=3e-3, batch_size=64, corrupt=corrupt).fit(digits.train.images, 25)
        gains.append(sv.evaluation.psnr(vae.denoise(noisy), clean) - sv.evaluation.psnr(noisy, clean))
    assert gains[0] > 4 and gains[0] > gains[1] + 1
