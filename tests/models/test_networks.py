"""Tests of the networks of a model: the default ones, convolutions, and those of a user's own."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import in_support, normal, seeds, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, FileError, ShapeError
from scratchvae.gradcheck import check_layer
from scratchvae.layers import (
    ELU,
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Gated,
    LayerNorm,
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Tanh,
)
from scratchvae.models.parts import LIKELIHOODS

KINDS = [sv.VAE, sv.IWAE, sv.ConditionalVAE, sv.SemiSupervisedVAE, sv.Autoencoder]
sides = st.integers(4, 40)


class Swish(sv.layers.Layer):
    """An activation of a user's own."""

    def __init__(self, slope=1.0):
        self.slope = slope

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + self.xp.exp(-self.slope * x))
        return x * self.s

    def backward(self, dy):
        return dy * (self.s + self.slope * self.x * self.s * (1 - self.s))


def conv_vae(**settings):
    return sv.VAE(**{"image_shape": (8, 8), "latent_dim": 3, "hidden": (5,), "architecture": "conv", **settings})


@given(sides, sides, st.sampled_from([None, 1, 3]), st.sampled_from(list(LIKELIHOODS)))
def test_convolutions_are_made_for_pictures_of_any_size(height, width, channels, likelihood):
    shape = (height, width) if channels is None else (height, width, channels)
    model = conv_vae(image_shape=shape, likelihood=likelihood)
    assert model.input_dim == height * width * (channels or 1) and model.image_shape == shape
    x = in_support(likelihood, uniform(0, 2, model.input_dim)).astype(np.float32)
    assert np.isfinite(model.elbo(x).value).all() and model.reconstruct(x).shape == x.shape


