"""Tests of the prior and of its KL to a posterior, in closed form or estimated at the draw."""

import numpy as np
import pytest
from hypothesis import given
from scipy import stats
from strategies import batches, normal, seeds, widths

from scratchvae.backend import NUMPY, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
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
def test_the_standard_normal_equals_that_of_scipy_and_its_gradient_is_correct(seed, rows, width):
    prior, z = StandardNormal(), normal(seed, rows, width)
    np.testing.assert_allclose(prior.forward(z), stats.norm.logpdf(z).sum(axis=1), rtol=1e-13)
    assert check(lambda z: prior.forward(z).copy(), lambda dlog_p, z: (prior.backward(dlog_p).copy(),), z)
    assert prior.draw(z) is z


class Laplace(Prior):
    """p(z) = ½ exp(−|z|), with only the required methods of a prior."""

    def forward(self, z):
        self.z = z
        return -np.abs(z).sum(axis=1) - z.shape[1] * np.log(2.0)

    def backward(self, dlog_p):
        return -np.sign(self.z) * dlog_p[:, None]

    def draw(self, noise):
        return noise


class Point(Posterior):
    """A posterior with a density and without a closed-form KL."""

    outputs_per_latent = 1

    def forward(self, h, eps):
        self.eps = eps
        return h + eps

    def backward(self, dz, dlog_q=None):
        return dz

    def log_prob(self):
        return stats.norm.logpdf(self.eps).sum(axis=1)


def test_the_kind_of_kl_depends_on_exact_and_on_the_closed_forms_that_exist():
    gaussian, custom = DiagonalGaussian(), Point()
    for prior, posterior, exact, kind in (
        (StandardNormal(), gaussian, True, ExactKL),
        (StandardNormal(), gaussian, False, GaussianDrawKL),
        (StandardNormal(), custom, True, MonteCarloKL),
        (StandardNormal(), custom, False, MonteCarloKL),
        (Laplace(), gaussian, True, MonteCarloKL),
        (Laplace(), custom, False, MonteCarloKL),
    ):
        kl = prior.kl(posterior, exact)
        assert type(kl) is kind and kl.has_per_dimension is (kind is not MonteCarloKL)
        assert kl.parameter_shapes() == {}  # the model owns those of the posterior and the prior


def random_draw(seed, rows, width):
    """Return a posterior, its inputs h and eps, and its draw z."""
    posterior = DiagonalGaussian()
    h, eps = normal(seed, rows, 2 * width), normal(seed + 1, rows, width)
    return posterior, h, eps, posterior.forward(h, eps)


def gradient(kl, posterior, z, dkl):
    """Return ∂/∂h of Σ dkl·KL."""
    kl.forward(z)
    return posterior.backward(*kl.backward(dkl, np.zeros_like(z))).copy()


@given(seed=seeds, rows=batches, width=widths)
def test_the_exact_kl_equals_the_closed_form_and_has_no_gradient_for_z(seed, rows, width):
    posterior, h, _, z = random_draw(seed, rows, width)
    mu, logvar = (half.copy() for half in np.split(h, 2, axis=1))
    kl, closed_form, dkl = StandardNormal().kl(posterior, exact=True), GaussianKL(), normal(seed + 2, rows)
    assert np.array_equal(kl.forward(z), closed_form.forward(mu, logvar))
    assert np.array_equal(kl.per_dimension, closed_form.per_dimension)
    dz = normal(seed + 3, rows, width)
    dz_before = dz.copy()
    returned, dlog_q, dparameters = kl.backward(dkl, dz)
    assert returned is dz and np.array_equal(dz, dz_before) and dlog_q is None
    assert all(map(np.array_equal, dparameters, closed_form.backward(dkl)))
    per_dimension = normal(seed + 4, rows, width)
    assert all(map(np.array_equal, kl.backward(per_dimension, dz)[2], closed_form.backward(per_dimension)))


# The constants cancel: the Gaussian estimate omits them, the general one does not.
@given(seed=seeds, rows=batches, width=widths)
def test_the_gaussian_estimate_of_the_kl_equals_the_general_estimate(seed, rows, width):
    posterior, h, eps, z = random_draw(seed, rows, width)
    gaussian, general = StandardNormal().kl(posterior, exact=False), MonteCarloKL(posterior, StandardNormal())
    mu, sigma = h[:, :width], np.exp(h[:, width:] / 2)
    exact = (stats.norm(mu, sigma).logpdf(mu + sigma * eps) - stats.norm.logpdf(z)).sum(axis=1)
    for kl in (gaussian, general):
        np.testing.assert_allclose(kl.forward(z), exact, rtol=1e-8, atol=1e-9)
    dkl = normal(seed + 2, rows)
    dh, general_dh = (gradient(kl, posterior, z, dkl) for kl in (gaussian, general))
    np.testing.assert_allclose(dh, general_dh, rtol=1e-10, atol=1e-12)


