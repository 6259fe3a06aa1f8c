"""Copies of models, trainers and optimizers by `copy` and pickle: equal bits, separate memory."""

import copy
import pickle

import numpy as np
import pytest
from emulated_backend import needs_compiler
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import NUMPY, get_backend, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import CopyError
from scratchvae.models.locks import Locks
from scratchvae.optim import SGD, Adam, AdamW, Cosine
from scratchvae.training import KLWarmUp, Masking

MODELS = {
    "VAE": lambda **k: sv.VAE(9, 3, (8, 4), "gelu", "gaussian_learned", sigma=0.5, image_shape=(3, 3), **k),
    "free bits": lambda **k: sv.VAE(9, 3, (8,), free_bits=0.1, beta=2.0, **k),
    "missing": lambda **k: sv.VAE(9, 3, (8,), missing=True, **k),
    "IWAE": lambda **k: sv.IWAE(9, 3, (8,), importance_samples=3, **k),
    "ConditionalVAE": lambda **k: sv.ConditionalVAE(9, 3, (8,), classes=4, **k),
    "SemiSupervisedVAE": lambda **k: sv.SemiSupervisedVAE(9, 3, (8,), classes=4, alpha=0.5, **k),
    "Autoencoder": lambda **k: sv.Autoencoder(9, 3, (), **k),
}
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda m, n=n: pickle.loads(pickle.dumps(m, n)) for n in (0, 2, pickle.HIGHEST_PROTOCOL)},
}
X = uniform(0, 5, 9)


def trained_model(make, **settings):
    """A model after one training step, with metadata."""
    model = make(seed=3, **settings)
    labels = {"labels": 1} if model.classes else {}
    sv.Trainer(model, batch_size=4).step(X, **labels)
    model.metadata = {"data": "here", "of": {"more": [1]}}
    return model


def answers(model):
    labels = {"labels": [0, 1, 2, 3, 0]} if model.classes else {}
    codes = model.embed(X, **labels)
    rows = model.decode(codes, **labels)
    loss, grads = model.loss_and_grads(X, seed=1, **labels)
    return [to_numpy(array) for array in (codes, rows, *model.terms(X, **labels), *grads.values())], loss


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_copy_gives_the_same_bits_and_shares_nothing(make, dtype, copied):
    model = trained_model(make, dtype=dtype)
    duplicate = copied(model)
    assert type(duplicate) is type(model) and repr(duplicate) == repr(model)
    assert (duplicate.config, duplicate.metadata, duplicate.backend) == (model.config, model.metadata, model.backend)
    assert np.array_equal(duplicate.theta, model.theta)
    for one, other in zip(*(answers(m)[0] for m in (model, duplicate)), strict=True):
        assert np.array_equal(one, other)
    assert answers(model)[1] == answers(duplicate)[1]

    before = duplicate.theta.copy()
    sv.Trainer(model, batch_size=4).step(X, **({"labels": 2} if model.classes else {}))
    model.metadata["data"] = "there"
    assert np.array_equal(duplicate.theta, before)
    assert duplicate.metadata["data"] == "here" and duplicate.config is not model.config
    assert duplicate.lock is not model.lock and duplicate.weights_lock is not model.weights_lock


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_parameters_of_a_copy_are_views_of_its_own_vector(copied):
    duplicate = copied(trained_model(MODELS["VAE"]))
    assert all(np.shares_memory(view, duplicate.theta) for view in duplicate.params.values())
    before = duplicate.decode(np.zeros((1, 3))).copy()
    duplicate.theta[...] += 0.1
    assert not np.array_equal(duplicate.decode(np.zeros((1, 3))), before)
    sv.Trainer(duplicate).step(X)


def test_a_deep_copy_has_its_own_nested_metadata():
    model = trained_model(MODELS["VAE"])
    duplicate = copy.deepcopy(model)
    model.metadata["of"]["more"].append(2)
    assert duplicate.metadata["of"]["more"] == [1]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_model_on_a_device_is_copied_through_the_host(make, copied):
    model = trained_model(make, backend=FAKE_CUPY)
    duplicate = copied(model)
    assert duplicate.backend is FAKE_CUPY
    for one, other in zip(*(answers(m)[0] for m in (model, duplicate)), strict=True):
        assert np.array_equal(one, other)
    (weights,) = (part for part in model.__reduce__()[1] if hasattr(part, "dtype"))
    assert type(weights) is np.ndarray


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_loaded_encoder_can_be_copied(make, copied, tmp_path):
    model = trained_model(make)
    sv.save(model, tmp_path / "model.npz")
    encoder = sv.load_encoder(tmp_path / "model.npz")
    duplicate = copied(encoder)
    labels = {"labels": [0, 1, 2, 3, 0]} if model.classes else {}
    assert np.array_equal(duplicate.embed(X, **labels), model.embed(X, **labels))
    assert (repr(duplicate), duplicate.config, duplicate.metadata) == (repr(encoder), encoder.config, encoder.metadata)
    for name, view in encoder.params.items():
        view[...] = 0.0
        assert name in duplicate.params
    assert np.array_equal(duplicate.embed(X, **labels), model.embed(X, **labels))


