"""The loop: what a step does, what an epoch records, when it stops, and that a seed means the same bits."""

import copy
import inspect
import pickle
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


@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(binarize):
    (first, history), (second, again), (other, _) = (train(seed=seed, binarize=binarize) for seed in (3, 3, 4))
    assert np.array_equal(first.theta, second.theta)
    assert [epoch[:5] for epoch in history.epochs] == [epoch[:5] for epoch in again.epochs]
    assert not np.array_equal(first.theta, other.theta)


def test_training_lowers_the_loss_and_records_each_epoch():
    _, history = train(epochs=30, lr=1e-2)
    assert history.loss[-1] < history.loss[0]
    assert history.validation[-1] < history.validation[0]
    assert [epoch.epoch for epoch in history.epochs] == list(range(1, 31))
    assert history.stopped == "finished"
    assert all(seconds > 0 for seconds in history.seconds)
    np.testing.assert_allclose(history.loss, -np.array(history.reconstruction) + np.array(history.kl), rtol=1e-5)


def test_bug14_step_returns_the_loss_whose_gradient_it_follows():
    vae, twin = sv.VAE(9, 2, (8,), dtype="float64"), sv.VAE(9, 2, (8,), dtype="float64")
    trainer = sv.Trainer(vae, batch_size=5, optimizer=SGD(0.1))
    loss = trainer.step(IMAGES[:5])
    expected, grads = twin.loss_and_grads(IMAGES[:5], trainer._eps)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(vae.params[name], twin.params[name] - 0.1 * grad, rtol=1e-9, atol=1e-12)


def test_bug14_training_and_validation_are_on_one_scale():
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


def test_bug13_every_row_is_seen_once_an_epoch_and_the_last_batch_is_the_rest():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, batch_size=16)
    seen, sizes = [], []
    forward = vae.forward

    def watched(x, eps):
        seen.append(x.copy())
        sizes.append(len(x))
        assert len(eps) == len(x)
        return forward(x, eps)

    vae.forward = watched
    trainer.fit(IMAGES, 2)
    assert sizes == [16, 16, 16, 2] * 2
    epochs = [np.concatenate(seen[:4]), np.concatenate(seen[4:])]
    for rows in epochs:
        assert np.array_equal(rows[np.lexsort(rows.T)], IMAGES[np.lexsort(IMAGES.T)])
    assert not np.array_equal(*epochs)


def test_bug07_bug02_each_row_of_each_step_has_noise_of_its_own():
    vae = sv.VAE(9, 2, (8,))
    drawn = []
    forward = vae.forward
    vae.forward = lambda x, eps: (drawn.append(eps.copy()), forward(x, eps))[1]
    sv.Trainer(vae, batch_size=16).fit(IMAGES, 200)
    eps = np.concatenate(drawn)
    assert len(np.unique(eps)) > 0.99 * eps.size
    assert abs(eps.mean()) < 5.5 / np.sqrt(eps.size)
    assert abs(eps.std() - 1) < 5.5 / np.sqrt(2 * eps.size)


def test_dynamic_binarisation_draws_zeros_and_ones_afresh_with_the_grey_value_as_probability():
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


def test_a_batch_larger_than_the_data_takes_all_rows_in_one_step():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, batch_size=1000)
    trainer.fit(IMAGES, 3)
    assert trainer.optimizer.t == 3


def test_early_stopping_goes_back_to_the_best_weights():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, lr=0.05, batch_size=16)
    history = trainer.fit(IMAGES, 400, validation=HELD_OUT, patience=5)
    assert history.stopped == "early"
    best = int(np.argmin(history.validation))
    assert history.best_epoch == best + 1
    assert len(history.epochs) == best + 1 + 5
    assert -sv.score(vae, HELD_OUT).value == history.validation[best]


def test_without_patience_the_last_weights_stay():
    vae, history = train(epochs=5)
    assert -sv.score(vae, HELD_OUT).value == history.validation[-1]
    assert history.best_epoch is None


def test_fit_goes_on_where_it_was():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, batch_size=16)
    trainer.fit(IMAGES, 2)
    trainer.fit(IMAGES, 3)
    straight = train(epochs=5)[0]
    assert len(trainer.history.epochs) == 5
    assert np.array_equal(vae.theta, straight.theta)


