"""Trainer: steps, epochs, stopping, settings, copies and reproducibility."""

import copy
import inspect
import pickle
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from emulated_backend import needs_compiler
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, DivergedError
from scratchvae.layers import Linear
from scratchvae.optim import SGD, Adam, AdamW, Cosine, WarmUp, clip_by_global_norm
from scratchvae.training import Callback, GaussianNoise, KLWarmUp, Masking

IMAGES = uniform(0, 50, 9).astype("float32")
HELD_OUT = uniform(1, 20, 9).astype("float32")


def train(epochs=3, vae_seed=0, seed=0, images=IMAGES, **settings):
    vae = sv.VAE(9, 2, (8,), seed=vae_seed)
    trainer = sv.Trainer(vae, batch_size=16, seed=seed, **settings)
    return vae, trainer.fit(images, epochs, validation=HELD_OUT)


def test_batches_have_128_rows_unless_told_otherwise():
    assert sv.Trainer(sv.VAE(9, 2, (8,))).batch_size == 128


@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_equal_seeds_give_equal_bits_and_other_seeds_differ(binarize):
    (first, history), (second, second_history), (other, _) = (train(seed=seed, binarize=binarize) for seed in (3, 3, 4))
    assert np.array_equal(first.theta, second.theta)
    assert [epoch[:5] for epoch in history.epochs] == [epoch[:5] for epoch in second_history.epochs]
    assert not np.array_equal(first.theta, other.theta)


def test_training_lowers_the_loss_and_records_each_epoch():
    _, history = train(epochs=30, lr=1e-2)
    assert history.loss[-1] < history.loss[0]
    assert history.validation[-1] < history.validation[0]
    assert [epoch.epoch for epoch in history.epochs] == list(range(1, 31))
    assert history.stopped == "finished"
    assert all(seconds > 0 for seconds in history.seconds)
    np.testing.assert_allclose(history.loss, -np.array(history.reconstruction) + np.array(history.kl), rtol=1e-5)


def test_bug14_step_descends_the_loss_it_returns():
    vae, reference = sv.VAE(9, 2, (8,), dtype="float64"), sv.VAE(9, 2, (8,), dtype="float64")
    trainer = sv.Trainer(vae, batch_size=5, optimizer=SGD(0.1))
    loss = trainer.step(IMAGES[:5])
    reference.initialize_output_bias(IMAGES[:5].mean(axis=0, dtype="float64"))
    expected, grads = reference.loss_and_grads(IMAGES[:5], trainer._eps)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(vae.params[name], reference.params[name] - 0.1 * grad, rtol=1e-9, atol=1e-12)


def test_bug14_training_and_validation_loss_have_the_same_scale():
    vae = sv.VAE(9, 2, (8,))
    vae.initialize_output_bias(IMAGES.mean(axis=0))
    frozen = sv.Trainer(vae, optimizer=SGD(1e-30), batch_size=7)
    many = np.tile(IMAGES, (40, 1))
    epoch = frozen.fit(many, 1, validation=many).epochs[0]
    spread = vae.elbo(many).value.std() / np.sqrt(len(many))
    assert abs(epoch.loss - epoch.validation) < 5.5 * np.sqrt(2) * spread
    score = sv.score(vae, many)
    assert epoch.validation == -score.value
    np.testing.assert_allclose(score.value, score.reconstruction - score.kl, rtol=1e-6)


def test_bug13_every_row_is_used_once_per_epoch_and_the_last_batch_is_shorter():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, batch_size=16)
    batches, sizes = [], []
    forward = vae.forward

    def recording_forward(x, eps):
        batches.append(x.copy())
        sizes.append(len(x))
        assert len(eps) == len(x)
        return forward(x, eps)

    vae.forward = recording_forward
    trainer.fit(IMAGES, 2)
    assert sizes == [16, 16, 16, 2] * 2
    epochs = [np.concatenate(batches[:4]), np.concatenate(batches[4:])]
    for rows in epochs:
        assert np.array_equal(rows[np.lexsort(rows.T)], IMAGES[np.lexsort(IMAGES.T)])
    assert not np.array_equal(*epochs)


