"""Models with custom parts: numbers, refusals, copies and files."""

import copy
import pickle
import re

import numpy as np
import pytest
from emulated_backend import needs_compiler
from strategies import in_support, normal, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, FileError
from scratchvae.gradcheck import check
from scratchvae.layers import (
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    Flatten,
    Layer,
    Linear,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Tanh,
    Upsample,
)
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.objectives import ELBO, ELBOTerms, ImportanceWeighted, Objective
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    Gaussian,
    GaussianHeteroscedastic,
    GaussianLearned,
    Likelihood,
    NegativeBinomial,
    Poisson,
    Posterior,
    Prior,
    StandardNormal,
)

pytestmark = pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")  # the models are untrained

X, EPS = uniform(0, 7, 9), normal(0, 7, 3)


# --- minimal custom parts: a layer, a posterior, a prior, a likelihood and an objective


class Scale(Layer):
    """y = factor · s x, s (I,)."""

    def __init__(self, inputs, factor=1.0):
        self.inputs, self.factor = inputs, factor

    def output_shape(self, input_shape):
        return input_shape

    def parameter_shapes(self):
        return {"s": (self.inputs,)}

    def initial_values(self, rng):
        return {"s": 1.0 + 0.1 * rng.standard_normal(self.inputs)}

    def forward(self, x):
        self.check_inputs(x=x)
        self.x = x
        return x * self.s * self.factor

    def backward(self, dy):
        self.check_gradients(dy=dy)
        self.ds[...] = (self.x * dy).sum(axis=0) * self.factor
        return dy * self.s * self.factor


class Interleaved(Posterior):
    """N(μ, (exp(r) + min_sigma)²), with h = [μ₁, r₁, μ₂, r₂, …]."""

    def __init__(self, min_sigma=0.1):
        self.min_sigma = min_sigma

    def forward(self, h, eps):
        self.check_inputs(h=h)
        self.sigma, self.eps = np.exp(h[:, 1::2]) + self.min_sigma, eps
        self.slope = np.exp(h[:, 1::2])
        return h[:, ::2] + self.sigma * eps

    def backward(self, dz, dlog_q=None):
        dh = np.empty((len(dz), 2 * dz.shape[1]), dz.dtype)
        dh[:, ::2] = dz
        dh[:, 1::2] = dz * self.eps * self.slope
        if dlog_q is not None:
            dh[:, 1::2] -= dlog_q[:, None] * self.slope / self.sigma
        return dh

    def log_prob(self):
        return (-(self.eps**2) / 2 - np.log(self.sigma) - np.log(2 * np.pi) / 2).sum(axis=1)

    def backward_noise(self, dz, dlog_q=None):
        deps = dz * self.sigma
        return deps if dlog_q is None else deps - dlog_q[:, None] * self.eps


class Wide(Prior):
    """N(0, σ² I), with learned log σ."""

    def parameter_shapes(self):
        return {"log_sigma": (1,)}

    def forward(self, z):
        self.check_inputs(z=z)
        self.z, self.precision = z, np.exp(-2 * self.log_sigma)
        return (-(z**2) * self.precision / 2 - self.log_sigma - np.log(2 * np.pi) / 2).sum(axis=1)

    def backward(self, dlog_p):
        self.dlog_sigma[...] = (dlog_p[:, None] * (self.z**2 * self.precision - 1)).sum()
        return -self.z * self.precision * dlog_p[:, None]

    def draw(self, noise):
        return noise * np.exp(self.log_sigma)


class Cauchy(Likelihood):
    """log p(x | μ) = −Σ log(π γ (1 + ((x − μ)/γ)²))."""

    def __init__(self, gamma=1.0):
        self.gamma = gamma

    def forward(self, mu, x):
        self.check_inputs(mu=mu, x=x)
        self.error = (x - mu) / self.gamma
        return -np.log(np.pi * self.gamma * (1 + self.error**2)).sum(axis=1)

    def backward(self, dlog_likelihood):
        return dlog_likelihood[:, None] * 2 * self.error / (1 + self.error**2) / self.gamma

    def backward_data(self, dlog_likelihood):
        return -self.backward(dlog_likelihood)

    def mean(self, mu, out):
        out[...] = mu
        return out


class Halved(Objective):
    """L = −(1/B) Σ_n (ℓ_n − w KL_n)/2."""

    def forward(self, log_likelihood, kl, kl_weight=1.0, kl_per_dimension=None):
        self.rows, self.weight = self.check_inputs(log_likelihood=log_likelihood, kl=kl), kl_weight
        return ELBOTerms((log_likelihood - kl_weight * kl) / 2, log_likelihood, kl)

    def backward(self):
        gradient = np.full(self.check_forward(), -0.5 / self.rows, self._value.dtype)
        return gradient, -self.weight * gradient


def encoder(outputs=6):
    return Sequential(Scale(9, 0.5), Linear(9, 5), Tanh(), Linear(5, outputs))


def decoder(outputs=9):
    return Sequential(Linear(3, 5), ReLU(), Linear(5, outputs), Scale(outputs))


CUSTOM = [Scale, Interleaved, Wide, Cauchy, Halved]
PARTS = {
    "encoder": lambda: {"encoder": encoder()},
    "decoder": lambda: {"decoder": decoder()},
    "posterior": lambda: {"posterior": Interleaved(0.2)},
    "prior": lambda: {"prior": Wide()},
    "likelihood": lambda: {"likelihood": Cauchy(0.3)},
    "objective": lambda: {"objective": Halved()},
    "several draws": lambda: {"objective": ImportanceWeighted(3), "prior": Wide()},
    "posterior and prior": lambda: {"posterior": Interleaved(0.2), "prior": Wide()},
    "all": lambda: {
        "encoder": encoder(),
        "decoder": decoder(),
        "posterior": Interleaved(0.2),
        "prior": Wide(),
        "likelihood": Cauchy(0.3),
        "objective": Halved(),
    },
}
EACH = pytest.mark.parametrize("make", PARTS.values(), ids=PARTS)


def model_of(make, **settings):
    return sv.VAE(**{"input_dim": 9, "latent_dim": 3, "seed": 4, "dtype": "float64", **make(), **settings})


def noise_for(model, rows=7, seed=0):
    return normal(seed, rows, model.noise_dim).astype(model.dtype)


# --- numbers


