"""Fused variants give the numbers of their plain classes: their kernels run on the host and, where there is one, on a
GPU (`pytest -m gpu`); and what `fused` makes of a part.
"""

import emulated_backend
import numpy as np
import pytest
from emulated_backend import EMULATED
from fake_cupy import FAKE_CUPY
from hypothesis import given
from strategies import batches, normal, seeds, uniform, widths

import scratchvae as sv
from scratchvae.backend import NUMPY, to_numpy
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.fused import FUSED_VARIANTS, fused, fused_variants, plain_class
from scratchvae.layers import (
    ConditionalLinear,
    ConditionalSequential,
    Layer,
    LeakyReLU,
    Linear,
    NaNToZero,
    ReLU,
    Sequential,
    Tanh,
)
from scratchvae.memory import BatchBuffers, FlatVector, Module
from scratchvae.models.network import ACTIVATIONS
from scratchvae.objectives import ELBO
from scratchvae.optim import SGD, Adam, AdamW, Cosine
from scratchvae.probability import (
    Bernoulli,
    DiagonalGaussian,
    FreeBits,
    GaussianKL,
    MaskedLikelihood,
    Reparameterize,
    StandardNormal,
)
from scratchvae.training import KLWarmUp, Masking

ROUNDING = {"float32": 3e-6, "float64": 1e-14}