@given(seed=seeds, rows=batches, width=widths)
def test_the_gradient_of_an_estimate_equals_the_finite_difference(seed, rows, width):
    h, eps = normal(seed, rows, 2 * width), normal(seed + 1, rows, width)
    posterior = DiagonalGaussian()
    kl = StandardNormal().kl(posterior, exact=False)

    def forward(h, eps):
        return kl.forward(posterior.forward(h, eps)).copy()

    def backward(dkl, h, eps):
        dz, dlog_q = kl.backward(dkl, np.zeros((rows, width)))
        return posterior.backward(dz, dlog_q).copy(), posterior.backward_noise(dz, dlog_q).copy()

    assert check(forward, backward, h, eps), check(forward, backward, h, eps)


def test_an_estimate_adds_its_gradient_for_z_to_that_of_the_decoder():
    posterior, _, _, z = random_draw(0, 4, 3)
    dkl = normal(1, 4)
    for kl, expected in (
        (MonteCarloKL(posterior, Laplace()), dkl[:, None] * np.sign(z)),
        (StandardNormal().kl(posterior, exact=False), dkl[:, None] * z),
    ):
        kl.forward(z)
        dz = np.full((4, 3), 5.0)
        returned, dlog_q = kl.backward(dkl, dz)
        assert returned is dz and np.array_equal(dlog_q, dkl)
        np.testing.assert_allclose(dz, 5.0 + expected, rtol=1e-14)


@pytest.mark.parametrize("exact", [True, False])
def test_the_mean_over_draws_equals_the_closed_form(exact):
    rows, h = 100_000, np.array([[0.7, -0.4, -1.2, 0.3]])
    posterior = DiagonalGaussian()
    z = posterior.forward(np.tile(h, (rows, 1)), normal(5, rows, 2))
    kl = StandardNormal().kl(posterior, exact)
    values = kl.forward(z).copy()
    closed_form = GaussianKL().forward(h[:, :2], h[:, 2:])[0]
    assert abs(values.mean() - closed_form) <= 5.5 * values.std() / np.sqrt(rows) + 1e-12


@pytest.mark.parametrize("draws", [1, 3])
def test_sums_per_dimension_use_the_closed_form_for_both_kinds_of_kl(draws):
    posterior, h = DiagonalGaussian(), normal(0, 4, 6)
    repeated = np.repeat(h, draws, axis=0)
    closed_form = GaussianKL()
    closed_form.forward(h[:, :3], h[:, 3:])
    z = posterior.forward(repeated, normal(1, 4 * draws, 3))
    kinds = [StandardNormal().kl(posterior, exact=False)]
    kinds += [StandardNormal().kl(posterior, exact=True)] * (draws == 1)
    for kl in kinds:
        kl.forward(z)
        sums = np.ones((4, 3))
        kl.accumulate(sums, draws)
        np.testing.assert_allclose(sums, 1.0 + closed_form.per_dimension, rtol=1e-13)


@pytest.mark.parametrize("kind", ["exact", "of the draw", "of any two"])
def test_a_device_gives_the_same_kl_for_batches_smaller_than_the_buffers(kind):
    results = []
    for backend in (NUMPY, FAKE_CUPY):
        posterior, prior, buffers = DiagonalGaussian(), StandardNormal(), BatchBuffers(backend, "float64", 6)
        kl = MonteCarloKL(posterior, prior) if kind == "of any two" else prior.kl(posterior, kind == "exact")
        posterior.bind(buffers, (6,))
        for part in (prior, kl):
            part.bind(buffers, (3,))
        arrays = []
        for rows in (6, 2, 4):
            h, eps, dkl = (
                backend.upload(normal(rows + k, *shape)) for k, shape in enumerate([(rows, 6), (rows, 3), (rows,)])
            )
            value = to_numpy(kl.forward(posterior.forward(h, eps))).copy()
            dz, *gradients = kl.backward(dkl, backend.upload(normal(9, rows, 3)))
            arrays += [value, to_numpy(posterior.backward(dz, *gradients)).copy(), to_numpy(dz).copy()]
        results.append(arrays)
    for on_host, on_device in zip(*results, strict=True):
        np.testing.assert_allclose(on_device, on_host, rtol=1e-13, atol=1e-14)


def test_a_gradient_of_a_wrong_shape_is_refused_by_name():
    posterior, _, _, z = random_draw(0, 4, 3)
    for kl in (MonteCarloKL(posterior, StandardNormal()), StandardNormal().kl(posterior, exact=False)):
        with pytest.raises(ShapeError, match="call forward first"):
            kl.backward(np.ones(4), np.zeros((4, 3)))
        kl.forward(z)
        with pytest.raises(ShapeError, match=r"dkl of shape \(4, 3\); expected \(4,\)"):
            kl.backward(np.ones((4, 3)), np.zeros((4, 3)))


@pytest.mark.parametrize("exact", [True, False])
def test_a_kl_before_the_forward_of_the_posterior_is_refused(exact):
    kl = StandardNormal().kl(DiagonalGaussian(), exact)
    message = f"{type(kl).__name__} needs DiagonalGaussian.{'mu' if exact else 'eps'}, which its forward sets; call Dia"
    with pytest.raises(ShapeError, match=message):
        kl.forward(normal(0, 3, 2))
    with pytest.raises(ShapeError, match=r"DiagonalGaussian\.log_prob was called before forward; call forward first"):
        MonteCarloKL(DiagonalGaussian(), Laplace()).forward(normal(0, 3, 2))
