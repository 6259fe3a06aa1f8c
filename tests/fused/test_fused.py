"""Tests that fused variants agree with their plain classes, and of the replacement of modules by `fused`.

The kernels run on the host and, with `pytest -m gpu`, on a GPU.
"""

from functools import partial

import emulated_backend
import numpy as np
import pytest
from emulated_backend import EMULATED
from hypothesis import given
from hypothesis import strategies as st
from strategies import batches, examples, in_support, normal, seeds, uniform, widths

import scratchvae as sv
from scratchvae.backend import NUMPY, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.fused import FUSED_VARIANTS, fused, fused_variants, plain_class
from scratchvae.layers import (
    ELU,
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Gated,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    Log1p,
    NaNToZero,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    SiLU,
    SplitChannels,
    Tanh,
    Upsample,
)
from scratchvae.memory import BatchBuffers, FlatVector, Module
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS, make_likelihood
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.optim import SGD, Adam, AdamW, Cosine
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    ExactKL,
    FreeBits,
    Gaussian,
    GaussianDrawKL,
    GaussianKL,
    ImportanceBound,
    MaskedLikelihood,
    NegativeBinomial,
    Poisson,
    Reparameterize,
    ScaledLikelihood,
    StandardNormal,
)
from scratchvae.probability.masked_likelihood import mask
from scratchvae.training import KLWarmUp, Masking

ROUNDING = {"float32": 3e-6, "float64": 1e-14}