@EACH
def test_gradients_of_every_parameter_and_input_agree_with_finite_differences(make):
    model = model_of(make)
    model.theta[...] += 0.2 * normal(1, model.theta.size)
    eps = noise_for(model)

    def loss(theta, x, eps):
        model.theta[...] = theta
        return float(model.objective.loss(model.forward(x, eps)))

    def gradients(dloss, theta, x, eps):
        inputs_gradient = model.backward_to_inputs()
        return dloss * model.dtheta, dloss * inputs_gradient.x, dloss * inputs_gradient.eps

    inputs = model.theta.copy(), X, eps
    report = check(loss, gradients, *inputs, step=1e-3, tolerance=1e-7)
    assert report, report


@EACH
def test_custom_parts_are_used_and_the_others_are_the_defaults(make):
    own = make()
    model = model_of(lambda: own)
    for name, part in own.items():
        assert getattr(model, name) is part is model.parts[name] is model.custom_parts[name]
    usual = model_of(dict)
    for name in usual.parts.keys() - own.keys():
        assert type(getattr(model, name)) is type(getattr(usual, name))
    assert not own.keys() & model.config.keys() - {"likelihood"}


@EACH
def test_parameters_of_custom_parts_are_named_views_of_theta(make):
    model = model_of(make)
    names = {
        "encoder": "encoder.0.s",
        "decoder": "decoder.3.s",
        "prior": "prior.log_sigma",
    }
    for name, parameter in names.items():
        assert (parameter in model.params) == (name in model.custom_parts)
    assert model.theta.size == sum(view.size for view in model.params.values())
    assert all(np.shares_memory(view, model.theta) for view in model.params.values())
    _, grads = model.loss_and_grads(X, noise_for(model))
    assert grads.keys() == model.params.keys() and all(np.isfinite(grad).all() for grad in grads.values())


@EACH
def test_every_method_works_with_custom_parts(make):
    model = model_of(make)
    codes = model.embed(X)
    assert codes.shape == (7, 3) and model.decode(codes).shape == (7, 9)
    assert np.array_equal(model.reconstruct(X), model.decode(codes))
    assert all(len(parameters) == 7 for parameters in model.encode(X))
    assert model.sample(4, seed=1).shape == (4, 9)
    assert model.interpolate(X[0], X[1], 3).shape == (3, 9) and model.traverse(X[0]).shape == (11, 9)
    assert model.denoise(X).shape == model.denoise(X, draws=2).shape == (7, 9)
    terms = model.elbo(X, noise_for(model))
    share = 0.5 if isinstance(model.objective, Halved) else 1.0
    np.testing.assert_allclose(terms.value, share * (terms.reconstruction - terms.kl), rtol=1e-12)
    tall = np.tile(X, (200, 1))  # more than one chunk
    np.testing.assert_allclose(model.embed(tall), np.tile(codes, (200, 1)), rtol=1e-12)
    score = sv.score(model, X)
    assert score.value == pytest.approx(share * (score.reconstruction - score.kl), rel=1e-9)


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_custom_parts_train_and_history_has_the_known_kl(make, dtype):
    model = model_of(make, dtype=dtype)
    before = model.theta.copy()
    history = sv.Trainer(model, lr=1e-3, batch_size=3, seed=1).fit(X, 3, validation=X)
    assert not np.array_equal(model.theta, before) and np.isfinite(model.theta).all()
    assert np.isfinite([*history.loss, *history.validation, *history.kl]).all()
    known = isinstance(model.posterior, DiagonalGaussian) and isinstance(model.prior, StandardNormal)
    assert {len(kl) for kl in history.kl_per_dimension} == {3 if known else 0}


