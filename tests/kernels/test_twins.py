"""The pieces for devices give the numbers of the plain ones: their kernels run on the host and, where there is one,
on a GPU (`pytest -m gpu`).
"""

import emulated
import numpy as np
import pytest
from drawing import batches, normal, seeds, uniform, widths
from emulated import EMULATED
from hypothesis import given

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.errors import BackendError, DTypeError, ShapeError
from scratchvae.layers import ReLU, Sequential, Split
from scratchvae.memory import BatchBuffers
from scratchvae.memory.fused import TWINS
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.objective import Objective
from scratchvae.optim import SGD, Adam, AdamW
from scratchvae.probability import Bernoulli, FreeBits, GaussianKL, Reparameterize
from scratchvae.training import KLWarmUp, Masking

ROUNDING = {"float32": 3e-6, "float64": 1e-14}


def agree(device, host, dtype):
    np.testing.assert_allclose(to_numpy(device), host, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


def both(elsewhere, unit, width, rows, dtype):
    """One bound to the host and one to the device, for more rows than will come."""
    pieces = []
    for backend in (sv.backend.NUMPY, elsewhere):
        piece = unit()
        piece.bind(BatchBuffers(backend, dtype, rows + 2), width)
        pieces.append(piece)
    assert type(pieces[1]) is TWINS.get(type(pieces[0]), type(pieces[0]))
    return pieces


def arrays(elsewhere, seed, count, *shape, dtype):
    hosts = [normal(seed + k, *shape).astype(dtype) for k in range(count)]
    return hosts, [elsewhere.upload(host) for host in hosts]


@pytest.fixture(scope="module", params=["emulated", "native", pytest.param("cupy", marks=pytest.mark.gpu)])
def elsewhere(request):
    if emulated.COMPILER is None and request.param != "cupy":
        pytest.skip("no C++ compiler to run the kernels with")
    try:
        return EMULATED if request.param == "emulated" else sv.backend.get_backend(request.param)
    except BackendError as error:
        pytest.skip(str(error))


sizes = given(seed=seeds, rows=batches, width=widths)
precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


@precisions
@sizes
def test_the_draw_and_its_gradients(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, Reparameterize, width, rows, dtype)
    given_host, given_device = arrays(elsewhere, seed, 3, rows, width, dtype=dtype)
    agree(device.forward(*given_device), host.forward(*given_host), dtype)
    (dz,), (dz_device,) = arrays(elsewhere, seed + 9, 1, rows, width, dtype=dtype)
    for ours, plain in zip(device.backward(dz_device), host.backward(dz), strict=True):
        agree(ours, plain, dtype)
    agree(device.backward_noise(dz_device), host.backward_noise(dz), dtype)


@precisions
@sizes
def test_the_divergence_and_what_it_adds_to_gradients(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, GaussianKL, width, rows, dtype)
    given_host, given_device = arrays(elsewhere, seed, 2, rows, width, dtype=dtype)
    agree(device.forward(*given_device), host.forward(*given_host), dtype)
    (dkl,), (dkl_device,) = arrays(elsewhere, seed + 7, 1, rows, dtype=dtype)
    into_host, into_device = arrays(elsewhere, seed + 8, 2, rows, width, dtype=dtype)
    device.add_backward(dkl_device, *into_device)
    host.add_backward(dkl, *into_host)
    for ours, plain in zip(into_device, into_host, strict=True):
        agree(ours, plain, dtype)


@precisions
@sizes
def test_the_divergence_by_dimension(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, GaussianKL, width, rows, dtype)
    given_host, given_device = arrays(elsewhere, seed, 2, rows, width, dtype=dtype)
    host.forward(*given_host)
    device.forward(*given_device)
    agree(device.per_dimension, host.per_dimension, dtype)
    (sums,), (sums_device,) = arrays(elsewhere, seed + 6, 1, rows, width, dtype="float64")
    host.tally(sums)
    device.tally(sums_device)
    agree(sums_device, sums, dtype)
    (upstream,), (upstream_device,) = arrays(elsewhere, seed + 7, 1, rows, width, dtype=dtype)
    into_host, into_device = arrays(elsewhere, seed + 8, 2, rows, width, dtype=dtype)
    device.add_backward_per_dimension(upstream_device, *into_device)
    host.add_backward_per_dimension(upstream, *into_host)
    for ours, plain in zip(into_device, into_host, strict=True):
        agree(ours, plain, dtype)


@precisions
@sizes
def test_free_bits(elsewhere, dtype, seed, rows, width):
    host, device = both(elsewhere, lambda: FreeBits(0.5), width, rows, dtype)
    per_dimension, dcharged = uniform(seed, rows, width).astype(dtype), normal(seed, rows).astype(dtype)
    agree(device.forward(elsewhere.upload(per_dimension)), host.forward(per_dimension), dtype)
    agree(device.backward(elsewhere.upload(dcharged)), host.backward(dcharged), dtype)


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
        (device.forward_biased(x_device, elsewhere.upload(bias)), host.forward(x + bias)),
    ):
        agree(ours, plain, "float64")
        agree(device.backward(dy_device), host.backward(dy), "float64")