def test_the_output_bias_begins_at_the_mean_image():
    vae = sv.VAE(9, 2, (8,))
    sv.Trainer(vae, optimizer=SGD(1e-30)).fit(IMAGES, 1)
    mean = IMAGES.mean(axis=0)
    np.testing.assert_allclose(vae.params["decoder.2.b"], np.log(mean / (1 - mean)), rtol=1e-4)


def test_clipping_bounds_each_update():
    vae = sv.VAE(9, 2, (8,))
    before = vae.theta.copy()
    sv.Trainer(vae, optimizer=SGD(1.0), clip_norm=0.01, batch_size=50).step(IMAGES)
    assert np.linalg.norm(vae.theta - before) == pytest.approx(0.01, rel=1e-3)


def test_a_schedule_decides_the_rate():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, lr=Cosine(1e-3, 4), batch_size=50)
    trainer.fit(IMAGES, 4)
    settled = vae.theta.copy()
    trainer.step(IMAGES)
    assert np.array_equal(vae.theta, settled)


def test_training_that_diverges_says_so():
    with pytest.raises(DivergedError, match="smaller learning rate"), np.errstate(all="ignore"):
        train(optimizer=SGD(1e8), epochs=20)


def test_weights_that_the_last_update_threw_away_are_noticed():
    with pytest.raises(DivergedError, match="epoch 1"):
        sv.Trainer(sv.VAE(9, 2, (8,)), optimizer=SGD(1e39), batch_size=50).fit(IMAGES, 1)


def test_after_divergence_with_patience_weights_and_moments_are_those_of_the_best_epoch():
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
def test_images_in_any_layout_train_to_the_same_bits(change):
    assert np.array_equal(train(images=change(IMAGES))[0].theta, train()[0].theta)


def test_images_of_other_types_and_memory_maps_train_as_well(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    expected = train()[0].theta
    assert np.array_equal(train(images=mapped)[0].theta, expected)
    assert np.array_equal(train(images=IMAGES.astype("float64"))[0].theta, expected)
    assert np.isfinite(train(images=(IMAGES > 0.5))[0].theta).all()


def test_an_autoencoder_trains_too():
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
def test_settings_that_make_no_sense_are_refused(make):
    vae = sv.VAE(9, 2, (8,))
    before = vae.theta.copy()
    with pytest.raises(ConfigError):
        make(vae)
    assert np.array_equal(vae.theta, before)


# --- settings that are set later


def trainer_of(model=None, **settings):
    return sv.Trainer(model or sv.VAE(9, 2, (8,)), **{"batch_size": 16, "seed": 3, **settings})


def stand_where(trainer, other):
    """Put the model, the optimizer and the random streams of `trainer` where those of the other one are."""
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
    ("name", "before", "after"), CHANGES, ids=lambda of: getattr(of, "__name__", type(of).__name__)
)
@pytest.mark.parametrize("how", ["fit", "step"])
def test_a_setting_that_is_set_between_two_fits_takes_effect(name, before, after, how):
    def go_on(trainer):
        if how == "step":
            return [trainer.step(IMAGES[:20]) for _ in range(3)]
        return [epoch[:5] for epoch in trainer.fit(IMAGES, 2, validation=HELD_OUT).epochs[-2:]]

    changed, unchanged, other = trainer_of(**{name: before}), trainer_of(**{name: before}), trainer_of(**{name: after})
    for trainer in (changed, unchanged):
        trainer.fit(IMAGES, 2, validation=HELD_OUT)
    assert_same(changed, unchanged)
    stand_where(other, changed)
    setattr(changed, name, after)
    assert getattr(changed, name) == after
    told, expected, otherwise = go_on(changed), go_on(other), go_on(unchanged)
    if how == "fit":
        told, expected, otherwise = ([of[1:] for of in each] for each in (told, expected, otherwise))
    assert told == expected
    assert_same(changed, other)
    if (name, how) != ("batch_size", "step"):  # whose batch is given
        assert told != otherwise


class At(Callback):
    """Does something once so many updates were made."""

    def __init__(self, at, deed):
        self._at, self._deed = at, deed

    def on_step_end(self, state):
        if state.updates == self._at:
            self._deed(state)


def test_the_rate_that_a_callback_sets_is_that_of_the_next_step():
    trainer, other = trainer_of(lr=1e-2), trainer_of(lr=1e-2)
    scheduled = trainer_of(lr=lambda t: 1e-2 if t < 6 else 1e-3)
    trainer.fit(IMAGES, 3, callbacks=[At(6, lambda state: setattr(trainer, "lr", 1e-3))])
    other.fit(IMAGES, 3, callbacks=[At(6, lambda state: setattr(state.optimizer, "lr", 1e-3))])
    scheduled.fit(IMAGES, 3)
    assert_same(trainer, scheduled)
    assert_same(other, scheduled)
    assert trainer.lr == other.lr == 1e-3