@EACH
@pytest.mark.parametrize("backend", ["numpy", pytest.param("native", marks=needs_compiler)])
def test_custom_parts_give_the_same_on_numpy_and_native(make, backend):
    model, plain = model_of(make, backend=backend), model_of(make)
    eps = noise_for(plain)
    assert np.array_equal(model.theta, plain.theta)
    for ours, other in zip(model.terms(X, eps), plain.terms(X, eps), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-12, atol=1e-13)
    for ours, other in zip(
        model.loss_and_grads(X, eps)[1].values(), plain.loss_and_grads(X, eps)[1].values(), strict=True
    ):
        np.testing.assert_allclose(ours, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("missing", [False, True])
def test_the_default_parts_as_objects_give_the_default_model(missing):
    usual = sv.VAE(9, 3, (5,), dtype="float64", seed=4, beta=2.0, missing=missing)
    from_objects = sv.VAE(
        9,
        3,
        dtype="float64",
        seed=4,
        missing=missing,
        encoder=Sequential(Linear(9, 5, "he_normal"), ReLU(), Linear(5, 6)),
        decoder=Sequential(Linear(3, 5, "he_normal"), ReLU(), Linear(5, 9)),
        posterior=DiagonalGaussian(),
        prior=StandardNormal(),
        likelihood=Bernoulli(),
        objective=ELBO(beta=2.0),
    )
    assert usual.shapes == from_objects.shapes and np.array_equal(usual.theta, from_objects.theta)
    x = np.where(uniform(5, 7, 9) < 0.3, np.nan, X) if missing else X
    for one, other in zip(usual.terms(x, EPS), from_objects.terms(x, EPS), strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(
        usual.loss_and_grads(x, EPS)[1].values(), from_objects.loss_and_grads(x, EPS)[1].values(), strict=True
    ):
        assert np.array_equal(one, other)


def test_an_iwae_is_a_vae_with_an_importance_weighted_objective():
    iwae = sv.IWAE(9, 3, (5,), dtype="float64", importance_samples=4)
    vae = sv.VAE(9, 3, (5,), dtype="float64", objective=ImportanceWeighted(4))
    eps = normal(1, 7, 12)
    assert vae.noise_dim == 12 and np.array_equal(iwae.theta, vae.theta)
    for one, other in zip(iwae.terms(X, eps), vae.terms(X, eps), strict=True):
        assert np.array_equal(one, other)
    (loss, grads), (other_loss, other_grads) = (model.loss_and_grads(X, eps) for model in (iwae, vae))
    assert loss == other_loss and all(np.array_equal(grads[name], other_grads[name]) for name in grads)


@pytest.mark.parametrize("draws", [1, 100, 5000])
def test_a_chunk_has_fewer_rows_with_more_draws(draws):
    vae = sv.VAE(9, 3, (5,), objective=ImportanceWeighted(draws))
    assert vae.chunk_rows == sv.IWAE(9, 3, (5,), importance_samples=draws).chunk_rows
    assert vae.chunk_rows * draws <= max(draws, sv.VAE.chunk_rows)


# With σ = 1 the custom prior is N(0, I), so both give the same estimate for the same draw.
def test_the_kl_of_a_prior_without_closed_form_is_estimated_at_the_draw():
    own, usual = model_of(lambda: {"prior": Wide()}, hidden=(5,)), model_of(dict, hidden=(5,))
    iwae = sv.IWAE(9, 3, (5,), dtype="float64", importance_samples=1)
    for model in (own, iwae):
        for name, view in usual.params.items():
            model.params[name][...] = view
    for one, other in zip(own.terms(X, EPS), iwae.terms(X, EPS), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
    kl = np.mean([own.terms(X, normal(seed, 7, 3)).kl for seed in range(4000)], axis=0)
    np.testing.assert_allclose(kl, usual.terms(X, EPS).kl, atol=0.15)


def test_input_dim_is_inferred_from_the_encoder():
    assert sv.VAE(latent_dim=3, encoder=Sequential(Tanh(), Linear(12, 6))).input_dim == 12
    nested = Sequential(Flatten(), Sequential(Residual(Linear(12, 12)), Linear(12, 6)))
    assert sv.VAE(latent_dim=3, encoder=nested).input_dim == 12
    assert sv.VAE(latent_dim=3, encoder=encoder(), decoder=decoder()).input_dim == 9
    assert sv.VAE(latent_dim=2, encoder=Sequential(Linear(784, 4))).input_dim == 784
    assert sv.VAE(9, 3, encoder=encoder()).config["input_dim"] == 9


def test_settings_beside_one_custom_network_apply_to_the_other():
    one = sv.VAE(9, 3, (4,), "tanh", encoder=encoder(), init="he_normal")
    assert [type(layer) for layer in one.decoder.layers] == [Linear, Tanh, Linear]
    assert one.params["decoder.0.W"].shape == (3, 4)
    other = sv.VAE(9, 3, (4,), "tanh", decoder=decoder())
    assert other.params["encoder.0.W"].shape == (9, 4) and "encoder.2.W" in other.params


def test_an_autoencoder_takes_custom_networks_and_a_likelihood():
    model = sv.Autoencoder(9, 3, dtype="float64", encoder=encoder(3), decoder=decoder(), likelihood=Cauchy(0.3))
    assert model.embed(X).shape == (7, 3) and "encoder.0.s" in model.params
    sv.Trainer(model, batch_size=3).fit(X, 2)
    loaded = copy.copy(model)
    assert np.array_equal(loaded.embed(X), model.embed(X)) and type(loaded.likelihood) is Cauchy


def conditional_networks(classes=4):
    return {
        "encoder": ConditionalSequential(ConditionalLinear(9, classes, 5), ReLU(), Linear(5, 6)),
        "decoder": ConditionalSequential(ConditionalLinear(3, classes, 5), Tanh(), Linear(5, 9), Scale(9)),
    }


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_conditional_models_take_conditional_networks(kind):
    labels = {"labels": np.arange(7) % 4}
    more = {"prior": Wide(), "likelihood": Cauchy(0.3), "posterior": Interleaved(0.2)}
    model = kind(9, 3, classes=4, dtype="float64", **conditional_networks(), **more)
    model.theta[...] += 0.1 * normal(1, model.theta.size)
    eps = noise_for(model)
    targets = model.targets(model.check_labels(labels["labels"], 7))

    def loss(theta, x, eps):
        model.theta[...] = theta
        return float(model.objective.loss(model.forward(x, eps, **targets)))

    def gradients(dloss, theta, x, eps):
        input_gradients = model.backward_to_inputs()
        return dloss * model.dtheta, dloss * input_gradients.x, dloss * input_gradients.eps

    report = check(loss, gradients, model.theta.copy(), X, eps, step=1e-3, tolerance=1e-7)
    assert report, report
    sv.Trainer(model, batch_size=3).fit(X, 2, **labels)
    assert model.swap_class(X, **labels).shape == (7, 4, 9)
    duplicate = copy.deepcopy(model)
    assert np.array_equal(duplicate.embed(X, **labels), model.embed(X, **labels))


def test_a_conditional_model_takes_several_draws():
    model = sv.ConditionalVAE(9, 3, (5,), classes=4, dtype="float64", objective=ImportanceWeighted(3))
    labels = np.arange(7) % 4
    eps = noise_for(model)
    value = model.terms(X, eps, labels=labels).value
    single = sv.ConditionalVAE(9, 3, (5,), classes=4, dtype="float64", objective=ImportanceWeighted(1))
    single.theta[...] = model.theta
    draw_values = [single.terms(X, eps[:, 3 * k : 3 * k + 3], labels=labels).value for k in range(3)]
    np.testing.assert_allclose(value, np.log(np.mean(np.exp(draw_values), axis=0)), rtol=1e-12)
    device = sv.ConditionalVAE(
        9, 3, (5,), classes=4, dtype="float64", objective=ImportanceWeighted(3), backend=FAKE_CUPY
    )
    np.testing.assert_allclose(to_numpy(device.terms(X, eps, labels=labels).value), value, rtol=1e-12)


class Noisy(Posterior):
    """z = h + (ε₁ + ε₂)/√2, so N(h, I), with two noise values per dimension."""

    outputs_per_latent = 1
    noise_per_latent = 2

    def forward(self, h, eps):
        half = h.shape[1]
        self.h, self.eps = h, eps
        self.drawn = (eps[:, :half] + eps[:, half:]) / 2**0.5
        return h + self.drawn

    def backward(self, dz, dlog_q=None):
        return dz

    def log_prob(self):
        return (-(self.drawn**2) / 2 - np.log(2 * np.pi) / 2).sum(axis=1)

    def backward_noise(self, dz, dlog_q=None):
        deps = dz if dlog_q is None else dz - dlog_q[:, None] * self.drawn
        return np.hstack([deps, deps]) / 2**0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda **own: sv.VAE(9, 3, (5,), dtype="float64", **own),
        lambda **own: sv.IWAE(9, 3, (5,), dtype="float64", importance_samples=2, **own),
        lambda **own: sv.ConditionalVAE(9, 3, (5,), dtype="float64", classes=2, **own),
        lambda **own: sv.SemiSupervisedVAE(9, 3, (5,), dtype="float64", classes=2, **own),
    ],
    ids=["VAE", "IWAE", "ConditionalVAE", "SemiSupervisedVAE"],
)
def test_a_posterior_may_need_more_noise_and_fewer_outputs(make):
    model = make(posterior=Noisy())
    labels = {"labels": np.arange(7) % 2} if model.classes else {}
    draws = 2 if isinstance(model, sv.IWAE) else 1
    assert model.noise_dim == 6 * draws and model.params["encoder.2.W"].shape == (5, 3)
    assert np.isfinite(model.terms(X, noise_for(model), **labels).value).all()
    sv.Trainer(model, batch_size=3).fit(X, 2, **labels)
    assert model.embed(X, **labels).shape == (7, 3) and model.sample(4).shape == (4, 9)
    assert model.denoise(X, draws=2, **labels).shape == (7, 9)


# --- a likelihood as a name or as an object


@pytest.mark.parametrize(
    ("likelihood", "settings"),
    [
        (lambda: Gaussian(0.1), {"likelihood": "gaussian", "sigma": 0.1}),
        (lambda: Gaussian(), {"likelihood": "gaussian", "sigma": 1.0}),
        (lambda: GaussianLearned(0.5), {"likelihood": "gaussian_learned", "sigma": 0.5}),
        (lambda: GaussianHeteroscedastic(), {"likelihood": "gaussian_heteroscedastic"}),
        (lambda: Bernoulli(), {"likelihood": "bernoulli"}),
        (lambda: ContinuousBernoulli(), {"likelihood": "continuous_bernoulli"}),
        (lambda: Poisson(), {"likelihood": "poisson"}),
        (lambda: NegativeBinomial(), {"likelihood": "negative_binomial"}),
    ],
)
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
def test_a_built_in_likelihood_object_is_equivalent_to_its_name(tmp_path, kind, likelihood, settings):
    from_object, from_name = kind(9, 3, (5,), likelihood=likelihood()), kind(9, 3, (5,), **settings)
    assert (
        from_object.config == from_name.config
        and from_object.to_config() == from_name.to_config()
        and not from_object.custom_parts
    )
    assert np.array_equal(from_object.theta, from_name.theta) and repr(from_object) == repr(from_name)
    x = in_support(settings["likelihood"], X)
    assert from_object.loss_and_grads(x)[0] == from_name.loss_and_grads(x)[0]
    sv.save(from_object, tmp_path / "given.npz")
    loaded = sv.load(tmp_path / "given.npz")  # without classes
    assert loaded.config == from_name.config


def test_a_subclass_of_a_built_in_likelihood_is_copied_and_saved(tmp_path):
    class Clipped(Gaussian):
        def mean(self, mu, out):
            return np.clip(super().mean(mu, out), 0.0, 1.0)

    vae = sv.VAE(9, 3, (5,), likelihood=Clipped(0.2))
    assert type(vae.likelihood) is Clipped and vae.config["likelihood"] == "Clipped" and vae.config["sigma"] is None
    assert type(copy.copy(vae).likelihood) is Clipped and copy.copy(vae).likelihood.sigma == 0.2
    sv.save(vae, tmp_path / "vae.npz")
    assert type(sv.load(tmp_path / "vae.npz", classes=[Clipped]).likelihood) is Clipped


# --- copies and files


def answers(model):
    eps = noise_for(model)
    loss, grads = model.loss_and_grads(X, eps)
    return [loss, *grads.values(), *model.encode(X), model.decode(normal(1, 3, 3)), *model.terms(X, eps)]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(answers(one), answers(other), strict=True))