def test_bug07_bug02_every_row_of_every_step_has_its_own_noise():
    vae = sv.VAE(9, 2, (8,))
    drawn = []
    forward = vae.forward
    vae.forward = lambda x, eps: (drawn.append(eps.copy()), forward(x, eps))[1]
    sv.Trainer(vae, batch_size=16).fit(IMAGES, 200)
    eps = np.concatenate(drawn)
    assert len(np.unique(eps)) > 0.99 * eps.size
    assert abs(eps.mean()) < 5.5 / np.sqrt(eps.size)
    assert abs(eps.std() - 1) < 5.5 / np.sqrt(2 * eps.size)


def test_dynamic_binarization_draws_new_bits_with_the_grey_value_as_probability():
    vae = sv.VAE(9, 2, (8,))
    drawn = []
    forward = vae.forward
    vae.forward = lambda x, eps: (drawn.append(x.copy()), forward(x, eps))[1]
    grey = np.tile(np.linspace(0, 1, 9, dtype="float32"), (50, 1))
    sv.Trainer(vae, batch_size=25, binarize="dynamic").fit(grey, 200)
    x = np.concatenate(drawn)
    assert set(np.unique(x)) == {0.0, 1.0}
    allowed = 5.5 * np.sqrt(grey[0] * (1 - grey[0]) / len(x))
    assert (np.abs(x.mean(axis=0) - grey[0]) <= allowed + 1e-12).all()
    assert not np.array_equal(drawn[0], drawn[2])


def test_a_batch_larger_than_the_data_gives_one_step():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, batch_size=1000)
    trainer.fit(IMAGES, 3)
    assert trainer.optimizer.t == 3


def test_early_stopping_restores_the_best_weights():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, lr=0.05, batch_size=16)
    history = trainer.fit(IMAGES, 400, validation=HELD_OUT, patience=5)
    assert history.stopped == "early"
    best = int(np.argmin(history.validation))
    assert history.best_epoch == best + 1
    assert len(history.epochs) == best + 1 + 5
    assert -sv.score(vae, HELD_OUT).value == history.validation[best]


@pytest.mark.parametrize("kind", [Adam, AdamW, partial(SGD, momentum=0.9)], ids=["Adam", "AdamW", "SGD"])
@pytest.mark.parametrize("end", ["early", "finished", "callback", "diverged"])
def test_whatever_ends_training_weights_and_moments_return_to_the_best_epoch(kind, end, monkeypatch):
    losses, after_epoch = iter([5.0, 4.0, 1.0, 3.0, 2.0, 3.0, 4.0]), []
    monkeypatch.setattr(sv.Trainer, "_validation_loss", lambda *_, **__: next(losses))

    class Recorder(Callback):
        def on_epoch_end(self, state):
            after_epoch.append({name: array.copy() for name, array in arrays.items()})
            if len(after_epoch) == 5 and end == "callback":
                state.stop()
            if len(after_epoch) == 5 and end == "diverged":
                state.optimizer.lr = 1e38

    trainer = trainer_of(optimizer=kind(0.01))
    arrays = {"theta": trainer.model.theta, **trainer.optimizer.state}
    with suppress(DivergedError):
        trainer.fit(IMAGES, 7, validation=HELD_OUT, patience=3 if end == "early" else 99, callbacks=[Recorder()])
    assert (trainer.history.stopped, trainer.history.best_epoch, trainer.optimizer.t) == (end, 3, 3 * 4)
    assert len(after_epoch) == {"early": 6, "finished": 7}.get(end, 5)
    for name, array in arrays.items():
        assert np.array_equal(array, after_epoch[2][name]) and not np.array_equal(array, after_epoch[-1][name]), name


def test_without_patience_the_last_weights_are_used():
    vae, history = train(epochs=5)
    assert -sv.score(vae, HELD_OUT).value == history.validation[-1]
    assert history.best_epoch is None