def test_the_weight_of_the_kl_that_a_callback_sets_is_that_of_the_next_step():
    trainer = trainer_of(kl_weight=lambda t: 0.5)
    scheduled = trainer_of(kl_weight=lambda t: 0.5 if t < 6 else 0.25)
    trainer.fit(IMAGES, 3, callbacks=[At(6, lambda state: setattr(trainer, "kl_weight", lambda t: 0.25))])
    scheduled.fit(IMAGES, 3)
    assert_same(trainer, scheduled)
    assert trainer.history.kl_weight == scheduled.history.kl_weight


def test_the_norm_that_a_callback_sets_clips_the_next_step():
    class Clip(Callback):
        def on_before_update(self, state):
            if state.updates >= 6:
                clip_by_global_norm(np, state.model.dtheta, 0.05)

    trainer, other = trainer_of(), trainer_of()
    trainer.fit(IMAGES, 3, callbacks=[At(6, lambda state: setattr(trainer, "clip_norm", 0.05))])
    other.fit(IMAGES, 3, callbacks=[Clip()])
    assert_same(trainer, other)


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 5), ("binarize", "dynamic"), ("corrupt", Masking(0.3))], ids=str
)
def test_what_the_rows_are_made_into_stays_for_the_fit_at_hand(name, value):
    trainer, plain = trainer_of(), trainer_of()
    history = trainer.fit(
        IMAGES, 3, validation=HELD_OUT, callbacks=[At(6, lambda state: setattr(trainer, name, value))]
    )
    expected = plain.fit(IMAGES, 3, validation=HELD_OUT)
    assert_same(trainer, plain)
    assert history.validation == expected.validation
    setattr(plain, name, value)
    for each in (trainer, plain):
        each.fit(IMAGES, 2, validation=HELD_OUT)
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
def test_a_setting_that_makes_no_sense_is_refused_when_it_is_set_and_leaves_the_one_before(name, right, wrong):
    trainer, other = trainer_of(**{name: right}), trainer_of(**{name: right})
    with pytest.raises(ConfigError, match=f"{name}="):
        setattr(trainer, name, wrong)
    assert getattr(trainer, name) == right
    for each in (trainer, other):
        each.fit(IMAGES, 2)
    assert_same(trainer, other)


def test_what_does_not_go_with_the_model_is_refused_when_it_is_set():
    gaussian, plain = trainer_of(sv.VAE(9, 2, (8,), likelihood="gaussian")), trainer_of(sv.Autoencoder(9, 2, (8,)))
    with pytest.raises(ConfigError, match="likelihood='gaussian'"):
        gaussian.binarize = "dynamic"
    with pytest.raises(ConfigError, match="no KL"):
        plain.kl_weight = KLWarmUp(3)
    with pytest.raises(ConfigError, match="writes 255"):
        plain.corrupt = sv.training.SaltAndPepper(0.1, high=255)
    assert (gaussian.binarize, plain.kl_weight, plain.corrupt) == (None, None, None)


@pytest.mark.parametrize("name", ["model", "seed", "optimizer"])
def test_what_a_trainer_is_of_cannot_be_set(name):
    trainer = trainer_of()
    before = getattr(trainer, name)
    with pytest.raises(AttributeError, match=name):
        setattr(trainer, name, before)
    assert getattr(trainer, name) is before