def agree(device, host, dtype):
    np.testing.assert_allclose(to_numpy(device), host, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


def all_agree(devices, hosts, dtype):
    for device, host in zip(devices, hosts, strict=True):
        agree(device, host, dtype)


def host_and_device(device_backend, make_module, width, rows, dtype):
    """Return the plain module on the host and its variant on the device, bound for two rows more than `rows`."""
    modules = []
    for backend in (NUMPY, device_backend):
        module = fused(make_module(), backend)
        module.bind(BatchBuffers(backend, dtype, rows + 2), () if width is None else (width,))
        modules.append(module)
    assert type(modules[1]) is fused_variants(device_backend).get(type(modules[0]), type(modules[0]))
    return modules


def arrays(device_backend, seed, count, *shape, dtype):
    hosts = [normal(seed + k, *shape).astype(dtype) for k in range(count)]
    return hosts, [device_backend.upload(host) for host in hosts]


@pytest.fixture(scope="module", params=["emulated", "native", pytest.param("cupy", marks=pytest.mark.gpu)])
def device_backend(request):
    if request.param == "cupy":
        return request.getfixturevalue("gpu")
    if emulated_backend.COMPILER is None:
        pytest.skip("no C++ compiler for the kernels")
    return EMULATED if request.param == "emulated" else sv.get_backend("native")


sizes = given(seed=seeds, rows=batches, width=widths)
precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


@precisions
@sizes
def test_the_draw_and_its_gradients_agree(device_backend, dtype, seed, rows, width):
    host, device = host_and_device(device_backend, Reparameterize, width, rows, dtype)
    on_host, on_device = arrays(device_backend, seed, 3, rows, width, dtype=dtype)
    agree(device.forward(*on_device), host.forward(*on_host), dtype)
    (dz,), (dz_device,) = arrays(device_backend, seed + 9, 1, rows, width, dtype=dtype)
    all_agree(device.backward(dz_device), host.backward(dz), dtype)
    agree(device.backward_noise(dz_device), host.backward_noise(dz), dtype)


@precisions
@sizes
def test_the_posterior_agrees_for_all_arguments_of_backward(device_backend, dtype, seed, rows, width):
    host, device = host_and_device(device_backend, DiagonalGaussian, 2 * width, rows, dtype)
    (h,), (h_device,) = arrays(device_backend, seed, 1, rows, 2 * width, dtype=dtype)
    (eps, dz, dmu, dlogvar), on_device = arrays(device_backend, seed + 1, 4, rows, width, dtype=dtype)
    (dlog_q,), (dlog_q_device,) = arrays(device_backend, seed + 5, 1, rows, dtype=dtype)
    eps_device, dz_device, *kl_gradients = on_device
    agree(device.mean(h_device), host.mean(h), dtype)
    all_agree(device.parameters(h_device), host.parameters(h), dtype)
    agree(device.draw(device.parameters(h_device), eps_device), host.draw(host.parameters(h), eps), dtype)
    agree(device.forward(h_device, eps_device), host.forward(h, eps), dtype)
    agree(device.log_prob(), host.log_prob(), dtype)
    for gradients, gradients_device in (
        ((dz,), (dz_device,)),
        ((dz, dlog_q), (dz_device, dlog_q_device)),
        ((dz, None, (dmu, dlogvar)), (dz_device, None, tuple(kl_gradients))),
        ((dz, dlog_q, (dmu, dlogvar)), (dz_device, dlog_q_device, tuple(kl_gradients))),
    ):
        agree(device.backward(*gradients_device), host.backward(*gradients), dtype)
        agree(device.backward_noise(*gradients_device[:2]), host.backward_noise(*gradients[:2]), dtype)
    assert np.array_equal(to_numpy(h_device), h) and np.array_equal(to_numpy(dz_device), dz)


@sizes
def test_mu_and_logvar_are_views_of_the_input_in_the_fused_posterior(device_backend, seed, rows, width):
    _, posterior = host_and_device(device_backend, DiagonalGaussian, 2 * width, rows, "float64")
    h = device_backend.upload(normal(seed, rows, 2 * width))
    mu, logvar = posterior.parameters(h)
    np.testing.assert_array_equal(np.hstack([to_numpy(mu), to_numpy(logvar)]), to_numpy(h))
    h[:, :1] = 7.0
    assert (to_numpy(mu)[:, 0] == 7.0).all()
    dh = posterior.backward(posterior.forward(h, device_backend.upload(normal(seed + 1, rows, width))))
    assert dh.shape == (rows, 2 * width)


@precisions
@sizes
def test_the_kl_and_its_gradients_agree(device_backend, dtype, seed, rows, width):
    host, device = host_and_device(device_backend, GaussianKL, width, rows, dtype)
    on_host, on_device = arrays(device_backend, seed, 2, rows, width, dtype=dtype)
    agree(device.forward(*on_device), host.forward(*on_host), dtype)
    (dkl,), (dkl_device,) = arrays(device_backend, seed + 7, 1, rows, dtype=dtype)
    all_agree(device.backward(dkl_device), host.backward(dkl), dtype)


@precisions
@sizes
def test_the_kl_per_dimension_agrees(device_backend, dtype, seed, rows, width):
    host, device = host_and_device(device_backend, GaussianKL, width, rows, dtype)
    on_host, on_device = arrays(device_backend, seed, 2, rows, width, dtype=dtype)
    host.forward(*on_host)
    device.forward(*on_device)
    agree(device.per_dimension, host.per_dimension, dtype)
    (sums,), (sums_device,) = arrays(device_backend, seed + 6, 1, rows, width, dtype="float64")
    host.accumulate(sums)
    device.accumulate(sums_device)
    agree(sums_device, sums, dtype)
    (dkl,), (dkl_device,) = arrays(device_backend, seed + 7, 1, rows, width, dtype=dtype)
    all_agree(device.backward(dkl_device), host.backward(dkl), dtype)


# With ℓ = log σ² close to 0, KL = Σ ½ (μ² + ½ ℓ² + ⅙ ℓ³ + …) and dℓ = ½ (ℓ + ½ ℓ² + ⅙ ℓ³ + …). A difference between e^ℓ
# and 1 has an error of the size of eps instead.
@pytest.mark.parametrize(("dtype", "small"), [("float32", 1e-3), ("float64", 1e-6)])
def test_the_kl_and_its_gradients_are_accurate_close_to_the_prior(device_backend, dtype, small):
    mu, logvar = small * np.array([[0, 0], [0.3, 0], [0, -0.5]]), small * np.array([[1, -2], [0.1, 3], [-0.7, 0.5]])
    exact, rtol = (mu**2 + logvar**2 / 2 + logvar**3 / 6) / 2, 10 * np.finfo(dtype).eps
    dlogvar = (logvar + logvar**2 / 2 + logvar**3 / 6) / 2
    modules = host_and_device(device_backend, GaussianKL, 2, 3, dtype)
    for kl, backend in zip(modules, (NUMPY, device_backend), strict=True):
        value = kl.forward(*(backend.upload(array.astype(dtype)) for array in (mu, logvar)))
        np.testing.assert_allclose(to_numpy(value), exact.sum(axis=1), rtol=rtol / small)
        np.testing.assert_allclose(to_numpy(kl.per_dimension), exact, rtol=rtol / small)
        sums = backend.upload(np.zeros((3, 2)))
        kl.accumulate(sums)
        np.testing.assert_allclose(to_numpy(sums), exact, rtol=rtol / small)
        for shape in ((3,), (3, 2)):
            gradients = kl.backward(backend.upload(np.ones(shape, dtype)))
            for gradient, exact_gradient in zip(gradients, (mu, dlogvar), strict=True):
                np.testing.assert_allclose(to_numpy(gradient), exact_gradient, rtol=rtol)


# For a pixel of 0 and a logit t far below 0, log p = −log(1 + eᵗ) and dt = −1/(1 + e⁻ᵗ) are both −eᵗ, less than eps.
@pytest.mark.parametrize(("dtype", "logit"), [("float32", -20.0), ("float64", -45.0)])
def test_the_likelihood_and_its_gradient_are_accurate_for_confident_logits(device_backend, dtype, logit):
    _, device = host_and_device(device_backend, Bernoulli, 2, 1, dtype)
    logits = np.array([[logit, 1.1 * logit]], dtype)
    exact, rtol = -np.exp(logits.astype("float64")), 20 * np.finfo(dtype).eps
    value = device.forward(*map(device_backend.upload, (logits, np.zeros_like(logits))))
    np.testing.assert_allclose(to_numpy(value), exact.sum(axis=1), rtol=rtol)
    gradient = device.backward(device_backend.upload(np.ones(1, dtype)))
    np.testing.assert_allclose(to_numpy(gradient), exact, rtol=rtol)


@pytest.mark.parametrize("exact", [True, False])
@sizes
def test_the_kl_of_posterior_and_prior_and_its_gradient_agree(device_backend, exact, seed, rows, width):
    results = []
    h, eps, dkl = normal(seed, rows, 2 * width), normal(seed + 1, rows, width), normal(seed + 2, rows)
    for backend in (NUMPY, device_backend):
        posterior, prior = fused(DiagonalGaussian(), backend), fused(StandardNormal(), backend)
        kl, buffers = fused(prior.kl(posterior, exact), backend), BatchBuffers(backend, "float64", rows)
        posterior.bind(buffers, (2 * width,))
        for module in (prior, kl):
            module.bind(buffers, (width,))
        z = posterior.forward(backend.upload(h), backend.upload(eps))
        value = to_numpy(kl.forward(z)).copy()
        dh = posterior.backward(*kl.backward(backend.upload(dkl), backend.upload(eps)))
        sums = backend.xp.zeros((rows, width), "float64")
        kl.accumulate(sums, 1)
        results.append((value, to_numpy(dh).copy(), to_numpy(sums)))
    for plain, fused_result in zip(*results, strict=True):
        np.testing.assert_allclose(fused_result, plain, rtol=1e-12, atol=1e-12)


@precisions
@sizes
def test_free_bits_agree(device_backend, dtype, seed, rows, width):
    host, device = host_and_device(device_backend, lambda: FreeBits(0.5), width, rows, dtype)
    per_dimension, dpenalized = uniform(seed, rows, width).astype(dtype), normal(seed, rows).astype(dtype)
    agree(device.forward(device_backend.upload(per_dimension)), host.forward(per_dimension), dtype)
    agree(device.backward(device_backend.upload(dpenalized)), host.backward(dpenalized), dtype)


LIKELIHOOD_CASES = {
    **{name: partial(make_likelihood, name, None) for name in LIKELIHOODS},
    "gaussian of sigma 0.3": lambda width: Gaussian(0.3),
    "poisson of a library": lambda width: Poisson(library_size=30.0),
    "negative_binomial of a library": lambda width: NegativeBinomial(library_size=30.0),
}


def bind_likelihood(likelihood, backend, width, rows, dtype):
    """Bind a likelihood whose own parameters are −1 to 1; return it and the vector of their gradients."""
    params, grads = (FlatVector(backend.xp, likelihood.all_parameter_shapes(), dtype) for _ in range(2))
    likelihood.bind_parameters(params.views, grads.views)
    likelihood.bind(BatchBuffers(backend, dtype, rows), (width,))
    backend.copy_from_host(params.data, np.linspace(-1, 1, params.data.size).astype(dtype))
    return likelihood, grads.data


def likelihood_results(likelihood, grads, backend, parameters, x, dlog):
    """log p, its gradients, the mean and a draw, of a batch."""
    parameters, x, dlog = map(backend.upload, (parameters, x, dlog))
    noise, out = (backend.xp.zeros(x.shape, x.dtype) for _ in range(2))
    noise.fill(0.3)
    results = [likelihood.forward(parameters, x), likelihood.backward(dlog), grads]
    results = [to_numpy(result).copy() for result in results]
    return [
        *results,
        to_numpy(likelihood.backward_data(dlog)).copy(),
        to_numpy(likelihood.mean(parameters, out)).copy(),
        to_numpy(likelihood.draw(parameters, noise, out)).copy(),
    ]


# Each combination of shapes and dtypes is compiled, so there are few: no width of 1, and scaled rows in float64 only.
@pytest.mark.parametrize(("dtype", "scaled"), [("float32", False), ("float64", False), ("float64", True)])
@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
@pytest.mark.parametrize("case", LIKELIHOOD_CASES)
@given(seed=seeds, rows=batches, width=st.integers(2, 7), size=st.sampled_from([1.0, 4.0]))
@examples(6, 30)
def test_the_likelihood_and_its_gradients_agree(device_backend, case, missing, scaled, dtype, seed, rows, width, size):
    make = LIKELIHOOD_CASES[case]
    if missing and getattr(make(width), "library_size", None):
        return  # refused, since the totals of incomplete rows are unknown
    x = in_support(case.split()[0], uniform(seed, rows, width))
    if missing:
        x[uniform(seed + 1, rows, width) < 0.4] = np.nan
    results = []
    for backend in (NUMPY, device_backend):
        likelihood = mask(make(width)) if missing else make(width)
        likelihood = ScaledLikelihood(likelihood, 1.0 + np.arange(width)) if scaled else likelihood
        outputs = likelihood.outputs(width)
        likelihood, grads = bind_likelihood(fused(likelihood, backend), backend, width, rows + 1, dtype)
        more = rows + 2  # more than the buffers hold, then fewer
        batch = [size * normal(seed, more, outputs), np.resize(x, (more, width)), normal(seed + 2, more)]
        batches_of = [[array.astype(dtype)[:count] for array in batch] for count in (more, rows)]
        results.append([likelihood_results(likelihood, grads, backend, *batch) for batch in batches_of])
        if backend is device_backend:
            assert type(likelihood) in FUSED_VARIANTS.values()
            if missing:
                observed = to_numpy(getattr(likelihood, "inner", likelihood).observed)
                assert np.array_equal(observed, ~np.isnan(batches_of[1][1]))
    for plain, device in zip(*map(sum, results, ([], [])), strict=True):
        tolerance = {"float32": 3e-5, "float64": 1e-12}[dtype]  # the sum of terms of up to exp(12)
        np.testing.assert_allclose(device, plain, rtol=tolerance, atol=tolerance * (1 + np.abs(plain).max(initial=0)))


# What must be finite is so for the plain classes: see `verification.checks.saturation`.
@precisions
@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
@pytest.mark.parametrize("case", LIKELIHOOD_CASES)
def test_extreme_outputs_of_the_decoder_give_what_the_plain_class_gives(device_backend, case, missing, dtype):
    outputs = np.array([-1e4, -800.0, -90.0, -1e-5, 0.0, 0.25, 90.0, 800.0, 1e4], dtype)
    kind, results = LIKELIHOOD_CASES[case](2), []
    if missing and getattr(kind, "library_size", None):
        return
    grid = np.meshgrid(*[outputs] * kind.outputs_per_dimension, [0.0, 1.0, np.nan] if missing else [0.0, 1.0])
    *parameters, x = (np.pad(array.reshape(-1, 1), ((0, 0), (0, 1))).astype(dtype) for array in grid)
    for backend in (NUMPY, device_backend):
        likelihood = LIKELIHOOD_CASES[case](2)
        likelihood, grads = bind_likelihood(
            fused(mask(likelihood) if missing else likelihood, backend), backend, 2, len(x), dtype
        )
        with np.errstate(all="ignore"):  # a draw with σ = exp(5000), and the gradient of a total of 0
            batch = np.hstack(parameters), x, np.ones(len(x), dtype)
            results.append(likelihood_results(likelihood, grads, backend, *batch)[:4])
    for plain, device in zip(*results, strict=True):
        np.testing.assert_array_equal(np.isfinite(device), np.isfinite(plain))
        np.testing.assert_allclose(device, plain, rtol=1e-3 if dtype == "float32" else 1e-9, atol=1e-4)


@precisions
def test_logits_of_plus_and_minus_1000_do_not_overflow(device_backend, dtype):
    _, device = host_and_device(device_backend, Bernoulli, 1, 4, dtype)
    logits, x = np.array([[1000], [-1000], [1000], [-1000]], dtype), np.array([[1], [0], [0], [1]], dtype)
    assert to_numpy(device.forward(*map(device_backend.upload, (logits, x)))).tolist() == [0, 0, -1000, -1000]
    assert to_numpy(device.backward(device_backend.upload(np.ones(4, dtype))))[:, 0].tolist() == [0, 0, -1, 1]


ACTIVATION_KINDS = sorted({*ACTIVATIONS.values()}, key=lambda kind: kind.__name__)


@precisions
@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
@sizes
def test_every_activation_with_and_without_a_bias_agrees(device_backend, kind, dtype, seed, rows, width):
    host, device = host_and_device(device_backend, kind, 2 * width, rows, dtype)
    (x, dy), (x_device, dy_device) = arrays(device_backend, seed, 2, rows, 2 * width, dtype=dtype)
    x_device = device_backend.upload(x := 3 * x)
    biases = [normal(seed, size).astype(dtype) for size in (2 * width, width)]  # of each number, of pixels
    for y_device, y in (
        (lambda: device.forward(x_device), lambda: host.forward(x)),
        *(
            (
                lambda b=b: device.forward_with_bias(x_device, device_backend.upload(b)),
                lambda b=b: host.forward(x + np.tile(b, 2 * width // len(b))),
            )
            for b in biases
        ),
    ):
        agree(y_device(), y(), dtype)
        agree(device.backward(dy_device), host.backward(dy), dtype)
    np.testing.assert_array_equal(to_numpy(x_device), x)


@precisions
@pytest.mark.parametrize("kind", [*ACTIVATION_KINDS, lambda: LeakyReLU(0.3), lambda: ELU(2.0)])
def test_every_activation_agrees_at_saturation(device_backend, kind, dtype):
    x = np.array([[-1e4, -800.0, -90.0, -38.0, -12.0, -1e-9, 0.0, 1e-9, 12.0, 90.0, 800.0, 1e4, np.nan]], dtype)
    host, device = host_and_device(device_backend, kind, x.shape[1], 1, dtype)
    dy, tiny = np.ones_like(x), 1e3 * float(np.finfo(dtype).tiny)
    rtol = {"float32": 1e-4, "float64": 1e-12}[dtype]  # exp(−½ x²) of a rounded x² is the least accurate
    y, dx = device.forward(device_backend.upload(x)), device.backward(device_backend.upload(dy))
    np.testing.assert_allclose(to_numpy(y), host.forward(x), rtol=rtol, atol=tiny)
    np.testing.assert_allclose(to_numpy(dx), host.backward(dy), rtol=rtol, atol=max(tiny, np.finfo(dtype).eps))


@pytest.mark.parametrize("columns", [None, ((0, 1), (2, 3))])
@given(seed=seeds, rows=batches, width=st.integers(3, 7))
def test_log1p_and_its_gradient_agree(device_backend, columns, seed, rows, width):
    host, device = host_and_device(device_backend, lambda: Log1p(columns), width, rows, "float64")
    x, dy = 9 * normal(seed, rows, width), normal(seed + 1, rows, width)
    agree(device.forward(device_backend.upload(x)), host.forward(x), "float64")
    agree(device.backward(device_backend.upload(dy)), host.backward(dy), "float64")


@sizes
def test_nan_to_zero_and_its_gradient_agree(device_backend, seed, rows, width):
    host, device = host_and_device(device_backend, lambda: NaNToZero(Tanh()), width, rows, "float64")
    x, dy = normal(seed, rows, width), normal(seed + 1, rows, width)
    x[uniform(seed, rows, width) < 0.5] = np.nan
    agree(device.forward(device_backend.upload(x)), host.forward(x), "float64")
    agree(device.backward(device_backend.upload(dy)), host.backward(dy), "float64")


class Custom(Layer):
    """y = 3 x, a custom layer."""

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.check_inputs(x=x)
        return 3.0 * x

    def backward(self, dy):
        return 3.0 * dy


class Doubled(Linear):
    """A subclass of Linear, whose bias the fused ReLU must not add."""

    def forward(self, x):
        return 2.0 * super().forward(x)

    def backward(self, dy):
        return super().backward(2.0 * dy)


CHAINS = {
    "linear": lambda: [Linear(4, 4)],
    "rectified": lambda: [Linear(4, 6), ReLU(), Linear(6, 4)],
    "twice rectified": lambda: [Linear(4, 4), ReLU(), ReLU()],
    "rectified first": lambda: [ReLU(), Linear(4, 4), Linear(4, 4), ReLU()],
    "leaky": lambda: [Linear(4, 4), LeakyReLU(0.2), Linear(4, 4), Tanh()],
    "own": lambda: [Custom(), Linear(4, 4), Custom(), ReLU()],
    "own linear": lambda: [Doubled(4, 4), ReLU(), Linear(4, 4)],
    "picture": lambda: [Reshape(2, 2, 1), Conv2d(1, 3, 1), Tanh(), Linear(12, 4), SiLU(), Linear(4, 4)],
    "nested": lambda: [Sequential(Linear(4, 4), ReLU()), ReLU(), Sequential(Linear(4, 4)), ReLU()],
}


def bind_random_weights(network, backend, rows, dtype):
    """Bind a network with random weights; return it and the vector of its gradients."""
    params, grads = (FlatVector(backend.xp, network.parameter_shapes(), dtype) for _ in range(2))
    network.bind_parameters(params.views, grads.views)
    network.bind(BatchBuffers(backend, dtype, rows), (4,))
    backend.copy_from_host(params.data, normal(0, *params.data.shape).astype(dtype))
    return network, grads.data


@precisions
@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_of_any_layers_and_its_gradients_agree(device_backend, chain, dtype):
    (host, grads), (device, grads_device) = (
        bind_random_weights(fused(Sequential(*CHAINS[chain]()), backend), backend, 5, dtype)
        for backend in (NUMPY, device_backend)
    )
    assert type(device) is FUSED_VARIANTS[Sequential] and type(host) is Sequential
    for seed, rows in ((0, 5), (1, 2), (2, 7)):  # then fewer rows, then more than the buffers hold
        x, dy = normal(seed, rows, 4).astype(dtype), normal(seed + 9, rows, 4).astype(dtype)
        tolerance = {"rtol": 100 * ROUNDING[dtype], "atol": 100 * ROUNDING[dtype]}
        np.testing.assert_allclose(to_numpy(device.forward(device_backend.upload(x))), host.forward(x), **tolerance)
        np.testing.assert_allclose(to_numpy(device.backward(device_backend.upload(dy))), host.backward(dy), **tolerance)
        np.testing.assert_allclose(to_numpy(grads_device), grads, **tolerance)


def test_a_linear_layer_after_an_activation_uses_the_weights_that_it_has(device_backend):
    chain, _ = bind_random_weights(
        fused(Sequential(Linear(4, 5), ReLU(), Linear(5, 3)), device_backend), device_backend, 6, "float64"
    )
    x, dy = device_backend.upload(normal(0, 6, 4)), device_backend.upload(normal(1, 6, 3))
    linear = chain.layers[2]

    def agrees(chain, linear):
        y, hidden = to_numpy(chain.forward(x)).copy(), to_numpy(chain.layers[1].forward(chain.layers[0].forward(x)))
        W, b = to_numpy(linear.W), to_numpy(linear.b)
        np.testing.assert_allclose(y, hidden @ W + b, rtol=1e-12, atol=1e-12)
        chain.forward(x)
        chain.backward(dy)
        np.testing.assert_allclose(to_numpy(linear.dW), hidden.T @ to_numpy(dy), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(to_numpy(linear.db), to_numpy(dy).sum(axis=0), rtol=1e-12, atol=1e-12)

    agrees(chain, linear)
    assert linear.x_with_ones is not None  # [W; b] is one matrix
    clone = chain.unbound_copy()
    clone.layers[2].W[...] = device_backend.upload(normal(2, 5, 3))
    agrees(clone, clone.layers[2])
    agrees(chain, linear)
    linear.bind_parameters(  # W and b apart from each other
        {"W": device_backend.upload(normal(3, 5, 3)), "b": device_backend.upload(normal(4, 3))},
        {"W": device_backend.upload(normal(3, 5, 3)), "b": device_backend.upload(normal(4, 3))},
    )
    agrees(chain, linear)
    assert linear.x_with_ones is None


@precisions
@pytest.mark.parametrize("labelled", [True, False])
def test_a_conditional_chain_with_and_without_targets_agrees(device_backend, labelled, dtype):
    def make_chain():
        return ConditionalSequential(ConditionalLinear(4, 3, 6), ReLU(), Linear(6, 4), ReLU(), Linear(4, 2))

    (host, grads), (device, grads_device) = (
        bind_random_weights(fused(make_chain(), backend), backend, 15, dtype) for backend in (NUMPY, device_backend)
    )
    assert type(device) is FUSED_VARIANTS[ConditionalSequential] and type(host) is ConditionalSequential
    x, targets = normal(0, 5, 4).astype(dtype), np.eye(3, dtype=dtype)[[0, 2, 1, 1, 0]]
    arguments = (targets,) if labelled else ()
    y, y_device = (
        host.forward(x, *arguments),
        device.forward(device_backend.upload(x), *map(device_backend.upload, arguments)),
    )
    tolerance = {"rtol": 100 * ROUNDING[dtype], "atol": 100 * ROUNDING[dtype]}
    np.testing.assert_allclose(to_numpy(y_device), y, **tolerance)
    dy = normal(1, *y.shape).astype(dtype)
    np.testing.assert_allclose(to_numpy(device.backward(device_backend.upload(dy))), host.backward(dy), **tolerance)
    np.testing.assert_allclose(to_numpy(grads_device), grads, **tolerance)


def test_every_kernel_propagates_nan(device_backend):
    x = np.array([[np.nan, 1.0]])
    host, device = host_and_device(device_backend, ReLU, 2, 1, "float64")
    x_device = device_backend.upload(x)
    for y in (device.forward(x_device), device.forward_with_bias(x_device, device_backend.upload(np.zeros(2)))):
        assert np.isnan(to_numpy(y)).tolist() == np.isnan(host.forward(x)).tolist() == [[True, False]]
    for kind in (Bernoulli, ContinuousBernoulli, Gaussian, Poisson, GaussianKL):
        _, device = host_and_device(device_backend, kind, 2, 1, "float64")
        one = device_backend.upload(np.ones((1, 2)))
        for inputs in ((x_device, one), (one, x_device)):
            assert np.isnan(to_numpy(device.forward(*inputs))).all()
            if kind is not GaussianKL:
                gradient = to_numpy(device.backward(one[:, 0]))
                assert np.isnan(gradient).tolist() == [[True, False]]


@pytest.mark.parametrize("free_bits", [0.0, 0.4])
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_objective_its_terms_and_their_sums_agree(device_backend, beta, free_bits):
    host, device = objectives = host_and_device(device_backend, lambda: ELBO(beta, free_bits), 3, 4, "float32")
    sums = [objective.zeros(6) for objective in objectives]
    for rows, weight in ((6, 1.0), (3, 0.5), (4, 0.5)):
        terms, terms_device = arrays(device_backend, rows, 2, rows, dtype="float32")
        by_dimension = uniform(rows, rows, 3).astype("float32")
        computed_device = device.forward(*terms_device, weight, device_backend.upload(by_dimension))
        computed = host.forward(*terms, weight, by_dimension)
        all_agree(computed_device, computed, "float32")
        all_agree(device.backward(), host.backward(), "float32")
        for objective, values, totals in zip(objectives, (computed, computed_device), sums, strict=True):
            objective.accumulate(values, totals)
        assert float(device.loss(computed_device)) == pytest.approx(float(host.loss(computed)), rel=1e-6)
        all_agree(device.with_unweighted_kl(computed_device), host.with_unweighted_kl(computed), "float32")
    totals = [[float(term.sum()) for term in epoch_sums] for epoch_sums in sums]
    np.testing.assert_allclose(*totals, rtol=1e-6, atol=1e-6)
    for objective, inputs, before, epoch_sums in zip(objectives, (terms, terms_device), totals, sums, strict=True):
        backend = device_backend if objective is device else None
        last = by_dimension if backend is None else backend.upload(by_dimension)
        objective.forward(*inputs, kl_per_dimension=last)  # forward alone does not change the sums
        assert [float(term.sum()) for term in epoch_sums] == before


@precisions
@given(seed=seeds, rows=batches, draws=widths, kl_weight=st.sampled_from([0.0, 0.5, 1.0]))
def test_the_importance_weighted_objective_agrees(device_backend, dtype, seed, rows, draws, kl_weight):
    host, device = host_and_device(device_backend, lambda: ImportanceWeighted(draws), 3, rows, dtype)
    for count in (rows, rows + 3, 1):
        on_host, on_device = arrays(device_backend, seed, 2, count * draws, dtype=dtype)
        terms, terms_device = host.forward(*on_host, kl_weight), device.forward(*on_device, kl_weight)
        tolerance = {"rtol": 9 * ROUNDING[dtype], "atol": 9 * ROUNDING[dtype]}
        for plain, fused_term in zip(terms, terms_device, strict=True):
            np.testing.assert_allclose(to_numpy(fused_term), plain, **tolerance)
        all_agree(device.backward(), host.backward(), dtype)
        bound = host.importance_bound
        agree(device.importance_bound.normalized_weights, bound.normalized_weights, dtype)
    large = np.repeat(np.array([-1e4, 1e4], dtype), draws)  # no weight overflows
    large[0] += 95.0  # the others are 0 in float32
    values = [
        m.forward(b.upload(large), b.upload(0 * large)).value for m, b in ((host, NUMPY), (device, device_backend))
    ]
    agree(values[1], values[0], dtype)
    assert np.array_equal(to_numpy(device.importance_bound.normalized_weights) == 0, bound.normalized_weights == 0)


@precisions
@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(Cosine(1e-2, 4, 1e-4), 0.8, 0.99, 1e-3),
        lambda: AdamW(1e-2, weight_decay=0.3),
        lambda: AdamW(Cosine(1e-2, 4, 1e-4), 0.8, 0.99, 1e-3, 0.1),
    ],
)
def test_an_optimizer_and_its_state_agree(device_backend, make, dtype):
    host, device = fused(make(), NUMPY), fused(make(), device_backend)
    assert type(device) is FUSED_VARIANTS[type(host)] and device.config().keys() == host.config().keys()
    theta = normal(0, 70).astype(dtype)
    theta_device = device_backend.upload(theta)
    host.bind(np, theta)
    device.bind(device_backend.xp, theta_device)
    tolerance = 10 * ROUNDING[dtype]
    for t in range(6):
        gradient = normal(1 + t, 70).astype(dtype)
        host.step(gradient)
        device.step(device_backend.upload(gradient))
        assert device.t == host.t == t + 1
        np.testing.assert_allclose(to_numpy(theta_device), theta, rtol=tolerance, atol=tolerance)
        for name, moment in host.state.items():
            np.testing.assert_allclose(to_numpy(device.state[name]), moment, rtol=tolerance, atol=tolerance)


CHECKED_ABOVE = {  # the variants compared with their plain classes above
    *(*ACTIVATIONS.values(), Sequential, ConditionalSequential, Linear, Conv2d, ConvTranspose2d, Log1p, NaNToZero),
    *(Reparameterize, DiagonalGaussian, GaussianKL, ExactKL, GaussianDrawKL, ImportanceBound),
    *(*LIKELIHOODS.values(), MaskedLikelihood, ScaledLikelihood, ELBO, ImportanceWeighted, Adam, AdamW),
}


def test_every_variant_is_a_subclass_of_its_plain_class_and_compared_here():
    assert all(issubclass(variant, plain) for plain, variant in FUSED_VARIANTS.items())
    assert FUSED_VARIANTS.keys() == CHECKED_ABOVE
    assert len(set(FUSED_VARIANTS.values())) == len(FUSED_VARIANTS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
@pytest.mark.parametrize("optimizer", [Adam, AdamW, SGD])
def test_a_model_trains_to_the_same_weights(device_backend, kind, activation, optimizer):
    images, thetas, losses = uniform(0, 50, 9), [], []
    for backend in ("numpy", device_backend):
        model = kind(9, 2, (8, 4), activation, seed=1, beta=2.0, dtype="float64", backend=backend, free_bits=0.1)
        settings = {"kl_weight": KLWarmUp(6)} if kind is sv.VAE else {}
        settings |= {"optimizer": optimizer(1e-2), "clip_norm": 5.0, "corrupt": Masking(0.2)}
        trainer = sv.Trainer(model, batch_size=16, seed=2, **settings)
        losses.append(trainer.fit(images, 3, validation=images[:20]).loss)
        thetas.append(to_numpy(model.theta))
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


@pytest.mark.parametrize("kind", [sv.IWAE, sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_the_other_kinds_of_model_train_to_the_same_weights(device_backend, kind):
    images, thetas = uniform(0, 50, 9), []
    settings = {"importance_samples": 3} if kind is sv.IWAE else {"classes": 4}
    labels = {} if kind is sv.IWAE else {"labels": np.arange(50) % 4}
    for backend in ("numpy", device_backend):
        model = kind(9, 2, (8, 4), seed=1, dtype="float64", backend=backend, **settings)
        sv.Trainer(model, lr=1e-2, batch_size=16, seed=2).fit(images, 3, **labels)
        thetas.append(to_numpy(model.theta))
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=0, atol=1e-10)


def pictures_model(backend):
    """A model with all layers of pictures, some of them before a ReLU."""
    encoder = Sequential(
        Conv2d(2, 6, 3, 2, 1), ReLU(), Residual(Sequential(LayerNorm(6), Conv2d(6, 6, 3, 1, 1), ELU(0.5))), Flatten()
    )
    decoder = Sequential(
        Linear(3, 24), ReLU(), Reshape(3, 2, 4), ConvTranspose2d(4, 8, 3, 1, 1), ReLU(), Upsample(2),
        ConvTranspose2d(8, 8, 2), Gated(), Conv2d(4, 4, 2), SplitChannels(2),
    )  # fmt: skip
    return sv.VAE(
        encoder=encoder,
        decoder=decoder,
        latent_dim=3,
        image_shape=(6, 4, 2),
        likelihood="gaussian_heteroscedastic",
        seed=1,
        dtype="float64",
        backend=backend,
    )


@pytest.mark.parametrize("make", [pictures_model, None])
def test_layers_of_pictures_train_to_the_same_weights(device_backend, make):
    def default_model(backend):
        return sv.VAE(
            image_shape=(6, 4, 2), latent_dim=3, hidden=(5,), architecture="conv", dtype="float64", backend=backend
        )

    images, thetas, losses = uniform(0, 30, 48), [], []
    for backend in ("numpy", device_backend):
        model = (make or default_model)(backend)
        losses.append(sv.Trainer(model, lr=1e-2, batch_size=16, seed=2).fit(images, 3).loss)
        thetas.append(to_numpy(model.theta))
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
def test_the_public_methods_of_a_model_agree(device_backend, kind):
    x = uniform(0, 5, 9)
    host, device = (kind(9, 2, (8,), dtype="float64", backend=backend) for backend in ("numpy", device_backend))

    def results(model):
        yield from (model.embed(x), model.reconstruct(x), model.interpolate(x[0], x[1], 4), *model.terms(x))
        yield from model.loss_and_grads(x)[1].values()

    all_agree(results(device), results(host), "float64")


def assert_refused(call, *arrays):
    """Check that `call` refuses each array in turn if it is one element too short or of another dtype."""
    for k, array in enumerate(arrays):
        for wrong in (array[:, :-1] if array.ndim == 2 else array[:-1], array.astype("float32")):
            with pytest.raises((ShapeError, DTypeError)):
                call(*arrays[:k], wrong, *arrays[k + 1 :])


def test_fused_variants_refuse_wrong_shapes_and_dtypes(device_backend):
    x, y, z = (device_backend.upload(normal(k, 3, 4)) for k in range(3))
    row = device_backend.upload(normal(4, 3))
    for make, inputs, gradients in (
        (Reparameterize, (x, y, z), (x,)),
        (DiagonalGaussian, (x, y[:, :2]), (z[:, :2],)),
        (GaussianKL, (x, y), (row,)),
        (GaussianKL, (x, y), (z,)),  # by dimension
        (Bernoulli, (x, y), (row,)),
        (ReLU, (x,), (x,)),
        (lambda: Sequential(Linear(4, 4), ReLU()), (x,), (y,)),
    ):
        _, module = host_and_device(device_backend, make, 4, 3, "float64")
        assert_refused(module.forward, *inputs)
        module.forward(*inputs)
        assert_refused(module.backward, *gradients)
    _, posterior = host_and_device(device_backend, DiagonalGaussian, 4, 3, "float64")
    posterior.forward(x, y[:, :2])
    kl_gradients = device_backend.upload(normal(5, 3, 2)), device_backend.upload(normal(6, 3, 2))
    assert_refused(lambda dz: posterior.backward(dz, None, kl_gradients), z[:, :2])
    _, divergence = host_and_device(device_backend, GaussianKL, 4, 3, "float64")
    with pytest.raises(ShapeError, match="call forward first"):
        divergence.accumulate(device_backend.xp.zeros((3, 4), "float64"))
    divergence.forward(x, y)
    for shape, dtype in (((3, 3), "float64"), ((2, 4), "float64"), ((3, 4), "int64")):
        with pytest.raises((ShapeError, DTypeError), match="sums has"):
            divergence.accumulate(device_backend.xp.zeros(shape, dtype))
    _, objective = host_and_device(device_backend, ELBO, None, 3, "float64")
    assert_refused(objective.forward, row, device_backend.upload(normal(5, 3)))


def test_each_update_uses_the_learning_rate_of_the_schedule(device_backend):
    thetas = []
    for backend in ("numpy", device_backend):
        for optimizer in (Adam, AdamW):
            vae = sv.VAE(9, 2, (8,), dtype="float64", backend=backend)
            trainer = sv.Trainer(vae, optimizer=optimizer(sv.optim.Cosine(1e-2, 4, 1e-4)))
            for _ in range(4):
                trainer.step(uniform(0, 5, 9))
            thetas.append(to_numpy(vae.theta))
    for theta, fused_theta in zip(thetas[:2], thetas[2:], strict=True):
        np.testing.assert_allclose(fused_theta, theta, rtol=0, atol=1e-12)


def test_a_sequential_is_rebuilt_around_its_layers_and_a_custom_layer_stays(device_backend):
    linear, custom, relu = Linear(4, 4, "he_normal", seed=7), Custom(), ReLU()
    plain = Sequential(linear, relu, custom)
    fused_chain = fused(plain, device_backend)
    assert (
        type(fused_chain) is FUSED_VARIANTS[Sequential]
        and fused_chain is not plain
        and fused_chain.kernels is device_backend.kernels
    )
    assert [type(layer) for layer in fused_chain.layers] == [FUSED_VARIANTS[Linear], FUSED_VARIANTS[ReLU], Custom]
    assert fused_chain.layers[2] is custom  # it has no variant
    assert fused_chain.layers[1].kernels is device_backend.kernels
    assert type(plain) is Sequential and plain.layers == (linear, relu, custom)  # unchanged
    assert not hasattr(plain, "kernels") and not hasattr(relu, "kernels")
    assert fused_chain.parameter_shapes() == plain.parameter_shapes()


def test_the_variant_has_the_settings_of_the_plain_instance(device_backend):
    for plain in (ELBO(3.0, 0.2), Adam(Cosine(0.1, 5), 0.8, 0.99, 1e-3), AdamW(0.2, weight_decay=0.3)):
        variant = fused(plain, device_backend)
        assert type(variant) is FUSED_VARIANTS[type(plain)] and variant.config() == plain.config()
        assert variant.kernels is device_backend.kernels
        assert plain_class(variant) is type(plain) is plain_class(plain)


class Pair(Layer):
    """y = after(f₁(x) + f₂(x)), with f₁ and f₂ in a list."""

    def __init__(self, layers, after):
        self.layers, self.after = list(layers), after

    def output_shape(self, input_shape):
        return input_shape

    def allocate(self, buffers):
        for layer in (*self.layers, self.after):
            layer.bind(buffers, self.input_shape)

    def forward(self, x):
        self.check_inputs(x=x)
        first, second = (layer.forward(x) for layer in self.layers)
        return self.after.forward(first + second)

    def backward(self, dy):
        dy = self.after.backward(dy)
        first, second = (layer.backward(dy).copy() for layer in self.layers)
        return first + second


def test_children_of_a_custom_module_are_replaced_in_place(device_backend):
    custom = Pair([Sequential(Linear(4, 4, seed=1), ReLU()), Linear(4, 4, seed=2)], ReLU())
    result = fused(custom, device_backend)
    assert result is custom  # a custom class has no variant
    assert type(custom.after) is FUSED_VARIANTS[ReLU]
    assert [type(layer) for layer in custom.layers] == [FUSED_VARIANTS[Sequential], FUSED_VARIANTS[Linear]]
    for wrapper, inner_class in (
        (NaNToZero(Sequential(Linear(4, 4), ReLU())), Sequential),
        (MaskedLikelihood(Bernoulli()), Bernoulli),
        (ScaledLikelihood(MaskedLikelihood(Gaussian())), MaskedLikelihood),
    ):
        assert type(fused(wrapper, device_backend).inner) is FUSED_VARIANTS[inner_class]
    posterior = fused(DiagonalGaussian(), device_backend)
    assert type(posterior.reparameterize) is FUSED_VARIANTS[Reparameterize]
    for exact, name in ((True, "kl"), (False, "exact")):
        kl = fused(StandardNormal().kl(posterior, exact), device_backend)
        assert type(getattr(kl, name)) is FUSED_VARIANTS[GaussianKL] and kl.posterior is posterior


def test_a_custom_module_gives_the_same_results(device_backend):
    x, dy, results = normal(0, 5, 4), normal(1, 5, 4), []
    for backend in (NUMPY, device_backend):
        module = fused(Pair([Sequential(Linear(4, 4), ReLU()), Linear(4, 4)], ReLU()), backend)
        _, grads = bind_random_weights(module, backend, 5, "float64")
        y = to_numpy(module.forward(backend.upload(x))).copy()
        dx = to_numpy(module.backward(backend.upload(dy))).copy()
        results.append([y, dx, to_numpy(grads)])
    all_agree(results[1], results[0], "float64")


@pytest.mark.parametrize("backend", [NUMPY, FAKE_CUPY], ids=["numpy", "fake_cupy"])
def test_modules_are_unchanged_on_a_backend_without_kernels(backend):
    assert fused_variants(backend) == {}
    for module in (
        Sequential(Linear(4, 4), ReLU()),
        ConditionalSequential(ConditionalLinear(4, 2, 4), ReLU()),
        *(Conv2d(1, 2, 3), ConvTranspose2d(1, 2, 3)),
        *(kind() for kind in (*ACTIVATIONS.values(), Reparameterize, DiagonalGaussian, GaussianKL, ELBO, Adam, AdamW)),
        *(Linear(4, 2), Log1p(), ImportanceBound(), ImportanceWeighted(3), GaussianDrawKL(DiagonalGaussian())),
        *(make_likelihood(name, None, 4) for name in LIKELIHOODS),
        *(MaskedLikelihood(Bernoulli()), ScaledLikelihood(Gaussian())),
        NaNToZero(Sequential(Linear(4, 4), ReLU())),
        Custom(),
    ):
        attributes = dict(vars(module))
        assert fused(module, backend) is module
        assert vars(module) == attributes and plain_class(module) is type(module)


def test_a_subclass_of_a_class_with_a_variant_is_not_replaced(device_backend):
    class Clipped(ReLU):
        def forward(self, x):
            return np.minimum(super().forward(x), 1.0)

    class Slow(Adam):
        pass

    for instance in (Clipped(), Slow(0.1)):
        assert fused(instance, device_backend) is instance


def all_modules(model):
    """Every module of a model."""
    modules = [*model.parts.values(), *([model.kl] if hasattr(model, "kl") else [])]
    for module in modules:
        modules += [child for child in module.children().values() if child not in modules]
    return modules


def test_a_model_uses_the_variant_of_every_module_that_has_one(device_backend):
    settings_of_kind = {
        sv.VAE: {"free_bits": 0.1, "missing": True},
        sv.IWAE: {},
        sv.ConditionalVAE: {"classes": 3},
        sv.SemiSupervisedVAE: {"classes": 3},
        sv.Autoencoder: {},
    }
    for kind, settings in settings_of_kind.items():
        for backend in (NUMPY, device_backend):
            modules = all_modules(kind(9, 2, (8,), backend=backend, **settings))
            assert len(modules) > 8 and all(isinstance(module, Module) for module in modules)
            types = {type(module) for module in modules}
            variants = fused_variants(device_backend)
            assert not types & (variants.keys() if backend is device_backend else {*variants.values()})
            assert types & ({*variants.values()} if backend is device_backend else variants.keys())
            assert all(
                module.kernels is backend.kernels for module in modules if type(module) in FUSED_VARIANTS.values()
            )


def test_an_optimizer_of_another_trainer_is_refused(device_backend):
    optimizer = Adam(1e-2)
    sv.Trainer(sv.VAE(9, 2, (8,), backend=device_backend), optimizer=optimizer)
    with pytest.raises(ConfigError, match="this Adam belongs to another trainer; make a new one for each trainer"):
        sv.Trainer(sv.VAE(9, 2, (8,), backend=device_backend), optimizer=optimizer)


def test_a_layer_that_binds_itself_stays_plain(device_backend):
    layer = Sequential(Linear(4, 4), ReLU())
    layer.forward(normal(0, 3, 4))
    assert type(layer) is Sequential and type(layer.layers[1]) is ReLU