def test_a_copied_backend_is_the_same_object():
    assert copy.deepcopy(NUMPY) is NUMPY is pickle.loads(pickle.dumps(NUMPY)) is get_backend("numpy")
    assert copy.deepcopy(FAKE_CUPY) is FAKE_CUPY


def test_weights_are_copied_under_the_lock(monkeypatch):
    """Without the lock, another thread's update could change the weights during the copy."""
    model = trained_model(MODELS["VAE"])
    lock_owned = []
    monkeypatch.setattr(
        type(model), "theta", property(lambda self: (lock_owned.append(self.lock.held), self._params.data)[1])
    )
    model.__reduce__()
    assert lock_owned and all(lock_owned)
    assert isinstance(model.locks, Locks)


def weights_after(trainer, steps=2):
    for step in range(steps):
        trainer.step(uniform(step, 5, 9), **({"labels": 1} if trainer.model.classes else {}))
    return to_numpy(trainer.model.theta)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("backend", ["numpy", pytest.param("native", marks=needs_compiler)])
@pytest.mark.parametrize("kind", [Adam, AdamW, SGD])
def test_a_copied_trainer_continues_with_the_same_bits(kind, backend, copied):
    optimizer, rest = kind(Cosine(0.1, 100)), {"batch_size": 4, "seed": 7, "clip_norm": 5.0, "corrupt": Masking(0.2)}
    trainer = sv.Trainer(MODELS["VAE"](backend=backend), optimizer=optimizer, kl_weight=KLWarmUp(9), **rest)
    trainer.fit(X, 2)
    before = to_numpy(trainer.model.theta).copy()
    duplicate = copied(trainer)
    assert type(duplicate) is sv.Trainer and duplicate.model is not trainer.model
    assert type(duplicate.optimizer) is type(trainer.optimizer) and duplicate.optimizer is not trainer.optimizer
    assert (duplicate.optimizer.t, duplicate.optimizer.config().keys()) == (
        trainer.optimizer.t,
        optimizer.config().keys(),
    )
    assert (duplicate.batch_size, duplicate.seed, duplicate.clip_norm) == (4, 7, 5.0)
    assert [epoch._replace(seconds=0) for epoch in duplicate.history.epochs] == [
        epoch._replace(seconds=0) for epoch in trainer.history.epochs
    ]
    assert np.array_equal(duplicate.model.theta, before)
    moved = weights_after(trainer).copy()
    assert np.array_equal(to_numpy(duplicate.model.theta), before) and not np.array_equal(moved, before)
    assert np.array_equal(weights_after(duplicate), moved)
    assert trainer.fit(X, 1).loss[-1] == duplicate.fit(X, 1).loss[-1]
    assert np.array_equal(to_numpy(trainer.model.theta), to_numpy(duplicate.model.theta))


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_trainers_can_be_copied_before_and_after_fit(make, copied):
    trainer = sv.Trainer(make(seed=3), batch_size=4, seed=1)
    labels = {"labels": [0, 1, 2, 3, 0]} if trainer.model.classes else {}
    for _ in range(2):
        duplicate = copied(trainer)
        histories = [either.fit(X, 2, **labels) for either in (trainer, duplicate)]
        assert histories[0].loss == histories[1].loss
        assert np.array_equal(trainer.model.theta, duplicate.model.theta)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_trainer_on_a_device_is_copied_through_the_host(copied):
    trainer = sv.Trainer(MODELS["VAE"](backend=FAKE_CUPY), batch_size=4)
    trainer.fit(X, 1)
    duplicate = copied(trainer)
    assert duplicate.model.backend is FAKE_CUPY
    assert np.array_equal(weights_after(trainer), weights_after(duplicate))


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", [Adam, AdamW, SGD])
def test_an_optimizer_can_be_copied_until_it_belongs_to_a_trainer(kind, copied):
    optimizer = kind(Cosine(0.1, 100))
    duplicates = [copied(optimizer) for _ in range(2)]
    thetas = []
    for one in (optimizer, *duplicates):
        model = MODELS["VAE"]()
        sv.Trainer(model, optimizer=one, batch_size=4).step(X)
        thetas.append(model.theta)
    assert np.array_equal(thetas[0], thetas[1]) and np.array_equal(thetas[0], thetas[2])
    with pytest.raises(CopyError, match="belongs to a trainer"):
        copied(optimizer)
