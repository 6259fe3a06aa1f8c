"""Tests of the checks of whole layers, likelihoods, priors, posteriors and objectives."""

import copy
import inspect
import re
import sys

import numpy as np
import pytest
from strategies import normal

import scratchvae as sv
from scratchvae.errors import ConfigError, DeviceError, DTypeError, ShapeError
from scratchvae.gradcheck import check, check_layer, check_likelihood, check_objective, check_posterior, check_prior
from scratchvae.layers import (
    ELU,
    GELU,
    ConditionalLinear,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Gated,
    LayerNorm,
    LeakyReLU,
    Linear,
    NaNToZero,
    ReLU,
    Repeat,
    Reshape,
    Residual,
    Sequential,
    Tanh,
    Upsample,
)
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    Gaussian,
    GaussianDiagonal,
    GaussianHeteroscedastic,
    GaussianLearned,
    MaskedLikelihood,
    StandardNormal,
)
from scratchvae.verification.cases.custom_parts import TanhGaussian, TwoComponentMixture


class Plain:
    """A layer with attributes, as in a course; `bug` says what is wrong with it."""

    def __init__(self, bug=None, inputs=4, outputs=3):
        rng = np.random.default_rng(0)
        self.W, self.b, self.bug = rng.standard_normal((inputs, outputs)), np.zeros(outputs), bug

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW = self.x.T @ dy * (0 if self.bug == "dW is zero" else 1)
        self.db = dy.sum(axis=0) * (2 if self.bug == "db is doubled" else 1)
        return dy @ self.W.T * (1.01 if self.bug == "dx is off" else 1)


class WithDicts(Plain):
    """The same with dicts that share the arrays."""

    def __init__(self, bug=None):
        super().__init__(bug)
        self.params = {"W": self.W, "b": self.b}
        self.grads = {"W": np.zeros_like(self.W), "b": np.zeros_like(self.b)}

    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["W"][...], self.grads["b"] = self.dW, self.db
        return dx


class WithOtherNames(Plain):
    """The same with gradients called grad_W and b_grad, which accumulate until zero_grad."""

    def __init__(self, bug=None):
        super().__init__(bug)
        self.zero_grad()

    def zero_grad(self):
        self.grad_W, self.b_grad = np.zeros_like(self.W), np.zeros_like(self.b)

    def backward(self, dy):
        dx = super().backward(dy)
        self.grad_W += self.dW
        self.b_grad += self.db
        del self.dW, self.db
        return dx


class Nested:
    """A layer that holds others, one of them in a list."""

    def __init__(self, bug=None):
        self.first, self.rest = Plain(bug), [Tanh(), Plain(inputs=3, outputs=2)]

    def forward(self, x):
        for layer in (self.first, *self.rest):
            x = layer.forward(x)
        return x

    def backward(self, dy):
        for layer in reversed((self.first, *self.rest)):
            dy = layer.backward(dy)
        return dy


class Ours(Linear):
    def __init__(self, bug=None):
        super().__init__(4, 3)
        self.bug = bug

    def config(self):
        return {}

    def backward(self, dy):
        dx = super().backward(dy)
        self.dW *= 0 if self.bug == "dW is zero" else 1
        self.db *= 2 if self.bug == "db is doubled" else 1
        return dx * (1.01 if self.bug == "dx is off" else 1)


WRONG = {"dW is zero": "W", "db is doubled": "b", "dx is off": "x"}


@pytest.mark.parametrize("kind", [Plain, WithDicts, WithOtherNames, Nested, Ours])
def test_a_wrong_gradient_of_any_kind_of_layer_is_found_by_name(kind):
    report = check_layer(kind(), precision="double")
    names = ["x", "W", "b"] if kind is not Nested else ["x", "first.W", "first.b", "rest.1.W", "rest.1.b"]
    assert report.passed and [a.name for a in report.arguments] == names, str(report)
    for bug, name in WRONG.items():
        name = f"first.{name}" if kind is Nested and name != "x" else name
        report = check_layer(kind(bug), directions=1, precision="double")
        assert {a.name for a in report.arguments if a.verdict == "wrong"} == {name}, str(report)
        at_x = check_layer(kind(bug), normal(0, 5, 4), directions=1, precision="double")
        assert at_x[name].verdict == "wrong"