@pytest.mark.parametrize("name", ["learning_rate", "epochs", "batchsize", "patience", "steps"])
def test_a_setting_that_there_is_not_is_refused(name):
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
def test_a_copy_of_a_trainer_goes_on_with_the_same_bits(way, way_to_copy):
    trainer = WAYS[way]()
    told = labels_for(trainer.model)
    trainer.fit(IMAGES, 2, validation=IMAGES if not told else None, **told)
    trainer.model.metadata = {"data": "noise"}
    again = COPIES[way_to_copy](trainer)
    assert type(again) is sv.Trainer and type(again.optimizer) is type(trainer.optimizer)
    assert again.model is not trainer.model and again.model.metadata == trainer.model.metadata
    for name in ("batch_size", "seed", "clip_norm", "binarize"):
        assert getattr(again, name) == getattr(trainer, name)
    for name in ("lr", "kl_weight", "corrupt"):
        assert repr(type(getattr(again, name))) == repr(type(getattr(trainer, name)))
    assert again.history.epochs == trainer.history.epochs and again.history.stopped == "finished"
    assert_same(again, trainer)
    theta = trainer.model.theta.copy()
    few = labels_for(trainer.model, 20)
    losses = [again.step(IMAGES[:20], **few)]
    losses += again.fit(IMAGES, 2, **told).loss[-2:]
    assert np.array_equal(trainer.model.theta, theta)  # which the copy has not moved
    assert losses == [trainer.step(IMAGES[:20], **few), *trainer.fit(IMAGES, 2, **told).loss[-2:]]
    assert_same(again, trainer)


def test_a_copy_is_taken_in_the_midst_of_a_fit_too():
    trainer, kept = trainer_of(), []
    trainer.fit(IMAGES, 3, callbacks=[At(6, lambda state: kept.append((state.model.theta.copy(), copy.copy(trainer))))])
    ((theta, again),) = kept
    assert np.array_equal(again.model.theta, theta) and again.optimizer.t == 6
    again.fit(IMAGES, 1)
    assert again.history.stopped == "finished" and again.optimizer.t == 10


def test_a_copy_of_a_trainer_whose_rate_was_halved_has_that_rate():
    trainer = trainer_of(lr=1e-2)
    trainer.fit(IMAGES, 1, callbacks=[At(2, lambda state: state.scale_lr("halve", 0.5))])
    again = copy.deepcopy(trainer)
    assert again.optimizer.schedule(0) == trainer.optimizer.schedule(0) == 5e-3
    for each in (trainer, again):
        each.fit(IMAGES, 2)
    assert_same(trainer, again)


def test_a_trainer_of_a_subclass_is_copied_as_one():
    class Mine(sv.Trainer):
        pass

    mine = Mine(sv.VAE(9, 2, (8,)))
    assert type(copy.deepcopy(mine)) is Mine


def test_what_cannot_be_made_again_is_told_by_its_name():
    class Secretive(SGD):
        def __init__(self, speed):
            super().__init__(speed)

    with pytest.raises(ConfigError, match="Secretive has no attribute 'speed'"):
        copy.deepcopy(trainer_of(optimizer=Secretive(1e-2)))


def test_a_trainer_is_told_by_its_model_and_how_far_it_came():
    trainer = trainer_of()
    trainer.step(IMAGES)
    assert repr(trainer).startswith("<Trainer of a VAE with ")
    assert "Adam(lr=0.001), batch_size=" in repr(trainer) and repr(trainer).endswith(" 0 epochs, 1 updates>")


# --- how deep the loop is

MODELS = {
    "vae": lambda: sv.VAE(9, 2, (8, 4)),
    "gaussian": lambda: sv.VAE(9, 2, (8,), likelihood="gaussian_heteroscedastic", free_bits=0.1),
    "iwae": lambda: sv.IWAE(9, 2, (8,), importance_samples=3),
    "conditional": lambda: sv.ConditionalVAE(9, 2, (8, 4), classes=3),
    "semi-supervised": lambda: sv.SemiSupervisedVAE(9, 2, (8, 4), classes=3),
    "autoencoder": lambda: sv.Autoencoder(9, 2, (8,)),
}


@pytest.mark.parametrize("kind", ["vae", "semi-supervised"])
def test_from_fit_to_the_backward_of_a_layer_it_is_six_frames_in_four_files(kind, monkeypatch):
    real, stacks = Linear.backward, []

    def watched(self, dy):
        stacks.append(inspect.stack()[1:])
        return real(self, dy)

    monkeypatch.setattr(Linear, "backward", watched)
    model = MODELS[kind]()
    trainer_of(model, clip_norm=1.0).fit(IMAGES, 1, callbacks=[At(3, lambda state: None)], **labels_for(model))
    assert stacks
    for stack in stacks:
        depth = next(k for k, frame in enumerate(stack) if frame.function == "fit")
        between = stack[: depth + 1]
        assert Path(between[-1].filename).name == "trainer.py"
        files = {frame.filename for frame in between} | {inspect.getfile(Linear)}
        told = [f"{Path(frame.filename).name}: {frame.function}" for frame in between]
        assert len(between) + 1 <= 6 and len(files) <= 4, told
