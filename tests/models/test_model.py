"""A model's configuration, parameters, dtype and noise."""

import numpy as np
import pytest
from emulated_backend import needs_compiler
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.backend import NUMPY, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import BackendError, ConfigError, RangeError
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.rng import fill_random, generator

BOTH = pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])


def test_repr_is_one_line():
    assert repr(sv.VAE(6, 2, (5, 4), "tanh")) == "<VAE 6-5-4-2, tanh, 152 parameters, float32 on numpy>"


def test_repr_names_a_likelihood_other_than_bernoulli():
    assert repr(sv.VAE(6, 2, (5,), "tanh", "gaussian")).startswith("<VAE 6-5-2, tanh, gaussian, ")


@BOTH
def test_a_model_has_an_image_shape_and_metadata(kind):
    model = kind(6, 2, (4,), image_shape=[2, 3])
    assert model.image_shape == (2, 3) and model.config["image_shape"] == (2, 3)
    assert model.metadata == {}
    assert kind(6, 2, (4,)).image_shape is None


@BOTH
def test_the_configuration_is_read_only_and_rebuilds_the_model(kind):
    model = kind(6, 2, (4,), beta=2.0, seed=3)
    before = dict(model.config)
    assert (before["hidden"], before["beta"], before["seed"], before["likelihood"]) == ((4,), 2.0, 3, "bernoulli")
    for write in (
        lambda config: config.__setitem__("beta", 1.0),
        lambda config: config.__delitem__("beta"),
        lambda config: config.update(beta=1.0),
        lambda config: config.pop("beta"),
        lambda config: config.clear(),
    ):
        with pytest.raises((TypeError, AttributeError)):
            write(model.config)
    with pytest.raises(TypeError):
        model.config["beta"] = 1.0
    assert dict(model.config) == before
    config = dict(model.config)
    config["beta"] = 7.0
    assert model.config["beta"] == 2.0
    rebuilt = kind(**model.config)
    assert rebuilt.config == model.config and np.array_equal(rebuilt.theta, model.theta)


def test_the_default_initializer_depends_on_the_activation():
    relu, tanh = (sv.VAE(300, 20, (200,), activation=name).params["encoder.0.W"] for name in ("relu", "tanh"))
    assert relu.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    assert np.abs(tanh).max() <= np.sqrt(6 / 500)


@BOTH
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_initial_output_weights_of_a_gaussian_or_of_counts_are_scaled_down(kind, likelihood):
    plain, model = (kind(6, 2, (5,), likelihood=name, seed=3) for name in ("bernoulli", likelihood))
    scaled = not likelihood.endswith("bernoulli")
    decoder = {name: W for name, W in plain.params.items() if name.startswith("decoder")}
    for name, W in decoder.items():
        last = name == "decoder.2.W" and scaled
        if model.likelihood.outputs_per_dimension == 1 or not name.startswith("decoder.2"):
            np.testing.assert_allclose(model.params[name], W * (0.1 if last else 1.0), rtol=1e-6)
    z = normal(0, 500, 2)
    spread = model.decoder.forward(z.astype("float32")).std()
    assert (spread < 0.25) == scaled


@BOTH
def test_a_custom_initializer_is_used_for_all_weights(kind):
    model = kind(400, 200, (300,), init="he_normal", activation="tanh")
    assert model.config["init"] == "he_normal"
    for name, W in model.params.items():
        if name.endswith("W"):
            assert W.var() == pytest.approx(2 / len(W), rel=0.05), name


@BOTH
@DTYPES
def test_every_result_has_the_dtype_of_the_model(kind, dtype):
    model, x = kind(6, 2, (4,), dtype=dtype), uniform(0, 3, 6)
    out = [model.embed(x), model.decode(normal(0, 3, 2)), model.interpolate(*x[:2]), *model.terms(x), model.theta]
    out += [model.dtheta, *model.loss_and_grads(x)[1].values(), *model.grads.values()]
    if kind is sv.VAE:
        out += [*model.encode(x), model.sample(2), *model.elbo(x)]
    assert {array.dtype for array in out} == {np.dtype(dtype)}