def test_a_second_fit_continues_the_first():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, batch_size=16)
    trainer.fit(IMAGES, 2)
    trainer.fit(IMAGES, 3)
    uninterrupted = train(epochs=5)[0]
    assert len(trainer.history.epochs) == 5
    assert np.array_equal(vae.theta, uninterrupted.theta)


def test_the_output_bias_is_initialized_with_the_mean_image():
    vae = sv.VAE(9, 2, (8,))
    sv.Trainer(vae, optimizer=SGD(1e-30)).fit(IMAGES, 1)
    mean = IMAGES.mean(axis=0)
    np.testing.assert_allclose(vae.params["decoder.2.b"], np.log(mean / (1 - mean)), rtol=1e-4)


def five_updates(method, clip_norm):
    """The weights before, between and after five updates by their gradients, (6, P)."""
    vae = sv.VAE(9, 2, (8,), dtype="float64")
    vae.initialize_output_bias(IMAGES.mean(axis=0))
    trainer, thetas = sv.Trainer(vae, optimizer=SGD(1.0), clip_norm=clip_norm, batch_size=10), [vae.theta.copy()]

    class Recorder(Callback):
        def on_step_end(self, state):
            thetas.append(vae.theta.copy())

    if method == "fit":
        trainer.fit(IMAGES, 1, callbacks=[Recorder()])
    for start in range(0, 50 if method == "step" else 0, 10):
        trainer.step(IMAGES[start : start + 10])
        thetas.append(vae.theta.copy())
    return np.array(thetas)


@pytest.mark.parametrize("method", ["step", "fit"])
def test_clipping_bounds_each_update(method):
    norms = np.linalg.norm(np.diff(five_updates(method, None), axis=0), axis=1)
    clipped = np.linalg.norm(np.diff(five_updates(method, 0.01), axis=0), axis=1)
    assert len(norms) == 5 and norms.min() > 0.02
    np.testing.assert_allclose(clipped, 0.01, rtol=1e-9)
    assert np.array_equal(five_updates(method, 2 * norms.max()), five_updates(method, None))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "gaussian_heteroscedastic"])
@pytest.mark.parametrize("missing", [False, True])
def test_the_first_step_starts_from_the_output_bias_of_fit(likelihood, missing):
    rows = np.where(uniform(2, *IMAGES.shape) < 0.3, np.nan, IMAGES) if missing else IMAGES
    models = [
        sv.VAE(9, 2, (8,), likelihood=likelihood, missing=missing, dtype="float64", scale="none") for _ in range(2)
    ]
    stepping, fitting = (sv.Trainer(model, lr=1e-9, batch_size=len(rows)) for model in models)
    stepping.step(rows)
    fitting.fit(rows, 1)
    biases = [model.params[f"decoder.{len(model.decoder.layers) - 1}.b"] for model in models]
    assert np.abs(biases[1]).max() > 0.01
    np.testing.assert_allclose(*biases, atol=1e-8)


def test_a_fit_after_a_step_and_a_second_step_do_not_start_again():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, lr=1e-6)
    trainer.step(IMAGES[:20])
    bias = vae.params["decoder.2.b"]
    started = bias.copy()
    trainer.step(1 - IMAGES)
    trainer.fit(1 - IMAGES, 2)
    sv.Trainer(vae, lr=1e-6).step(1 - IMAGES)
    np.testing.assert_allclose(bias, started, atol=1e-4)


def test_a_column_without_values_in_the_first_batch_starts_at_the_mean_of_the_others():
    rows = IMAGES[:4].astype("float64")
    rows[:, 3] = np.nan
    vae = sv.VAE(9, 2, (8,), likelihood="gaussian", missing=True, dtype="float64", scale="none")
    sv.Trainer(vae, lr=1e-9).step(rows)
    expected = np.where(np.arange(9) == 3, np.nanmean(rows), rows.mean(axis=0))
    np.testing.assert_allclose(vae.params["decoder.2.b"], expected, atol=1e-8)
    empty = sv.VAE(9, 2, (8,), likelihood="gaussian", missing=True)
    sv.Trainer(empty).step(np.full((3, 9), np.nan))
    assert not empty.params["decoder.2.b"].any()