def agree(device, host, dtype):
    np.testing.assert_allclose(to_numpy(device), host, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


def all_agree(devices, hosts, dtype):
    for ours, plain in zip(devices, hosts, strict=True):
        agree(ours, plain, dtype)


def both(elsewhere, make, width, rows, dtype):
    """The plain one on the host and its variant on the device, bound for more rows than will come."""
    pieces = []
    for backend in (NUMPY, elsewhere):
        piece = fused(make(), backend)
        piece.bind(BatchBuffers(backend, dtype, rows + 2), () if width is None else (width,))
        pieces.append(piece)
    assert type(pieces[1]) is FUSED_VARIANTS.get(type(pieces[0]), type(pieces[0]))
    return pieces


def arrays(elsewhere, seed, count, *shape, dtype):
    hosts = [normal(seed + k, *shape).astype(dtype) for k in range(count)]
    return hosts, [elsewhere.upload(host) for host in hosts]


@pytest.fixture(scope="module", params=["emulated", "native", pytest.param("cupy", marks=pytest.mark.gpu)])
def elsewhere(request):
    if request.param == "cupy":
        return request.getfixturevalue("gpu")
    if emulated_backend.COMPILER is None:
        pytest.skip("no C++ compiler to run the kernels with")
    return EMULATED if request.param == "emulated" else sv.get_backend("native")


sizes = given(seed=seeds, rows=batches, width=widths)
precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


@precisions
@sizes
def test_the_draw_and_its_gradients(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, Reparameterize, width, rows, dtype)
    given_host, given_device = arrays(elsewhere, seed, 3, rows, width, dtype=dtype)
    agree(device.forward(*given_device), host.forward(*given_host), dtype)
    (dz,), (dz_device,) = arrays(elsewhere, seed + 9, 1, rows, width, dtype=dtype)
    all_agree(device.backward(dz_device), host.backward(dz), dtype)
    agree(device.backward_noise(dz_device), host.backward_noise(dz), dtype)


@precisions
@sizes
def test_the_posterior_and_all_that_its_backward_may_be_given(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, DiagonalGaussian, 2 * width, rows, dtype)
    (h,), (h_device,) = arrays(elsewhere, seed, 1, rows, 2 * width, dtype=dtype)
    (eps, dz, dmu, dlogvar), on_device = arrays(elsewhere, seed + 1, 4, rows, width, dtype=dtype)
    (dlog_q,), (dlog_q_device,) = arrays(elsewhere, seed + 5, 1, rows, dtype=dtype)
    eps_device, dz_device, *of_kl = on_device
    agree(device.mean(h_device), host.mean(h), dtype)
    all_agree(device.parameters(h_device), host.parameters(h), dtype)
    agree(device.draw(device.parameters(h_device), eps_device), host.draw(host.parameters(h), eps), dtype)
    agree(device.forward(h_device, eps_device), host.forward(h, eps), dtype)
    agree(device.log_prob(), host.log_prob(), dtype)
    for given_host, given_device in (
        ((dz,), (dz_device,)),
        ((dz, dlog_q), (dz_device, dlog_q_device)),
        ((dz, None, (dmu, dlogvar)), (dz_device, None, tuple(of_kl))),
        ((dz, dlog_q, (dmu, dlogvar)), (dz_device, dlog_q_device, tuple(of_kl))),
    ):
        agree(device.backward(*given_device), host.backward(*given_host), dtype)
        agree(device.backward_noise(*given_device[:2]), host.backward_noise(*given_host[:2]), dtype)
    assert np.array_equal(to_numpy(h_device), h) and np.array_equal(to_numpy(dz_device), dz)


@sizes
def test_halves_of_its_input_and_of_its_gradient_are_views_there(elsewhere, seed, rows, width):
    _, posterior = both(elsewhere, DiagonalGaussian, 2 * width, rows, "float64")
    h = elsewhere.upload(normal(seed, rows, 2 * width))
    mu, logvar = posterior.parameters(h)
    np.testing.assert_array_equal(np.hstack([to_numpy(mu), to_numpy(logvar)]), to_numpy(h))
    h[:, :1] = 7.0
    assert (to_numpy(mu)[:, 0] == 7.0).all()
    dh = posterior.backward(posterior.forward(h, elsewhere.upload(normal(seed + 1, rows, width))))
    assert dh.shape == (rows, 2 * width)


@precisions
@sizes
def test_the_divergence_and_its_gradients(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, GaussianKL, width, rows, dtype)
    given_host, given_device = arrays(elsewhere, seed, 2, rows, width, dtype=dtype)
    agree(device.forward(*given_device), host.forward(*given_host), dtype)
    (dkl,), (dkl_device,) = arrays(elsewhere, seed + 7, 1, rows, dtype=dtype)
    all_agree(device.backward(dkl_device), host.backward(dkl), dtype)


@precisions
@sizes
def test_the_divergence_by_dimension(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, GaussianKL, width, rows, dtype)
    given_host, given_device = arrays(elsewhere, seed, 2, rows, width, dtype=dtype)
    host.forward(*given_host)
    device.forward(*given_device)
    agree(device.per_dimension, host.per_dimension, dtype)
    (sums,), (sums_device,) = arrays(elsewhere, seed + 6, 1, rows, width, dtype="float64")
    host.accumulate(sums)
    device.accumulate(sums_device)
    agree(sums_device, sums, dtype)
    (dkl,), (dkl_device,) = arrays(elsewhere, seed + 7, 1, rows, width, dtype=dtype)
    all_agree(device.backward(dkl_device), host.backward(dkl), dtype)


@pytest.mark.parametrize("exact", [True, False])
@sizes
def test_the_kl_between_the_posterior_and_the_prior_and_its_gradient(elsewhere, exact, seed, rows, width):
    found = []
    h, eps, dkl = normal(seed, rows, 2 * width), normal(seed + 1, rows, width), normal(seed + 2, rows)
    for backend in (NUMPY, elsewhere):
        posterior, prior = fused(DiagonalGaussian(), backend), fused(StandardNormal(), backend)
        kl, buffers = fused(prior.kl(posterior, exact), backend), BatchBuffers(backend, "float64", rows)
        posterior.bind(buffers, (2 * width,))
        for part in (prior, kl):
            part.bind(buffers, (width,))
        z = posterior.forward(backend.upload(h), backend.upload(eps))
        value = to_numpy(kl.forward(z)).copy()
        dh = posterior.backward(*kl.backward(backend.upload(dkl), backend.upload(eps)))
        sums = backend.xp.zeros((rows, width), "float64")
        kl.accumulate(sums, 1)
        found.append((value, to_numpy(dh).copy(), to_numpy(sums)))
    for plain, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-12, atol=1e-12)


@precisions
@sizes
def test_free_bits(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, lambda: FreeBits(0.5), width, rows, dtype)
    per_dimension, dpenalized = uniform(seed, rows, width).astype(dtype), normal(seed, rows).astype(dtype)
    agree(device.forward(elsewhere.upload(per_dimension)), host.forward(per_dimension), dtype)
    agree(device.backward(elsewhere.upload(dpenalized)), host.backward(dpenalized), dtype)


