"""Tests of mixtures, flows and pathwise objectives inside models: on a device, in training and in evaluation."""

import tracemalloc

import numpy as np
import pytest
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.evaluation import log_likelihood
from scratchvae.flows import InverseAutoregressive
from scratchvae.objectives import DoublyReparameterized, StickingTheLanding
from scratchvae.probability import MixturePrior, VampPrior

PARTS = {
    "mixture": lambda: {"prior": MixturePrior(3, 2)},
    "VampPrior": lambda: {"prior": VampPrior(uniform(1, 4, 6))},
    "flow": lambda: {"posterior": InverseAutoregressive(2, 2, (4,), 1)},
    "flow and mixture": lambda: {"posterior": InverseAutoregressive(2), "prior": MixturePrior(2, 2)},
    "doubly reparameterized": lambda: {"objective": DoublyReparameterized(3)},
    "doubly reparameterized, VampPrior": lambda: {
        "objective": DoublyReparameterized(3), "prior": VampPrior(uniform(1, 4, 6)),
    },
    "sticking the landing": lambda: {"objective": StickingTheLanding()},
}  # fmt: skip
EACH = pytest.mark.parametrize("parts", PARTS)
X = uniform(0, 12, 6).round()


def make(parts, **settings):
    return sv.VAE(6, 2, (4,), activation="tanh", dtype="float64", **PARTS[parts](), **settings)


@EACH
def test_a_model_computes_the_same_on_a_device(parts):
    host, device = make(parts), make(parts, backend=FAKE_CUPY)
    eps = normal(2, 12, host.noise_dim)
    (loss, grads), (device_loss, device_grads) = (model.loss_and_grads(X, eps) for model in (host, device))
    assert device_loss == pytest.approx(loss, rel=1e-12)
    for name, gradient in grads.items():
        np.testing.assert_allclose(sv.to_numpy(device_grads[name]), gradient, rtol=1e-9, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(sv.to_numpy(device.sample(3)), host.sample(3), rtol=1e-9)
    np.testing.assert_allclose(log_likelihood(device, X, 20).rows, log_likelihood(host, X, 20).rows, rtol=1e-9)


@EACH
def test_a_model_trains_on_a_device_and_natively(parts):
    losses = []
    for backend in ("numpy", FAKE_CUPY):
        vae = make(parts, backend=backend)
        losses.append(sv.Trainer(vae, batch_size=5).fit(X, epochs=3).loss)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)


# With one draw, the estimate is the ELBO of that draw, and its mean over rows and draws is below that of many draws.
@EACH
def test_the_log_likelihood_rises_with_the_draws(parts):
    vae = make(parts)
    vae.theta[...] += 0.3 * normal(3, vae.theta.size)
    few = np.mean([log_likelihood(vae, X, samples=1, seed=seed).value for seed in range(200)])
    assert few < log_likelihood(vae, X, samples=5000).value


@pytest.mark.parametrize("parts", ["mixture", "VampPrior", "flow", "flow and mixture"])
def test_the_log_likelihood_is_that_of_quadrature_in_two_dimensions(parts):
    vae = make(parts)
    vae.theta[...] += 0.1 * normal(3, vae.theta.size)
    vae.params["encoder.2.b"][2:4] += 1.0  # log σ²: a q that is wider than the posterior has weights of finite variance
    side = np.linspace(-9, 9, 300)
    z = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    vae.ensure_capacity(len(z))
    log_prior = vae.prior.forward(z).copy()
    t = vae.decoder.forward(z)
    log_p = t @ X.T - np.logaddexp(0.0, t).sum(axis=1)[:, None] + log_prior[:, None] + 2 * np.log(side[1] - side[0])
    largest = log_p.max(axis=0)
    exact = largest + np.log(np.exp(log_p - largest).sum(axis=0))
    found = log_likelihood(vae, X, samples=20_000)
    good = found.effective_sample_size > 2000  # of other rows, too few draws count for an error that can be trusted
    assert good.sum() >= 6
    assert np.all(np.abs(found.rows - exact)[good] < 6 * found.monte_carlo_error[good])
    assert found.rows.mean() == pytest.approx(exact.mean(), abs=0.05)


def test_a_warm_step_allocates_nothing_that_grows_with_the_batch():
    for parts in PARTS:
        sizes = []
        for rows in (4096, 16384):
            vae = make(parts)
            x, eps = uniform(0, rows, 6).round(), normal(1, rows, vae.noise_dim)
            for _ in range(2):
                vae.forward(x, eps)
                vae.backward()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            vae.forward(x, eps)
            vae.backward()
            sizes.append(tracemalloc.get_traced_memory()[1] - before)
            tracemalloc.stop()
        assert sizes[1] < sizes[0] + 8 * 4096, parts  # a column of numbers would be 8 · 12,288 more