def assert_copy(model, duplicate):
    assert type(duplicate) is type(model) and duplicate is not model
    assert (
        duplicate.config == model.config
        and duplicate.to_config() == model.to_config()
        and repr(duplicate) == repr(model)
    )
    assert duplicate.custom_parts.keys() == model.custom_parts.keys()
    for name, part in model.custom_parts.items():
        assert type(duplicate.custom_parts[name]) is type(part) and duplicate.custom_parts[name] is not part
    assert np.array_equal(duplicate.theta, model.theta) and not np.shares_memory(duplicate.theta, model.theta)
    assert same(duplicate, model)
    before = duplicate.theta.copy()
    model.theta[...] += 1.0
    assert np.array_equal(duplicate.theta, before)


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "config": lambda model: with_weights(model, sv.VAE.from_config(model.to_config(), model.backend, by_name(CUSTOM))),
}


def by_name(classes):
    return {kind.__name__: kind for kind in classes}


def with_weights(model, duplicate):
    duplicate.theta[...] = model.theta
    return duplicate


@EACH
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("backend", ["numpy", pytest.param("native", marks=needs_compiler)])
def test_a_copy_has_new_parts_of_the_same_classes(make, copied, backend):
    model = model_of(make, backend=backend)
    sv.Trainer(model, batch_size=4).step(X)
    assert_copy(model, copied(model))