@precisions
@sizes
def test_the_likelihood_and_its_gradients(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, Bernoulli, width, rows, dtype)
    logits, x = 5 * normal(seed, rows, width).astype(dtype), uniform(seed, rows, width).astype(dtype)
    dlog = normal(seed + 1, rows).astype(dtype)
    agree(device.forward(*map(elsewhere.upload, (logits, x))), host.forward(logits, x), dtype)
    agree(device.backward(elsewhere.upload(dlog)), host.backward(dlog), dtype)
    agree(device.backward_data(elsewhere.upload(dlog)), host.backward_data(dlog), dtype)


@precisions
def test_logits_of_1000_either_way_overflow_nothing(elsewhere, dtype):
    _, device = both(elsewhere, Bernoulli, 1, 4, dtype)
    logits, x = np.array([[1000], [-1000], [1000], [-1000]], dtype), np.array([[1], [0], [0], [1]], dtype)
    assert to_numpy(device.forward(*map(elsewhere.upload, (logits, x)))).tolist() == [0, 0, -1000, -1000]
    assert to_numpy(device.backward(elsewhere.upload(np.ones(4, dtype))))[:, 0].tolist() == [0, 0, -1, 1]


@sizes
def test_the_rectifier_with_and_without_a_bias_before_it(elsewhere, seed, rows, width):
    host, device = both(elsewhere, ReLU, width, rows, "float64")
    (x, dy), (x_device, dy_device) = arrays(elsewhere, seed, 2, rows, width, dtype="float64")
    bias = normal(seed, width)
    for ours, plain in (
        (device.forward(x_device), host.forward(x)),
        (device.forward_with_bias(x_device, elsewhere.upload(bias)), host.forward(x + bias)),
    ):
        agree(ours, plain, "float64")
        agree(device.backward(dy_device), host.backward(dy), "float64")


class Own(Layer):
    """y = 3 x, a layer of a user's own."""

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.check_inputs(x=x)
        return 3.0 * x

    def backward(self, dy):
        return 3.0 * dy


class Doubled(Linear):
    """A kind of Linear whose bias is not the rectifier's to add."""

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
    "own": lambda: [Own(), Linear(4, 4), Own(), ReLU()],
    "own linear": lambda: [Doubled(4, 4), ReLU(), Linear(4, 4)],
    "nested": lambda: [Sequential(Linear(4, 4), ReLU()), ReLU(), Sequential(Linear(4, 4)), ReLU()],
}


def weighted(network, backend, rows, dtype):
    """Bound, with weights that all have something to say; and the vector of its gradients."""
    params, grads = (FlatVector(backend.xp, network.parameter_shapes(), dtype) for _ in range(2))
    network.bind_parameters(params.views, grads.views)
    network.bind(BatchBuffers(backend, dtype, rows), (4,))
    backend.copy_from_host(params.data, normal(0, *params.data.shape).astype(dtype))
    return network, grads.data


@precisions
@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_of_any_layers_and_its_gradients(elsewhere, chain, dtype):
    (host, grads), (device, grads_device) = (
        weighted(fused(Sequential(*CHAINS[chain]()), backend), backend, 5, dtype) for backend in (NUMPY, elsewhere)
    )
    assert type(device) is FUSED_VARIANTS[Sequential] and type(host) is Sequential
    for seed, rows in ((0, 5), (1, 2), (2, 7)):  # fewer, and more than there was room for
        x, dy = normal(seed, rows, 4).astype(dtype), normal(seed + 9, rows, 4).astype(dtype)
        rough = {"rtol": 100 * ROUNDING[dtype], "atol": 100 * ROUNDING[dtype]}
        np.testing.assert_allclose(to_numpy(device.forward(elsewhere.upload(x))), host.forward(x), **rough)
        np.testing.assert_allclose(to_numpy(device.backward(elsewhere.upload(dy))), host.backward(dy), **rough)
        np.testing.assert_allclose(to_numpy(grads_device), grads, **rough)


