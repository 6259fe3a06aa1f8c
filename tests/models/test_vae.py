"""The VAE: results, memory and determinism."""

import numpy as np
import pytest
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.gradcheck import check
from scratchvae.models import InputGradients
from scratchvae.rng import PURPOSES, generator
from scratchvae.training import GaussianNoise


@pytest.fixture
def vae():
    return sv.VAE(12, 3, (8,), dtype="float64", seed=1, beta=2.0)


def test_a_vae_without_arguments_is_the_reference_network():
    vae = sv.VAE()
    assert {name: view.shape for name, view in vae.params.items()} == {
        "encoder.0.W": (784, 512),
        "encoder.0.b": (512,),
        "encoder.2.W": (512, 40),
        "encoder.2.b": (40,),
        "decoder.0.W": (20, 512),
        "decoder.0.b": (512,),
        "decoder.2.W": (512, 784),
        "decoder.2.b": (784,),
    }
    assert type(vae.encoder.layers[1]).__name__ == type(vae.decoder.layers[1]).__name__ == "ReLU"
    assert vae.theta.dtype == np.float32
    assert len(vae.encoder.layers) == len(vae.decoder.layers) == 3


def test_parameters_are_views_of_one_vector_and_gradients_of_another(vae):
    assert vae.theta.size == vae.dtheta.size == sum(view.size for view in vae.params.values())
    vae.theta[...] = 0
    assert all((view == 0).all() for view in vae.params.values())


def test_equal_seeds_give_equal_weights_in_both_precisions():
    single, double = (sv.VAE(12, 3, (8,), seed=5, dtype=dtype).theta for dtype in ("float32", "float64"))
    assert np.array_equal(single, double.astype("float32"))
    assert not np.array_equal(double, sv.VAE(12, 3, (8,), seed=6, dtype="float64").theta)


def test_bug15_an_embedding_is_the_posterior_mean_and_two_calls_agree(vae):
    x = uniform(0, 5, 12)
    mu, logvar = vae.encode(x)
    code = np.maximum(x @ vae.params["encoder.0.W"] + vae.params["encoder.0.b"], 0)
    code = code @ vae.params["encoder.2.W"] + vae.params["encoder.2.b"]
    np.testing.assert_allclose(np.hstack([mu, logvar]), code)
    assert np.array_equal(vae.embed(x), mu)
    assert np.array_equal(vae.encode(x)[0], mu)


def test_reconstruct_decodes_the_mean_and_decode_gives_probabilities(vae):
    x = uniform(0, 5, 12)
    means = vae.reconstruct(x)
    assert np.array_equal(means, vae.decode(vae.encode(x)[0]))
    hidden = np.maximum(vae.embed(x) @ vae.params["decoder.0.W"], 0)
    np.testing.assert_allclose(means, 1 / (1 + np.exp(-hidden @ vae.params["decoder.2.W"])))


def test_results_do_not_change_with_later_calls(vae):
    mu, _ = vae.encode(uniform(0, 5, 12))
    before = mu.copy()
    vae.encode(uniform(1, 5, 12))
    vae.sample(7)
    assert np.array_equal(mu, before)


def test_samples_decode_draws_from_the_prior(vae):
    assert vae.sample(16, seed=0).shape == (16, 12)
    assert np.array_equal(vae.sample(4, seed=3), vae.sample(4, seed=3))
    assert not np.array_equal(vae.sample(4, seed=3), vae.sample(4, seed=4))
    linear = sv.VAE(2, 2, (), dtype="float64")
    linear.params["decoder.0.W"][...] = np.eye(2)
    z = np.log(1 / (1 / linear.sample(100_000) - 1))
    assert (np.abs(z.mean(axis=0)) < 5.5 / np.sqrt(1e5)).all()
    assert np.abs(np.cov(z.T) - np.eye(2)).max() < 5.5 * np.sqrt(2 / 1e5)


def test_elbo_is_reconstruction_minus_beta_kl_for_each_row(vae):
    x, eps = uniform(0, 5, 12), normal(0, 5, 3)
    terms = vae.elbo(x, eps)
    np.testing.assert_allclose(terms.value, terms.reconstruction - 2.0 * terms.kl)
    alone = [vae.elbo(x[k : k + 1], eps[k : k + 1]).value[0] for k in range(5)]
    np.testing.assert_allclose(terms.value, alone)
    assert terms.value.shape == terms.kl.shape == (5,)


def test_bug14_the_loss_is_minus_the_mean_of_the_rows_of_elbo(vae):
    x, eps = uniform(0, 5, 12), normal(0, 5, 3)
    loss, _ = vae.loss_and_grads(x, eps)
    np.testing.assert_allclose(loss, -vae.elbo(x, eps).value.mean(), rtol=1e-13)
    np.testing.assert_allclose(vae.loss_and_grads(x, seed=9)[0], -vae.elbo(x, seed=9).value.mean(), rtol=1e-13)