@EACH
def test_astype_works_with_custom_parts(make):
    model = model_of(make, dtype="float32")
    wide = model.astype("float64")
    assert wide.theta.dtype == np.float64 and np.array_equal(wide.theta, model.theta)
    assert wide.to_config() == {**model.to_config(), "dtype": "float64"}
    eps = noise_for(model)
    for one, other in zip(wide.terms(X, eps), model.terms(X, eps), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@EACH
@pytest.mark.parametrize("backend", ["numpy", pytest.param("native", marks=needs_compiler)])
def test_custom_parts_are_saved_and_loaded_bit_for_bit(tmp_path, make, backend):
    model, path = model_of(make, backend=backend), tmp_path / "vae.npz"
    sv.Trainer(model, batch_size=4).step(X)
    model.metadata = {"of": "mine"}
    sv.save(model, path)
    loaded = sv.load(path, backend=backend, classes=CUSTOM)
    assert loaded.metadata == {"of": "mine"}
    assert_copy(model, loaded)
    sv.save(loaded, path)
    assert same(sv.load(path, backend=backend, classes=CUSTOM), loaded)


@EACH
def test_a_custom_encoder_is_loaded_alone(tmp_path, make):
    model = model_of(make)
    sv.save(model, tmp_path / "vae.npz")
    for encoder_alone in (
        sv.load_encoder(tmp_path / "vae.npz", classes=CUSTOM),
        copy.deepcopy(sv.load_encoder(tmp_path / "vae.npz", classes=CUSTOM)),
    ):
        assert np.array_equal(encoder_alone.embed(X), model.embed(X))
        assert all(map(np.array_equal, encoder_alone.encode(X), model.encode(X)))
        assert encoder_alone.config == model.config
        assert {name.partition(".")[0] for name in encoder_alone.params} <= {"encoder", "posterior"}


@EACH
def test_training_of_custom_parts_is_resumed_with_the_same_bits(tmp_path, make):
    uninterrupted, interrupted = model_of(make), model_of(make)
    sv.Trainer(uninterrupted, batch_size=3, seed=2).fit(X, 4)
    path = tmp_path / "run.npz"

    class StopEarly(sv.training.Callback):
        def on_step_end(self, state):
            if state.updates == 5:
                state.stop("cut")

    sv.Trainer(interrupted, batch_size=3, seed=2).fit(X, 4, checkpoint=path, callbacks=[StopEarly()])
    resumed = model_of(make)
    sv.Trainer(resumed, batch_size=3, seed=2).fit(X, 4, checkpoint=path, resume=True)
    assert np.array_equal(resumed.theta, uninterrupted.theta) and not np.array_equal(
        interrupted.theta, uninterrupted.theta
    )


@pytest.mark.parametrize("missing", CUSTOM)
def test_a_class_missing_in_load_is_named(tmp_path, missing):
    path = tmp_path / "vae.npz"
    sv.save(model_of(PARTS["all"]), path)
    name = missing.__name__
    says = rf"it needs custom classes; pass them, as in load\(path, classes=\[{name}\]\)"
    for load in (sv.load, sv.load_encoder):
        with pytest.raises(FileError, match=says) as refusal:
            load(path, classes=[kind for kind in CUSTOM if kind is not missing])
        assert str(path) in str(refusal.value)


def test_load_needs_custom_classes_but_no_built_in_ones(tmp_path):
    path = tmp_path / "vae.npz"
    sv.save(model_of(PARTS["encoder"]), path)
    with pytest.raises(FileError, match=r"it needs custom classes; pass them, as in load\(path, classes=\[Scale"):
        sv.load(path)
    sv.save(sv.VAE(9, 3, encoder=Sequential(Linear(9, 6)), prior=StandardNormal(), objective=ELBO(2.0)), path)
    assert sv.load(path).objective.beta == 2.0


@pytest.mark.parametrize("classes", [Scale, 3, [Scale(9)], ["Scale"], None])
def test_classes_are_a_list_of_classes(tmp_path, classes):
    sv.save(model_of(PARTS["encoder"]), tmp_path / "vae.npz")
    with pytest.raises(ConfigError, match=r"classes=.*expected a list of classes, such as \[MyLayer\]"):
        sv.load(tmp_path / "vae.npz", classes=classes)


class TemperedVAE(sv.VAE):
    """A custom model class with an additional setting."""

    def __init__(self, *settings, temperature=1.0, **named):
        self.temperature = temperature
        super().__init__(*settings, **named)

    def extra_config(self):
        return {"temperature": self.temperature}


def test_a_custom_model_class_is_copied_saved_and_loaded(tmp_path):
    model = TemperedVAE(9, 3, temperature=0.5, dtype="float64", encoder=encoder())
    assert_copy(model, copy.deepcopy(model))
    sv.save(model, tmp_path / "own.npz")
    loaded = sv.load(tmp_path / "own.npz", classes=[TemperedVAE, Scale])
    assert type(loaded) is TemperedVAE and loaded.temperature == 0.5
    assert_copy(model, loaded)
    with pytest.raises(FileError, match=r"it holds a model 'TemperedVAE'.*name the class in load\(path, classes="):
        sv.load(tmp_path / "own.npz", classes=[Scale])


@pytest.mark.parametrize("value", [np.arange(3), {"a": 1}, len, object()])
def test_settings_a_file_cannot_store_are_refused_and_nothing_is_written(tmp_path, value):
    class Odd(Scale):
        def __init__(self, inputs, odd):
            super().__init__(inputs)
            self.odd = odd

    vae = sv.VAE(9, 3, encoder=Sequential(Odd(9, value), Linear(9, 6)))
    with pytest.raises(ConfigError, match=r"cannot be written to a file.*numbers, strings, lists and modules"):
        sv.save(vae, tmp_path / "vae.npz")
    assert not list(tmp_path.iterdir())


class WithSettings(Scale):
    def __init__(self, inputs, *, factor, count, flag):
        super().__init__(inputs, factor)
        self.count, self.flag = count, flag


def test_settings_may_be_numbers_of_numpy(tmp_path):
    layer = WithSettings(np.int64(9), factor=np.float32(0.5), count=np.int32(3), flag=np.True_)
    vae = sv.VAE(9, 3, encoder=Sequential(layer, Linear(9, 6)))
    sv.save(vae, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz", classes=[WithSettings])
    config = loaded.encoder.layers[0].config()
    assert config == {"inputs": 9, "factor": 0.5, "count": 3, "flag": True}
    assert [type(value) for value in config.values()] == [int, float, int, bool]
    assert np.array_equal(loaded.embed(X), vae.embed(X))


class Both(Layer):
    """The sum of two layers, as attributes."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def output_shape(self, input_shape):
        return self.first.output_shape(input_shape)

    def forward(self, x):
        return self.first.forward(x) + self.second.forward(x)

    def backward(self, dy):
        return self.first.backward(dy).copy() + self.second.backward(dy)


@needs_compiler
def test_fused_layers_inside_others_are_saved_as_the_plain_ones(tmp_path):
    inner = Sequential(Linear(9, 9), ReLU())
    encoder = Sequential(Residual(inner), Both(ReLU(), Sequential(ReLU())), Linear(9, 6))
    vae = sv.VAE(9, 3, encoder=encoder, backend="native")
    sv.save(vae, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz", classes=[Both])
    for other in (loaded, copy.deepcopy(vae), pickle.loads(pickle.dumps(vae))):
        np.testing.assert_allclose(other.embed(X), vae.embed(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["Mine", "ReLU", "Linear"])
def test_two_classes_of_one_name_are_distinguished_or_refused(name):
    def times(factor):
        body = {
            "output_shape": lambda self, input_shape: input_shape,
            "forward": lambda self, x: factor * x,
            "backward": lambda self, dy: factor * dy,
        }
        return type(name, (Layer,), body)()

    model = sv.VAE(9, 3, encoder=Sequential(times(2.0), Linear(9, 5), ReLU(), times(-1.0), Linear(5, 6)))
    try:
        duplicate = copy.copy(model)
    except ConfigError:
        return
    assert np.array_equal(duplicate.embed(X), model.embed(X))


class Identity(Layer):
    """y = x, without parameters."""

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.check_inputs(x=x)
        return x.copy()

    def backward(self, dy):
        return dy.copy()


def test_a_model_without_parameters_is_saved_and_loaded(tmp_path):
    own = {"encoder": Identity(), "decoder": Identity(), "posterior": Noisy(), "likelihood": "gaussian"}
    model = sv.VAE(9, 9, **own)
    assert model.theta.size == 0
    sv.save(model, tmp_path / "vae.npz")
    loaded = sv.load(tmp_path / "vae.npz", classes=[Identity, Noisy])
    assert np.array_equal(loaded.reconstruct(X), model.reconstruct(X))


def test_a_decoder_may_have_an_attribute_named_layers(tmp_path):
    class Deep(Layer):
        def __init__(self, layers):
            self.layers, self.inside = layers, Sequential(*(Linear(3, 3) for _ in range(layers)), Linear(3, 9))

        def output_shape(self, input_shape):
            return self.inside.output_shape(input_shape)

        def allocate(self, buffers):
            self.inside.bind(buffers, self.input_shape)

        def forward(self, x):
            return self.inside.forward(x)

        def backward(self, dy):
            return self.inside.backward(dy)

    model = sv.VAE(9, 3, (5,), decoder=Deep(2))
    sv.Trainer(model, batch_size=4).fit(X, 2)
    assert same(copy.copy(model), model)


def test_an_objective_needs_only_its_terms_and_gradients():
    class Plain(Objective):
        def forward(self, log_likelihood, kl, kl_weight=1.0, kl_per_dimension=None):
            self.each = np.full(len(kl), 1.0 / len(kl))
            return ELBOTerms(log_likelihood - kl, log_likelihood, kl)

        def backward(self):
            return -self.each, self.each

    plain, usual = model_of(lambda: {"objective": Plain()}, hidden=(5,)), model_of(dict, hidden=(5,))
    assert plain.loss_and_grads(X, EPS)[0] == usual.loss_and_grads(X, EPS)[0]
    losses = [sv.Trainer(model, batch_size=3, seed=1).fit(X, 2).loss for model in (plain, usual)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    assert np.array_equal(plain.theta, usual.theta)


def test_parameters_of_a_wrapping_layer_are_complete_or_refused():
    class Wrapped(Layer):
        def __init__(self, inside):
            self.inside = inside

        def parameter_shapes(self):
            return {"gain": (1,)}  # without those of the inner layer

        def output_shape(self, input_shape):
            return self.inside.output_shape(input_shape)

        def allocate(self, buffers):
            self.inside.bind(buffers, self.input_shape)

        def forward(self, x):
            return self.inside.forward(x) * self.gain

        def backward(self, dy):
            return self.inside.backward(dy * self.gain)

    try:
        model = sv.VAE(9, 3, encoder=Wrapped(Linear(9, 6)))
    except ConfigError:
        return
    assert {"encoder.gain", "encoder.inside.W", "encoder.inside.b"} <= model.params.keys()


# --- refusals


class Silent(Layer):
    """Lacks a backward."""

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        return x


class HalfPosterior(Posterior):
    """Lacks a backward."""

    def forward(self, h, eps):
        return h


class HalfPrior(Prior):
    """Lacks a draw."""

    def forward(self, z):
        return z.sum(axis=1)

    def backward(self, dlog_p):
        return dlog_p[:, None]


class HalfLikelihood(Likelihood):
    """Lacks a mean and a backward."""

    def forward(self, parameters, x):
        return x.sum(axis=1)


class HalfObjective(Objective):
    """Lacks a forward."""

    def backward(self):
        return None, None


REFUSED = {
    "encoder of another kind": ({"encoder": StandardNormal()}, "encoder=.*expected a layer, such as Sequential"),
    "encoder that is a function": ({"encoder": lambda x: x}, "encoder=.*expected a layer"),
    "encoder that is a class": ({"encoder": Linear}, "encoder=.*expected a layer"),
    "decoder of another kind": ({"decoder": [Linear(3, 9)]}, "decoder=.*expected a layer"),
    "posterior of another kind": ({"posterior": StandardNormal()}, "posterior=.*expected a posterior, such as Diag"),
    "prior of another kind": ({"prior": DiagonalGaussian()}, "prior=.*expected a prior, such as StandardNormal"),
    "prior that is a name": ({"prior": "normal"}, "prior='normal': expected a prior"),
    "objective of another kind": ({"objective": Gaussian()}, "objective=.*expected an objective, such as ELBO"),
    "likelihood of another kind": ({"likelihood": ELBO()}, "likelihood=.*is unknown; choose one of bernoulli"),
    "likelihood that is a class": (
        {"likelihood": Gaussian},
        r"likelihood=.*Gaussian.* is a class: pass an instance, or one of bernoulli",
    ),
    "likelihood of a file": (
        {"likelihood": {"class": "Gaussian", "config": {"sigma": 0.1}}},
        "likelihood=.*is unknown; choose one of",
    ),
    "encoder that lacks a method": (
        {"encoder": Sequential(Linear(9, 6)), "decoder": Silent()},
        "^decoder is a Silent, which lacks backward: write it in the class$",
    ),
    "posterior that lacks a method": ({"posterior": HalfPosterior()}, "posterior is a HalfPosterior, which lacks back"),
    "prior that lacks a method": ({"prior": HalfPrior()}, "prior is a HalfPrior, which lacks draw: write it"),
    "likelihood that lacks methods": (
        {"likelihood": HalfLikelihood()},
        "likelihood is a HalfLikelihood, which lacks backward and mean: write it",
    ),
    "objective that lacks a method": ({"objective": HalfObjective()}, "objective is a HalfObjective, which lacks forw"),
    "encoder that takes fewer": (
        {"encoder": Sequential(Linear(8, 6))},
        r"^encoder.layers\[0\]: Linear\(8, 6\) was given rows of width 9; expected 8: make it Linear\(9, 6\), or chan",
    ),
    "encoder that puts out more": (
        {"encoder": Sequential(Linear(9, 7))},
        "encoder has 7 outputs; expected 6.*DiagonalGaussian needs.*give its last layer 6 outputs",
    ),
    "encoder for another posterior": (
        {"encoder": Sequential(Linear(9, 6)), "posterior": Noisy()},
        "encoder has 6 outputs; expected 3, the width that Noisy needs",
    ),
    "decoder that takes more": (
        {"decoder": Sequential(Linear(4, 9))},
        r"^decoder.layers\[0\]: Linear\(4, 9\) was given rows of width 3",
    ),
    "decoder that puts out fewer": (
        {"decoder": Sequential(Linear(3, 5), ReLU(), Linear(5, 8))},
        "decoder has 8 outputs; expected 9, the width that Bernoulli needs: give its last layer 9 outputs",
    ),
    "decoder for another likelihood": (
        {"decoder": Sequential(Linear(3, 9)), "likelihood": "gaussian_heteroscedastic"},
        "decoder has 9 outputs; expected 18, the width that GaussianHeteroscedastic needs",
    ),
    "layers that do not follow each other": (
        {"encoder": Sequential(Linear(9, 5), Linear(4, 6))},
        r"^encoder.layers\[1\]: Linear\(4, 6\) was given rows of width 5; expected 4: make it Linear\(5, 6\), or chang",
    ),
    "a layer alone": (
        {"encoder": Linear(8, 6)},
        r"^encoder: Linear\(8, 6\) was given rows of width 9; expected 8: make",
    ),
    "layers inside others": (
        {"encoder": Sequential(Linear(9, 5), Residual(Sequential(Tanh(), Sequential(Linear(4, 5)))), Linear(5, 6))},
        r"^encoder.layers\[1\].layer.layers\[1\].layers\[0\]: Linear\(4, 5\) was given rows of width 5; expected 4",
    ),
    "a last layer that is square": (
        {"encoder": Sequential(Linear(9, 5), ReLU(), Linear(5, 5))},
        "encoder has 5 outputs; expected 6, .*: give its last layer 6 outputs",
    ),
    "sigma beside a likelihood": (
        {"likelihood": Gaussian(0.1), "sigma": 0.1},
        "sigma and a likelihood object exclude each other; pass sigma to the likelihood",
    ),
    "sigma beside a likelihood of ones own": ({"likelihood": Cauchy(), "sigma": 1.0}, "sigma and a likelihood"),
    "beta beside an objective": (
        {"objective": ELBO(2.0), "beta": 2.0},
        r"beta=2\.0 has no effect with a custom objective: leave it out",
    ),
    "free bits beside an objective": ({"objective": ELBO(), "free_bits": 0.1}, r"free_bits=0\.1 has no effect with"),
    "free bits without a closed form": (
        {"prior": Wide(), "free_bits": 0.1},
        "free_bits need the KL of each latent dimension in closed form",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_parts_that_do_not_fit_are_refused_with_a_hint(case):
    settings, says = REFUSED[case]
    with pytest.raises(ConfigError, match=says):
        sv.VAE(9, 3, **settings)


@pytest.mark.parametrize(
    "settings", [{"hidden": (5,)}, {"hidden": [5, 4]}, {"hidden": ()}, {"activation": "tanh"}, {"init": "he_normal"}]
)
def test_network_settings_beside_two_custom_networks_are_refused(settings):
    (name,) = settings
    with pytest.raises(ConfigError, match=rf"{name}=.*has no effect with a custom encoder and decoder: leave it"):
        sv.VAE(9, 3, encoder=encoder(), decoder=decoder(), **settings)


@pytest.mark.parametrize(
    ("name", "part"), [("posterior", DiagonalGaussian), ("prior", StandardNormal), ("objective", ELBO)]
)
def test_an_autoencoder_has_no_posterior_prior_or_objective(name, part):
    with pytest.raises(ConfigError, match=f"an Autoencoder has no {name}: leave it out, or use a VAE"):
        sv.Autoencoder(9, 3, **{name: part()})


@pytest.mark.parametrize("kind", [sv.IWAE, sv.SemiSupervisedVAE])
def test_an_objective_for_a_model_with_a_fixed_one_is_refused(kind):
    with pytest.raises(ConfigError, match=rf"{kind.__name__} has a fixed objective: for a custom one, use a VAE"):
        kind(9, 3, objective=ELBO())


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_plain_network_is_refused_by_a_conditional_model(kind, name):
    plain = Sequential(Linear(9, 6)) if name == "encoder" else Sequential(Linear(3, 9))
    with pytest.raises(ConfigError, match=f"{name}=.*expected a ConditionalSequential, which also reads the class"):
        kind(9, 3, classes=4, **{name: plain})


@pytest.mark.parametrize("kind", [sv.VAE, sv.IWAE, sv.Autoencoder])
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_conditional_network_is_refused_by_a_plain_model(kind, name):
    outputs = {"encoder": 3 if kind is sv.Autoencoder else 6, "decoder": 9}[name]
    network = ConditionalSequential(ConditionalLinear(9 if name == "encoder" else 3, 4, outputs))
    with pytest.raises(ConfigError, match=name):
        kind(9, 3, **{name: network})


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_network_with_another_number_of_classes_is_refused(name):
    with pytest.raises(ConfigError, match=name):
        sv.ConditionalVAE(9, 3, classes=4, **{name: conditional_networks(3)[name]})


def test_impute_works_with_custom_networks_and_refuses_other_densities():
    model = model_of(lambda: {"encoder": encoder(), "objective": ELBO(2.0), "likelihood": Gaussian(0.2)})
    x = np.where(uniform(5, 7, 9) < 0.3, np.nan, X)
    y = model.impute(x, samples=5)
    assert np.isfinite(y).all() and np.array_equal(y[~np.isnan(x)], x[~np.isnan(x)])
    for own in (PARTS["posterior"], PARTS["prior"]):
        with pytest.raises(ConfigError, match="impute needs a DiagonalGaussian posterior and a StandardNormal"):
            model_of(own).impute(x)


# --- ownership


@pytest.mark.parametrize("name", ["encoder", "decoder", "posterior", "prior", "likelihood", "objective"])
def test_a_part_belongs_to_one_model(name):
    own = PARTS["all"]()
    first = model_of(lambda: {name: own[name]})
    before = answers(first)
    with pytest.raises(ConfigError, match=rf"{name} is a \w+ that belongs to another model; make a new one"):
        model_of(lambda: {name: own[name]}, seed=5)
    assert all(np.array_equal(a, b) for a, b in zip(answers(first), before, strict=True))


def test_a_layer_inside_a_part_belongs_to_that_model():
    layer = Linear(9, 6)
    sv.VAE(9, 3, encoder=Sequential(layer))
    with pytest.raises(ConfigError, match=r"encoder\.0 is a Linear that belongs to another model"):
        sv.VAE(9, 3, encoder=Sequential(layer))


@pytest.mark.parametrize("wrong", [{"latent_dim": 4}, {"prior": HalfPrior()}, {"beta": -1.0}, {"backend": "torch"}])
def test_a_part_of_a_refused_model_can_be_used_again(wrong):
    part = encoder()
    with pytest.raises(sv.errors.ScratchVAEError):
        sv.VAE(**{"input_dim": 9, "latent_dim": 3, "encoder": part, **wrong})
    assert sv.VAE(9, 3, encoder=part).encoder is part


def test_one_part_used_twice_in_a_model_is_refused():
    network = Sequential(Linear(4, 4))
    with pytest.raises(ConfigError, match="coder"):
        sv.VAE(4, 4, likelihood="gaussian", posterior=Noisy(), encoder=network, decoder=network)


@pytest.mark.parametrize("backend", ["numpy", pytest.param("native", marks=needs_compiler)])
def test_default_parts_belong_to_their_model(backend):
    first = sv.VAE(9, 3, (5,), backend=backend)
    before = first.embed(X)
    with pytest.raises(ConfigError, match=r"encoder is a \w+ that belongs to another model"):
        sv.VAE(9, 3, encoder=first.encoder)
    assert np.array_equal(first.embed(X), before)


def test_repr_names_custom_networks():
    assert repr(model_of(PARTS["encoder"])).startswith("<VAE 9-512-3, relu, own encoder, ")
    assert "own" not in repr(model_of(dict))
    assert re.search("Cauchy.*own encoder, own decoder", repr(model_of(PARTS["all"])))


def test_every_kind_of_part_has_a_test():
    own = PARTS["all"]()
    assert own.keys() == set(sv.VAE.part_names)
    assert not {type(part) for part in own.values()} & set(LIKELIHOODS.values())


class Gain(Layer):
    """y = g ⊙ x, with a backward that is right, or wrong in a common way."""

    def __init__(self, size, how="right"):
        self.size, self.how = size, how

    def parameter_shapes(self):
        return {"g": (self.size,)}

    def initial_values(self, rng):
        return {"g": np.ones(self.size)}

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.x = x
        return x * self.g

    def backward(self, dy):
        gradient = (dy * self.x).sum(axis=0)
        if self.how == "right":
            self.dg[...] = gradient
        elif self.how == "replaced":
            self.dg = gradient
        elif self.how == "added":
            self.dg += gradient
        return dy * self.g


@pytest.mark.parametrize("how", ["replaced", "added", "left out"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_not_written_in_place_is_refused_by_name(how, dtype):
    def model_with_gain(how):
        return sv.VAE(9, 3, (5,), encoder=Sequential(Gain(9, how), Linear(9, 6)), dtype=dtype)

    for train in (lambda model: sv.Trainer(model).fit(X, 1), lambda model: model.loss_and_grads(X)):
        with pytest.raises(ConfigError, match=r"Gain.backward did not write the gradient of encoder.0.g in place"):
            train(model_with_gain(how))
        train(model_with_gain("right"))


@pytest.mark.parametrize(
    "name", ["beta", "latent_dim", "encoder", "prior", "objective", "likelihood", "config", "parts"]
)
def test_settings_of_a_model_cannot_be_set_after_construction(name):
    model = sv.VAE(9, 3, (5,))
    before = getattr(model, name, None)
    with pytest.raises(ConfigError, match=f"{name} of a model is fixed"):
        setattr(model, name, before)
    model.remark = "anything else may be"


def test_input_dim_is_inferred_from_encoder_or_decoder():
    assert sv.VAE(encoder=Sequential(Linear(9, 6)), latent_dim=3).input_dim == 9
    assert sv.VAE(decoder=Linear(3, 9), latent_dim=3).input_dim == 9
    assert sv.VAE(decoder=Linear(3, 18), latent_dim=3, likelihood="gaussian_heteroscedastic").input_dim == 9
    assert sv.VAE(encoder=Linear(784, 6), latent_dim=3).input_dim == sv.VAE(latent_dim=3).input_dim == 784
    enlarged = Sequential(Linear(3, 16), Reshape(4, 4, 1), Upsample(2))
    assert sv.VAE(decoder=enlarged, latent_dim=3).input_dim == 64 and len(enlarged.layers) == 3
    with pytest.raises(ConfigError, match=r"^decoder: Linear\(4, 9\) was given rows of width 3"):
        sv.VAE(decoder=Linear(4, 9), latent_dim=3)


@pytest.mark.parametrize("first", [Scale(9), Conv2d(1, 2, 3), Sequential(ReLU(), Upsample(2))], ids=repr)
def test_input_dim_is_asked_for_if_the_first_layer_does_not_tell_it(first):
    kind = "Upsample" if isinstance(first, Sequential) else type(first).__name__
    message = (
        rf"^encoder begins with {kind}, which does not say how many numbers .*: pass input_dim or, for pictures, i"
    )
    with pytest.raises(ConfigError, match=message):
        sv.VAE(encoder=Sequential(first, Linear(9, 6)), latent_dim=3)


def test_a_layer_may_have_its_own_seed():
    models = [
        sv.VAE(9, 3, encoder=Linear(9, 6, seed=own), decoder=Linear(3, 9), seed=seed)
        for own, seed in ((5, 0), (5, 1), (None, 0), (None, 1))
    ]
    weights = [model.params["encoder.W"] for model in models]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[2], weights[3]) and not np.array_equal(weights[0], weights[2])


class OneDraw(ELBO):
    """The ELBO with the KL of the draw instead of the closed form."""

    exact_kl = False


def test_free_bits_with_an_estimated_kl_are_refused():
    with pytest.raises(ConfigError, match="free_bits need the KL of each latent dimension"):
        sv.VAE(6, 2, (4,), objective=OneDraw(free_bits=0.1))


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_forward_without_classes_is_refused(kind):
    model = kind(6, 2, (4,), classes=3)
    with pytest.raises(ConfigError, match="forward needs targets"):
        model.forward(np.ones((5, 6), "float32"), np.ones((5, 2), "float32"))