LAYERS = {
    "Linear": lambda: Linear(784, 20),
    "ReLU": ReLU,
    "LeakyReLU": lambda: LeakyReLU(0.2),
    "Repeat": lambda: Repeat(3),
    "NaNToZero": lambda: NaNToZero(Tanh()),
    "Sequential": lambda: Sequential(Linear(7, 4), Tanh(), Sequential(Linear(4, 2), GELU())),
    "ELU": lambda: ELU(0.5),
    "Gated": Gated,
    "LayerNorm": lambda: LayerNorm(5),
    "Residual": lambda: Residual(Sequential(Linear(4, 2), Tanh(), Linear(2, 4))),
    "Pictures": lambda: Sequential(Reshape(5, 4, 2), Conv2d(2, 3, 3, 2, 1), Flatten(), Tanh()),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_the_package_agree_at_random_batches_and_on_the_stand_in_for_cupy(name):
    report = check_layer(LAYERS[name](), directions=1, precision="double")
    assert report.passed and "note: checked with 4, 1, 7 and 2 rows" in report.notes[-1]
    on_device = check_layer(LAYERS[name](), backend="fake-cupy", directions=1, precision="double")
    assert on_device.passed and " on fake-cupy" in on_device.notes[-1]


@pytest.mark.parametrize("layer", [Conv2d(2, 3, 3), ConvTranspose2d(2, 3, 2, 2), Upsample(2)], ids=repr)
def test_layers_of_pictures_are_checked_at_random_pictures_or_those_that_are_given(layer):
    report = check_layer(layer, directions=1, precision="double")
    assert report.passed and "4, 1, 7 and 2 rows of pictures (5, 4, " in report.notes[-1]
    at_pictures = check_layer(layer, normal(0, 3, 4, 6, 2), directions=1, precision="double")
    assert at_pictures.passed and at_pictures["x"].shape == (3, 48)
    assert check_layer(layer, backend="fake-cupy", directions=1, precision="double").passed


PARTS = {
    **{
        kind.__name__: (check_likelihood, kind, ["outputs", "x"])
        for kind in (Bernoulli, ContinuousBernoulli, Gaussian, GaussianHeteroscedastic)
    },
    "MaskedLikelihood": (check_likelihood, lambda: MaskedLikelihood(Bernoulli()), ["outputs", "x"]),
    "GaussianLearned": (check_likelihood, GaussianLearned, ["outputs", "x", "logvar"]),
    "GaussianDiagonal": (check_likelihood, lambda: GaussianDiagonal(3), ["outputs", "x", "logvar"]),
    "StandardNormal": (check_prior, StandardNormal, ["z"]),
    "TwoComponentMixture": (check_prior, lambda: TwoComponentMixture(3), ["z", "a"]),
    "DiagonalGaussian": (check_posterior, DiagonalGaussian, ["h", "eps"]),
    "TanhGaussian": (check_posterior, TanhGaussian, ["h", "eps"]),
    "ELBO": (check_objective, lambda: ELBO(2.0), ["log_likelihood", "kl"]),
    "ELBO, free bits": (check_objective, lambda: ELBO(1.0, 0.5), ["log_likelihood", "kl"]),
    "ImportanceWeighted": (check_objective, lambda: ImportanceWeighted(3), ["log_likelihood", "kl"]),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_the_package_agree_at_every_input_and_parameter(name):
    checker, make, names = PARTS[name]
    report = checker(make(), directions=1)
    assert report.passed and [a.name for a in report.arguments] == names, str(report)
    assert checker(make(), backend="fake-cupy", directions=1, precision="double").passed


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("method", ["backward", "backward_data", "backward_noise"])
def test_a_wrong_gradient_of_any_part_is_found(name, method, monkeypatch):
    checker, make, names = PARTS[name]
    part = make()
    if not hasattr(part, method):
        pytest.skip("no such gradient")
    original = getattr(type(part), method)

    def wrong(self, *args):
        gradients = original(self, *args)
        return tuple(1.01 * g for g in gradients) if isinstance(gradients, tuple) else 1.01 * gradients

    monkeypatch.setattr(type(part), method, wrong)
    position = 0 if method == "backward" else 1
    assert checker(part, directions=1)[names[position]].verdict == "wrong"


class WithShareOfKL(ELBO):
    """An ELBO, and the share of the first dimension in the KL of a row."""

    def __init__(self, beta):
        super().__init__(beta)
        self.kl_per_dimension = True

    def forward(self, log_likelihood, kl, kl_weight=1.0, kl_per_dimension=None):
        np.testing.assert_allclose(kl, kl_per_dimension.sum(axis=1))
        self.kl, self.share = kl, kl_per_dimension
        return super().forward(log_likelihood, kl, kl_weight)

    def loss(self, terms):
        return super().loss(terms) + (self.share[:, 0] / self.kl).sum()

    def backward(self):
        dlog_likelihood, dkl = super().backward()
        dshare = np.zeros_like(self.share) + (dkl - self.share[:, 0] / self.kl**2)[:, None]
        dshare[:, 0] += 1 / self.kl
        return dlog_likelihood, dshare


def test_an_objective_is_given_the_kl_of_a_row_as_the_sum_over_its_dimensions():
    assert check_objective(WithShareOfKL(1.0)).passed


@pytest.mark.parametrize("dtype", ["float16", "float32", "longdouble"])
def test_layers_are_checked_in_float64_unless_float32_is_given_to_a_layer_of_another_package(dtype):
    x = normal(0, 3, 4).astype(dtype)
    assert check_layer(Linear(4, 3), x).tolerance == 1e-9
    report = check_layer(Plain(), x)
    assert report.passed and report.tolerance == (1e-4 if dtype == "float32" else 1e-9)


def test_a_child_without_a_name_adds_nothing_to_the_names_of_its_parameters():
    class Wrapped(sv.layers.Layer):
        def __init__(self):
            self.inner = Linear(4, 3)

        def children(self):
            return {"": self.inner}

        def output_shape(self, input_shape):
            return self.inner.output_shape(input_shape)

        def forward(self, x):
            return self.inner.forward(x)

        def backward(self, dy):
            return self.inner.backward(dy)

    report = check_layer(Wrapped())
    assert report.passed and [a.name for a in report.arguments] == ["x", "W", "b"]


def test_a_parameter_whose_gradient_is_missing_from_the_loss_of_a_part_is_found(monkeypatch):
    original = GaussianLearned.backward

    def forgetful(self, dlog):
        gradient = original(self, dlog)
        self.dlogvar[...] = 0
        return gradient

    monkeypatch.setattr(GaussianLearned, "backward", forgetful)
    report = check_likelihood(GaussianLearned())
    assert {a.name for a in report.arguments if a.verdict == "wrong"} == {"logvar"}


class Gain:
    """y = gain · x, which forgets the gain in dx: invisible while the gain is 1."""

    def __init__(self):
        self.gain = np.ones(3)

    def forward(self, x):
        self.x = x
        return x * self.gain

    def backward(self, dy):
        self.dgain = (dy * self.x).sum(axis=0)
        return dy


def test_an_error_that_shows_only_at_other_parameters_is_found():
    for x in (None, normal(0, 4, 3)):
        assert {a.name: a.verdict for a in check_layer(Gain(), x).arguments} == {"x": "wrong", "gain": "agrees"}


class PlainLayerNorm:
    """Layer normalization without a gain: where dy is x, its gradient is 0."""

    def forward(self, x):
        self.x = x - x.mean(axis=1, keepdims=True)
        self.s = np.sqrt((self.x**2).mean(axis=1, keepdims=True))
        return self.x / self.s

    def backward(self, dy):
        n = self.x / self.s
        return (dy - dy.mean(axis=1, keepdims=True) - n * (dy * n).mean(axis=1, keepdims=True)) / self.s


@pytest.mark.parametrize("seed", range(3))
def test_dy_is_not_the_input_that_is_drawn_with_the_same_seed(seed):
    assert check_layer(PlainLayerNorm(), seed=seed, parameters=()).passed
    assert check_layer(
        PlainLayerNorm(), np.random.default_rng(seed).standard_normal((4, 6)), seed=seed, parameters=()
    ).passed


class BatchNorm:
    """Batch normalization: with two rows its output is about ±1, and its gradient may be lost in rounding."""

    def forward(self, x):
        self.x, self.s = x - x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-5)
        return self.x / self.s

    def backward(self, dy):
        n = self.x / self.s
        return (dy - dy.mean(axis=0) - n * (dy * n).mean(axis=0)) / self.s


def test_an_undecided_random_batch_is_drawn_again():
    assert all(check_layer(BatchNorm(), seed=seed, directions=1, precision="double") for seed in range(40))


class StaleBuffer:
    """A layer whose gradient is right only for the largest batch so far."""

    def __init__(self):
        self.buffer = None

    def forward(self, x):
        self.rows = len(x)
        if self.buffer is None or len(self.buffer) < len(x):
            self.buffer = np.zeros((len(x), x.shape[1]))
        self.buffer[: len(x)] = x
        return x**2 * np.ones((len(x), 1)) * len(x) / len(self.buffer) * len(self.buffer) / len(x)

    def backward(self, dy):
        return 2 * self.buffer[-len(dy) :] * dy


def test_an_error_that_shows_only_for_a_smaller_batch_is_found():
    assert check_layer(StaleBuffer(), normal(0, 4, 3), parameters=()).passed
    assert check_layer(StaleBuffer(), parameters=())["x"].verdict == "wrong"


def test_the_layer_itself_is_not_changed():
    for layer in (Plain(), Ours(), Sequential(Linear(4, 3), Tanh()), GaussianLearned()):
        before = copy.deepcopy(vars(layer))
        (check_likelihood if isinstance(layer, GaussianLearned) else check_layer)(layer)
        assert vars(layer).keys() == before.keys()
    assert np.array_equal(layer.logvar, [0.0])
    layer = Plain()
    layer.forward(normal(0, 2, 4))
    layer.backward(normal(1, 2, 3))
    saved = copy.deepcopy(vars(layer))
    assert check_layer(layer, normal(0, 2, 4)).passed
    assert all(np.array_equal(value, saved[name]) for name, value in vars(layer).items())


def test_a_layer_of_a_model_is_checked_at_its_weights():
    vae = sv.VAE(6, 2, hidden=(5,), activation="tanh")
    assert check_layer(vae.encoder, normal(0, 4, 6)).passed
    assert check_layer(vae.decoder).passed


def test_a_layer_of_several_inputs_takes_a_tuple():
    class Product:
        def forward(self, a, b):
            self.saved = a, b
            return a * b

        def backward(self, dy):
            a, b = self.saved
            return dy * b, dy * a

    report = check_layer(Product(), (normal(0, 2, 3), normal(1, 2, 3)))
    assert report.passed and [a.name for a in report.arguments] == ["a", "b"]
    assert check_layer(ConditionalLinear(4, 2, 3), (normal(0, 2, 4), None)).passed


class Exponential(sv.layers.Layer):
    """A layer that uses NumPy in place of its array module in one of its methods."""

    def __init__(self, where):
        self.where = where

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.y = (np if self.where == "forward" else self.xp).exp(x)
        return self.y

    def backward(self, dy):
        return dy * np.asarray(self.y) if self.where == "backward" else dy * self.y


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_layer_that_uses_numpy_in_place_of_its_array_module_is_refused_on_the_stand_in(where):
    assert check_layer(Exponential(None), backend="fake-cupy").passed
    assert check_layer(Exponential(where)).passed
    with pytest.raises(DeviceError, match=r"Exponential fails on fake-cupy at test_parts\.py:\d+: .* use self\.xp"):
        check_layer(Exponential(where), backend="fake-cupy")


class Unfound(Plain):
    def backward(self, dy):
        self.sum_of_W, self.sum_of_b = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


def test_parameters_that_are_not_found_are_refused_or_named():
    with pytest.raises(ConfigError, match=r"Unfound has W, b and no gradient beside, such as dW; .* parameters=\("):
        check_layer(Unfound())
    report = check_layer(Unfound(), parameters={"W": "sum_of_W", "b": "sum_of_b"})
    assert report.passed and [a.name for a in report.arguments] == ["x", "W", "b"]
    assert [a.name for a in check_layer(Unfound(), parameters=()).arguments] == ["x"]
    assert [a.name for a in check_layer(Plain(), parameters=["b"]).arguments] == ["x", "b"]
    with pytest.raises(ConfigError, match="parameters: Plain has no attribute V"):
        check_layer(Plain(), parameters=["V"])
    for wrong in ("W", {"W": 3}, [3]):
        with pytest.raises(ConfigError, match=r"parameters=.*: expected the names of attributes"):
            check_layer(Plain(), parameters=wrong)

    class HalfInDicts:
        def __init__(self):
            self.params, self.grads = {"W": np.ones((4, 3)), "b": np.zeros(3)}, {}

        def forward(self, x):
            self.x = x
            return x @ self.params["W"] + self.params["b"]

        def backward(self, dy):
            self.grads["W"] = self.x.T @ dy
            return dy @ self.params["W"].T

    with pytest.raises(ConfigError, match="HalfInDicts has b and no gradient beside"):
        check_layer(HalfInDicts())


def test_a_gradient_that_backward_leaves_out_is_refused():
    class Forgetful(Plain):
        dW = None

        def backward(self, dy):
            return dy @ self.W.T

    with pytest.raises(ShapeError, match="backward left no gradient of W; expected one in Forgetful"):
        check_layer(Forgetful(), parameters=["W"])


@pytest.mark.parametrize("layer", [3, None, Linear, "ReLU", object(), np.ones(3)])
@pytest.mark.parametrize(
    ("checker", "word"),
    [
        (check_layer, "a layer"),
        (check_likelihood, "a likelihood"),
        (check_prior, "a prior"),
        (check_posterior, "a posterior"),
        (check_objective, "an objective"),
    ],
)
def test_an_object_without_the_methods_is_refused(checker, word, layer):
    with pytest.raises(ConfigError, match=rf"=.* (has no|is a class).*; expected {word}"):
        checker(layer)


class Parameter:
    def __init__(self, value):
        self.data, self.grad = value, None


class Stored:
    """y = x W, with W and its gradient kept in one of many ways."""

    __slots__ = ("W", "alpha", "block", "dW", "dalpha", "dweights", "factor", "grads", "params", "weights", "x", "xp")

    def __init__(self, way, factor=1.0):
        W = np.random.default_rng(0).standard_normal((4, 3))
        self.factor, self.xp = factor, np
        if way == "slots":
            self.W, self.dW = W, None
        elif way == "lists":
            self.params, self.grads = [W], [np.zeros_like(W)]
        elif way == "tuples":
            self.weights, self.dweights = (W,), (np.zeros_like(W),)
        elif way == "nested dicts":
            self.params, self.grads = {"layer": {"W": W}}, {"layer": {"W": np.zeros_like(W)}}
        elif way == "objects":
            self.block = {"inner": [Parameter(W)]}

    def array(self):
        for path in ("W", "params", "weights", "block"):
            if hasattr(self, path):
                held = getattr(self, path)
        while not isinstance(held, np.ndarray | Parameter):
            held = next(iter(held.values())) if isinstance(held, dict) else held[0]
        return held

    def forward(self, x):
        W = self.array()
        self.x = x
        return self.xp.matmul(x, W.data if isinstance(W, Parameter) else W)

    def backward(self, dy):
        W, dW = self.array(), self.factor * self.x.T @ dy
        if isinstance(W, Parameter):
            W.grad, W = dW, W.data
        elif hasattr(self, "W"):
            self.dW = dW
        else:
            gradient = self.grads if hasattr(self, "grads") else self.dweights
            while not isinstance(gradient, np.ndarray):
                gradient = next(iter(gradient.values())) if isinstance(gradient, dict) else gradient[0]
            gradient[...] = dW
        return dy @ W.T


@pytest.mark.parametrize("way", ["slots", "lists", "tuples", "nested dicts", "objects"])
def test_parameters_are_found_wherever_a_layer_keeps_them(way):
    report = check_layer(Stored(way), directions=1)
    assert report.passed and len(report.arguments) == 2, str(report)
    wrong = check_layer(Stored(way, 1.01), directions=1)
    assert [a.verdict for a in wrong.arguments] == ["agrees", "wrong"]


def test_a_class_that_is_defined_at_a_prompt_is_searched():
    names = {"np": np}
    source = (
        "class Prompt:\n    def __init__(self):\n        self.W = np.ones((4, 3))\n"
        "    def forward(self, x):\n        self.x = x\n        return x @ self.W\n"
        "    def backward(self, dy):\n        self.dW = 2 * self.x.T @ dy\n        return dy @ self.W.T\n"
    )
    exec(source, names)
    assert names["Prompt"].__module__ == "builtins"
    assert check_layer(names["Prompt"](), directions=1)["W"].verdict == "wrong"


class Recurrent:
    """h ← tanh(h U + x), from h = 0: the states are kept in a list, the first one of them never changes."""

    def __init__(self, factor=1.0):
        self._U, self.factor = np.random.default_rng(0).standard_normal((3, 3)), factor

    def forward(self, x):
        self.states = [np.zeros_like(x)]
        for _ in range(3):
            self.states.append(np.tanh(self.states[-1] @ self._U + x))
        return self.states[-1]

    def backward(self, dy):
        self._dU, dx = np.zeros_like(self._U), np.zeros_like(dy)
        for before, state in zip(self.states[-2::-1], self.states[:0:-1], strict=True):
            da = dy * (1 - state**2)
            self._dU += self.factor * before.T @ da
            dx, dy = dx + da, da @ self._U.T
        return dx


def test_what_a_forward_creates_is_no_parameter():
    assert [(a.name, a.verdict) for a in check_layer(Recurrent()).arguments] == [("x", "agrees"), ("_U", "agrees")]
    assert check_layer(Recurrent(1.01))["_U"].verdict == "wrong"


class Scale:
    """y = alpha x with a number as the parameter, beside a number that is none."""

    def __init__(self, factor=1.0):
        self.alpha, self.factor = 0.25, factor

    def forward(self, x):
        self.x = x
        return self.alpha * x

    def backward(self, dy):
        self.dalpha = self.factor * float((dy * self.x).sum())
        return self.alpha * dy


def test_a_number_with_a_gradient_is_a_parameter():
    assert [(a.name, a.verdict) for a in check_layer(Scale()).arguments] == [("x", "agrees"), ("alpha", "agrees")]
    assert check_layer(Scale(1.01))["alpha"].verdict == "wrong"


class Tied:
    """Two layers that share one matrix, whose gradient is the sum of both."""

    def __init__(self, forgetful=False):
        self.a, self.b, self.forgetful = Plain(outputs=4), Plain(outputs=4), forgetful
        self.b.W, self.b.b = self.a.W, self.a.b

    def forward(self, x):
        return self.b.forward(self.a.forward(x))

    def backward(self, dy):
        dx = self.a.backward(self.b.backward(dy))
        if not self.forgetful:
            self.a.dW, self.a.db = self.a.dW + self.b.dW, self.a.db + self.b.db
        return dx


def test_an_array_that_layers_share_is_one_parameter():
    report = check_layer(Tied())
    assert report.passed and [a.name for a in report.arguments] == ["x", "a.W", "a.b"], str(report)
    assert check_layer(Tied(forgetful=True))["a.W"].verdict == "wrong"


def test_layers_in_dicts_and_in_lists_of_lists_are_searched():
    class Blocks(Nested):
        def __init__(self, bug=None):
            self.first, self.rest = Plain(bug), [Tanh(), Plain(inputs=3, outputs=2)]
            self.blocks = {"a": [[self.first]]}
            del self.first

        def forward(self, x):
            self.first = self.blocks["a"][0][0]
            return super().forward(x)

    assert check_layer(Blocks(), normal(0, 2, 4), directions=1).passed
    assert not check_layer(Blocks("db is doubled"), normal(0, 2, 4), directions=1)


def test_a_layer_in_float32_has_the_tolerance_of_float32():
    class Single(Plain):
        def __init__(self, bug=None):
            super().__init__(bug)
            self.W, self.b = self.W.astype(np.float32), self.b.astype(np.float32)

    for x in (None, normal(0, 4, 4), normal(0, 4, 4).astype(np.float32)):
        report = check_layer(Single(), x)
        assert report.passed and report.tolerance == 1e-4, str(report)
        assert check_layer(Single("db is doubled"), x)["b"].verdict == "wrong"


class Embedding:
    def __init__(self, factor=1.0):
        self.E, self.factor = np.random.default_rng(0).standard_normal((5, 3)), factor

    def forward(self, rows):
        self.rows = rows
        return self.E[rows]

    def backward(self, dy):
        self.dE = np.zeros_like(self.E)
        np.add.at(self.dE, self.rows, self.factor * dy)


def test_a_layer_of_integers_has_parameters_only():
    rows = np.array([0, 1, 1, 4])
    report = check_layer(Embedding(), rows)
    assert report.passed and [a.name for a in report.arguments] == ["E"]
    assert check_layer(Embedding(1.01), rows)["E"].verdict == "wrong"


def test_gradients_that_accumulate_are_cleared_first():
    class Adding(Plain):
        def __init__(self):
            super().__init__()
            self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

        def backward(self, dy):
            self.dW += self.x.T @ dy
            self.db += dy.sum(axis=0)
            return dy @ self.W.T

    assert check_layer(Adding()).passed


class Unlisted(sv.layers.Layer):
    """A layer of scratchvae with an array that it does not list."""

    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((4, 4))

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dy):
        self.dW = 2 * self.x.T @ dy
        return dy @ self.W.T


