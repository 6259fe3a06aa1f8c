"""The pieces made for devices, their kernels run on the host: the same numbers as the plain ones, in fewer launches."""

import emulated
import numpy as np
import pytest
import standin
from drawing import batches, normal, seeds, uniform, widths
from emulated import EMULATED
from hypothesis import given
from standin import STANDIN, DeviceArray

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.layers import ReLU, Sequential, Split
from scratchvae.memory import BatchBuffers
from scratchvae.memory.fused import TWINS
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.objective import Objective, Terms
from scratchvae.optim import SGD, Adam, AdamW
from scratchvae.probability import Bernoulli, GaussianKL, Reparameterize

pytestmark = pytest.mark.skipif(emulated.COMPILER is None, reason="no C++ compiler to run the kernels with")
ROUNDING = {"float32": 3e-6, "float64": 1e-14}


def agree(device, host, dtype):
    np.testing.assert_allclose(to_numpy(device), host, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


def both(unit, width, rows, dtype):
    """One bound to the host and one to the device, for more rows than will come."""
    pieces = []
    for backend in (sv.backend.NUMPY, EMULATED):
        piece = unit()
        piece.bind(BatchBuffers(backend, dtype, rows + 2), width)
        pieces.append(piece)
    assert type(pieces[0]) is unit
    assert type(pieces[1]) is TWINS[unit]
    return pieces


def arrays(seed, count, *shape, dtype):
    hosts = [normal(seed + k, *shape).astype(dtype) for k in range(count)]
    return hosts, [EMULATED.upload(host) for host in hosts]


sizes = given(seed=seeds, rows=batches, width=widths)
precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


@precisions
@sizes
def test_the_draw_and_its_gradients(dtype, seed, rows, width):
    host, device = both(Reparameterize, width, rows, dtype)
    given_host, given_device = arrays(seed, 3, rows, width, dtype=dtype)
    agree(device.forward(*given_device), host.forward(*given_host), dtype)
    (dz,), (dz_device,) = arrays(seed + 9, 1, rows, width, dtype=dtype)
    for ours, plain in zip(device.backward(dz_device), host.backward(dz), strict=True):
        agree(ours, plain, dtype)
    agree(device.backward_noise(dz_device), host.backward_noise(dz), dtype)


@precisions
@sizes
def test_the_divergence_and_what_it_adds_to_gradients(dtype, seed, rows, width):
    host, device = both(GaussianKL, width, rows, dtype)
    given_host, given_device = arrays(seed, 2, rows, width, dtype=dtype)
    agree(device.forward(*given_device), host.forward(*given_host), dtype)
    (dkl,), (dkl_device,) = arrays(seed + 7, 1, rows, dtype=dtype)
    into_host, into_device = arrays(seed + 8, 2, rows, width, dtype=dtype)
    device.add_backward(dkl_device, *into_device)
    host.add_backward(dkl, *into_host)
    for ours, plain in zip(into_device, into_host, strict=True):
        agree(ours, plain, dtype)


@precisions
@sizes
def test_the_likelihood_and_its_gradients(dtype, seed, rows, width):
    host, device = both(Bernoulli, width, rows, dtype)
    logits, x = 5 * normal(seed, rows, width).astype(dtype), uniform(seed, rows, width).astype(dtype)
    dlog = normal(seed + 1, rows).astype(dtype)
    agree(device.forward(*map(EMULATED.upload, (logits, x))), host.forward(logits, x), dtype)
    agree(device.backward(EMULATED.upload(dlog)), host.backward(dlog), dtype)
    agree(device.backward_data(EMULATED.upload(dlog)), host.backward_data(dlog), dtype)


@precisions
def test_logits_of_1000_either_way_overflow_nothing(dtype):
    _, device = both(Bernoulli, 1, 4, dtype)
    logits, x = np.array([[1000], [-1000], [1000], [-1000]], dtype), np.array([[1], [0], [0], [1]], dtype)
    assert to_numpy(device.forward(*map(EMULATED.upload, (logits, x)))).tolist() == [0, 0, -1000, -1000]
    assert to_numpy(device.backward(EMULATED.upload(np.ones(4, dtype))))[:, 0].tolist() == [0, 0, -1, 1]


@sizes
def test_the_rectifier_with_and_without_a_bias_before_it(seed, rows, width):
    host, device = both(ReLU, width, rows, "float64")
    (x, dy), (x_device, dy_device) = arrays(seed, 2, rows, width, dtype="float64")
    bias = normal(seed, width)
    for ours, plain in (
        (device.forward(x_device), host.forward(x)),
        (device.forward_biased(x_device, EMULATED.upload(bias)), host.forward(x + bias)),
    ):
        agree(ours, plain, "float64")
        agree(device.backward(dy_device), host.backward(dy), "float64")


def test_no_kernel_hides_a_nan():
    x = np.array([[np.nan, 1.0]])
    host, device = both(ReLU, 2, 1, "float64")
    given = EMULATED.upload(x)
    for y in (device.forward(given), device.forward_biased(given, EMULATED.upload(np.zeros(2)))):
        assert np.isnan(to_numpy(y)).tolist() == np.isnan(host.forward(x)).tolist() == [[True, False]]
    for unit in (Bernoulli, GaussianKL):
        _, device = both(unit, 2, 1, "float64")
        assert np.isnan(to_numpy(device.forward(given, given))).all()


@sizes
def test_halves_are_views_there_and_gradients_may_be_written_into_them(seed, rows, width):
    _, split = both(Split, 2 * width, rows, "float64")
    x = normal(seed, rows, 2 * width)
    launches = standin.launches
    left, right = split.forward(EMULATED.upload(x))
    np.testing.assert_array_equal(np.hstack([to_numpy(left), to_numpy(right)]), x)
    assert standin.launches == launches
    split.dleft[...], split.dright[...] = left, right
    np.testing.assert_array_equal(to_numpy(split.backward(split.dleft, split.dright)), x)
    np.testing.assert_array_equal(to_numpy(split.backward(right, left)), np.roll(x, width, axis=1))


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_objective_its_terms_and_their_sums(beta):
    pieces = []
    for backend in (sv.backend.NUMPY, EMULATED):
        pieces.append(Objective(beta))
        pieces[-1].bind(BatchBuffers(backend, "float32", 6))
    host, device = pieces
    for rows in (6, 3):
        terms, terms_device = arrays(rows, 2, rows, dtype="float32")
        for ours, plain in zip(device.forward(*terms_device), host.forward(*terms), strict=True):
            agree(ours, plain, "float32")
    for expected in (host.totals(), Terms(0.0, 0.0, 0.0)):
        for ours, plain in zip(device.totals(), expected, strict=True):
            np.testing.assert_allclose(float(ours), float(plain), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
@pytest.mark.parametrize("optimizer", [Adam, AdamW, SGD])
def test_a_model_trains_to_the_same_numbers(kind, activation, optimizer):
    images, thetas, losses = uniform(0, 50, 9), [], []
    for backend in ("numpy", EMULATED):
        model = kind(9, 2, (8, 4), activation, seed=1, beta=2.0, dtype="float64", backend=backend)
        trainer = sv.Trainer(model, batch_size=16, seed=2, clip_norm=5.0, optimizer=optimizer(1e-2))
        losses.append(trainer.fit(images, 3, validation=images[:20]).loss)
        thetas.append(to_numpy(model.theta))
    assert not np.array_equal(thetas[0], thetas[1]) or optimizer is SGD
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-13)


@pytest.mark.parametrize(("backend", "most"), [(EMULATED, 29), (STANDIN, 80)])
def test_a_step_of_the_reference_network_is_under_thirty_launches_and_waits_for_nothing(backend, most):
    trainer = sv.Trainer(sv.VAE(backend=backend), batch_size=8)
    x = backend.upload(uniform(0, 8, 784).astype("float32"))
    for _ in range(2):
        trainer._update(x)
    launches, reads = standin.launches, standin.reads
    trainer._update(x)
    assert standin.launches - launches <= most
    assert standin.reads == reads


def test_the_emulation_refuses_what_a_device_refuses():
    kernel = emulated.ElementwiseKernel("T x, T k", "T y", "y = k * x", "scratchvae_test")
    x, y = EMULATED.upload(np.ones(3)), EMULATED.upload(np.zeros(3))
    kernel(x, 2.0, y)
    assert to_numpy(y).tolist() == [2, 2, 2]
    for wrong, why in (
        ((np.ones(3), 2.0, y), "ndarray"),
        ((x, 2.0, EMULATED.upload(np.zeros(4))), "shape"),
        ((x, 2.0, EMULATED.upload(np.zeros(3, "float32"))), "stands for"),
        ((x, 2.0), "takes 3"),
    ):
        with pytest.raises((TypeError, ValueError), match=why):
            kernel(*wrong)
    assert isinstance(y, DeviceArray)


def test_every_twin_takes_the_place_of_its_own_kind():
    assert all(issubclass(fused, plain) for plain, fused in TWINS.items())
    assert {ReLU, Sequential, Split, Reparameterize, GaussianKL, Bernoulli, Objective, Adam, AdamW} == TWINS.keys()