def test_a_first_step_that_diverges_leaves_the_weights_unchanged():
    vae = sv.VAE(9, 2, (8,))
    vae.params["encoder.0.W"][...] = 1e30
    before = vae.theta.copy()
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(DivergedError):
        sv.Trainer(vae).step(IMAGES)
    assert np.array_equal(vae.theta, before)


def test_a_schedule_sets_the_learning_rate():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, lr=Cosine(1e-3, 4), batch_size=50)
    trainer.fit(IMAGES, 4)
    before = vae.theta.copy()
    trainer.step(IMAGES)
    assert np.array_equal(vae.theta, before)


def test_divergence_raises_diverged_error():
    with pytest.raises(DivergedError, match="smaller learning rate"), np.errstate(all="ignore"):
        train(optimizer=SGD(1e8), epochs=20)


def test_nonfinite_weights_after_the_last_update_are_found():
    with pytest.raises(DivergedError, match="epoch 1"):
        sv.Trainer(sv.VAE(9, 2, (8,)), optimizer=SGD(1e39), batch_size=50).fit(IMAGES, 1)


def test_divergence_with_patience_restores_the_best_epoch():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, lr=lambda t: 1e-3 if t < 8 else 1e20, batch_size=16)
    with pytest.raises(DivergedError):
        trainer.fit(IMAGES, 10, validation=HELD_OUT, patience=5)
    assert trainer.history.stopped == "diverged"
    assert trainer.history.best_epoch == 2 and trainer.optimizer.t == 8
    assert all(np.isfinite(array).all() for array in (vae.theta, *trainer.optimizer.state.values()))
    assert -sv.score(vae, HELD_OUT).value == min(trainer.history.validation)


def test_an_optimizer_belongs_to_one_trainer():
    adam, vae = Adam(), sv.VAE(9, 2, (8,))
    sv.Trainer(vae, optimizer=adam)
    with pytest.raises(ConfigError, match="another trainer"):
        sv.Trainer(vae, optimizer=adam)


@pytest.mark.parametrize(
    "change", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2], lambda x: x.astype(float)]
)
def test_the_memory_layout_of_images_changes_no_bit(change):
    assert np.array_equal(train(images=change(IMAGES))[0].theta, train()[0].theta)