def test_an_array_that_is_not_checked_is_refused_or_noted():
    with pytest.raises(ConfigError, match="Unlisted has W, which is no parameter: list it in parameter_shapes"):
        check_layer(Unlisted(), normal(0, 3, 4))
    assert check_layer(Unlisted(), normal(0, 3, 4), parameters=["W"])["W"].verdict == "wrong"
    assert "note: not checked: b" in check_layer(Plain(), parameters=["W"]).notes
    assert "note: not checked: W, b" in check_layer(Plain(), parameters=()).notes


def test_a_plain_class_is_refused_on_a_device():
    with pytest.raises(ConfigError, match=r"backend='fake-cupy' is for layers of scratchvae.* make Plain a subclass"):
        check_layer(Plain(), backend="fake-cupy")


def test_settings_and_inputs_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="backend='gpu' is unknown; choose one of numpy, cupy, fake-cupy"):
        check_layer(Tanh(), backend="gpu")
    with pytest.raises(ConfigError, match=r"takes no width that was tried; with the first width: .*; pass x"):
        check_layer(Picky())
    assert check_layer(Picky(), np.ones((2, 17)) + normal(0, 2, 17)).passed
    with pytest.raises(ConfigError, match="pass all of outputs, x, or none of them"):
        check_likelihood(Bernoulli(), normal(0, 2, 3))
    with pytest.raises(ConfigError, match="pass both log_likelihood and kl, or neither"):
        check_objective(ELBO(), normal(0, 2))
    with pytest.raises(ConfigError, match="seed="):
        check_layer(Tanh(), seed=-1)
    with pytest.raises(ConfigError, match="check_layer has no argument direction: did you mean directions"):
        check_layer(Tanh(), direction=2)
    for x in ([[1.0, 2.0]], {"x": normal(0, 2, 4)}, "x"):
        with pytest.raises(DTypeError, match=r"x is of type .*; expected an array, or a tuple of arrays"):
            check_layer(Plain(), x)
    with pytest.raises(ConfigError, match=r"parameters: bug is of type NoneType; expected the name of an array"):
        check_layer(Plain(), parameters=["bug"])
    with pytest.raises(ConfigError, match="Locked cannot be copied"):
        check_layer(Locked())


