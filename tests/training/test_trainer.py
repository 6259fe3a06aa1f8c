"""The loop: what a step does, what an epoch records, when it stops, and that a seed means the same bits."""

import numpy as np
import pytest
from drawing import uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, DivergedError
from scratchvae.optim import SGD, Adam, Cosine

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
    expected, grads = twin.loss_and_grads(IMAGES[:5], trainer.steps.eps)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(vae.params[name], twin.params[name] - 0.1 * grad, rtol=1e-9, atol=1e-12)


def test_bug14_training_and_validation_are_on_one_scale():
    vae = sv.VAE(9, 2, (8,))
    vae.start_output_bias(IMAGES.mean(axis=0))
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
    assert all(np.isfinite(array).all() for array in (vae.theta, *trainer.optimizer.memory.values()))
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
