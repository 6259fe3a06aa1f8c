"""Tests that all modules share: errors name the argument, and backward leaves inputs and outputs unchanged."""

import re

import numpy as np
import pytest
from strategies import in_support, normal, uniform

from scratchvae.errors import ShapeError
from scratchvae.models.parts import LIKELIHOODS, make_likelihood
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    GaussianHeteroscedastic,
    GaussianKL,
    GaussianLearned,
    Reparameterize,
)

INPUTS = {
    Bernoulli: ("logits", "x"),
    ContinuousBernoulli: ("logits", "x"),
    Gaussian: ("mu", "x"),
    GaussianLearned: ("mu", "x"),
    GaussianKL: ("mu", "logvar"),
    Reparameterize: ("mu", "logvar", "eps"),
}
EACH_LIKELIHOOD = pytest.mark.parametrize("name", LIKELIHOODS)


@pytest.mark.parametrize(("make", "name"), [(make, name) for make, names in INPUTS.items() for name in names])
def test_an_input_of_a_wrong_shape_is_refused_by_name(make, name):
    module, inputs = make(), {argument: normal(0, 4, 3) for argument in INPUTS[make]}
    module.forward(**inputs)
    # each of these shapes would broadcast; only the first input sets the number of rows
    for shape in [(4, 1)] if name == INPUTS[make][0] else [(4, 1), (1, 3)]:
        with pytest.raises(ShapeError, match=f"{name} of shape"):
            module.forward(**{**inputs, name: np.ones(shape)})


@EACH_LIKELIHOOD
def test_a_gradient_of_a_wrong_shape_is_refused_by_name(name):
    kind = LIKELIHOODS[name]
    sampler, divergence, likelihood = Reparameterize(), GaussianKL(), make_likelihood(name, None, 3)
    mu, logvar, eps, x = normal(0, 4, 3), normal(1, 4, 3), normal(2, 4, 3), in_support(kind, uniform(3, 4, 3))
    sampler.forward(mu, logvar, eps)
    divergence.forward(mu, logvar)
    likelihood.forward(np.tile(mu, (1, kind.outputs_per_dimension)), x)
    for backward in (sampler.backward, sampler.backward_noise):
        with pytest.raises(ShapeError, match=r"dz of shape \(4, 1\); expected \(4, 3\)"):
            backward(np.ones((4, 1)))
    for shape, expected in (((3,), "4,"), ((4, 1), "4, 3"), ((1, 3), "4, 3"), ((4, 3, 1), "4,")):
        with pytest.raises(ShapeError, match=re.escape(f"dkl of shape {shape}; expected ({expected})")):
            divergence.backward(np.ones(shape))
    for backward in (likelihood.backward, likelihood.backward_data):
        with pytest.raises(ShapeError, match=r"dlog_likelihood of shape \(4, 3\); expected \(4,\)"):
            backward(np.ones((4, 3)))


@EACH_LIKELIHOOD
def test_backward_leaves_the_inputs_and_outputs_of_forward_unchanged(name):
    kind = LIKELIHOODS[name]
    mu, logvar, eps, dz = inputs = [normal(seed, 4, 3) for seed in range(4)]
    x = in_support(kind, uniform(4, 4, 3))
    outputs, dn = normal(6, 4, 3 * kind.outputs_per_dimension), normal(5, 4)
    sampler, divergence, likelihood = Reparameterize(), GaussianKL(), make_likelihood(name, None, 3)
    values = [sampler.forward(mu, logvar, eps), divergence.forward(mu, logvar), likelihood.forward(outputs, x)]
    arrays = [*inputs, x, outputs, dn, *values, divergence.per_dimension]
    copies = [array.copy() for array in arrays]

    def backward():
        back = [
            *divergence.backward(dn),
            *sampler.backward(dz),
            sampler.backward_noise(dz),
            likelihood.backward(dn),
            likelihood.backward_data(dn),
        ]
        assert not any(np.shares_memory(a, b) for k, a in enumerate(back) for b in [*back[:k], *arrays])
        return back

    first = backward()
    first_copies = [array.copy() for array in first]
    for array in first:
        array[...] = np.nan  # returned gradients are owned by the caller
    assert all(map(np.array_equal, arrays, copies))
    assert all(map(np.array_equal, backward(), first_copies))


def test_decoder_outputs_that_are_not_twice_as_wide_as_x_are_refused():
    likelihood, x = GaussianHeteroscedastic(), normal(0, 4, 3)
    likelihood.forward(normal(1, 4, 6), x)
    for shape in [(4, 3), (4, 5), (3, 6), (1, 6)]:
        with pytest.raises(ShapeError, match=r"parameters of shape .*; expected \(4, 6\)"):
            likelihood.forward(np.ones(shape), x)
    with pytest.raises(ShapeError, match="x of shape"):
        likelihood.forward(normal(1, 4, 6), np.ones((4, 2)))


@EACH_LIKELIHOOD
def test_the_mean_at_the_output_bias_equals_the_requested_mean(name):
    kind = LIKELIHOODS[name]
    low, high = {(0.0, 1.0): (0.05, 0.95), (0.0, np.inf): (0.001, 900.0)}.get(kind.support, (-40.0, 40.0))
    mean = np.linspace(low, high, 7)
    likelihood = make_likelihood(name, None, 7)
    bias = likelihood.output_bias(mean)
    assert bias.shape == (7 * kind.outputs_per_dimension,) and bias.dtype == np.float64
    np.testing.assert_allclose(likelihood.mean(bias[None], np.empty((1, 7)))[0], mean, rtol=1e-12)
