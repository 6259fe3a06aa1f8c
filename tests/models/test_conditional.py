"""Conditional VAE: labels in every method, refusals, and a code that is independent of the class."""

import numpy as np
import pytest
from strategies import normal, uniform
from trained_state import state_after

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, RangeError

pytestmark = pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")  # the models are untrained

X, Y = uniform(0, 7, 6), np.array([0, 1, 2, 2, 1, 0, 1])


@pytest.fixture
def model():
    return sv.ConditionalVAE(6, 2, (5,), classes=3, dtype="float64", seed=1)


def test_the_class_changes_codes_and_reconstructions(model):
    z = normal(0, 4, 2)
    assert not np.allclose(model.decode(z, 0), model.decode(z, 1))
    assert not np.allclose(model.encode(X, 0)[0], model.encode(X, 1)[0])
    assert np.array_equal(model.decode(z, [0, 1, 0, 1])[1::2], model.decode(z, 1)[1::2])
    assert np.array_equal(model.reconstruct(X, Y), model.decode(model.embed(X, Y), Y))


def test_chunks_of_rows_use_their_own_labels(model):
    x, y = np.tile(X, (200, 1)), np.tile(Y, 200)
    assert len(x) > model.chunk_rows
    np.testing.assert_allclose(model.embed(x, y), np.tile(model.embed(X, Y), (200, 1)))
    np.testing.assert_allclose(model.elbo(x, labels=y).kl, np.tile(model.elbo(X, labels=Y).kl, 200))


def test_samples_have_the_requested_class_or_a_random_one(model):
    one, drawn = model.sample(9, seed=4, labels=2), model.sample(9, seed=4)
    assert one.shape == drawn.shape == (9, 6) and not np.allclose(one, drawn)
    assert np.array_equal(one, model.sample(9, seed=4, labels=[2] * 9))
    mixed = [any(np.allclose(drawn[n], model.sample(9, seed=4, labels=k)[n]) for k in range(3)) for n in range(9)]
    assert all(mixed)


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
@pytest.mark.parametrize("K", [2, 5])
def test_samples_without_labels_have_every_class_equally_often_and_independently(kind, K):
    model = kind(K + 1, 1, (), classes=K, dtype="float64")
    model.theta[...] = 0.0
    model.params["decoder.0.V"][:, :K] = 20 * np.eye(K)  # the first K columns show the class, the last one shows z
    model.params["decoder.0.W"][0, K] = 1.0
    drawn = model.sample(10_000)
    classes, z = drawn[:, :K].argmax(axis=1), np.log(drawn[:, K] / (1 - drawn[:, K]))
    assert np.array_equal(drawn[:, :K] > 0.9, np.eye(K)[classes] == 1)
    pairs = np.bincount(classes[::2] * K + classes[1::2], minlength=K**2)
    for counts in (np.bincount(classes, minlength=K), pairs):
        expected = counts.sum() / counts.size
        assert (np.abs(counts - expected) < 5.5 * np.sqrt(expected)).all(), counts
    assert all(abs(z[classes == k].mean()) < 5.5 / np.sqrt((classes == k).sum()) for k in range(K))


def test_swap_class_decodes_one_code_with_every_class(model):
    styles = model.swap_class(X, Y)
    assert styles.shape == (7, 3, 6)
    for k in range(3):
        assert np.array_equal(styles[:, k], model.decode(model.embed(X, Y), k))
    assert np.array_equal(styles[np.arange(7), Y], model.reconstruct(X, Y))


def test_training_separates_independent_style_and_class():
    rng = np.random.default_rng(0)
    y, style = rng.integers(3, size=600), rng.standard_normal((600, 1))
    x = np.hstack([np.eye(3)[y] * 4, style, -style, 2 * style]) + 0.1 * rng.standard_normal((600, 6))
    model = sv.ConditionalVAE(6, 2, (16,), "tanh", "gaussian_learned", classes=3)
    sv.Trainer(model, lr=1e-2, batch_size=50).fit(x, 40, labels=y)
    z, variance = model.embed(x, y), model.encode(x, y)[1]
    used = np.exp(variance).mean(axis=0) < 0.5
    assert used.any()
    between = np.array([z[y == k].mean(axis=0) for k in range(3)])[:, used]
    assert np.abs(between).max() < 0.2
    assert np.abs(np.corrcoef(z[:, used].T, style[:, 0])[-1, :-1]).max() > 0.95
    drawn = model.sample(300, labels=1)
    assert np.abs(drawn[:, :3].mean(axis=0) - [0, 4, 0]).max() < 0.3
    transferred = model.swap_class(x[:50], y[:50])
    assert np.abs(transferred[:, 2, 3] - style[:50, 0]).mean() < 0.2
    assert np.abs(transferred[:, 2, 2] - 4).mean() < 0.3