def test_backward_needs_a_forward_just_before_it(vae):
    x, eps = uniform(0, 5, 12), normal(0, 5, 3)
    with pytest.raises(ShapeError, match="call forward first"):
        vae.backward()
    vae.forward(x, eps)
    vae.decode(eps)
    with pytest.raises(ShapeError, match="call forward first"):
        vae.backward()


SEVERAL = {
    "VAE": lambda: sv.VAE(12, 3, (8,), dtype="float64", beta=2.0),
    "free bits": lambda: sv.VAE(12, 3, (8,), dtype="float64", free_bits=0.05),
    "IWAE": lambda: sv.IWAE(12, 3, (8,), dtype="float64", importance_samples=2),
    "ConditionalVAE": lambda: sv.ConditionalVAE(12, 3, (8,), dtype="float64", classes=2),
    "SemiSupervisedVAE": lambda: sv.SemiSupervisedVAE(12, 3, (8,), dtype="float64", classes=2),
    "Autoencoder": lambda: sv.Autoencoder(12, 3, (8,), dtype="float64"),
}


@pytest.mark.parametrize("make", SEVERAL.values(), ids=SEVERAL)
def test_gradients_of_target_and_corrupted_input_are_separate(make):
    model, x, corrupted = make(), uniform(0, 5, 12), uniform(1, 5, 12)
    eps = normal(0, 5, model.noise_dim)
    targets = {"targets": np.eye(2)[[0, 1, 1, 0, 1]]} if model.classes else {}

    def loss(x, corrupted, *noise):
        return float(model.objective.loss(model.forward(x, *noise or (eps,), corrupted, **targets)))

    def gradients(dloss, _x, _corrupted, *noise):
        input_gradients = model.backward(to_inputs=True)
        return [dloss * gradient for gradient in (input_gradients.x, input_gradients.corrupted, input_gradients.eps)][
            : 2 + len(noise)
        ]

    noise = (eps,) if model.noise_dim else ()
    assert check(loss, gradients, x, corrupted, *noise), check(loss, gradients, x, corrupted, *noise)
    loss(x, x.copy(), *noise)
    apart = [gradient.copy() for gradient in model.backward(to_inputs=True)]
    model.forward(x, eps, **targets)
    together = model.backward(to_inputs=True)
    assert type(together) is InputGradients and together.corrupted is None
    np.testing.assert_allclose(together.x, apart[0] + apart[2], rtol=1e-12, atol=1e-15)
    assert np.array_equal(together.eps, apart[1])
    dtheta = model.dtheta.copy()
    model.forward(x, eps, **targets)
    model.backward()
    assert np.array_equal(model.dtheta, dtheta)


def test_streams_of_one_seed_differ_between_purposes():
    draws = [generator(0, purpose).standard_normal(100) for purpose in PURPOSES]
    assert len({number for draw in draws for number in draw}) == 100 * len(PURPOSES)


def test_chunks_do_not_change_the_result(vae):
    x, eps = uniform(0, 1300, 12), normal(0, 1300, 3)
    expected = vae.elbo(x, eps).value
    vae.chunk_rows = 100
    np.testing.assert_allclose(vae.elbo(x, eps).value, expected, rtol=1e-12)
    np.testing.assert_allclose(vae.encode(x)[0][1234], vae.encode(x[1234:1235])[0][0], rtol=1e-12)


@pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")  # the models are untrained
@pytest.mark.parametrize("make", SEVERAL.values(), ids=SEVERAL)
def test_the_chunks_of_a_method_have_their_own_rows_labels_noise_and_corrupted_rows(make):
    model, x, corrupted = make(), uniform(0, 30, 12), uniform(1, 30, 12)
    eps, z = normal(2, 30, model.noise_dim), normal(3, 30, 3)
    classes = (uniform(4, 30) < 0.5).astype(int)
    unlabelled = uniform(5, 30) < (0.3 if isinstance(model, sv.SemiSupervisedVAE) else 0.0)
    labels, decoder_labels = (np.where(unlabelled, -1, classes), classes) if model.classes else (None, None)

    def results():
        yield from model.terms(x, eps, corrupted=corrupted, labels=labels)
        yield from model.terms(x, seed=4, labels=labels)
        yield from sv.score(model, x, seed=4, corrupt=GaussianNoise(0.3), labels=labels)
        yield from (model.embed(x, labels), model.reconstruct(x, labels), model.decode(z, decoder_labels))
        if isinstance(model, sv.VAE):
            yield from model.encode(x, labels)
            yield from model.elbo(x, seed=4, labels=labels, draws=2)
            yield model.denoise(x, draws=2, labels=labels)
        if isinstance(model, sv.ConditionalVAE):
            yield model.swap_class(x, labels)
        if isinstance(model, sv.SemiSupervisedVAE):
            yield model.predict_proba(x)

    assert model.chunk_rows >= 30
    whole = list(results())
    model.chunk_rows = 7
    for in_chunks, at_once in zip(results(), whole, strict=True):
        np.testing.assert_allclose(in_chunks, at_once, rtol=1e-11)


