"""Tests that read-only arrays are accepted as inputs and refused by name as outputs."""

import numpy as np
import pytest
from strategies import normal

from scratchvae.errors import ReadOnlyError
from scratchvae.layers import Linear, Sequential
from scratchvae.models.network import ACTIVATIONS
from scratchvae.optim import SGD, Adam, AdamW, clip_by_global_norm
from scratchvae.probability import Bernoulli, GaussianKL, Reparameterize, SplitHalves


def locked(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def test_the_kl_refuses_read_only_sums(tmp_path):
    divergence, zeros = GaussianKL(), np.zeros((4, 3))
    divergence.forward(normal(0, 4, 3), normal(1, 4, 3))
    np.save(tmp_path / "zeros.npy", zeros)
    for sums in (np.load(tmp_path / "zeros.npy", mmap_mode="r"), locked(zeros)):
        with pytest.raises(ReadOnlyError, match=r"sums is read-only.*sums\.copy\(\)"):
            divergence.accumulate(sums)
        assert not sums.any()


@pytest.mark.parametrize("name", ["W", "b", "dW", "db"])
@pytest.mark.parametrize("kind", [Linear, lambda i, o: Sequential(Linear(i, o))])
def test_a_layer_refuses_read_only_parameters(kind, name):
    layer = kind(3, 2)
    shapes = layer.parameter_shapes()
    params, grads = ({key: np.zeros(shape) for key, shape in shapes.items()} for _ in range(2))
    arrays = grads if name.startswith("d") else params
    (key,) = (key for key in shapes if key.endswith(name[-1]))
    arrays[key] = locked(arrays[key])
    with pytest.raises(ReadOnlyError, match=f"{name} is read-only"):
        layer.bind_parameters(params, grads)


@pytest.mark.parametrize("kind", [Adam, AdamW, SGD])
def test_an_optimizer_refuses_read_only_parameters_and_accepts_read_only_gradients(kind):
    optimizer = kind(0.1)
    with pytest.raises(ReadOnlyError, match="theta is read-only"):
        optimizer.bind(np, locked(np.ones(5)))
    theta = np.ones(5)
    optimizer.bind(np, theta)
    optimizer.step(locked(np.ones(5)))
    assert (theta < 1).all()


def test_clipping_refuses_a_read_only_gradient():
    with pytest.raises(ReadOnlyError, match="dtheta is read-only"):
        clip_by_global_norm(np, locked(np.ones(5)), 1.0)


@pytest.mark.parametrize("make_layer", [*ACTIVATIONS.values(), lambda: Linear(4, 4), lambda: Sequential(Linear(4, 4))])
def test_layers_accept_read_only_inputs_and_gradients(make_layer):
    layer, x, dy = make_layer(), normal(0, 5, 4), normal(1, 5, 4)
    y = layer.forward(x).copy()
    dx = layer.backward(dy).copy()
    assert np.array_equal(layer.forward(locked(x)), y)
    assert np.array_equal(layer.backward(locked(dy)), dx)


def test_densities_accept_read_only_inputs_and_gradients():
    mu, logvar, eps, dz = (locked(normal(seed, 5, 4)) for seed in range(4))
    dn = locked(normal(4, 5))
    for module, inputs, backwards in (
        (Reparameterize(), (mu, logvar, eps), {"backward": (dz,), "backward_noise": (dz,)}),
        (GaussianKL(), (mu, logvar), {"backward": (dn,)}),
        (GaussianKL(), (mu, logvar), {"backward": (dz,)}),  # by latent dimension
        (Bernoulli(), (mu, eps), {"backward": (dn,), "backward_data": (dn,)}),
        (SplitHalves(), (mu,), {"backward": (dz[:, :2], dz[:, 2:])}),
    ):
        module.forward(*inputs)
        for name, gradients in backwards.items():
            getattr(module, name)(*gradients)
