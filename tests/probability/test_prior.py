"""The prior, and what stands between it and a posterior: the KL in closed form, or estimated at the draw."""

import numpy as np
import pytest
from fake_cupy import FAKE_CUPY
from hypothesis import given
from scipy import stats
from strategies import batches, normal, seeds, widths

from scratchvae.backend import NUMPY, to_numpy
from scratchvae.errors import ShapeError
from scratchvae.gradcheck import check
from scratchvae.memory import BatchBuffers
from scratchvae.probability import (
    DiagonalGaussian,
    ExactKL,
    GaussianDrawKL,
    GaussianKL,
    MonteCarloKL,
    Posterior,
    Prior,
    StandardNormal,
)


@given(seed=seeds, rows=batches, width=widths)
def test_the_standard_normal_is_that_of_scipy_and_its_gradient_is_its_own(seed, rows, width):
    prior, z = StandardNormal(), normal(seed, rows, width)
    np.testing.assert_allclose(prior.forward(z), stats.norm.logpdf(z).sum(axis=1), rtol=1e-13)
    assert check(lambda z: prior.forward(z).copy(), lambda dlog_p, z: (prior.backward(dlog_p).copy(),), z)
    assert prior.draw(z) is z


class Laplace(Prior):
    """p(z) = ½ exp(−|z|), by the least that a prior has to write."""

    def forward(self, z):
        self.z = z
        return -np.abs(z).sum(axis=1) - z.shape[1] * np.log(2.0)

    def backward(self, dlog_p):
        return -np.sign(self.z) * dlog_p[:, None]

    def draw(self, noise):
        return noise


class Point(Posterior):
    """A posterior that knows a density and no closed form."""

    outputs_per_latent = 1

    def forward(self, h, eps):
        self.eps = eps
        return h + eps

    def backward(self, dz, dlog_q=None):
        return dz

    def log_prob(self):
        return stats.norm.logpdf(self.eps).sum(axis=1)


def test_which_kl_it_is_goes_by_what_is_asked_for_and_what_is_known():
    gaussian, other = DiagonalGaussian(), Point()
    for prior, posterior, exact, kind in (
        (StandardNormal(), gaussian, True, ExactKL),
        (StandardNormal(), gaussian, False, GaussianDrawKL),
        (StandardNormal(), other, True, MonteCarloKL),
        (StandardNormal(), other, False, MonteCarloKL),
        (Laplace(), gaussian, True, MonteCarloKL),
        (Laplace(), other, False, MonteCarloKL),
    ):
        kl = prior.kl(posterior, exact)
        assert type(kl) is kind and kl.has_per_dimension is (kind is not MonteCarloKL)
        assert kl.parameter_shapes() == {}  # those of the posterior and the prior are the model's


def drawn(seed, rows, width):
    """A posterior after its forward, and its draw."""
    posterior = DiagonalGaussian()
    h, eps = normal(seed, rows, 2 * width), normal(seed + 1, rows, width)
    return posterior, h, eps, posterior.forward(h, eps)


def gradient(kl, posterior, z, dkl):
    """∂/∂h of Σ dkl·KL, where nothing else asks for anything of z."""
    kl.forward(z)
    return posterior.backward(*kl.backward(dkl, np.zeros_like(z))).copy()


@given(seed=seeds, rows=batches, width=widths)
def test_the_exact_kl_is_the_closed_form_and_leaves_z_alone(seed, rows, width):
    posterior, h, _, z = drawn(seed, rows, width)
    mu, logvar = (half.copy() for half in np.split(h, 2, axis=1))
    kl, plain, dkl = StandardNormal().kl(posterior, exact=True), GaussianKL(), normal(seed + 2, rows)
    assert np.array_equal(kl.forward(z), plain.forward(mu, logvar))
    assert np.array_equal(kl.per_dimension, plain.per_dimension)
    dz = normal(seed + 3, rows, width)
    kept = dz.copy()
    same, dlog_q, dparameters = kl.backward(dkl, dz)
    assert same is dz and np.array_equal(dz, kept) and dlog_q is None
    assert all(map(np.array_equal, dparameters, plain.backward(dkl)))
    per_dimension = normal(seed + 4, rows, width)
    assert all(map(np.array_equal, kl.backward(per_dimension, dz)[2], plain.backward(per_dimension)))


# The same number by two ways: with the constants that cancel, and without them.
@given(seed=seeds, rows=batches, width=widths)
def test_the_kl_of_the_draw_of_a_gaussian_is_that_of_any_two_densities(seed, rows, width):
    posterior, h, eps, z = drawn(seed, rows, width)
    short, general = StandardNormal().kl(posterior, exact=False), MonteCarloKL(posterior, StandardNormal())
    mu, sigma = h[:, :width], np.exp(h[:, width:] / 2)
    exact = (stats.norm(mu, sigma).logpdf(mu + sigma * eps) - stats.norm.logpdf(z)).sum(axis=1)
    for kl in (short, general):
        np.testing.assert_allclose(kl.forward(z), exact, rtol=1e-8, atol=1e-9)
    dkl = normal(seed + 2, rows)
    one, other = (gradient(kl, posterior, z, dkl) for kl in (short, general))
    np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@given(seed=seeds, rows=batches, width=widths)
