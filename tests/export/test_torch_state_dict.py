"""Tests of the state dict for PyTorch: the equivalent modules compute what the model does."""

import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from export.random_models import KINDS, labels_of, random_model, rows_of
from hypothesis import given
from strategies import seeds

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.layers import Conv2d, Flatten, Linear, Reshape, Sequential

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "demos" / "guides" / "embedding.md"
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
NAMES = {"ReLU", "Sigmoid", "SiLU", "Tanh", "GELU"}


@pytest.fixture(autouse=True)
def torch():
    return pytest.importorskip("torch")  # not at collection: the import takes seconds


@cache
def own_modules():
    """The modules that torch.nn lacks, by name."""
    import torch

    class AddInput(torch.nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return x + self.layer(x)

    class ChannelNorm(torch.nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    class ClassLinear(torch.nn.Linear):
        def forward(self, x):
            return super().forward(torch.cat([x, self.targets], 1))

    return SimpleNamespace(AddInput=AddInput, ChannelNorm=ChannelNorm, ClassLinear=ClassLinear)


def torch_module(layer, shape):
    """The module of the documentation's table, for rows of this shape."""
    import torch

    name, own = type(layer).__name__, own_modules()
    match name:
        case "Sequential" | "ConditionalSequential":
            modules = []
            for child in layer.layers:
                modules.append(torch_module(child, shape))
                shape = child.output_shape(shape)
            return torch.nn.Sequential(*modules)
        case "NaNToZero":
            return torch_module(layer.inner, shape)
        case "Residual":
            return own.AddInput(torch_module(layer.layer, shape))
        case "Linear" | "MaskedLinear":
            return torch.nn.Linear(layer.inputs, layer.outputs)
        case "ConditionalLinear":
            return own.ClassLinear(layer.inputs + layer.classes, layer.outputs)
        case "Conv2d":
            return torch.nn.Conv2d(
                layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding
            )
        case "ConvTranspose2d":
            sizes = layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding
            return torch.nn.ConvTranspose2d(*sizes, layer.output_padding)
        case "LayerNorm":
            return (own.ChannelNorm if len(shape) == 3 else torch.nn.LayerNorm)(layer.size, layer.eps)
        case "Reshape":
            height, width, channels = layer.shape
            return torch.nn.Unflatten(1, (channels, height, width))
        case "Flatten":
            return torch.nn.Flatten()
        case "Gated":
            return torch.nn.GLU(dim=1)
        case "Upsample":
            return torch.nn.Upsample(scale_factor=layer.scale)
        case "SplitChannels":
            return torch.nn.Identity()
        case "LeakyReLU":
            return torch.nn.LeakyReLU(layer.slope)
        case "ELU":
            return torch.nn.ELU(layer.alpha)
        case "Softplus":
            return torch.nn.Softplus(threshold=40)
        case _:
            assert name in NAMES
            return getattr(torch.nn, name)()


def load(model):
    """The torch modules with the exported weights."""
    import torch

    shapes = {"encoder": model.row_shape, "decoder": (model.latent_dim,), "classifier": model.row_shape}
    parts = {name: torch_module(model.parts[name], shape) for name, shape in shapes.items() if name in model.parts}
    modules = torch.nn.ModuleDict(parts).to(getattr(torch, str(model.dtype)))
    state = {name: torch.from_numpy(array) for name, array in sv.export.to_torch_state_dict(model).items()}
    modules.load_state_dict(state)
    return modules


def begins_with_pictures(network):
    while type(network).__name__ in ("Sequential", "ConditionalSequential", "NaNToZero"):
        network = network.inner if hasattr(network, "inner") else network.layers[0]
    return isinstance(network, Conv2d)


def relative_error(found, expected):
    return np.abs(found.detach().numpy() - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("kind", KINDS)
@given(seed=seeds)
def test_torch_agrees_with_the_networks_of_the_model(torch, kind, seed):
    dtype = ("float32", "float64")[seed % 2]
    model = random_model(kind, seed, dtype)
    modules, count = load(model), 1 + seed % 5
    x = np.nan_to_num(model.scaled(rows_of(model, count, seed)).astype(dtype), nan=0.0)
    labels = labels_of(model, count, seed)
    if labels:
        for module in modules.modules():
            module.targets = torch.from_numpy(np.eye(model.classes, dtype=dtype)[labels["labels"]])
    targets = [model.one_hot(labels["labels"])] if labels else []
    inputs = torch.from_numpy(x)
    if begins_with_pictures(model.encoder):
        inputs = inputs.reshape(count, *model.row_shape).permute(0, 3, 1, 2)
    assert relative_error(modules["encoder"](inputs), model.encoder.forward(x, *targets)) <= TOLERANCE[dtype]
    z = np.random.default_rng(seed).standard_normal((count, model.latent_dim)).astype(dtype)
    found, expected = modules["decoder"](torch.from_numpy(z)), model.decoder.forward(z, *targets)
    if found.ndim == 4:
        groups = model.likelihood.outputs_per_dimension
        found = torch.cat([group.permute(0, 2, 3, 1).reshape(count, -1) for group in found.chunk(groups, 1)], 1)
    assert relative_error(found, expected) <= TOLERANCE[dtype]
    if "classifier" in modules:
        assert (
            relative_error(modules["classifier"](torch.from_numpy(x)), model.classifier.forward(x)) <= TOLERANCE[dtype]
        )


def test_shapes_are_those_of_torch_and_arrays_are_contiguous():
    state = sv.export.to_torch_state_dict(random_model("convolutional VAE", 0))
    assert {name: array.shape for name, array in state.items() if name.startswith("encoder")} == {
        "encoder.0.weight": (32, 3, 4, 4), "encoder.0.bias": (32,), "encoder.3.weight": (7, 32 * 4 * 4),
        "encoder.3.bias": (7,), "encoder.5.weight": (6, 7), "encoder.5.bias": (6,),
    }  # fmt: skip
    assert all(array.flags.c_contiguous and array.flags.owndata for array in state.values())


def test_the_modules_of_the_guide_are_equivalent(torch, digits):
    text = GUIDE.read_text(encoding="utf-8")
    mlp, conv = re.findall(r"^```python\n([^`]*nn\.Sequential[^`]*)^```$", text, re.M)
    vae = sv.VAE(input_dim=64, latent_dim=10)
    names = {"sv": sv, "vae": vae, "data": digits}
    exec(mlp, names)
    assert relative_error(names["mu"], vae.embed(digits.test.images)) < 1e-5
    assert relative_error(names["images"], vae.reconstruct(digits.test.images)) < 1e-5

    exec(conv, names)
    vae = sv.VAE(image_shape=(28, 28), architecture="conv", latent_dim=10)
    networks = torch.nn.ModuleDict({part: names[part] for part in ("encoder", "decoder")})
    state = sv.export.to_torch_state_dict(vae)
    networks.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    x = np.random.default_rng(0).random((3, 784), np.float32)
    mu, _ = networks["encoder"](torch.from_numpy(x.reshape(3, 1, 28, 28))).chunk(2, dim=1)
    assert relative_error(mu, vae.embed(x)) < 1e-5
    mean = torch.sigmoid(networks["decoder"](mu)).reshape(3, 784)
    assert relative_error(mean, vae.reconstruct(x)) < 1e-5


@pytest.fixture
def digits():
    return sv.datasets.load("digits")


def test_an_encoder_has_the_weights_of_the_encoder_alone(tmp_path):
    model = random_model("convolutional VAE", 0)
    sv.save(model, tmp_path / "model.npz")
    whole, alone = (
        sv.export.to_torch_state_dict(model),
        sv.export.to_torch_state_dict(sv.load_encoder(tmp_path / "model.npz")),
    )
    assert {name for name in whole if name.startswith("encoder.")} == set(alone)
    assert all((whole[name] == array).all() for name, array in alone.items())


def test_the_arrays_are_copies():
    model = random_model("VAE", 0)
    state = sv.export.to_torch_state_dict(model)
    before = model.theta.copy()
    for array in state.values():
        array.fill(0.0)
    assert (model.theta == before).all()


def test_an_order_that_torch_lacks_is_refused():
    encoder = Sequential(Reshape(3, 2, 4), Conv2d(4, 4, 1), Flatten())
    vae = sv.VAE(input_dim=24, latent_dim=12, encoder=encoder, decoder=Sequential(Linear(12, 24)))
    with pytest.raises(ConfigError, match=r"encoder.2 is a Flatten between .*; put a Linear layer there"):
        sv.export.to_torch_state_dict(vae)