def test_other_dtypes_and_memory_maps_are_accepted(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    expected = train()[0].theta
    assert np.array_equal(train(images=mapped)[0].theta, expected)
    assert np.array_equal(train(images=IMAGES.astype("float64"))[0].theta, expected)
    assert np.isfinite(train(images=(IMAGES > 0.5))[0].theta).all()


def test_an_autoencoder_can_be_trained():
    model = sv.Autoencoder(9, 2, (8,))
    history = sv.Trainer(model, lr=1e-2, batch_size=16).fit(IMAGES, 30)
    assert history.loss[-1] < history.loss[0]
    assert history.kl == [0.0] * 30


@pytest.mark.parametrize(
    "make",
    [
        lambda vae: sv.Trainer(vae, lr=-1e-3),
        lambda vae: sv.Trainer(vae, lr=0.0),
        lambda vae: sv.Trainer(vae, lr=1e-3, optimizer=Adam()),
        lambda vae: sv.Trainer(vae, lr="1e-3"),
        lambda vae: sv.Trainer(vae, clip_norm="1"),
        lambda vae: sv.Trainer(vae, batch_size=0),
        lambda vae: sv.Trainer(vae, batch_size=2.5),
        lambda vae: sv.Trainer(vae, seed=-1),
        lambda vae: sv.Trainer(vae, clip_norm=0.0),
        lambda vae: sv.Trainer(vae, binarize="always"),
        lambda vae: sv.Trainer(vae).fit(IMAGES, 0),
        lambda vae: sv.Trainer(vae).fit(IMAGES, 1, patience=0),
        lambda vae: sv.Trainer(vae).fit(IMAGES, 1, patience=3),
    ],
)
def test_invalid_settings_are_refused(make):
    vae = sv.VAE(9, 2, (8,))
    before = vae.theta.copy()
    with pytest.raises(ConfigError):
        make(vae)
    assert np.array_equal(vae.theta, before)


# --- changed settings


def trainer_of(model=None, **settings):
    return sv.Trainer(model or sv.VAE(9, 2, (8,)), **{"batch_size": 16, "seed": 3, **settings})


def copy_state(trainer, other):
    """Copy the state of model, optimizer and random streams of `other` to `trainer`."""
    trainer.model.theta[...] = other.model.theta
    trainer.optimizer.t = other.optimizer.t
    for name, moment in trainer.optimizer.state.items():
        moment[...] = other.optimizer.state[name]
    for purpose, rng in trainer._streams.items():
        rng.bit_generator.state = other._streams[purpose].bit_generator.state


def assert_same(one, other):
    assert one.model.theta.tobytes() == other.model.theta.tobytes()
    assert one.optimizer.t == other.optimizer.t
    for name, moment in one.optimizer.state.items():
        assert moment.tobytes() == other.optimizer.state[name].tobytes()


CHANGES = [
    ("lr", 1e-3, 1e-2),
    ("lr", Cosine(1e-2, 20), 1e-3),
    ("lr", 1e-3, Cosine(1e-2, 20)),
    ("batch_size", 16, 5),
    ("batch_size", 5, 16),
    ("clip_norm", None, 0.05),
    ("clip_norm", 0.05, None),
    ("kl_weight", None, KLWarmUp(30)),
    ("kl_weight", KLWarmUp(30), None),
    ("binarize", None, "dynamic"),
    ("binarize", "dynamic", None),
    ("corrupt", None, Masking(0.3)),
    ("corrupt", GaussianNoise(0.1), Masking(0.3)),
    ("corrupt", Masking(0.3), None),
]


@pytest.mark.parametrize(
    ("name", "before", "after"), CHANGES, ids=lambda value: getattr(value, "__name__", type(value).__name__)
)
@pytest.mark.parametrize("method", ["fit", "step"])
def test_a_setting_changed_between_two_fits_takes_effect(name, before, after, method):
    def continue_training(trainer):
        if method == "step":
            return [trainer.step(IMAGES[:20]) for _ in range(3)]
        return [epoch[:5] for epoch in trainer.fit(IMAGES, 2, validation=HELD_OUT).epochs[-2:]]

    changed, unchanged, other = trainer_of(**{name: before}), trainer_of(**{name: before}), trainer_of(**{name: after})
    for trainer in (changed, unchanged):
        trainer.fit(IMAGES, 2, validation=HELD_OUT)
    assert_same(changed, unchanged)
    copy_state(other, changed)
    setattr(changed, name, after)
    assert getattr(changed, name) == after
    results, expected, unchanged_results = (
        continue_training(changed),
        continue_training(other),
        continue_training(unchanged),
    )
    if method == "fit":
        results, expected, unchanged_results = (
            [result[1:] for result in run] for run in (results, expected, unchanged_results)
        )
    assert results == expected
    assert_same(changed, other)
    if (name, method) != ("batch_size", "step"):  # a step takes its batch as an argument
        assert results != unchanged_results


class AfterUpdates(Callback):
    """Call `action` after `updates` updates."""

    def __init__(self, updates, action):
        self._updates, self._action = updates, action

    def on_step_end(self, state):
        if state.updates == self._updates:
            self._action(state)


def test_a_learning_rate_set_by_a_callback_applies_to_the_next_step():
    trainer, other = trainer_of(lr=1e-2), trainer_of(lr=1e-2)
    scheduled = trainer_of(lr=lambda t: 1e-2 if t < 6 else 1e-3)
    trainer.fit(IMAGES, 3, callbacks=[AfterUpdates(6, lambda state: setattr(trainer, "lr", 1e-3))])
    other.fit(IMAGES, 3, callbacks=[AfterUpdates(6, lambda state: setattr(state.optimizer, "lr", 1e-3))])
    scheduled.fit(IMAGES, 3)
    assert_same(trainer, scheduled)
    assert_same(other, scheduled)
    assert trainer.lr == other.lr == 1e-3


def test_a_kl_weight_set_by_a_callback_applies_to_the_next_step():
    trainer = trainer_of(kl_weight=lambda t: 0.5)
    scheduled = trainer_of(kl_weight=lambda t: 0.5 if t < 6 else 0.25)
    trainer.fit(IMAGES, 3, callbacks=[AfterUpdates(6, lambda state: setattr(trainer, "kl_weight", lambda t: 0.25))])
    scheduled.fit(IMAGES, 3)
    assert_same(trainer, scheduled)
    assert trainer.history.kl_weight == scheduled.history.kl_weight


def test_a_clip_norm_set_by_a_callback_applies_to_the_next_step():
    class Clip(Callback):
        def on_before_update(self, state):
            if state.updates >= 6:
                clip_by_global_norm(np, state.model.dtheta, 0.05)

    trainer, other = trainer_of(), trainer_of()
    trainer.fit(IMAGES, 3, callbacks=[AfterUpdates(6, lambda state: setattr(trainer, "clip_norm", 0.05))])
    other.fit(IMAGES, 3, callbacks=[Clip()])
    assert_same(trainer, other)


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 5), ("binarize", "dynamic"), ("corrupt", Masking(0.3))], ids=str
)
def test_preprocessing_set_by_a_callback_applies_to_the_next_fit(name, value):
    trainer, plain = trainer_of(), trainer_of()
    history = trainer.fit(
        IMAGES, 3, validation=HELD_OUT, callbacks=[AfterUpdates(6, lambda state: setattr(trainer, name, value))]
    )
    expected = plain.fit(IMAGES, 3, validation=HELD_OUT)
    assert_same(trainer, plain)
    assert history.validation == expected.validation
    setattr(plain, name, value)
    for either in (trainer, plain):
        either.fit(IMAGES, 2, validation=HELD_OUT)
    assert_same(trainer, plain)
    assert getattr(trainer, name) == value


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("lr", 1e-2, -1e-2),
        ("lr", 1e-2, None),
        ("lr", 1e-2, Cosine),
        ("batch_size", 5, 0),
        ("batch_size", 5, 2.5),
        ("batch_size", 5, None),
        ("clip_norm", 0.5, 0.0),
        ("clip_norm", None, "1"),
        ("kl_weight", None, 0.5),
        ("binarize", "dynamic", True),
        ("binarize", None, "always"),
        ("corrupt", Masking(0.5), "masking"),
        ("corrupt", None, Masking),
    ],
)
def test_an_invalid_new_setting_is_refused_and_the_old_one_remains(name, right, wrong):
    trainer, other = trainer_of(**{name: right}), trainer_of(**{name: right})
    with pytest.raises(ConfigError, match=f"{name}="):
        setattr(trainer, name, wrong)
    assert getattr(trainer, name) == right
    for either in (trainer, other):
        either.fit(IMAGES, 2)
    assert_same(trainer, other)