def test_no_kernel_hides_a_nan(elsewhere):
    x = np.array([[np.nan, 1.0]])
    host, device = both(elsewhere, ReLU, 2, 1, "float64")
    given = elsewhere.upload(x)
    for y in (device.forward(given), device.forward_biased(given, elsewhere.upload(np.zeros(2)))):
        assert np.isnan(to_numpy(y)).tolist() == np.isnan(host.forward(x)).tolist() == [[True, False]]
    for unit in (Bernoulli, GaussianKL):
        _, device = both(elsewhere, unit, 2, 1, "float64")
        assert np.isnan(to_numpy(device.forward(given, given))).all()


@sizes
def test_halves_are_views_there_and_gradients_may_be_written_into_them(elsewhere, seed, rows, width):
    _, split = both(elsewhere, Split, 2 * width, rows, "float64")
    x = normal(seed, rows, 2 * width)
    left, right = split.forward(elsewhere.upload(x))
    np.testing.assert_array_equal(np.hstack([to_numpy(left), to_numpy(right)]), x)
    split.dleft[...], split.dright[...] = left, right
    np.testing.assert_array_equal(to_numpy(split.backward(split.dleft, split.dright)), x)
    np.testing.assert_array_equal(to_numpy(split.backward(right, left)), np.roll(x, width, axis=1))


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_objective_its_terms_and_their_sums(elsewhere, beta):
    pieces = []
    for backend in (sv.backend.NUMPY, elsewhere):
        pieces.append(Objective(beta))
        pieces[-1].bind(BatchBuffers(backend, "float32", 6))
    host, device = pieces
    for piece in pieces:
        piece.sums = piece.zeros(6)
    for rows, count, weight in ((6, 2, 1.0), (3, 2, 0.5), (4, 3, 0.5)):
        terms, terms_device = arrays(elsewhere, rows, count, rows, dtype="float32")
        ours, plain = (of.forward(*given, weight=weight) for of, given in ((device, terms_device), (host, terms)))
        for one, other in zip(ours, plain, strict=True):
            agree(one, other, "float32")
        for one, other in zip(device.backward(), host.backward(), strict=True):
            agree(one, other, "float32")
    told = [[float(total.sum()) for total in piece.sums] for piece in pieces]
    np.testing.assert_allclose(*told, rtol=1e-6, atol=1e-6)
    for piece, rows_given, before in zip(pieces, (terms, terms_device), told, strict=True):
        kept, piece.sums = piece.sums, None
        piece.forward(*rows_given)  # where nobody adds up, nothing is added
        assert [float(total.sum()) for total in kept] == before


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

    for ours, plain in zip(answers(device), answers(host), strict=True):
        agree(ours, plain, "float64")


def refused(call, *arrays):
    """Whether each array, made too wide, too short or of another type, is refused in its turn."""
    for k, array in enumerate(arrays):
        for wrong in (array[:, :-1] if array.ndim == 2 else array[:-1], array.astype("float32")):
            with pytest.raises((ShapeError, DTypeError)):
                call(*arrays[:k], wrong, *arrays[k + 1 :])


def test_what_does_not_fit_is_refused_there_too(elsewhere):
    x, y, z = (elsewhere.upload(normal(k, 3, 4)) for k in range(3))
    row = elsewhere.upload(normal(4, 3))
    for unit, inputs, back in (
        (Reparameterize, (x, y, z), lambda unit: (unit.backward, (x,))),
        (GaussianKL, (x, y), lambda unit: (lambda dkl: unit.add_backward(dkl, y, z), (row,))),
        (Bernoulli, (x, y), lambda unit: (unit.backward, (row,))),
        (ReLU, (x,), lambda unit: (unit.backward, (x,))),
        (Split, (x,), lambda unit: (unit.backward, (y[:, :2], z[:, :2]))),
    ):
        _, piece = both(elsewhere, unit, 4, 3, "float64")
        refused(piece.forward, *inputs[1:], inputs[0])
        piece.forward(*inputs)
        backward, gradients = back(piece)
        refused(backward, *gradients)


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


def test_every_twin_takes_the_place_of_its_own_kind():
    assert all(issubclass(fused, plain) for plain, fused in TWINS.items())
    assert {ReLU, Sequential, Split, Reparameterize, GaussianKL, Bernoulli, Objective, Adam, AdamW} == TWINS.keys()
