"""What each piece promises: it refuses by name what does not fit, and spoils nothing that it took or lent."""

import numpy as np
import pytest
from drawing import normal

from scratchvae.errors import ShapeError
from scratchvae.probability import Bernoulli, Gaussian, GaussianKL, GaussianLearnt, Reparameterize

INPUTS = {
    Bernoulli: ("logits", "x"),
    Gaussian: ("mu", "x"),
    GaussianLearnt: ("mu", "x"),
    GaussianKL: ("mu", "logvar"),
    Reparameterize: ("mu", "logvar", "eps"),
}
LIKELIHOODS = pytest.mark.parametrize("kind", [Bernoulli, Gaussian, GaussianLearnt])


@pytest.mark.parametrize(("make", "name"), [(make, name) for make, names in INPUTS.items() for name in names])
def test_an_input_of_another_shape_is_refused_by_its_name(make, name):
    unit, inputs = make(), {of: normal(0, 4, 3) for of in INPUTS[make]}
    unit.forward(**inputs)
    # each would broadcast, were it let in; the first alone says how many rows there are
    for shape in [(4, 1)] if name == INPUTS[make][0] else [(4, 1), (1, 3)]:
        with pytest.raises(ShapeError, match=f"{name} of shape"):
            unit.forward(**{**inputs, name: np.ones(shape)})


@LIKELIHOODS
def test_a_gradient_of_another_shape_is_refused_by_its_name(kind):
    sampler, divergence, likelihood = Reparameterize(), GaussianKL(), kind()
    mu, logvar, eps, x = normal(0, 4, 3), normal(1, 4, 3), normal(2, 4, 3), normal(3, 4, 3)
    sampler.forward(mu, logvar, eps)
    divergence.forward(mu, logvar)
    likelihood.forward(mu, x)
    for backward in (sampler.backward, sampler.backward_noise):
        with pytest.raises(ShapeError, match=r"dz of shape \(4, 1\); expected \(4, 3\)"):
            backward(np.ones((4, 1)))
    with pytest.raises(ShapeError, match=r"dkl of shape \(4, 3\); expected \(4,\)"):
        divergence.add_backward(np.ones((4, 3)), np.zeros((4, 3)), np.zeros((4, 3)))
    for backward in (likelihood.backward, likelihood.backward_data):
        with pytest.raises(ShapeError, match=r"dlog_likelihood of shape \(4, 3\); expected \(4,\)"):
            backward(np.ones((4, 3)))


@LIKELIHOODS
def test_backward_spoils_nothing_that_forward_took_or_lent(kind):
    mu, logvar, eps, x, dz = given = [normal(seed, 4, 3) for seed in range(5)]
    dn = normal(5, 4)
    sampler, divergence, likelihood = Reparameterize(), GaussianKL(), kind()
    lent = [sampler.forward(mu, logvar, eps), divergence.forward(mu, logvar), likelihood.forward(mu, x)]
    there = [*given, dn, *lent, divergence.per_dimension]
    kept = [array.copy() for array in there]

    def backward():
        dmu, dlogvar = np.zeros((4, 3)), np.zeros((4, 3))
        divergence.add_backward(dn, dmu, dlogvar)
        back = [
            *sampler.backward(dz),
            sampler.backward_noise(dz),
            likelihood.backward(dn),
            likelihood.backward_data(dn),
        ]
        assert not any(np.shares_memory(a, b) for k, a in enumerate(back) for b in [*back[:k], *there])
        return [dmu, dlogvar, *back]

    first = backward()
    once = [array.copy() for array in first]
    for array in first:
        array[...] = np.nan  # they are the caller's to write into
    assert all(map(np.array_equal, there, kept))
    assert all(map(np.array_equal, backward(), once))