@BOTH
@pytest.mark.parametrize("backend", [NUMPY, FAKE_CUPY])
def test_astype_gives_an_independent_model(kind, backend):
    model = kind(6, 2, (4, 3), "gelu", beta=2.0, seed=3, backend=backend, init="he_normal", image_shape=(2, 3))
    model.theta[...] = model.theta * 3.0  # as after training
    model.metadata["data"] = "digits"
    other = model.astype("float64")
    assert type(other) is kind and other.backend is backend
    assert other.config == {**model.config, "dtype": "float64"}
    before = to_numpy(model.theta).copy()
    assert to_numpy(other.theta).dtype == np.float64 and np.array_equal(to_numpy(other.theta), before)
    assert other.metadata == {"data": "digits"}
    other.metadata["data"] = "other"
    other.theta[...] = 0.0
    assert np.array_equal(to_numpy(model.theta), before) and model.metadata == {"data": "digits"}
    with pytest.raises(ConfigError, match="dtype='float16'"):
        model.astype("float16")


@BOTH
def test_longdouble_is_refused_on_a_device(kind):
    model = kind(6, 2, (4,), backend=FAKE_CUPY)
    for make in (lambda: kind(6, 2, (4,), dtype="longdouble", backend=FAKE_CUPY), lambda: model.astype("longdouble")):
        with pytest.raises(BackendError, match="backend='numpy'; fake_cupy has float32 and float64"):
            make()


@needs_compiler
@BOTH
def test_longdouble_is_refused_with_compiled_kernels_when_the_model_is_made(kind, tmp_path):
    model = kind(6, 2, (4,), dtype="longdouble")
    sv.save(model, tmp_path / "wide.npz")
    for make in (
        lambda: kind(6, 2, (4,), dtype="longdouble", backend="native"),
        lambda: kind(6, 2, (4,), backend="native").astype("longdouble"),
        lambda: sv.load(tmp_path / "wide.npz", backend="native"),
    ):
        with pytest.raises(BackendError, match="dtype='longdouble' needs backend='numpy'; native has"):
            make()


@BOTH
def test_longdouble_agrees_with_float64_up_to_rounding(kind):
    double = kind(6, 2, (4,), dtype="float64", activation="gelu")
    x, eps = uniform(0, 3, 6), normal(0, 3, double.noise_dim)
    (loss, grads), (exact, exact_grads) = (
        model.loss_and_grads(x, eps) for model in (double, double.astype("longdouble"))
    )
    assert loss == pytest.approx(exact, rel=1e-14)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, exact_grads[name], rtol=1e-12, atol=1e-15)


@DTYPES
def test_codes_up_to_the_largest_number_of_the_dtype_are_accepted(dtype):
    vae = sv.VAE(6, 2, (), dtype=dtype)
    largest = float(min(np.finfo(dtype).max, np.finfo("float64").max))
    vae.theta[...] = 0.0
    assert (vae.decode(np.full((1, 2), largest)) == 0.5).all() and (vae.decode(np.full((1, 2), -largest)) == 0.5).all()
    with pytest.raises(RangeError, match="infinite"):
        vae.decode(np.full((1, 2), np.inf))


@BOTH
def test_grads_are_views_and_returned_gradients_are_copies(kind):
    model, x = kind(6, 2, (4,)), uniform(0, 3, 6)
    _, returned = model.loss_and_grads(x)
    assert {name: grad.shape for name, grad in model.grads.items()} == {
        name: parameter.shape for name, parameter in model.params.items()
    }
    for name, grad in model.grads.items():
        assert np.shares_memory(grad, model.dtheta) and np.array_equal(grad, returned[name]) and grad.any()
        assert not np.shares_memory(grad, returned[name])
    assert np.array_equal(np.concatenate([grad.ravel() for grad in model.grads.values()]), model.dtheta)
    model.grads.clear()
    model.params.clear()
    assert len(model.grads) == len(model.params) == 8


def test_noise_is_drawn_with_seed_0_by_default_in_the_dtype_of_the_model():
    vae, x = sv.VAE(6, 2, (4,)), uniform(0, 3, 6)
    eps = generator(0, "noise").standard_normal((3, 2), np.float32)
    assert vae.loss_and_grads(x)[0] == vae.loss_and_grads(x, eps)[0] == vae.loss_and_grads(x, seed=0)[0]
    for method in (vae.elbo, vae.terms):
        assert np.array_equal(method(x).value, method(x, eps).value)
    z = generator(0, "prior").standard_normal((3, 2), np.float32)
    assert np.array_equal(vae.sample(3), vae.decode(z))


@pytest.mark.parametrize("draw", ["standard_normal", "random"])
@DTYPES
def test_longdouble_noise_is_drawn_as_float64(draw, dtype):
    out = np.zeros((5, 3), dtype)
    assert fill_random(out, getattr(generator(1, "pixels"), draw)) is out
    drawn_in = np.float32 if dtype == "float32" else np.float64
    assert np.array_equal(out, getattr(generator(1, "pixels"), draw)((5, 3), dtype=drawn_in))
