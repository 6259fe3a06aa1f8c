"""Models, likelihoods, activations, optimizers and options compute on a GPU what they compute on NumPy (`-m gpu`)."""

import copy
import pickle

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.errors import DivergedError
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.optim import SGD, Adam, AdamW
from scratchvae.training import GaussianNoise, KLWarmUp, Masking, SaltAndPepper

pytestmark = pytest.mark.gpu

ROUNDING = 1e-9  # float64, three epochs of updates
RNG = np.random.default_rng(0)
X = RNG.random((50, 9)).astype("float32")
INCOMPLETE = np.where(RNG.random(X.shape) < 0.3, np.nan, X).astype("float32")
INCOMPLETE[np.isnan(INCOMPLETE).all(axis=1)] = 0.5
LABELS = RNG.integers(0, 3, 50)
PARTLY = np.where(RNG.random(50) < 0.4, LABELS, -1)
PARTLY[:3] = 0, 1, 2


@pytest.fixture
def same(gpu):
    """Asserts that a function of a backend's name returns the same arrays and numbers on the GPU as on NumPy."""

    def check(compute, rounding=ROUNDING):
        expected, given = compute("numpy"), compute(gpu.name)
        assert len(expected) == len(given)
        for k, (host, device) in enumerate(zip(expected, given, strict=True)):
            device = to_numpy(device) if hasattr(device, "dtype") else np.asarray(device)
            np.testing.assert_allclose(device, host, rtol=rounding, atol=rounding, err_msg=f"result {k}")

    return check


def trained(kind, backend, data=X, fit=None, trainer=None, **settings):
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
def test_models_and_likelihoods(same, kind, likelihood, missing):
    data = INCOMPLETE if missing else X
    more = {"importance_samples": 3} if kind is sv.IWAE else {}

    def compute(backend):
        model, results = trained(kind, backend, data, likelihood=likelihood, missing=missing, **more)
        results += [model.embed(X), model.reconstruct(X), *model.terms(data)]
        if kind is not sv.Autoencoder:
            results += [model.sample(3), model.denoise(X, 2), model.interpolate(X[0], X[1], 4)]
            results += [model.traverse(X[0]), model.analogy(X[0], X[1], X[2:5])]
            results += [model.loss_and_grads(data)[0], *model.loss_and_grads(data)[1].values()]
        return results

    same(compute)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(same, activation):
    same(lambda backend: trained(sv.VAE, backend, activation=activation)[1])


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_optimizers_with_a_clipped_gradient(same, kind):
    same(lambda backend: trained(sv.VAE, backend, trainer={"optimizer": kind(1e-2), "clip_norm": 1.0})[1])


@pytest.mark.parametrize("corrupt", [Masking(0.2), SaltAndPepper(0.2), GaussianNoise(0.1)], ids=repr)
def test_corruption(same, corrupt):
    if isinstance(corrupt, GaussianNoise):
        settings, likelihood = {"corrupt": corrupt}, "gaussian"
    else:
        settings, likelihood = {"corrupt": corrupt, "binarize": "dynamic", "kl_weight": KLWarmUp(5)}, "bernoulli"
    same(lambda backend: trained(sv.VAE, backend, trainer=settings, likelihood=likelihood)[1])


def test_free_bits_and_early_stopping(same):
    same(lambda backend: trained(sv.VAE, backend, fit={"patience": 1}, free_bits=0.1)[1])


def test_data_that_is_on_the_device(same, gpu):
    same(lambda backend: trained(sv.VAE, backend, X if backend == "numpy" else gpu.upload(X))[1])


def test_the_conditional_model(same):
    def compute(backend):
        fit = {"labels": LABELS, "validation_labels": LABELS[:20]}
        model, results = trained(sv.ConditionalVAE, backend, classes=3, fit=fit)
        results += [model.sample(4, labels=[0, 1, 2, 0]), model.swap_class(X[:4], LABELS[:4]), *model.encode(X, LABELS)]
        return [*results, *model.elbo(X, labels=LABELS), model.loss_and_grads(X, labels=LABELS)[0]]

    same(compute)


@pytest.mark.parametrize("share", [None, 0.5])
def test_the_semi_supervised_model(same, share):
    def compute(backend):
        fit = {"labels": PARTLY, "validation_labels": LABELS[:20], "labelled_share": share}
        model, results = trained(sv.SemiSupervisedVAE, backend, classes=3, fit=fit)
        return [*results, model.predict_proba(X), model.classify(X), *model.terms(X, labels=PARTLY)]

    same(compute)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("method", ["metropolis", "pseudo-gibbs", "importance", "encoder"])
def test_imputation(same, method, likelihood):
    gaps = INCOMPLETE.copy()
    gaps[0] = np.nan

    def compute(backend):
        model, _ = trained(sv.VAE, backend, INCOMPLETE, likelihood=likelihood, missing=True)
        results = []
        for draws in ({}, {"draws": 2}):
            try:
                results.append(model.impute(gaps, method=method, samples=6, **draws))
            except DivergedError:  # pseudo-Gibbs may run away on a model this young, and then does so on both
                results.append(np.full(gaps.shape, np.nan))
        return results

    same(compute)


def test_copies_and_files(same, tmp_path):
    def compute(backend):
        model, _ = trained(sv.VAE, backend)
        sv.save(model, tmp_path / "model.npz")
        loaded = sv.load(tmp_path / "model.npz", backend=backend)
        return [loaded.theta, copy.deepcopy(model).theta, pickle.loads(pickle.dumps(model)).theta]

    same(compute)


def test_training_that_is_resumed_gives_the_same_bits(gpu, tmp_path):
    def train(epochs, **fit):
        model = sv.VAE(9, 2, (8,), backend=gpu)
        sv.Trainer(model, batch_size=16).fit(X, epochs, validation=X[:20], **fit)
        return to_numpy(model.theta)

    train(2, checkpoint=tmp_path / "run.npz", every=3)
    resumed = train(4, checkpoint=tmp_path / "run.npz", every=3, resume=True)
    assert np.array_equal(resumed, train(4))


@pytest.mark.filterwarnings("ignore::scratchvae.errors.DivergenceWarning")
def test_divergence_is_noticed(gpu):
    model = sv.VAE(9, 2, (8,), backend=gpu, likelihood="gaussian")
    with pytest.raises(DivergedError):
        sv.Trainer(model, optimizer=SGD(1e4), batch_size=16).fit(X * 100, 300, retries=2)
