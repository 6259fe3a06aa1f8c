"""Models with random weights and a random scale, one for each architecture, and rows and labels for them."""

import numpy as np

import scratchvae as sv
from scratchvae.layers import (
    ELU,
    GELU,
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Gated,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaskedLinear,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    SplitChannels,
    Tanh,
    Upsample,
)
from scratchvae.models.scale import Scale

D, Z, K = 12, 3, 4
CONV = {"architecture": "conv", "hidden": (7,), "image_shape": (9, 8, 3)}


def plain_networks():
    """An MLP with every layer of rows."""
    encoder = Sequential(
        Linear(D, 8), LayerNorm(8), ELU(0.7), Residual(Sequential(Linear(8, 8), GELU())), Linear(8, 10), Gated(),
        Softplus(), Linear(5, 6), SiLU(), MaskedLinear((1, 2, 3) * 2, (1, 2, 3, 3, 2)), Linear(5, 2 * Z),
    )  # fmt: skip
    decoder = Sequential(
        Linear(Z, 6), LeakyReLU(0.2), Sequential(Linear(6, 6), Tanh()), Residual(Residual(Sigmoid())), Linear(6, D)
    )
    return {"encoder": encoder, "decoder": decoder, "input_dim": D, "latent_dim": Z}


def picture_networks():
    """Convolutions with every layer of pictures, and strides, borders and paddings that are not the usual ones."""
    encoder = Sequential(
        Conv2d(2, 6, 3, 1, 2), Gated(), Conv2d(3, 4, 3, 2, 1), LayerNorm(4), ReLU(), Residual(Conv2d(4, 4, 3, 1, 1)),
        SplitChannels(2), Flatten(), Linear(4 * 9 * 4, 2 * Z),
    )  # fmt: skip
    decoder = Sequential(
        Linear(Z, 32), LayerNorm(32), Tanh(), Reshape(1, 2, 16), Upsample(2), ConvTranspose2d(16, 8, 1, 2, 0, 1),
        Residual(ReLU()), ConvTranspose2d(8, 3, 3, 2, 2, (0, 1)), Conv2d(3, 4, 2, 1, 1), SplitChannels(2),
    )  # fmt: skip
    return {"encoder": encoder, "decoder": decoder, "image_shape": (6, 15, 2), "latent_dim": Z}


def conditional_networks():
    """Networks in which the class comes after other layers."""
    encoder = ConditionalSequential(Linear(D, 6), ReLU(), ConditionalLinear(6, K, 5), Tanh(), Linear(5, 2 * Z))
    decoder = ConditionalSequential(ConditionalLinear(Z, K, 6), ReLU(), Linear(6, D))
    return {"encoder": encoder, "decoder": decoder, "input_dim": D, "latent_dim": Z, "classes": K}


MLP = {"input_dim": D, "latent_dim": Z, "hidden": (6, 5)}
KINDS = {
    "VAE": (sv.VAE, lambda: {**MLP, "likelihood": "continuous_bernoulli"}),
    "VAE of Gaussian rows": (sv.VAE, lambda: {**MLP, "likelihood": "gaussian", "scale": "standardize"}),
    "VAE of minmax rows": (sv.VAE, lambda: {**MLP, "activation": "gelu", "scale": "minmax"}),
    "VAE of bytes": (sv.VAE, lambda: {**MLP, "activation": "elu", "scale": "255"}),
    "VAE with missing values": (
        sv.VAE, lambda: {**MLP, "missing": True, "scale": "minmax", "likelihood": "gaussian_heteroscedastic"}
    ),
    "VAE of own layers": (sv.VAE, plain_networks),
    "convolutional VAE": (sv.VAE, lambda: {**CONV, "latent_dim": Z}),
    "convolutional VAE of bytes": (
        sv.VAE, lambda: {**CONV, "latent_dim": Z, "likelihood": "gaussian_heteroscedastic", "scale": "255"}
    ),
    "VAE of own convolutions": (sv.VAE, lambda: {**picture_networks(), "likelihood": "gaussian_heteroscedastic"}),
    "IWAE": (sv.IWAE, lambda: {**MLP, "likelihood": "gaussian_learned", "importance_samples": 3}),
    "Autoencoder": (sv.Autoencoder, lambda: {**MLP, "activation": "softplus"}),
    "convolutional Autoencoder": (sv.Autoencoder, lambda: {**CONV, "latent_dim": Z, "missing": True}),
    "ConditionalVAE": (sv.ConditionalVAE, lambda: {**MLP, "classes": K, "activation": "silu", "scale": "255"}),
    "convolutional ConditionalVAE": (sv.ConditionalVAE, lambda: {**CONV, "latent_dim": Z, "classes": K}),
    "ConditionalVAE of own layers": (sv.ConditionalVAE, conditional_networks),
    "SemiSupervisedVAE": (sv.SemiSupervisedVAE, lambda: {**MLP, "classes": K, "activation": "leaky_relu"}),
}  # fmt: skip


def random_model(kind, seed, dtype="float32"):
    """A model of this kind with random weights, so that no bias and no last layer is 0, and a random scale."""
    model_class, settings = KINDS[kind]
    model, rng = model_class(**settings(), seed=seed, dtype=dtype), np.random.default_rng(seed)
    for array in model.params.values():
        scale = 1.0 / np.sqrt(max(1, np.prod(array.shape[:-1])))
        array[...] = scale * rng.standard_normal(array.shape)
    setting = model.config["scale"]
    if setting in ("standardize", "minmax"):
        scale = Scale(setting, 1e6 + rng.standard_normal(model.input_dim), 0.1 + rng.random(model.input_dim))
        model.schema = model.schema._replace(scale=scale)
    elif setting == "255":
        model.schema = model.schema._replace(scale=Scale("255", None, 255.0))
    return model


def rows_of(model, count, seed):
    """Rows in the units of the data of a model; NaN is in them if the model has missing=True."""
    rng, scale = np.random.default_rng(seed), model.scale
    if scale.kind == "255":
        return rng.integers(0, 256, (count, model.input_dim)).astype(np.uint8)
    x = rng.random((count, model.input_dim)).astype(model.dtype)
    if model.config["missing"]:
        x[rng.random(x.shape) < 0.3] = np.nan
    return scale.to_data(x)


def labels_of(model, count, seed, some=False):
    """The keyword argument labels of a model's methods; with `some`, a SemiSupervisedVAE has none for some rows."""
    if not model.classes:
        return {}
    lowest = -1 if some and isinstance(model, sv.SemiSupervisedVAE) else 0
    return {"labels": np.random.default_rng(seed).integers(lowest, model.classes, count)}


def results(model, part, count, seed):
    """The inputs of a part by name, and the outputs that the model gives for them."""
    labels = labels_of(model, count, seed, some=part != "decoder")
    if part == "decoder":
        z = np.random.default_rng(seed).standard_normal((count, model.latent_dim)).astype(model.dtype)
        return {"z": z, **labels}, (model.decode(z, **labels),)
    x = rows_of(model, count, seed)
    if part == "reconstruct":
        return {"x": x, **labels}, (model.reconstruct(x, **labels),)
    outputs = model.encode(x, **labels)
    return {"x": x, **labels}, outputs if isinstance(outputs, tuple) else (outputs,)