def test_every_method_takes_one_label_per_row_or_one_for_all_rows(model):
    path = model.interpolate(X[0], X[1], 4, labels=2)
    np.testing.assert_allclose(path[[0, -1]], model.reconstruct(X[:2], 2), rtol=1e-12)  # batches of other sizes
    assert np.array_equal(model.traverse(dimension=1, values=[0.5], labels=2), model.decode([[0.0, 0.5]], 2))
    first = model.traverse(X[0], 0, [1.0, 2.0], labels=1)[:1]
    np.testing.assert_allclose(first, model.traverse(X[0], 0, [1.0], labels=1), rtol=1e-12)
    assert np.allclose(model.analogy(X[0], X[0], X[2], labels=2), model.reconstruct(X[2:3], 2)[0])
    assert np.allclose(model.analogy(X[:3], X[:3], X[3:5], labels=1), model.reconstruct(X[3:5], 1))
    assert np.array_equal(model.denoise(X, labels=Y), model.reconstruct(X, Y))
    assert model.denoise(X, draws=3, labels=Y).shape == X.shape
    for labels in (2, np.full(7, 2), [2] * 7):
        for method in (model.encode, model.embed, model.reconstruct, model.denoise, model.swap_class, model.terms):
            for one, other in zip(method(X, labels=labels), method(X, labels=2), strict=True):
                assert np.array_equal(one, other)
    assert np.array_equal(model.decode(normal(0, 3, 2), labels=[2, 2, 2]), model.decode(normal(0, 3, 2), 2))


def test_every_method_without_labels_is_refused(model):
    for call in (
        lambda: model.encode(X),
        lambda: model.embed(X),
        lambda: model.decode(normal(0, 3, 2)),
        lambda: model.reconstruct(X),
        lambda: model.interpolate(X[0], X[1]),
        lambda: model.analogy(X[0], X[1], X[2]),
        lambda: model.traverse(),
        lambda: model.denoise(X),
        lambda: model.denoise(X, draws=2),
        lambda: model.swap_class(X),
        lambda: model.terms(X),
        lambda: model.elbo(X),
        lambda: model.loss_and_grads(X),
        lambda: sv.Trainer(model).step(X),
        lambda: sv.Trainer(model).fit(X, 1),
        lambda: sv.score(model, X),
    ):
        with pytest.raises(ConfigError, match="ConditionalVAE needs the class of each row, 0 to 2: pass labels="):
            call()


def test_labels_of_one_call_do_not_affect_the_next(model):
    model.embed(X, 1)
    with pytest.raises(ConfigError, match="needs the class"):
        model.embed(X)
    model.loss_and_grads(X, labels=Y)
    with pytest.raises(ConfigError, match="needs the class"):
        model.loss_and_grads(X)
    targets, eps = np.eye(3)[Y], normal(3, 7, 2)
    first = model.forward(X, eps, targets=targets).value.copy()
    model.forward(X, eps, targets=np.eye(3)[(Y + 1) % 3])
    assert np.array_equal(model.forward(X, eps, targets=targets).value, first)
    assert np.array_equal(model.terms(X, eps, labels=Y).value, first)


def test_invalid_labels_are_refused_before_weights_change(model):
    before, trainer, wrong = model.theta.copy(), sv.Trainer(model), [0, 1, 2, 3, 0, 0, 0]
    for call in (
        lambda: trainer.fit(X, 1, labels=wrong),
        lambda: trainer.step(X, wrong),
        lambda: sv.score(model, X, labels=wrong),
        lambda: trainer.fit(X, 1, X, labels=Y, validation_labels=wrong),
    ):
        with pytest.raises(RangeError, match="hold 3, and there are 3 classes"):
            call()
    assert np.array_equal(model.theta, before)