def test_the_default_networks_are_those_of_the_benchmark():
    model = sv.VAE(image_shape=(28, 28), architecture="conv")
    assert model.theta.size == 880_617 and model.config["hidden"] == (128,)
    encoder = [type(layer) for layer in model.encoder.layers]
    assert encoder == [Conv2d, ReLU, Conv2d, ReLU, Flatten, Linear, ReLU, Linear]
    decoder = [type(layer) for layer in model.decoder.layers]
    assert decoder == [Linear, ReLU, Linear, ReLU, Reshape, ConvTranspose2d, ReLU, ConvTranspose2d]
    assert [model.params[f"encoder.{k}.W"].shape for k in (0, 2)] == [(4, 4, 1, 32), (4, 4, 32, 64)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian_heteroscedastic"])
def test_every_model_of_convolutions_trains_is_saved_and_loaded(kind, likelihood, tmp_path):
    model = kind(None, 3, (5,), image_shape=(6, 5, 3), architecture="conv", likelihood=likelihood)
    x, labels = uniform(0, 40, 90).astype(np.float32), np.arange(40) % 10
    before = model.theta.copy()
    sv.Trainer(model, batch_size=16, seed=0).fit(x, 2, labels=labels if model.classes else None)
    assert not np.array_equal(model.theta, before)
    sv.save(model, tmp_path / "model.npz")
    loaded = sv.load(tmp_path / "model.npz")
    assert loaded.config == model.config and np.array_equal(loaded.theta, model.theta)
    labels = labels if kind is sv.ConditionalVAE else None
    codes = model.embed(x, labels)
    assert np.array_equal(sv.load_encoder(tmp_path / "model.npz").embed(x, labels), codes)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(other.embed(x, labels), codes)


def test_convolutions_train_on_the_stand_in_for_cupy_to_the_numbers_of_numpy():
    losses = []
    for backend in ("numpy", FAKE_CUPY):
        model = conv_vae(image_shape=(6, 5, 2), likelihood="gaussian_heteroscedastic", dtype="float64", backend=backend)
        losses.append(sv.Trainer(model, batch_size=8, seed=0).fit(uniform(0, 20, 60), 2).loss)
    np.testing.assert_allclose(*losses, rtol=1e-12)


def test_the_initial_reconstruction_is_the_mean_of_each_channel():
    x = uniform(0, 30, 192) * np.tile([0.2, 0.5, 0.9], 64)
    for likelihood in ("bernoulli", "gaussian"):
        model = conv_vae(image_shape=(8, 8, 3), likelihood=likelihood, scale="none", dtype="float64")
        sv.Trainer(model, batch_size=30, seed=0, lr=1e-9).fit(x, 1)
        mean = model.reconstruct(x).reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(mean, x.reshape(-1, 3).mean(axis=0), atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_the_decoder_may_have_hidden_layers_of_its_own(kind):
    model = kind(9, 2, (4, 3), decoder_hidden=(7,))
    assert [v.shape[1] for name, v in model.params.items() if name.startswith("decoder") and "W" in name] == [7, 9]
    mirrored = kind(9, 2, (4, 3))
    assert [v.shape[1] for n, v in mirrored.params.items() if n.startswith("decoder") and "W" in n] == [3, 4, 9]


@pytest.mark.parametrize("activation", [LeakyReLU(0.3), Swish, Swish(2.0), ELU, LayerNorm(4)], ids=str)
@pytest.mark.parametrize("kind", [sv.VAE, sv.SemiSupervisedVAE])
def test_an_activation_may_be_a_layer_or_its_class(kind, activation, tmp_path):
    model = kind(9, 2, (4, 4), activation=activation)
    made = [layer for layer in model.encoder.layers if not isinstance(layer, Linear | ConditionalLinear)]
    expected = activation if isinstance(activation, sv.layers.Layer) else activation()
    assert all(type(layer) is type(expected) and layer.config() == expected.config() for layer in made)
    assert len({*map(id, made)}) == 2 and activation not in made
    x = uniform(0, 12, 9).astype(np.float32)
    sv.save(model, tmp_path / "model.npz")
    loaded = sv.load(tmp_path / "model.npz", classes=[Swish])
    assert np.array_equal(loaded.embed(x), model.embed(x))
    assert np.array_equal(copy.deepcopy(model).embed(x), model.embed(x))
    kind(9, 2, (4,), activation=activation)  # the instance belongs to no model
    if expected.__class__ is Swish:
        with pytest.raises(FileError, match="custom classes; pass them"):
            sv.load(tmp_path / "model.npz")


def test_an_activation_of_the_usual_settings_has_its_name():
    assert sv.VAE(9, 2, (4,), activation=ReLU()).config["activation"] == "relu"
    assert sv.VAE(9, 2, (4,), activation=ELU).config["activation"] == "elu"
    assert sv.VAE(9, 2, (4,), activation=ELU(0.5)).config["activation"] == "ELU"


def test_the_last_layer_is_appended_after_a_layer_that_has_no_width_of_its_own(tmp_path):
    picture, rows = {"image_shape": (8, 8)}, {"input_dim": 64}
    for encoder, settings in (
        (Sequential(Conv2d(1, 4, 4, 2, 1), ReLU()), picture),
        (Sequential(Conv2d(1, 4, 4, 2, 1), Flatten()), picture),
        (Sequential(Linear(64, 10), LayerNorm(10)), rows),
        (Sequential(Linear(64, 10), Residual(Linear(10, 10))), rows),
    ):
        model = sv.VAE(latent_dim=3, encoder=encoder, decoder=Sequential(Linear(3, 20), Tanh()), **settings)
        assert type(model.encoder.layers[-1]) is Linear and model.encoder.layers[-1].outputs == 6
        assert type(model.decoder.layers[-1]) is Linear and model.decoder.layers[-1].outputs == 64
        described = model.to_config()["encoder"]["config"]["layers"][-1]  # a file has the whole network
        assert described["class"] == "Linear" and described["config"]["outputs"] == 6
        x = uniform(0, 5, 64).astype(np.float32)
        sv.save(model, tmp_path / "model.npz")
        assert np.array_equal(sv.load(tmp_path / "model.npz").embed(x), model.embed(x))
        assert np.array_equal(copy.deepcopy(model).embed(x), model.embed(x))
    conditional = ConditionalSequential(ConditionalLinear(9, 3, 5), ReLU())
    model = sv.ConditionalVAE(9, 2, classes=3, encoder=conditional, init="he_normal")
    assert type(model.encoder) is ConditionalSequential and model.encoder.layers[-1].init == "he_normal"
    assert type(sv.Autoencoder(9, 2, encoder=Sequential(Linear(9, 4), ReLU())).encoder.layers[-1]) is Linear


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoder": Sequential(ReLU(), Linear(9, 5))}, "encoder has 5 outputs; expected 4, .* give its last layer 4"),
        ({"encoder": Sequential(Linear(9, 5), Conv2d(5, 2, 1))}, r"Conv2d\(5, 2, 1\) was given rows of shape \(5,\)"),
        ({"decoder": Sequential(Linear(2, 5))}, "decoder has 5 outputs; expected 9"),
        ({"encoder": Linear(9, 4), "decoder": Linear(2, 9), "init": "he_normal"}, "init='he_normal' has no effect"),
        ({"encoder": Linear(9, 4), "decoder": Linear(2, 9), "architecture": "conv"}, "architecture='conv' has no eff"),
        ({"encoder": Linear(9, 4), "decoder": Linear(2, 9), "hidden": (3,)}, r"hidden=\(3,\) has no effect"),
        ({"decoder": Linear(2, 9), "decoder_hidden": (3,)}, r"decoder_hidden=\(3,\) has no effect"),
        ({"image_shape": (3, 3), "architecture": "conv"}, r"image_shape=\(3, 3\): .* at least 4 × 4"),
        ({"activation": LayerNorm(3), "hidden": (4,)}, r"LayerNorm\(3\) was given rows of shape \(4,\)"),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit_are_refused_by_what_is_needed(settings, message):
    with pytest.raises(ConfigError, match=message):
        sv.VAE(9, 2, **settings)


@given(seeds)
def test_input_dim_follows_from_the_shape_of_a_picture(seed):
    height, width = (4 + int(side) for side in np.random.default_rng(seed).integers(0, 5, 2))
    assert sv.VAE(image_shape=(height, width, 3)).input_dim == 3 * height * width
    assert sv.VAE(encoder=Sequential(Reshape(height, width), Conv2d(1, 2, 3), ReLU())).input_dim == height * width


class GatedConvolution(sv.layers.Layer):
    """Two convolutions as attributes, which no method binds."""

    def __init__(self, inputs, outputs):
        self.inputs, self.outputs = inputs, outputs
        self.value, self.gates = Conv2d(inputs, outputs, 3, 2, 1), [Conv2d(inputs, outputs, 3, 2, 1)]

    def output_shape(self, input_shape):
        return self.value.output_shape(input_shape)

    def forward(self, x):
        self.v, self.s = self.value.forward(x), 1 / (1 + self.xp.exp(-self.gates[0].forward(x)))
        return self.v * self.s

    def backward(self, dy):
        return self.value.backward(dy * self.s) + self.gates[0].backward(dy * self.v * self.s * (1 - self.s))


class Bottleneck(sv.layers.Layer):
    """A residual block whose second convolution has pictures of other channels than the block."""

    def __init__(self, inputs, inner):
        self.inputs, self.inner = inputs, inner
        self.first, self.relu, self.second = Conv2d(inputs, inner, 3, 1, 1), ReLU(), Conv2d(inner, inputs, 3, 1, 1)

    def output_shape(self, input_shape):
        return self.second.output_shape(self.relu.output_shape(self.first.output_shape(input_shape)))

    def forward(self, x):
        return x + self.second.forward(self.relu.forward(self.first.forward(x)))

    def backward(self, dy):
        return dy + self.first.backward(self.relu.backward(self.second.backward(dy)))


class Unasked(Bottleneck):
    """The same, whose layers are not asked for their shapes."""

    def output_shape(self, input_shape):
        return input_shape


def test_layers_that_follow_each_other_get_the_shapes_for_which_they_are_asked():
    assert check_layer(Bottleneck(2, 3), directions=1, precision="double").passed
    assert check_layer(Bottleneck(2, 3), normal(0, 3, 6, 7, 2), backend="fake-cupy", precision="double").passed
    x = uniform(0, 20, 64).astype(np.float32)
    model = sv.VAE(encoder=Sequential(Bottleneck(1, 3), Flatten()), latent_dim=3, image_shape=(8, 8))
    sv.Trainer(model, batch_size=8, seed=0).fit(x, 1)
    assert "output_shape" not in vars(model.encoder.layers[0].first)
    unasked = sv.VAE(encoder=Sequential(Unasked(1, 3), Flatten()), latent_dim=3, image_shape=(8, 8))
    with pytest.raises(ShapeError, match=r"rows of shape \(192,\); expected pictures: chain layers in a Sequential"):
        unasked.embed(x)


class Block(Sequential):
    """A Sequential with arguments of its own."""

    def __init__(self, inputs, outputs, size=3):
        super().__init__(Conv2d(inputs, 2 * outputs, size), Gated())
        self.inputs, self.outputs, self.size = inputs, outputs, size


@pytest.mark.parametrize("backend", ["numpy", "fake-cupy"])
@pytest.mark.parametrize("kind", [GatedConvolution, Block])
def test_layers_of_pictures_inside_a_layer_of_ones_own_are_told_the_shape_of_its_rows(kind, backend, tmp_path):
    report = check_layer(kind(2, 3), backend=backend, directions=1, precision="double")
    assert report.passed and "of pictures (5, 4, 2)" in report.notes[-1]
    assert check_layer(kind(2, 3), normal(0, 3, 6, 7, 2), directions=1, precision="double").passed
    encoder = Sequential(kind(1, 4), kind(4, 4), Flatten())
    model = sv.VAE(encoder=encoder, latent_dim=3, image_shape=(8, 8), backend=backend)
    x = uniform(0, 20, 64).astype(np.float32)
    sv.Trainer(model, batch_size=8, seed=0).fit(x, 2)
    sv.save(model, tmp_path / "own.npz")
    loaded = sv.load(tmp_path / "own.npz", classes=[kind])
    np.testing.assert_allclose(loaded.embed(x), to_numpy(model.embed(x)), atol=1e-5)
    model.embed(uniform(1, 700, 64).astype(np.float32))  # a larger batch than any before


def test_a_config_that_is_no_dict_is_refused_by_the_class(tmp_path):
    class Listed(Swish):
        def config(self):
            return (1.0,)

    model = sv.VAE(9, 2, encoder=Sequential(Linear(9, 4), Listed()))
    with pytest.raises(ConfigError, match=r"Listed.config\(\) returned \(1.0,\); expected a dict of the arguments"):
        sv.save(model, tmp_path / "model.npz")


def test_a_backward_that_returns_another_shape_is_refused_before_the_next_layer(tmp_path):
    class Narrow(Swish):
        def backward(self, dy):
            return super().backward(dy)[:, :1]

    model = sv.VAE(9, 2, encoder=Sequential(Linear(9, 4), Narrow()))
    message = r"Linear was given dy from layers\[1\] \(Narrow\) of shape \(5, 1\); expected \(5, 4\)"
    with pytest.raises(ShapeError, match=message):
        model.loss_and_grads(uniform(0, 5, 9).astype(np.float32))


def test_pictures_of_another_shape_are_refused_and_not_scrambled():
    model = conv_vae(image_shape=(6, 4, 3))
    assert model.image_shape == (6, 4, 3)
    for shape, words in (
        ((5, 3, 6, 4), r"move the channels to the end with transpose\(0, 2, 3, 1\), then flatten"),
        ((5, 4, 6, 3), r"expected rows \(B, 72\), of pictures \(B, 6, 4, 3\): flatten each with"),
        ((5, 6, 12), r"expected rows \(B, 72\), of pictures \(B, 6, 4, 3\): flatten each with"),
        ((6, 4, 3), r"flatten one picture with x\.reshape\(1, -1\)"),
        ((5, 6, 4, 3), r"flatten each sample with x.reshape\(len\(x\), -1\)"),
    ):
        with pytest.raises(ShapeError, match=words):
            model.embed(np.zeros(shape, np.float32))
    with pytest.raises(ConfigError, match=r"channels stand last, as in \(24, 16, 3\)"):
        sv.VAE(image_shape=(3, 24, 16), architecture="conv")


def test_a_decoder_that_ends_with_other_pictures_is_refused_by_their_shape():
    turned = Sequential(Linear(3, 12), Reshape(2, 3, 2), ConvTranspose2d(2, 3, 2, 2))
    with pytest.raises(ConfigError, match=r"decoder ends with pictures of shape \(4, 6, 3\); expected \(6, 4, 3\)"):
        sv.VAE(decoder=turned, latent_dim=3, image_shape=(6, 4, 3))
    small = Sequential(Linear(3, 12), Reshape(3, 2, 2), ConvTranspose2d(2, 3, 1))
    with pytest.raises(ConfigError, match=r"decoder has 18 outputs, pictures of shape \(3, 2, 3\); expected 72"):
        sv.VAE(decoder=small, latent_dim=3, image_shape=(6, 4, 3))
    with pytest.raises(
        ConfigError, match=r"encoder has 48 outputs, pictures of shape \(6, 4, 2\); .* add Linear\(48, 6\)"
    ):
        sv.VAE(encoder=Sequential(Conv2d(3, 2, 1)), latent_dim=3, image_shape=(6, 4, 3))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian_heteroscedastic"])
def test_only_the_last_layer_of_the_decoder_has_the_initial_weights_of_a_last_layer(likelihood):
    model = conv_vae(hidden=(5, 6), likelihood=likelihood)
    layers = [layer for layer in model.decoder.layers if hasattr(layer, "init")]
    assert [layer.init for layer in layers] == ["he_normal"] * (len(layers) - 1) + ["glorot_uniform"]


def ends(*layers):
    return Sequential(Linear(3, 64), *layers)


TO_REACH = r": choose its Reshape, kernel_size, padding or output_padding to reach"


@pytest.mark.parametrize(
    ("likelihood", "decoder", "message"),
    [
        (
            "bernoulli",
            ends(Reshape(1, 64)),
            rf"pictures of shape \(1, 64\); expected \(8, 8, 1\), the image_shape{TO_REACH} \(8, 8, 1\)$",
        ),
        (
            "bernoulli",
            ends(Reshape(4, 16, 1)),
            rf"shape \(4, 16, 1\); expected \(8, 8, 1\), the image_shape{TO_REACH} \(8, 8, 1\)$",
        ),
        (
            "bernoulli",
            ends(Reshape(8, 8, 1), Conv2d(1, 3, 1)),
            r"decoder has 192 outputs, pictures .* expected 64, .*: give its last layer 1 channel$",
        ),
        (
            "gaussian_heteroscedastic",
            ends(Reshape(8, 8, 1), Conv2d(1, 2, 1)),
            r"\(8, 8, 2\); expected \(8, 8, 1\), the image_shape: add SplitChannels\(2\)$",
        ),
        (
            "gaussian_heteroscedastic",
            ends(Reshape(8, 8, 1), Conv2d(1, 2, 3)),
            rf"72 outputs, pictures of shape \(6, 6, 2\); expected 128, .*{TO_REACH} \(8, 8, 2\)$",
        ),
        (
            "gaussian_heteroscedastic",
            ends(Reshape(8, 8, 1), Conv2d(1, 1, 3, padding=1)),
            r"64 outputs, pictures .* expected 128, .*: give its last layer 2 channels, then add SplitChannels\(2\)$",
        ),
        (
            "gaussian_heteroscedastic",
            ends(Reshape(2, 4, 8), Conv2d(8, 1, 5)),
            "; choose a smaller kernel_size, or a larger padding$",
        ),
    ],
)
def test_decoders_of_other_pictures_are_refused_by_what_to_do(likelihood, decoder, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        sv.VAE(decoder=decoder, latent_dim=3, image_shape=(8, 8), likelihood=likelihood)
    assert "…" not in str(refusal.value) and len(refusal.value.message) <= 200


def test_grey_pictures_of_a_decoder_may_leave_out_their_channel():
    assert sv.VAE(decoder=ends(Reshape(8, 8)), latent_dim=3, image_shape=(8, 8)).input_dim == 64


class Strict(Swish):
    def __init__(self, slope):
        super().__init__(slope + 1)


def test_only_missing_arguments_of_an_activation_are_reported_as_such():
    with pytest.raises(ConfigError, match=r"Strict.* needs arguments \(missing a required argument: 'slope'\)"):
        sv.VAE(9, 2, activation=Strict)

    class Broken(Swish):
        def __init__(self):
            super().__init__(1.0 + None)

    with pytest.raises(TypeError, match="unsupported operand"):
        sv.VAE(9, 2, activation=Broken)
