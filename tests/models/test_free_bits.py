"""A VAE with free bits: loss, ELBO, history and training."""

import numpy as np
import pytest
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError
from scratchvae.training import Callback, KLWarmUp, Masking

X, EPS = uniform(0, 5, 9), normal(0, 5, 3)


def free_bits_vae(free=0.3, **settings):
    vae = sv.VAE(9, 3, (8,), beta=2.0, dtype="float64", free_bits=free, **settings)
    mu, logvar = vae.encode(X)
    kl = (mu**2 + np.expm1(logvar) - logvar).mean(axis=0) / 2
    assert kl.min() < free < kl.max()  # the threshold separates the dimensions
    return vae


def test_the_loss_counts_at_least_the_free_bits_per_dimension():
    vae = free_bits_vae()
    terms = vae.terms(X, EPS)
    vae.forward(X, EPS)
    penalized_kl = np.maximum(0.3, vae.kl.per_dimension.mean(axis=0)).sum()
    loss, _ = vae.loss_and_grads(X, EPS)
    np.testing.assert_allclose(loss, -terms.reconstruction.mean() + 2 * penalized_kl, rtol=1e-13)


def test_free_bits_change_neither_elbo_nor_score():
    vae, plain = free_bits_vae(), sv.VAE(9, 3, (8,), beta=2.0, dtype="float64")
    for ours, other in zip(vae.elbo(X, EPS), plain.elbo(X, EPS), strict=True):
        np.testing.assert_array_equal(ours, other)
    assert sv.score(vae, X) == sv.score(plain, X)


def test_the_history_records_the_training_loss_and_the_true_kl():
    vae = free_bits_vae()
    vae.initialize_output_bias(X.mean(axis=0))
    trainer = sv.Trainer(vae, optimizer=sv.optim.SGD(1e-200), batch_size=2, kl_weight=lambda t: 0.5)
    losses, kls = [], []

    class Recorder(Callback):
        def on_before_update(self, state):
            losses.append(float(vae.objective.loss(state.terms)) * len(state.terms.value))
            kls.append(vae.kl.per_dimension.sum(axis=0))

    epoch = trainer.fit(X, 1, validation=X, callbacks=[Recorder()]).epochs[0]
    assert len(losses) == 3
    assert epoch.loss == pytest.approx(sum(losses) / 5, rel=1e-12)
    np.testing.assert_allclose(epoch.kl_per_dimension, sum(kls) / 5, rtol=1e-12)
    assert sum(epoch.kl_per_dimension) == pytest.approx(epoch.kl, rel=1e-12)
    assert epoch.loss > -epoch.reconstruction + epoch.kl + 1e-3  # half of beta = 2
    assert epoch.validation == -sv.score(vae, X).value


def test_training_uses_the_free_bits():
    digits = sv.datasets.load("digits").train.images
    kl = {}
    for free in (0.0, 0.5):
        vae = sv.VAE(64, 10, (64,), free_bits=free)
        kl[free] = sv.Trainer(vae, lr=2e-3).fit(digits, 30).kl_per_dimension[-1]
    assert min(kl[0.0]) < 0.2
    assert min(kl[0.5]) > 0.45


def test_training_on_a_device_gives_the_same_numbers():
    thetas = []
    for backend in ("numpy", FAKE_CUPY):
        vae = sv.VAE(9, 3, (8,), dtype="float64", free_bits=0.3, backend=backend)
        settings = {"kl_weight": KLWarmUp(5), "corrupt": Masking(0.3), "binarize": "dynamic"}
        trainer = sv.Trainer(vae, lr=1e-2, batch_size=4, **settings)
        history = trainer.fit(uniform(1, 10, 9), 4, validation=X)
        thetas.append((to_numpy(vae.theta), history.loss, history.validation, history.kl_per_dimension))
    for host, device in zip(*thetas, strict=True):
        np.testing.assert_allclose(device, host, rtol=1e-12, atol=1e-12)


def test_a_file_stores_free_bits(tmp_path):
    vae = free_bits_vae()
    sv.save(vae, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz")
    assert loaded.config["free_bits"] == 0.3
    assert loaded.loss_and_grads(X, EPS)[0] == vae.loss_and_grads(X, EPS)[0]
    assert vae.astype("float32").objective.free.free == 0.3
    assert sv.VAE(9, 3, (8,)).objective.free is None


@pytest.mark.parametrize("free", [-0.1, float("inf"), "0.1"])
def test_an_invalid_number_of_nats_is_refused(free):
    with pytest.raises(ConfigError, match="free_bits="):
        sv.VAE(9, 3, (8,), free_bits=free)
