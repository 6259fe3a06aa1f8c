"""Tests that models, likelihoods, optimizers and options give the same results on a GPU as on NumPy (`-m gpu`)."""

import copy
import pickle

import numpy as np
import pytest
from strategies import in_support

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.errors import DivergedError
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.optim import SGD, Adam, AdamW
from scratchvae.training import GaussianNoise, KLWarmUp, Masking, SaltAndPepper

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")]

ROUNDING = 1e-9  # float64, three epochs of updates
RNG = np.random.default_rng(0)
X = RNG.random((50, 9)).astype("float32")
INCOMPLETE = np.where(RNG.random(X.shape) < 0.3, np.nan, X).astype("float32")
INCOMPLETE[np.isnan(INCOMPLETE).all(axis=1)] = 0.5
LABELS = RNG.integers(0, 3, 50)
PARTIAL_LABELS = np.where(RNG.random(50) < 0.4, LABELS, -1)
PARTIAL_LABELS[:3] = 0, 1, 2


@pytest.fixture
def assert_same(gpu):
    """Return a function that asserts that `compute(backend)` gives the same results on the GPU as on NumPy."""

    def check(compute, rounding=ROUNDING):
        expected, actual = compute("numpy"), compute(gpu.name)
        assert len(expected) == len(actual)
        for k, (host, device) in enumerate(zip(expected, actual, strict=True)):
            device = to_numpy(device) if hasattr(device, "dtype") else np.asarray(device)
            np.testing.assert_allclose(device, host, rtol=rounding, atol=rounding, err_msg=f"result {k}")

    return check


def train(kind, backend, data=X, fit=None, trainer=None, **settings):
    model = kind(9, 2, (8, 4), backend=backend, **{"dtype": "float64", "seed": 1, **settings})
    trainer = sv.Trainer(model, batch_size=16, seed=2, **(trainer or {}))
    history = trainer.fit(data, 3, validation=data[:20], **(fit or {}))
    return model, [model.theta, *curves(history)]


def curves(history):
    return [
        [epoch.loss for epoch in history.epochs],
        [epoch.reconstruction for epoch in history.epochs],
        [epoch.kl or 0.0 for epoch in history.epochs],
        [epoch.validation for epoch in history.epochs],
    ]


@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder, sv.IWAE])
def test_models_agree_for_every_likelihood(assert_same, kind, likelihood, missing):
    x = in_support(likelihood, X)
    data = in_support(likelihood, INCOMPLETE) if missing else x
    settings = {"importance_samples": 3} if kind is sv.IWAE else {}

    def compute(backend):
        model, results = train(kind, backend, data, likelihood=likelihood, missing=missing, **settings)
        results += [model.embed(x), model.reconstruct(x), *model.terms(data)]
        if kind is not sv.Autoencoder:
            results += [model.sample(3), model.denoise(x, 2), model.interpolate(x[0], x[1], 4)]
            results += [model.traverse(x[0]), model.analogy(x[0], x[1], x[2:5])]
            results += [model.loss_and_grads(data)[0], *model.loss_and_grads(data)[1].values()]
        return results

    assert_same(compute)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_agree(assert_same, activation):
    assert_same(lambda backend: train(sv.VAE, backend, activation=activation)[1])


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_optimizers_agree_with_gradient_clipping(assert_same, kind):
    assert_same(lambda backend: train(sv.VAE, backend, trainer={"optimizer": kind(1e-2), "clip_norm": 1.0})[1])


@pytest.mark.parametrize("corrupt", [Masking(0.2), SaltAndPepper(0.2), GaussianNoise(0.1)], ids=repr)
def test_corruptions_agree(assert_same, corrupt):
    if isinstance(corrupt, GaussianNoise):
        settings, likelihood = {"corrupt": corrupt}, "gaussian"
    else:
        settings, likelihood = {"corrupt": corrupt, "binarize": "dynamic", "kl_weight": KLWarmUp(5)}, "bernoulli"
    assert_same(lambda backend: train(sv.VAE, backend, trainer=settings, likelihood=likelihood)[1])


def test_free_bits_and_early_stopping_agree(assert_same):
    assert_same(lambda backend: train(sv.VAE, backend, fit={"patience": 1}, free_bits=0.1)[1])


def test_data_on_the_device_gives_the_same_results(assert_same, gpu):
    assert_same(lambda backend: train(sv.VAE, backend, X if backend == "numpy" else gpu.upload(X))[1])


def test_the_conditional_model_agrees(assert_same):
    def compute(backend):
        fit = {"labels": LABELS, "validation_labels": LABELS[:20]}
        model, results = train(sv.ConditionalVAE, backend, classes=3, fit=fit)
        results += [model.sample(4, labels=[0, 1, 2, 0]), model.swap_class(X[:4], LABELS[:4]), *model.encode(X, LABELS)]
        return [*results, *model.elbo(X, labels=LABELS), model.loss_and_grads(X, labels=LABELS)[0]]

    assert_same(compute)


@pytest.mark.parametrize("share", [None, 0.5])
def test_the_semi_supervised_model_agrees(assert_same, share):
    def compute(backend):
        fit = {"labels": PARTIAL_LABELS, "validation_labels": LABELS[:20], "labelled_share": share}
        model, results = train(sv.SemiSupervisedVAE, backend, classes=3, fit=fit)
        return [*results, model.predict_proba(X), model.classify(X), *model.terms(X, labels=PARTIAL_LABELS)]

    assert_same(compute)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("method", ["metropolis", "pseudo-gibbs", "importance", "encoder"])
def test_imputations_agree(assert_same, method, likelihood):
    incomplete = in_support(likelihood, INCOMPLETE)
    incomplete[0] = np.nan

    def compute(backend):
        model, _ = train(sv.VAE, backend, incomplete[1:], likelihood=likelihood, missing=True)
        results = []
        for draws in ({}, {"draws": 2}):
            try:
                results.append(model.impute(incomplete, method=method, samples=6, **draws))
            except DivergedError:  # after so little training pseudo-Gibbs may diverge, then on both backends
                results.append(np.full(incomplete.shape, np.nan))
        return results

    assert_same(compute)


def test_copies_and_loaded_models_have_the_same_weights(assert_same, tmp_path):
    def compute(backend):
        model, _ = train(sv.VAE, backend)
        sv.save(model, tmp_path / "model.npz")
        loaded = sv.load(tmp_path / "model.npz", backend=backend)
        return [loaded.theta, copy.deepcopy(model).theta, pickle.loads(pickle.dumps(model)).theta]

    assert_same(compute)


@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_resumed_training_gives_the_same_bits(gpu, tmp_path, binarize):
    def train(epochs, **fit):
        model = sv.VAE(9, 2, (8,), backend=gpu)
        sv.Trainer(model, batch_size=16, binarize=binarize).fit(X, epochs, validation=X[:20], **fit)
        return to_numpy(model.theta)

    train(2, checkpoint=tmp_path / "run.npz", every=3)
    resumed = train(4, checkpoint=tmp_path / "run.npz", every=3, resume=True)
    assert np.array_equal(resumed, train(4))


@pytest.mark.filterwarnings("ignore::scratchvae.errors.DivergenceWarning")
def test_divergence_is_detected(gpu):
    model = sv.VAE(9, 2, (8,), backend=gpu, likelihood="gaussian")
    with pytest.raises(DivergedError):
        sv.Trainer(model, optimizer=SGD(1e4), batch_size=16).fit(X * 100, 300, retries=2)