@precisions
@pytest.mark.parametrize("labelled", [True, False])
def test_a_chain_that_is_given_a_class_or_every_one(elsewhere, labelled, dtype):
    def make():
        return ConditionalSequential(ConditionalLinear(4, 3, 6), ReLU(), Linear(6, 4), ReLU(), Linear(4, 2))

    (host, grads), (device, grads_device) = (
        weighted(fused(make(), backend), backend, 15, dtype) for backend in (NUMPY, elsewhere)
    )
    assert type(device) is FUSED_VARIANTS[ConditionalSequential] and type(host) is ConditionalSequential
    x, targets = normal(0, 5, 4).astype(dtype), np.eye(3, dtype=dtype)[[0, 2, 1, 1, 0]]
    told = (targets,) if labelled else ()
    y, y_device = host.forward(x, *told), device.forward(elsewhere.upload(x), *map(elsewhere.upload, told))
    rough = {"rtol": 100 * ROUNDING[dtype], "atol": 100 * ROUNDING[dtype]}
    np.testing.assert_allclose(to_numpy(y_device), y, **rough)
    dy = normal(1, *y.shape).astype(dtype)
    np.testing.assert_allclose(to_numpy(device.backward(elsewhere.upload(dy))), host.backward(dy), **rough)
    np.testing.assert_allclose(to_numpy(grads_device), grads, **rough)


def test_no_kernel_hides_a_nan(elsewhere):
    x = np.array([[np.nan, 1.0]])
    host, device = both(elsewhere, ReLU, 2, 1, "float64")
    given = elsewhere.upload(x)
    for y in (device.forward(given), device.forward_with_bias(given, elsewhere.upload(np.zeros(2)))):
        assert np.isnan(to_numpy(y)).tolist() == np.isnan(host.forward(x)).tolist() == [[True, False]]
    for kind in (Bernoulli, GaussianKL):
        _, device = both(elsewhere, kind, 2, 1, "float64")
        assert np.isnan(to_numpy(device.forward(given, given))).all()


@pytest.mark.parametrize("free_bits", [0.0, 0.4])
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_objective_its_terms_and_their_sums(elsewhere, beta, free_bits):
    host, device = pieces = both(elsewhere, lambda: ELBO(beta, free_bits), 3, 4, "float32")
    sums = [piece.zeros(6) for piece in pieces]
    for rows, weight in ((6, 1.0), (3, 0.5), (4, 0.5)):
        terms, terms_device = arrays(elsewhere, rows, 2, rows, dtype="float32")
        by_dimension = uniform(rows, rows, 3).astype("float32")
        ours = device.forward(*terms_device, weight, elsewhere.upload(by_dimension))
        plain = host.forward(*terms, weight, by_dimension)
        all_agree(ours, plain, "float32")
        all_agree(device.backward(), host.backward(), "float32")
        for piece, each, told in zip(pieces, (plain, ours), sums, strict=True):
            piece.accumulate(each, told)
        assert float(device.loss(ours)) == pytest.approx(float(host.loss(plain)), rel=1e-6)
        all_agree(device.unweighted(ours), host.unweighted(plain), "float32")
    told = [[float(total.sum()) for total in each] for each in sums]
    np.testing.assert_allclose(*told, rtol=1e-6, atol=1e-6)
    for piece, given_, before, each in zip(pieces, (terms, terms_device), told, sums, strict=True):
        piece.forward(*given_)  # where nobody adds up, nothing is added
        assert [float(total.sum()) for total in each] == before


@precisions
@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(Cosine(1e-2, 4, 1e-4), 0.8, 0.99, 1e-3),
        lambda: AdamW(1e-2, weight_decay=0.3),
        lambda: AdamW(Cosine(1e-2, 4, 1e-4), 0.8, 0.99, 1e-3, 0.1),
    ],
)
def test_an_optimizer_and_what_it_remembers(elsewhere, make, dtype):
    host, device = fused(make(), NUMPY), fused(make(), elsewhere)
    assert type(device) is FUSED_VARIANTS[type(host)] and device.config().keys() == host.config().keys()
    theta = normal(0, 70).astype(dtype)
    theta_device = elsewhere.upload(theta)
    host.bind(np, theta)
    device.bind(elsewhere.xp, theta_device)
    rough = 10 * ROUNDING[dtype]
    for t in range(6):
        gradient = normal(1 + t, 70).astype(dtype)
        host.step(gradient)
        device.step(elsewhere.upload(gradient))
        assert device.t == host.t == t + 1
        np.testing.assert_allclose(to_numpy(theta_device), theta, rtol=rough, atol=rough)
        for name, memory in host.state.items():
            np.testing.assert_allclose(to_numpy(device.state[name]), memory, rtol=rough, atol=rough)


