"""Copies of a model, by `copy` and by pickle: the same bits, and memory of their own."""

import copy
import pickle

import numpy as np
import pytest
from emulated_backend import needs_compiler
from fake_cupy import FAKE_CUPY
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import NUMPY, get_backend, to_numpy
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


def used(make, **settings):
    """A model that has been trained for a step, and has something written on it."""
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
    model = used(make, dtype=dtype)
    twin = copied(model)
    assert type(twin) is type(model) and repr(twin) == repr(model)
    assert (twin.config, twin.metadata, twin.backend) == (model.config, model.metadata, model.backend)
    assert np.array_equal(twin.theta, model.theta)
    for one, other in zip(*(answers(m)[0] for m in (model, twin)), strict=True):
        assert np.array_equal(one, other)
    assert answers(model)[1] == answers(twin)[1]

    before = twin.theta.copy()
    sv.Trainer(model, batch_size=4).step(X, **({"labels": 2} if model.classes else {}))
    model.metadata["data"] = "there"
    assert np.array_equal(twin.theta, before)
    assert twin.metadata["data"] == "here" and twin.config is not model.config
    assert twin.lock is not model.lock and twin.weights_lock is not model.weights_lock


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_is_whole_its_parameters_are_views_of_its_vector(copied):
    twin = copied(used(MODELS["VAE"]))
    assert all(np.shares_memory(view, twin.theta) for view in twin.params.values())
    before = twin.decode(np.zeros((1, 3))).copy()
    twin.theta[...] += 0.1
    assert not np.array_equal(twin.decode(np.zeros((1, 3))), before)
    sv.Trainer(twin).step(X)


def test_a_copy_in_memory_does_not_know_what_is_written_in_the_others_notes_deep_down():
    model = used(MODELS["VAE"])
    twin = copy.deepcopy(model)
    model.metadata["of"]["more"].append(2)
    assert twin.metadata["of"]["more"] == [1]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_model_on_a_device_is_copied_by_way_of_the_host(make, copied):
    model = used(make, backend=FAKE_CUPY)
    twin = copied(model)
    assert twin.backend is FAKE_CUPY
    for one, other in zip(*(answers(m)[0] for m in (model, twin)), strict=True):
        assert np.array_equal(one, other)
    (weights,) = (part for part in model.__reduce__()[1] if hasattr(part, "dtype"))
    assert type(weights) is np.ndarray


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_an_encoder_alone_is_copied_as_a_whole_model_is(make, copied, tmp_path):
    model = used(make)
    sv.save(model, tmp_path / "model.npz")
    encoder = sv.load_encoder(tmp_path / "model.npz")
    twin = copied(encoder)
    labels = {"labels": [0, 1, 2, 3, 0]} if model.classes else {}
    assert np.array_equal(twin.embed(X, **labels), model.embed(X, **labels))
    assert (repr(twin), twin.config, twin.metadata) == (repr(encoder), encoder.config, encoder.metadata)
    for name, view in encoder.params.items():
        view[...] = 0.0
        assert name in twin.params
    assert np.array_equal(twin.embed(X, **labels), model.embed(X, **labels))


def test_a_backend_is_found_by_its_name():
    assert copy.deepcopy(NUMPY) is NUMPY is pickle.loads(pickle.dumps(NUMPY)) is get_backend("numpy")
    assert copy.deepcopy(FAKE_CUPY) is FAKE_CUPY


def test_weights_are_copied_under_the_lock(monkeypatch):
    """Or another thread's update might come halfway through."""
    model = used(MODELS["VAE"])
    held = []
    monkeypatch.setattr(
        type(model), "theta", property(lambda self: (held.append(self.lock._is_owned()), self._params.data)[1])
    )
    model.__reduce__()
    assert held and all(held)
    assert isinstance(model.locks, Locks)


def weights_after(trainer, steps=2):
    for step in range(steps):
        trainer.step(uniform(step, 5, 9), **({"labels": 1} if trainer.model.classes else {}))
    return to_numpy(trainer.model.theta)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("backend", ["numpy", pytest.param("native", marks=needs_compiler)])
@pytest.mark.parametrize("kind", [Adam, AdamW, SGD])
def test_a_trainer_is_copied_with_its_model_and_both_go_on_with_the_same_bits(kind, backend, copied):
    optimizer, rest = kind(Cosine(0.1, 100)), {"batch_size": 4, "seed": 7, "clip_norm": 5.0, "corrupt": Masking(0.2)}
    trainer = sv.Trainer(MODELS["VAE"](backend=backend), optimizer=optimizer, kl_weight=KLWarmUp(9), **rest)
    trainer.fit(X, 2)
    before = to_numpy(trainer.model.theta).copy()
    twin = copied(trainer)
    assert type(twin) is sv.Trainer and twin.model is not trainer.model
    assert type(twin.optimizer) is type(trainer.optimizer) and twin.optimizer is not trainer.optimizer
    assert (twin.optimizer.t, twin.optimizer.config().keys()) == (trainer.optimizer.t, optimizer.config().keys())
    assert (twin.batch_size, twin.seed, twin.clip_norm) == (4, 7, 5.0)
    assert [epoch._replace(seconds=0) for epoch in twin.history.epochs] == [
        epoch._replace(seconds=0) for epoch in trainer.history.epochs
    ]
    assert np.array_equal(twin.model.theta, before)
    moved = weights_after(trainer).copy()
    assert np.array_equal(to_numpy(twin.model.theta), before) and not np.array_equal(moved, before)
    assert np.array_equal(weights_after(twin), moved)
    assert trainer.fit(X, 1).loss[-1] == twin.fit(X, 1).loss[-1]
    assert np.array_equal(to_numpy(trainer.model.theta), to_numpy(twin.model.theta))


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_trainer_of_any_model_is_copied_before_its_first_step_and_after(make, copied):
    trainer = sv.Trainer(make(seed=3), batch_size=4, seed=1)
    labels = {"labels": [0, 1, 2, 3, 0]} if trainer.model.classes else {}
    for _ in range(2):
        twin = copied(trainer)
        histories = [each.fit(X, 2, **labels) for each in (trainer, twin)]
        assert histories[0].loss == histories[1].loss
        assert np.array_equal(trainer.model.theta, twin.model.theta)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_trainer_on_a_device_is_copied_by_way_of_the_host(copied):
    trainer = sv.Trainer(MODELS["VAE"](backend=FAKE_CUPY), batch_size=4)
    trainer.fit(X, 1)
    twin = copied(trainer)
    assert twin.model.backend is FAKE_CUPY
    assert np.array_equal(weights_after(trainer), weights_after(twin))


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", [Adam, AdamW, SGD])
def test_an_optimizer_can_be_copied_until_it_has_a_trainer(kind, copied):
    optimizer = kind(Cosine(0.1, 100))
    twins = [copied(optimizer) for _ in range(2)]
    thetas = []
    for one in (optimizer, *twins):
        model = MODELS["VAE"]()
        sv.Trainer(model, optimizer=one, batch_size=4).step(X)
        thetas.append(model.theta)
    assert np.array_equal(thetas[0], thetas[1]) and np.array_equal(thetas[0], thetas[2])
    with pytest.raises(CopyError, match="belongs to a trainer"):
        copied(optimizer)
