"""Tests of the likelihood of mixed tables: its blocks, wherever they stand."""

import numpy as np
from scipy import stats
from strategies import normal, uniform

from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.memory import BatchBuffers
from scratchvae.probability import (
    Bernoulli,
    Categorical,
    Gaussian,
    GaussianHeteroscedastic,
    MaskedLikelihood,
    Mixed,
    NegativeBinomial,
    Poisson,
    Support,
)

N = 7
BLOCKS = (  # a likelihood, its width and its data
    (lambda: GaussianHeteroscedastic(), 2, normal(0, N, 2)),
    (lambda: Categorical((2, 3)), 5, np.hstack([np.eye(2)[np.arange(N) % 2], np.eye(3)[np.arange(N) % 3]])),
    (lambda: NegativeBinomial(), 3, np.floor(9 * uniform(1, N, 3))),
    (lambda: Bernoulli(), 1, np.round(uniform(2, N, 1))),
    (lambda: Poisson(), 1, np.floor(9 * uniform(3, N, 1))),
)
X = np.hstack([x for _, _, x in BLOCKS])


def blocks():
    return [(make(), width) for make, width, _ in BLOCKS]


def parameters():
    mixed = Mixed(blocks())
    return mixed, normal(4, N, mixed.outputs(12))


def split(array, widths):
    return np.split(array, np.cumsum(widths)[:-1], axis=1)


OUTPUTS = [likelihood.outputs(width) for likelihood, width in blocks()]
WIDTHS = [width for _, width in blocks()]


def test_the_likelihood_and_every_gradient_are_those_of_the_blocks():
    mixed, outputs = parameters()
    dlog = uniform(5, N)
    log_p = mixed.forward(outputs, X)
    back, dx = mixed.backward(dlog), mixed.backward_data(dlog)
    total = 0.0
    parts = zip(blocks(), split(outputs, OUTPUTS), split(X, WIDTHS), strict=True)
    expected = []
    for (likelihood, _), outputs_k, x_k in parts:
        total = total + likelihood.forward(outputs_k, x_k)
        expected.append((likelihood.backward(dlog), likelihood.backward_data(dlog)))
    np.testing.assert_allclose(log_p, total, rtol=1e-14)
    np.testing.assert_allclose(back, np.hstack([b for b, _ in expected]), rtol=1e-14)
    np.testing.assert_allclose(dx, np.hstack([d for _, d in expected]), rtol=1e-14)


def test_means_draws_and_biases_are_those_of_the_blocks():
    mixed, outputs = parameters()
    mean = mixed.mean(outputs, np.empty(X.shape))
    eps = normal(6, N, 12)
    x = mixed.draw(outputs, eps, np.empty(X.shape))
    for k, ((likelihood, width), outputs_k) in enumerate(zip(blocks(), split(outputs, OUTPUTS), strict=True)):
        here = mixed.columns[k]
        np.testing.assert_allclose(mean[:, here], likelihood.mean(outputs_k, np.empty((N, width))), rtol=1e-14)
        noise = stats.norm.cdf(eps[:, here]) if likelihood.noise == "random" else eps[:, here]
        assert np.array_equal(x[:, here], likelihood.draw(outputs_k, noise, np.empty((N, width))))
        bias = mixed.output_bias(X.mean(axis=0))[mixed.output_columns[k]]
        np.testing.assert_allclose(bias, likelihood.output_bias(X.mean(axis=0)[here]))
    assert (mixed.draw(outputs, np.full(X.shape, 40.0), np.empty(X.shape))[:, 2:7].sum(axis=1) == 2).all()


def test_blocks_of_one_kind_of_noise_are_given_that_noise():
    mixed = Mixed([(Bernoulli(), 1), (Categorical((2,)), 2)])
    assert mixed.noise == "random" and Mixed(blocks()).noise == "standard_normal"
    out = mixed.draw(np.zeros((1, 3)), np.array([[0.49, 0.51, 0.0]]), np.empty((1, 3)))
    assert out.tolist() == [[1, 0, 1]]


def test_the_supports_are_those_of_the_blocks():
    assert Mixed(blocks()).supports(12) == (
        Support(0, 2),
        Support(2, 4, 0.0, 1.0, one_hot=True),
        Support(4, 7, 0.0, 1.0, one_hot=True),
        Support(7, 10, 0.0, whole=True),
        Support(10, 11, 0.0, 1.0),
        Support(11, 12, 0.0, whole=True),
    )


def test_missing_values_add_nothing_and_a_group_is_masked_as_a_whole():
    mixed, outputs = parameters()
    masked = Mixed(blocks()).masked()
    kinds = [type(likelihood) for likelihood in masked.likelihoods]
    assert kinds == [MaskedLikelihood, Categorical, MaskedLikelihood, MaskedLikelihood, MaskedLikelihood]
    np.testing.assert_allclose(masked.forward(outputs, X), mixed.forward(outputs, X), rtol=1e-13)
    incomplete = X.copy()
    incomplete[:, [0, 2, 3, 8, 10, 11]] = np.nan
    kept = Mixed([(GaussianHeteroscedastic(), 1), (Categorical((3,)), 3), (NegativeBinomial(), 2)])
    columns = [1, *(4, 5, 6), 7, 9]
    expected = kept.forward(outputs[:, [1, 3, *(6, 7, 8), 9, 11, 12, 14]], X[:, columns])
    np.testing.assert_allclose(masked.forward(outputs, incomplete), expected, rtol=1e-13)
    assert not masked.backward_data(np.ones(N))[:, [0, 2, 3, 8, 10, 11]].any()


def test_a_block_inside_a_block_is_the_same():
    inner = blocks()
    nested = Mixed([(Mixed(inner[:2]), 7), (Mixed(inner[2:]), 5)])
    mixed, outputs = parameters()
    np.testing.assert_allclose(nested.forward(outputs, X), mixed.forward(outputs, X), rtol=1e-14)
    assert nested.supports(12) == mixed.supports(12)


def test_the_stand_in_for_a_device_gives_the_same_numbers():
    results = []
    for backend in ("numpy", FAKE_CUPY):
        mixed, outputs = parameters()
        upload = (lambda a: a) if backend == "numpy" else backend.upload
        if backend != "numpy":
            mixed.bind(BatchBuffers(backend, np.dtype("float64"), N), (12,))
        log_p = to_numpy(mixed.forward(upload(outputs), upload(X))).copy()
        back = to_numpy(mixed.backward(upload(np.ones(N)))).copy()
        out = upload(np.empty(X.shape))
        x = to_numpy(mixed.draw(upload(outputs), upload(normal(6, N, 12)), out))
        results.append((log_p, back, x))
    for ours, theirs in zip(*results, strict=True):
        assert np.array_equal(ours, theirs)


def test_initial_weights_are_scaled_by_block():
    scale = Mixed([(Bernoulli(), 2), (Gaussian(), 1), (Poisson(), 1)]).output_scale
    assert scale.tolist() == [1.0, 1.0, 0.1, 0.1]