CHECKED = {  # above, each against its plain class
    *(ReLU, Sequential, ConditionalSequential, Reparameterize, DiagonalGaussian, GaussianKL, Bernoulli, ELBO, Adam),
    AdamW,
}


def test_every_variant_is_one_of_its_own_kind_and_is_held_against_it_here():
    assert all(issubclass(variant, plain) for plain, variant in FUSED_VARIANTS.items())
    assert FUSED_VARIANTS.keys() == CHECKED
    assert len(set(FUSED_VARIANTS.values())) == len(FUSED_VARIANTS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
@pytest.mark.parametrize("optimizer", [Adam, AdamW, SGD])
def test_a_model_trains_to_the_same_numbers(elsewhere, kind, activation, optimizer):
    images, thetas, losses = uniform(0, 50, 9), [], []
    for backend in ("numpy", elsewhere):
        model = kind(9, 2, (8, 4), activation, seed=1, beta=2.0, dtype="float64", backend=backend, free_bits=0.1)
        settings = {"kl_weight": KLWarmUp(6)} if kind is sv.VAE else {}
        settings |= {"optimizer": optimizer(1e-2), "clip_norm": 5.0, "corrupt": Masking(0.2)}
        trainer = sv.Trainer(model, batch_size=16, seed=2, **settings)
        losses.append(trainer.fit(images, 3, validation=images[:20]).loss)
        thetas.append(to_numpy(model.theta))
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


@pytest.mark.parametrize("kind", [sv.IWAE, sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_so_do_the_other_kinds(elsewhere, kind):
    images, thetas = uniform(0, 50, 9), []
    more = {"importance_samples": 3} if kind is sv.IWAE else {"classes": 4}
    labels = {} if kind is sv.IWAE else {"labels": np.arange(50) % 4}
    for backend in ("numpy", elsewhere):
        model = kind(9, 2, (8, 4), seed=1, dtype="float64", backend=backend, **more)
        sv.Trainer(model, lr=1e-2, batch_size=16, seed=2).fit(images, 3, **labels)
        thetas.append(to_numpy(model.theta))
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", sorted(set(ACTIVATIONS.values()), key=lambda kind: kind.__name__))
@sizes
def test_every_activation_and_its_gradient(elsewhere, kind, seed, rows, width):
    host, device = both(elsewhere, kind, width, rows, "float64")
    (x, dy), (x_device, dy_device) = arrays(elsewhere, seed, 2, rows, width, dtype="float64")
    agree(device.forward(x_device), host.forward(x), "float64")
    agree(device.backward(dy_device), host.backward(dy), "float64")


@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
def test_the_front_door(elsewhere, kind):
    x = uniform(0, 5, 9)
    host, device = (kind(9, 2, (8,), dtype="float64", backend=backend) for backend in ("numpy", elsewhere))

    def answers(model):
        yield from (model.embed(x), model.reconstruct(x), model.interpolate(x[0], x[1], 4), *model.terms(x))
        yield from model.loss_and_grads(x)[1].values()

    all_agree(answers(device), answers(host), "float64")


def refused(call, *arrays):
    """Whether each array, made too wide, too short or of another type, is refused in its turn."""
    for k, array in enumerate(arrays):
        for wrong in (array[:, :-1] if array.ndim == 2 else array[:-1], array.astype("float32")):
            with pytest.raises((ShapeError, DTypeError)):
                call(*arrays[:k], wrong, *arrays[k + 1 :])


def test_what_does_not_fit_is_refused_there_too(elsewhere):
    x, y, z = (elsewhere.upload(normal(k, 3, 4)) for k in range(3))
    row = elsewhere.upload(normal(4, 3))
    for make, inputs, back in (
        (Reparameterize, (x, y, z), (x,)),
        (DiagonalGaussian, (x, y[:, :2]), (z[:, :2],)),
        (GaussianKL, (x, y), (row,)),
        (GaussianKL, (x, y), (z,)),  # by dimension
        (Bernoulli, (x, y), (row,)),
        (ReLU, (x,), (x,)),
        (lambda: Sequential(Linear(4, 4), ReLU()), (x,), (y,)),
    ):
        _, piece = both(elsewhere, make, 4, 3, "float64")
        refused(piece.forward, *inputs)
        piece.forward(*inputs)
        refused(piece.backward, *back)
    _, posterior = both(elsewhere, DiagonalGaussian, 4, 3, "float64")
    posterior.forward(x, y[:, :2])
    of_kl = elsewhere.upload(normal(5, 3, 2)), elsewhere.upload(normal(6, 3, 2))
    refused(lambda dz: posterior.backward(dz, None, of_kl), z[:, :2])
    _, divergence = both(elsewhere, GaussianKL, 4, 3, "float64")
    with pytest.raises(ShapeError, match="call forward first"):
        divergence.accumulate(elsewhere.xp.zeros((3, 4), "float64"))
    divergence.forward(x, y)
    for shape, dtype in (((3, 3), "float64"), ((2, 4), "float64"), ((3, 4), "int64")):
        with pytest.raises((ShapeError, DTypeError), match="sums has"):
            divergence.accumulate(elsewhere.xp.zeros(shape, dtype))
    _, objective = both(elsewhere, ELBO, None, 3, "float64")
    refused(objective.forward, row, elsewhere.upload(normal(5, 3)))


def test_a_schedule_is_asked_for_the_rate_of_each_update(elsewhere):
    thetas = []
    for backend in ("numpy", elsewhere):
        for optimizer in (Adam, AdamW):
            vae = sv.VAE(9, 2, (8,), dtype="float64", backend=backend)
            trainer = sv.Trainer(vae, optimizer=optimizer(sv.optim.Cosine(1e-2, 4, 1e-4)))
            for _ in range(4):
                trainer.step(uniform(0, 5, 9))
            thetas.append(to_numpy(vae.theta))
    for plain, ours in zip(thetas[:2], thetas[2:], strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-12)


def test_a_sequential_is_made_anew_of_its_layers_and_a_layer_of_ones_own_stays_inside(elsewhere):
    linear, own, relu = Linear(4, 4, "he_normal", seed=7), Own(), ReLU()
    plain = Sequential(linear, relu, own)
    made = fused(plain, elsewhere)
    assert type(made) is FUSED_VARIANTS[Sequential] and made is not plain and made.kernels is elsewhere.kernels
    assert [type(layer) for layer in made.layers] == [Linear, FUSED_VARIANTS[ReLU], Own]
    assert made.layers[0] is linear and made.layers[2] is own  # which have no variant
    assert made.layers[1].kernels is elsewhere.kernels
    assert type(plain) is Sequential and plain.layers == (linear, relu, own)  # is left as it was
    assert not hasattr(plain, "kernels") and not hasattr(relu, "kernels")
    assert made.parameter_shapes() == plain.parameter_shapes()


def test_settings_go_over_to_the_variant(elsewhere):
    for plain in (ELBO(3.0, 0.2), Adam(Cosine(0.1, 5), 0.8, 0.99, 1e-3), AdamW(0.2, weight_decay=0.3)):
        made = fused(plain, elsewhere)
        assert type(made) is FUSED_VARIANTS[type(plain)] and made.config() == plain.config()
        assert made.kernels is elsewhere.kernels
        assert plain_class(made) is type(plain) is plain_class(plain)


class Pair(Layer):
    """Two layers side by side, kept in a list, and one more in a part of its own."""

    def __init__(self, layers, after):
        self.layers, self.after = list(layers), after

    def output_shape(self, input_shape):
        return input_shape

    def allocate(self, buffers):
        for layer in (*self.layers, self.after):
            layer.bind(buffers, self.input_shape)

    def forward(self, x):
        self.check_inputs(x=x)
        one, other = (layer.forward(x) for layer in self.layers)
        return self.after.forward(one + other)

    def backward(self, dy):
        dy = self.after.backward(dy)
        one, other = (layer.backward(dy).copy() for layer in self.layers)
        return one + other


def test_what_is_inside_a_part_of_ones_own_is_replaced_there(elsewhere):
    part = Pair([Sequential(Linear(4, 4, seed=1), ReLU()), Linear(4, 4, seed=2)], ReLU())
    made = fused(part, elsewhere)
    assert made is part  # a class of a user's own stands as it is
    assert type(part.after) is FUSED_VARIANTS[ReLU]
    assert [type(layer) for layer in part.layers] == [FUSED_VARIANTS[Sequential], Linear]
    for wrapped, inside in (
        (NaNToZero(Sequential(Linear(4, 4), ReLU())), Sequential),
        (MaskedLikelihood(Bernoulli()), Bernoulli),
    ):
        assert type(fused(wrapped, elsewhere).inner) is FUSED_VARIANTS[inside]
    posterior = fused(DiagonalGaussian(), elsewhere)
    assert type(posterior.reparameterize) is FUSED_VARIANTS[Reparameterize]
    for exact, name in ((True, "kl"), (False, "exact")):
        kl = fused(StandardNormal().kl(posterior, exact), elsewhere)
        assert type(getattr(kl, name)) is FUSED_VARIANTS[GaussianKL] and kl.posterior is posterior


def test_a_part_of_ones_own_gives_the_same_numbers(elsewhere):
    x, dy, found = normal(0, 5, 4), normal(1, 5, 4), []
    for backend in (NUMPY, elsewhere):
        part = fused(Pair([Sequential(Linear(4, 4), ReLU()), Linear(4, 4)], ReLU()), backend)
        _, grads = weighted(part, backend, 5, "float64")
        y = to_numpy(part.forward(backend.upload(x))).copy()
        dx = to_numpy(part.backward(backend.upload(dy))).copy()
        found.append([y, dx, to_numpy(grads)])
    all_agree(found[1], found[0], "float64")


@pytest.mark.parametrize("backend", [NUMPY, FAKE_CUPY], ids=["numpy", "fake_cupy"])
def test_where_nothing_compiles_every_part_stays_as_it_is(backend):
    assert fused_variants(backend) == {}
    for part in (
        Sequential(Linear(4, 4), ReLU()),
        ConditionalSequential(ConditionalLinear(4, 2, 4), ReLU()),
        *(kind() for kind in CHECKED - {Sequential, ConditionalSequential}),
        NaNToZero(Sequential(Linear(4, 4), ReLU())),
        Own(),
    ):
        kept = dict(vars(part))
        assert fused(part, backend) is part
        assert vars(part) == kept and plain_class(part) is type(part)


def test_a_subclass_of_what_has_a_variant_has_none(elsewhere):
    class Clipped(ReLU):
        def forward(self, x):
            return np.minimum(super().forward(x), 1.0)

    class Slow(Adam):
        pass

    for part in (Clipped(), Slow(0.1)):
        assert fused(part, elsewhere) is part


def modules_of(model):
    """Every module of a model."""
    found = [*model.parts.values(), *([model.kl] if hasattr(model, "kl") else [])]
    for module in found:
        found += [child for child in module.children().values() if child not in found]
    return found


def test_a_model_takes_the_variant_of_each_of_its_parts_where_there_is_one(elsewhere):
    makes = {
        sv.VAE: {"free_bits": 0.1, "missing": True},
        sv.IWAE: {},
        sv.ConditionalVAE: {"classes": 3},
        sv.SemiSupervisedVAE: {"classes": 3},
        sv.Autoencoder: {},
    }
    for kind, settings in makes.items():
        for backend in (NUMPY, elsewhere):
            modules = modules_of(kind(9, 2, (8,), backend=backend, **settings))
            assert len(modules) > 8 and all(isinstance(module, Module) for module in modules)
            taken = {type(module) for module in modules}
            assert not taken & (FUSED_VARIANTS.keys() if backend is elsewhere else {*FUSED_VARIANTS.values()})
            assert taken & ({*FUSED_VARIANTS.values()} if backend is elsewhere else FUSED_VARIANTS.keys())
            assert all(of.kernels is backend.kernels for of in modules if type(of) in FUSED_VARIANTS.values())


def test_an_optimizer_of_another_trainer_is_refused_there_too(elsewhere):
    optimizer = Adam(1e-2)
    sv.Trainer(sv.VAE(9, 2, (8,), backend=elsewhere), optimizer=optimizer)
    with pytest.raises(ConfigError, match="this Adam belongs to another trainer; make a new one for each trainer"):
        sv.Trainer(sv.VAE(9, 2, (8,), backend=elsewhere), optimizer=optimizer)


def test_a_layer_that_binds_itself_alone_is_the_plain_one(elsewhere):
    layer = Sequential(Linear(4, 4), ReLU())
    layer.forward(normal(0, 3, 4))
    assert type(layer) is Sequential and type(layer.layers[1]) is ReLU