def test_a_new_setting_that_does_not_fit_the_model_is_refused():
    gaussian, plain = trainer_of(sv.VAE(9, 2, (8,), likelihood="gaussian")), trainer_of(sv.Autoencoder(9, 2, (8,)))
    with pytest.raises(ConfigError, match="likelihood='gaussian'"):
        gaussian.binarize = "dynamic"
    with pytest.raises(ConfigError, match="no KL"):
        plain.kl_weight = KLWarmUp(3)
    with pytest.raises(ConfigError, match="writes 255"):
        plain.corrupt = sv.training.SaltAndPepper(0.1, high=255)
    assert (gaussian.binarize, plain.kl_weight, plain.corrupt) == (None, None, None)


@pytest.mark.parametrize("name", ["model", "seed", "optimizer"])
def test_model_seed_and_optimizer_cannot_be_replaced(name):
    trainer = trainer_of()
    before = getattr(trainer, name)
    with pytest.raises(AttributeError, match=name):
        setattr(trainer, name, before)
    assert getattr(trainer, name) is before


@pytest.mark.parametrize("name", ["learning_rate", "epochs", "batchsize", "patience", "steps"])
def test_an_unknown_setting_is_refused(name):
    trainer = trainer_of()
    with pytest.raises(AttributeError, match=name):
        setattr(trainer, name, 1)


