"""The whole objective, end to end through the sampler at fixed noise, on random architectures."""

import numpy as np
import oracle
import pytest
from drawing import batches, hidden_layers, normal, relative_error, seeds, uniform, widths
from hypothesis import given
from hypothesis import strategies as st

import scratchvae as sv
from scratchvae.gradcheck import check
from scratchvae.models.network import ACTIVATIONS

KINKED = {"relu", "leaky_relu"}
activations = st.sampled_from(list(ACTIVATIONS))
betas = st.sampled_from([0.0, 0.5, 1.0, 4.0])


def make_vae(width, latent, hidden, activation, beta, seed):
    vae = sv.VAE(width, latent, hidden, activation, beta=beta, seed=seed % 1000, dtype="float64")
    vae.theta[...] += 0.1 * normal(seed, vae.theta.size)  # biases too begin away from zero
    return vae


def assert_agree(given_, expected):
    """The whole gradient to 1e-12 of its norm, and each part to 1e-12 of its own, or of a hundredth of the whole's.

    A part may be the small difference of large terms: then its rounding is that of the terms.
    """
    assert given_.keys() == expected.keys()
    whole = np.sqrt(sum(np.linalg.norm(part) ** 2 for part in expected.values()))
    errors = {name: np.linalg.norm(given_[name] - expected[name]) for name in expected}
    assert np.sqrt(sum(error**2 for error in errors.values())) <= 1e-12 * whole
    for name, error in errors.items():
        assert error <= 1e-12 * max(np.linalg.norm(expected[name]), whole / 100), name


def agrees_with_autograd(vae, x, eps):
    params = {name: view.copy() for name, view in vae.params.items()}
    activation, beta = vae.config["activation"], vae.config["beta"]
    loss, grads = vae.loss_and_grads(x, eps)
    assert relative_error(loss, oracle.negative_elbo(params, x, eps, activation, beta)) <= 1e-12
    assert np.array_equal(np.concatenate([grad.ravel() for grad in grads.values()]), vae.dtheta)
    vae.forward(x, eps)
    dx, deps = vae.backward_to_inputs()
    expected, ex, eeps = (oracle.gradient(oracle.negative_elbo, k, params, x, eps, activation, beta) for k in range(3))
    assert_agree({**grads, "x": dx, "eps": deps}, {**expected, "x": ex, "eps": eeps})


@given(batches, widths, st.integers(1, 4), hidden_layers, activations, betas, seeds)
def test_bug02_bug03_bug09_elbo_gradient_agrees_with_autograd(batch, width, latent, hidden, activation, beta, seed):
    vae = make_vae(width, latent, hidden, activation, beta, seed)
    agrees_with_autograd(vae, uniform(seed, batch, width), normal(seed, batch, latent))


@given(batches, widths, st.integers(1, 4), hidden_layers, activations, betas, seeds)
def test_elbo_gradient_agrees_with_finite_differences(batch, width, latent, hidden, activation, beta, seed):
    if activation in KINKED:
        activation = "gelu"
    vae = make_vae(width, latent, hidden, activation, beta, seed)
    x_size, eps_size = batch * width, batch * latent

    def loss(everything):
        x, eps, vae.theta[...] = np.split(everything, [x_size, x_size + eps_size])
        return float(vae.objective.loss(vae.forward(x.reshape(batch, width), eps.reshape(batch, latent))))

    def gradient(dloss, everything):
        loss(everything)
        dx, deps = vae.backward_to_inputs()
        return [dloss * np.concatenate([dx.ravel(), deps.ravel(), vae.dtheta])]

    everything = np.concatenate([uniform(seed, x_size), normal(seed + 1, eps_size), vae.theta])
    assert check(loss, gradient, everything, seed=seed, directions=3).worst <= 1e-8


@given(seeds, activations)
def test_bug13_a_ragged_batch_after_a_full_one_has_the_gradient_of_its_own_rows(seed, activation):
    vae = make_vae(6, 2, (5,), activation, 1.0, seed)
    vae.loss_and_grads(uniform(seed, 9, 6), normal(seed, 9, 2))
    agrees_with_autograd(vae, uniform(seed, 4, 6), normal(seed, 4, 2))
    agrees_with_autograd(vae, uniform(seed, 1, 6), normal(seed, 1, 2))


@given(seeds, activations)
def test_bug05_bug06_gradients_are_still_right_after_several_updates(seed, activation):
    vae = make_vae(6, 2, (5, 4), activation, 1.0, seed)
    trainer = sv.Trainer(vae, lr=0.05, batch_size=7, seed=1)
    for step in range(4):
        trainer.step(uniform(seed + step, 7 - step, 6))
    agrees_with_autograd(vae, uniform(seed, 5, 6), normal(seed, 5, 2))


@given(seeds)
def test_bug05_a_whole_step_moves_every_weight_along_the_gradient_at_its_start(seed):
    vae = make_vae(6, 2, (5,), "tanh", 1.0, seed)
    twin = make_vae(6, 2, (5,), "tanh", 1.0, seed)
    trainer = sv.Trainer(vae, optimizer=sv.optim.SGD(0.1), batch_size=3, seed=seed)
    before, x = vae.theta.copy(), uniform(seed, 3, 6)
    trainer.step(x)
    twin.forward(x, trainer._eps)
    twin.backward()
    assert relative_error(vae.theta - before, -0.1 * twin.dtheta) <= 1e-12


@given(batches, widths, st.integers(1, 4), hidden_layers, activations, seeds)
def test_autoencoder_gradient_agrees_with_autograd(batch, width, latent, hidden, activation, seed):
    model = sv.Autoencoder(width, latent, hidden, activation, seed=seed % 1000, dtype="float64")
    model.theta[...] += 0.1 * normal(seed, model.theta.size)
    x = uniform(seed, batch, width)
    params = {name: view.copy() for name, view in model.params.items()}
    loss, grads = model.loss_and_grads(x)
    assert relative_error(loss, oracle.negative_log_likelihood(params, x, activation)) <= 1e-12
    assert_agree(grads, oracle.gradient(oracle.negative_log_likelihood, 0, params, x, activation))


def test_bug20_a_planted_error_of_one_percent_in_any_one_gradient_is_caught():
    vae = make_vae(6, 2, (5,), "tanh", 1.0, 0)
    x, eps = uniform(0, 4, 6), normal(0, 4, 2)
    params = {name: view.copy() for name, view in vae.params.items()}
    expected = oracle.gradient(oracle.negative_elbo, 0, params, x, eps, "tanh", 1.0)
    _, grads = vae.loss_and_grads(x, eps)
    assert_agree(grads, expected)
    for name in grads:
        with pytest.raises(AssertionError):
            assert_agree({**grads, name: 1.01 * grads[name]}, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pixel", [0.0, 1.0])
def test_bug08_bug10_extreme_weights_give_a_finite_loss_and_finite_gradients(dtype, pixel):
    vae = sv.VAE(4, 2, (), dtype=dtype)
    vae.params["encoder.0.b"][...] = [0, 0, -50, 50]
    vae.params["decoder.0.b"][...] = [1000, -1000, 1000, -1000]
    loss, grads = vae.loss_and_grads(np.full((3, 4), pixel))
    assert np.isfinite(loss)
    assert all(np.isfinite(grad).all() for grad in grads.values())