def test_a_class_without_rows_is_refused_by_number(model):
    with pytest.raises(RangeError, match="no row is labelled 0, 2, and there are 3 classes"):
        sv.Trainer(model).fit(X, 1, labels=np.ones(7, int))


def test_a_class_without_rows_is_refused_by_its_name():
    model = sv.ConditionalVAE(6, 2, (5,), classes=("ant", "bee", "cow"))
    with pytest.raises(RangeError, match="no row is labelled ant, cow, and there are 3 classes"):
        sv.Trainer(model).fit(X, 1, labels=["bee"] * 7)


def test_a_model_without_classes_refuses_labels():
    vae = sv.VAE(6, 2, (4,))
    trainer = sv.Trainer(vae)
    for call in (
        lambda: trainer.fit(X, 1, labels=Y),
        lambda: trainer.step(X, Y),
        lambda: sv.score(vae, X, labels=Y),
        lambda: trainer.fit(X, 1, input_std=X),
        lambda: trainer.fit(X, 1, labelled_share=0.5),
    ):
        with pytest.raises(ConfigError, match="leave them out"):
            call()
    with pytest.raises(ConfigError, match="classes=1: expected a whole number of at least 2"):
        sv.ConditionalVAE(6, 2, classes=1)


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_conditional_models_are_saved_loaded_and_converted(kind, tmp_path):
    model = kind(6, 2, (5, 4), "tanh", classes=3, image_shape=(2, 3))
    sv.Trainer(model).fit(X, 2, labels=Y)
    sv.save(model, tmp_path / "model.npz")
    loaded = sv.load(tmp_path / "model.npz")
    assert type(loaded) is kind and loaded.config == model.config and loaded.classes == 3
    assert np.array_equal(loaded.theta, model.theta)
    assert np.array_equal(loaded.sample(3, labels=1), model.sample(3, labels=1))
    assert np.allclose(model.astype("float64").embed(X, Y), model.embed(X, Y), atol=1e-5)


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_a_device_gives_the_same_numbers_and_no_read_per_step(kind):
    from scratchvae.backend import fake_cupy

    host, device = (kind(6, 2, (5,), classes=3, backend=backend) for backend in ("numpy", FAKE_CUPY))
    trainers = [sv.Trainer(model, batch_size=3) for model in (host, device)]
    for trainer in trainers:
        trainer.fit(X, 3, labels=Y)
    np.testing.assert_allclose(to_numpy(device.theta), host.theta, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(to_numpy(device.swap_class(X, Y)), host.swap_class(X, Y), rtol=1e-4, atol=1e-6)
    state = state_after(trainers[1], X, labels=Y)
    batches = [(x, state.train_step(x)) for x in state.batches]
    reads = fake_cupy.reads
    state.train_step(batches[-1][0])
    assert fake_cupy.reads == reads


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_classes_whose_names_are_whole_numbers_are_looked_up_once(kind):
    """The index of the class 2, 1, is the name of another class."""
    rng = np.random.default_rng(0)
    x, indices = rng.random((30, 4), np.float32), np.arange(30) % 3
    numbers, numbered = (kind(input_dim=4, latent_dim=2, classes=c, seed=1) for c in ([1, 2, 3], 3))
    for model, labels in ((numbers, indices + 1), (numbered, indices)):
        sv.Trainer(model, seed=0).fit(x, 1, labels=labels, validation=x, validation_labels=labels)
    assert np.array_equal(numbers.theta, numbered.theta)
    for method, arguments in (
        ("reconstruct", {}), ("encode", {}), ("swap_class", {}), ("elbo", {"draws": 2}), ("denoise", {"draws": 2}),
        ("score_samples", {"samples": 5}), ("posterior_sample", {"draws": 2}),
        ("posterior_predictive", {"draws": 2}), ("anomaly_score", {"method": "reconstruction"}),
    ):  # fmt: skip
        results = [
            getattr(model, method)(x, labels=labels, **arguments)
            for model, labels in ((numbers, indices + 1), (numbered, indices))
        ]
        assert np.array_equal(*results), method
    assert np.array_equal(numbers.sample(9), numbered.sample(9))
    assert np.array_equal(numbers.sample(2, labels=2, values="drawn"), numbered.sample(2, labels=1, values="drawn"))
    assert sv.score(numbers, x, labels=indices + 1) == sv.score(numbered, x, labels=indices)