def test_chunks_split_the_rows_without_overlap(vae):
    vae.chunk_rows = 4
    parts = [(rows_slice, len(rows), labels) for rows_slice, rows, labels in vae.chunks(uniform(0, 10, 12))]
    assert parts == [(slice(0, 4), 4, ()), (slice(4, 8), 4, ()), (slice(8, 10), 2, ())]


def test_a_linear_gaussian_posterior_gives_the_elbo_known_in_closed_form():
    vae = sv.VAE(1, 1, (), dtype="float64")
    vae.theta[...] = 0  # logits 0, q = prior: log p(x) = −log 2 for all x and z, and the bound is tight
    terms = vae.elbo(np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(terms.value, -np.log(2.0))
    np.testing.assert_allclose(terms.kl, 0.0)


def test_the_output_bias_starts_at_the_logit_of_the_mean_image_once(vae):
    mean = np.linspace(0.0, 1.0, 12)
    vae.initialize_output_bias(mean)
    np.testing.assert_allclose(vae.decode(np.zeros((1, 3)))[0], np.clip(mean, 0.001, 0.999))
    vae.initialize_output_bias(np.full(12, 0.5))
    np.testing.assert_allclose(vae.decode(np.zeros((1, 3)))[0], np.clip(mean, 0.001, 0.999))


def test_the_output_bias_is_computed_in_float64_and_an_invalid_mean_is_refused(vae):
    mean = np.linspace(0.1, 0.9, 12).astype(np.float32)
    p = mean.astype(np.float64)
    with pytest.raises(RangeError, match="mean"):
        vae.initialize_output_bias(mean + 1)
    vae.initialize_output_bias(mean)
    np.testing.assert_allclose(vae.params["decoder.2.b"], np.log(p / (1 - p)), rtol=1e-12)


def test_an_autoencoder_has_one_code_and_no_kl():
    model = sv.Autoencoder(12, 3, (8,), dtype="float64")
    x = uniform(0, 5, 12)
    assert model.params["encoder.2.W"].shape == (8, 3)
    assert np.array_equal(model.encode(x), model.embed(x))
    assert np.array_equal(model.reconstruct(x), model.decode(model.encode(x)))
    terms = model.terms(x)
    assert (terms.kl == 0).all() and np.array_equal(terms.value, terms.reconstruction)
    assert not hasattr(model, "sample")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_draws_are_averaged_and_the_first_is_that_of_one_draw(dtype):
    vae, x = sv.VAE(12, 3, (8,), dtype=dtype, beta=2.0), uniform(0, 1300, 12)  # rows in several chunks
    noise = np.stack([np.empty((1300, 3), dtype)] * 3)
    generator(4, "noise").standard_normal(out=noise, dtype=noise.dtype)
    one = vae.elbo(x, seed=4)
    assert all(map(np.array_equal, one, vae.elbo(x, noise[0])))
    assert all(map(np.array_equal, one, vae.elbo(x, seed=4, draws=1)))
    for mean, *terms in zip(vae.elbo(x, seed=4, draws=3), *(vae.elbo(x, eps) for eps in noise), strict=True):
        np.testing.assert_allclose(mean, np.mean(terms, axis=0, dtype="float64"), rtol=1e-6)
        assert mean.dtype == dtype


def test_the_mean_of_many_draws_converges_to_the_expected_reconstruction():
    vae = sv.VAE(1, 1, (), dtype="float64", likelihood="gaussian")
    vae.theta[...] = 0
    vae.params["encoder.0.b"][...] = [0.5, 2 * np.log(0.3)]
    vae.params["decoder.0.W"][...] = 1.0
    # E (z − x)² = (μ − x)² + σ² for z ~ N(μ, σ²)
    x = np.array([[0.1], [2.0]])
    expected = -0.5 * ((0.5 - x[:, 0]) ** 2 + 0.09) - 0.5 * np.log(2 * np.pi)
    terms = vae.elbo(x, draws=4_000)
    np.testing.assert_allclose(terms.reconstruction, expected, atol=0.04)
    np.testing.assert_allclose(terms.value, terms.reconstruction - terms.kl)


def test_one_draw_depends_on_the_place_of_a_row_and_given_noise_does_not(vae):
    x, eps = uniform(0, 6, 12), normal(1, 6, 3)
    assert vae.elbo(x[5:]).value[0] != vae.elbo(x).value[5]
    np.testing.assert_allclose(vae.elbo(x[5:], eps[5:]).value, vae.elbo(x, eps).value[5:], rtol=1e-12)


def test_noise_of_one_draw_is_refused_for_several(vae):
    with pytest.raises(ConfigError, match=r"eps is a single draw, and draws=2; leave eps out"):
        vae.elbo(uniform(0, 6, 12), normal(1, 6, 3), draws=2)