# --- copies

COPIES = {
    "pickle": lambda trainer: pickle.loads(pickle.dumps(trainer)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
WAYS = {
    "plain": lambda: trainer_of(),
    "scheduled": lambda: trainer_of(optimizer=AdamW(WarmUp(3, Cosine(1e-2, 40))), clip_norm=0.5),
    "momentum": lambda: trainer_of(optimizer=SGD(1e-2, 0.9), kl_weight=KLWarmUp(20)),
    "noisy": lambda: trainer_of(binarize="dynamic", corrupt=Masking(0.3)),
    "gaussian": lambda: trainer_of(sv.VAE(9, 2, (8,), likelihood="gaussian_learned", free_bits=0.1, dtype="float64")),
    "iwae": lambda: trainer_of(sv.IWAE(9, 2, (8,), importance_samples=3)),
    "conditional": lambda: trainer_of(sv.ConditionalVAE(9, 2, (8,), classes=3)),
    "semi-supervised": lambda: trainer_of(sv.SemiSupervisedVAE(9, 2, (8,), classes=3)),
    "autoencoder": lambda: trainer_of(sv.Autoencoder(9, 2, (8,))),
    "native": lambda: trainer_of(sv.VAE(9, 2, (8,), backend="native"), optimizer=Adam(1e-2)),
}
WAY = pytest.mark.parametrize(
    "way", [pytest.param(way, marks=needs_compiler if way == "native" else ()) for way in WAYS]
)


def labels_for(model, rows=50):
    labels = np.arange(rows) % 3
    if isinstance(model, sv.SemiSupervisedVAE):
        labels[rows // 2 :] = -1
    return {"labels": labels} if model.classes else {}


@WAY
@pytest.mark.parametrize("way_to_copy", COPIES)
def test_a_copied_trainer_continues_with_the_same_bits(way, way_to_copy):
    trainer = WAYS[way]()
    label_arguments = labels_for(trainer.model)
    trainer.fit(IMAGES, 2, validation=IMAGES if not label_arguments else None, **label_arguments)
    trainer.model.metadata = {"data": "noise"}
    duplicate = COPIES[way_to_copy](trainer)
    assert type(duplicate) is sv.Trainer and type(duplicate.optimizer) is type(trainer.optimizer)
    assert duplicate.model is not trainer.model and duplicate.model.metadata == trainer.model.metadata
    for name in ("batch_size", "seed", "clip_norm", "binarize"):
        assert getattr(duplicate, name) == getattr(trainer, name)
    for name in ("lr", "kl_weight", "corrupt"):
        assert repr(type(getattr(duplicate, name))) == repr(type(getattr(trainer, name)))
    assert duplicate.history.epochs == trainer.history.epochs and duplicate.history.stopped == "finished"
    assert_same(duplicate, trainer)
    theta = trainer.model.theta.copy()
    step_labels = labels_for(trainer.model, 20)
    losses = [duplicate.step(IMAGES[:20], **step_labels)]
    losses += duplicate.fit(IMAGES, 2, **label_arguments).loss[-2:]
    assert np.array_equal(trainer.model.theta, theta)  # the copy has not changed it
    assert losses == [trainer.step(IMAGES[:20], **step_labels), *trainer.fit(IMAGES, 2, **label_arguments).loss[-2:]]
    assert_same(duplicate, trainer)


def test_a_trainer_can_be_copied_during_fit():
    trainer, copies = trainer_of(), []
    trainer.fit(
        IMAGES,
        3,
        callbacks=[AfterUpdates(6, lambda state: copies.append((state.model.theta.copy(), copy.copy(trainer))))],
    )
    ((theta, duplicate),) = copies
    assert np.array_equal(duplicate.model.theta, theta) and duplicate.optimizer.t == 6
    duplicate.fit(IMAGES, 1)
    assert duplicate.history.stopped == "finished" and duplicate.optimizer.t == 10


def test_a_copy_has_the_scaled_learning_rate():
    trainer = trainer_of(lr=1e-2)
    trainer.fit(IMAGES, 1, callbacks=[AfterUpdates(2, lambda state: state.scale_lr("halve", 0.5))])
    duplicate = copy.deepcopy(trainer)
    assert duplicate.optimizer.schedule(0) == trainer.optimizer.schedule(0) == 5e-3
    for either in (trainer, duplicate):
        either.fit(IMAGES, 2)
    assert_same(trainer, duplicate)


def test_a_copy_of_a_subclass_has_the_same_class():
    class CustomTrainer(sv.Trainer):
        pass

    trainer = CustomTrainer(sv.VAE(9, 2, (8,)))
    assert type(copy.deepcopy(trainer)) is CustomTrainer


def test_an_optimizer_that_cannot_be_copied_is_named():
    class SpeedSGD(SGD):
        def __init__(self, speed):
            super().__init__(speed)

    with pytest.raises(ConfigError, match="SpeedSGD has no attribute 'speed'"):
        copy.deepcopy(trainer_of(optimizer=SpeedSGD(1e-2)))


def test_repr_names_model_optimizer_and_progress():
    trainer = trainer_of()
    trainer.step(IMAGES)
    assert repr(trainer).startswith("<Trainer of a VAE with ")
    assert "Adam(lr=0.001), batch_size=" in repr(trainer) and repr(trainer).endswith(" 0 epochs, 1 updates>")


# --- depth of the training loop

MODELS = {
    "vae": lambda: sv.VAE(9, 2, (8, 4)),
    "gaussian": lambda: sv.VAE(9, 2, (8,), likelihood="gaussian_heteroscedastic", free_bits=0.1),
    "iwae": lambda: sv.IWAE(9, 2, (8,), importance_samples=3),
    "conditional": lambda: sv.ConditionalVAE(9, 2, (8, 4), classes=3),
    "semi-supervised": lambda: sv.SemiSupervisedVAE(9, 2, (8, 4), classes=3),
    "autoencoder": lambda: sv.Autoencoder(9, 2, (8,)),
}


@pytest.mark.parametrize("kind", ["vae", "semi-supervised"])
def test_the_call_stack_from_fit_to_a_layer_has_six_frames_in_four_files(kind, monkeypatch):
    original, stacks = Linear.backward, []

    def recording_backward(self, dy):
        stacks.append(inspect.stack()[1:])
        return original(self, dy)

    monkeypatch.setattr(Linear, "backward", recording_backward)
    model = MODELS[kind]()
    trainer_of(model, clip_norm=1.0).fit(
        IMAGES, 1, callbacks=[AfterUpdates(3, lambda state: None)], **labels_for(model)
    )
    assert stacks
    for stack in stacks:
        depth = next(k for k, frame in enumerate(stack) if frame.function == "fit")
        between = stack[: depth + 1]
        assert Path(between[-1].filename).name == "trainer.py"
        files = {frame.filename for frame in between} | {inspect.getfile(Linear)}
        call_stack = [f"{Path(frame.filename).name}: {frame.function}" for frame in between]
        assert len(between) + 1 <= 6 and len(files) <= 4, call_stack