class Picky:
    def forward(self, x):
        if x.shape[1] != 17:
            raise ValueError("17 columns, please")
        return 2 * x

    def backward(self, dy):
        return 2 * dy


class Locked(Picky):
    def __deepcopy__(self, memo):
        raise TypeError("no copies")


def test_the_verdict_does_not_depend_on_what_is_installed(monkeypatch):
    for name in ("torch", "jax", "autograd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert check_layer(Linear(3, 2)).passed and not check_layer(Plain("dW is zero"))


def test_all_checks_have_the_same_settings_with_the_same_defaults():
    expected = inspect.signature(check).parameters
    for checker in (check_layer, check_likelihood, check_prior, check_posterior, check_objective):
        parameters = inspect.signature(checker).parameters
        for name in ("seed", "directions", "coordinates", "tolerance", "precision"):
            assert parameters[name].default == expected[name].default, (checker.__name__, name)


def test_random_batches_depend_only_on_the_seed():
    first, again, other = (check_layer(Plain(), seed=seed, directions=1, precision="double") for seed in (3, 3, 4))
    assert [a.numeric for a in first.arguments] == [a.numeric for a in again.arguments]
    assert [a.numeric for a in first.arguments] != [a.numeric for a in other.arguments]


def test_a_parameter_has_its_own_name_if_that_is_the_name_of_a_container_too():
    class Shift:
        def __init__(self):
            self.value = np.ones(3)

        def forward(self, x):
            return x + self.value

        def backward(self, dy):
            self.dvalue = dy.sum(axis=0)
            return dy.copy()

    assert [a.name for a in check_layer(Shift()).arguments] == ["x", "value"]


class OfSum:
    """y = 2 x, with a gradient of another shape, or none."""

    def __init__(self, backward):
        self.gradient = backward

    def forward(self, x):
        return 2 * x

    def backward(self, dy):
        return self.gradient(dy)


@pytest.mark.parametrize("x", [None, normal(0, 4, 3)], ids=["random", "given"])
@pytest.mark.parametrize(
    ("backward", "given"),
    [
        (lambda dy: 2 * dy.sum(axis=1, keepdims=True), r"shape \(\d, 1\)"),
        (lambda dy: 2 * dy.sum(axis=0), r"shape \(\d,\)"),
        (lambda dy: 2.0, r"shape \(\)"),
        (lambda dy: None, "None"),
    ],
)
def test_a_gradient_of_another_shape_is_wrong_by_name(backward, given, x):
    report = check_layer(OfSum(backward), x, parameters=())
    assert report["x"].verdict == "wrong"
    assert re.fullmatch(rf"backward returned {given}; expected \(\d, 3\), the shape of x", report["x"].explanation)
    assert str(report) and repr(report) and report.to_json()


def test_an_error_in_backward_is_raised_at_the_first_width_that_forward_takes():
    def fail(dy):
        raise ValueError(f"no rows of {dy.shape[1]}")

    with pytest.raises(ValueError, match="no rows of 3"):
        check_layer(OfSum(fail), parameters=())


def test_a_note_names_the_methods_that_a_model_needs():
    class Twice(sv.layers.Layer):
        def forward(self, x):
            return 2 * x

        def backward(self, dy):
            return 2 * dy

    report = check_layer(Twice())
    assert report.passed and "note: it lacks output_shape, which a model needs" in report.notes


class TimesRootTwo(sv.layers.Layer):
    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        return x * np.sqrt(2)

    def backward(self, dy):
        return dy * np.sqrt(2)


@pytest.mark.parametrize("backend", ["numpy", "fake-cupy"])
def test_a_note_tells_that_a_layer_makes_float64_of_float32(backend):
    report = check_layer(TimesRootTwo(), backend=backend)
    assert report.passed and any("returns float64 for float32, which a model refuses" in note for note in report.notes)
    assert not any("float64" in note for note in check_layer(Linear(3, 2), backend=backend).notes)


def test_a_likelihood_of_one_number_for_all_rows_is_refused():
    class Total(sv.probability.Likelihood):
        def forward(self, outputs, x):
            self.difference = x - outputs
            return -(self.difference**2).sum()

        def backward(self, dlog_p):
            return 2 * dlog_p * self.difference

    with pytest.raises(ConfigError, match=r"returned shape \(\) for 2 rows; expected \(2,\), one number for each row"):
        check_likelihood(Total())