def test_the_gradient_of_an_estimate_is_that_of_differences(seed, rows, width):
    h, eps = normal(seed, rows, 2 * width), normal(seed + 1, rows, width)
    posterior = DiagonalGaussian()
    kl = StandardNormal().kl(posterior, exact=False)

    def forward(h, eps):
        return kl.forward(posterior.forward(h, eps)).copy()

    def backward(dkl, h, eps):
        dz, dlog_q = kl.backward(dkl, np.zeros((rows, width)))
        return posterior.backward(dz, dlog_q).copy(), posterior.backward_noise(dz, dlog_q).copy()

    assert check(forward, backward, h, eps), check(forward, backward, h, eps)


def test_what_an_estimate_asks_of_z_is_added_to_what_the_decoder_asked():
    posterior, _, _, z = drawn(0, 4, 3)
    dkl = normal(1, 4)
    for kl, asked in (
        (MonteCarloKL(posterior, Laplace()), dkl[:, None] * np.sign(z)),
        (StandardNormal().kl(posterior, exact=False), dkl[:, None] * z),
    ):
        kl.forward(z)
        dz = np.full((4, 3), 5.0)
        same, dlog_q = kl.backward(dkl, dz)
        assert same is dz and np.array_equal(dlog_q, dkl)
        np.testing.assert_allclose(dz, 5.0 + asked, rtol=1e-14)


@pytest.mark.parametrize("exact", [True, False])
def test_the_mean_over_draws_is_the_kl(exact):
    rows, h = 100_000, np.array([[0.7, -0.4, -1.2, 0.3]])
    posterior = DiagonalGaussian()
    z = posterior.forward(np.tile(h, (rows, 1)), normal(5, rows, 2))
    kl = StandardNormal().kl(posterior, exact)
    values = kl.forward(z).copy()
    closed = GaussianKL().forward(h[:, :2], h[:, 2:])[0]
    assert abs(values.mean() - closed) <= 5.5 * values.std() / np.sqrt(rows) + 1e-12


@pytest.mark.parametrize("draws", [1, 3])
def test_the_sums_of_each_dimension_are_of_the_closed_form_whichever_kl_it_is(draws):
    posterior, h = DiagonalGaussian(), normal(0, 4, 6)
    tall = np.repeat(h, draws, axis=0)
    plain = GaussianKL()
    plain.forward(h[:, :3], h[:, 3:])
    z = posterior.forward(tall, normal(1, 4 * draws, 3))
    kinds = [StandardNormal().kl(posterior, exact=False)]
    kinds += [StandardNormal().kl(posterior, exact=True)] * (draws == 1)
    for kl in kinds:
        kl.forward(z)
        sums = np.ones((4, 3))
        kl.accumulate(sums, draws)
        np.testing.assert_allclose(sums, 1.0 + plain.per_dimension, rtol=1e-13)


@pytest.mark.parametrize("kind", ["exact", "of the draw", "of any two"])
def test_on_a_device_and_for_fewer_rows_than_there_is_room_for_it_is_the_same(kind):
    found = []
    for backend in (NUMPY, FAKE_CUPY):
        posterior, prior, buffers = DiagonalGaussian(), StandardNormal(), BatchBuffers(backend, "float64", 6)
        kl = MonteCarloKL(posterior, prior) if kind == "of any two" else prior.kl(posterior, kind == "exact")
        posterior.bind(buffers, (6,))
        for part in (prior, kl):
            part.bind(buffers, (3,))
        answers = []
        for rows in (6, 2, 4):
            h, eps, dkl = (
                backend.upload(normal(rows + k, *of)) for k, of in enumerate([(rows, 6), (rows, 3), (rows,)])
            )
            value = to_numpy(kl.forward(posterior.forward(h, eps))).copy()
            dz, *more = kl.backward(dkl, backend.upload(normal(9, rows, 3)))
            answers += [value, to_numpy(posterior.backward(dz, *more)).copy(), to_numpy(dz).copy()]
        found.append(answers)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-13, atol=1e-14)


def test_a_gradient_of_another_shape_is_refused_by_its_name():
    posterior, _, _, z = drawn(0, 4, 3)
    for kl in (MonteCarloKL(posterior, StandardNormal()), StandardNormal().kl(posterior, exact=False)):
        with pytest.raises(ShapeError, match="call forward first"):
            kl.backward(np.ones(4), np.zeros((4, 3)))
        kl.forward(z)
        with pytest.raises(ShapeError, match=r"dkl of shape \(4, 3\); expected \(4,\)"):
            kl.backward(np.ones((4, 3)), np.zeros((4, 3)))
