"""The part of a model that is exported, and the refusal of what no export can write."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from keyword import iskeyword
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae import layers
from scratchvae.backend import to_numpy
from scratchvae.disk.arrays import open_arrays
from scratchvae.errors import ConfigError, FileError
from scratchvae.fused import plain_class
from scratchvae.io.archive import HEADER
from scratchvae.layers import ConditionalLinear, ConditionalSequential, Layer, MaskedLinear, Sequential
from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, Encoder, Model, SemiSupervisedVAE
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    Gaussian,
    GaussianDiagonal,
    GaussianHeteroscedastic,
    GaussianLearned,
    Likelihood,
    MaskedLikelihood,
    NegativeBinomial,
    Poisson,
    ScaledLikelihood,
)
from scratchvae.validation import check_choice, check_type, short_repr, shorten

PARTS = ("encoder", "decoder", "reconstruct")
METHODS = {"encoder": "encode", "decoder": "decode", "reconstruct": "reconstruct"}
USED = {"encoder": ("encode",), "decoder": ("decode",), "reconstruct": ("reconstruct", "encode", "embed", "decode")}
MODELS = (SemiSupervisedVAE, ConditionalVAE, IWAE, VAE, Autoencoder)
LIKELIHOODS = (
    *(Bernoulli, ContinuousBernoulli, Gaussian, GaussianLearned, GaussianDiagonal, GaussianHeteroscedastic),
    *(Poisson, NegativeBinomial),
)
LAYERS: set[Any] = {vars(layers)[name] for name in layers.__all__} - {layers.Layer, layers.Repeat}


def model_of(model: Any) -> Model:
    """The model that is exported, of an `Encoder` the one inside it. Raises ConfigError."""
    check_type("model", model, (Model, Encoder), "a model, or its encoder, as sv.load or sv.load_encoder returns")
    found: Model = model.model if isinstance(model, Encoder) else model
    if found.dtype not in (np.dtype("float32"), np.dtype("float64")):
        raise ConfigError("model has dtype longdouble, which differs between machines; use model.astype('float64')")
    return found


def check_part(model: Model, part: Any) -> str:
    """Return the name of the part. Raises ConfigError unless the model has it, in the classes of this package."""
    check_choice("part", part, PARTS)
    if part != "encoder" and model.decoder is None:
        raise ConfigError(f"part={part!r}: an Encoder has no decoder; take the whole model, as sv.load returns")
    if method := own_method(model, USED[part]):
        raise ConfigError(
            f"part={part!r}: {shorten(type(model).__name__, 30)} has a method {method} of its own, which cannot be "
            "exported; use a model of scratchvae"
        )
    if part != "decoder" and isinstance(model, VAE) and plain_class(model.posterior) is not DiagonalGaussian:
        other = "" if model.decoder is None else ", or export part='decoder'"
        raise ConfigError(_own("posterior", model.posterior, f"use a DiagonalGaussian{other}"))
    if part != "encoder":
        likelihood_class(model.likelihood)
    unused = "decoder" if part == "encoder" else "encoder" if part == "decoder" else ""
    for name in {"encoder", "decoder", "classifier"} & model.parts.keys() - {unused}:
        check_network(model.parts[name], name)
    return str(part)


def own_method(model: Model, methods: Sequence[str]) -> str:
    """The first of these methods that a class of the user's own overrides; "" if there is none."""
    plain = next((kind for kind in MODELS if isinstance(model, kind)), Model)
    return next((m for m in methods if getattr(type(model), m) is not getattr(plain, m, None)), "")


def check_network(layer: Layer, name: str) -> None:
    """Raises ConfigError unless a layer, and those inside it, are of this package."""
    layer_class(layer, name)
    for child, inner in layer.children().items():
        check_network(inner, f"{name}.{child}" if child else name)  # type: ignore[arg-type]


def likelihood_class(likelihood: Likelihood) -> type[Likelihood]:
    """The class of this package that computes the mean of the likelihood. Raises ConfigError for any other."""
    while isinstance(likelihood, MaskedLikelihood | ScaledLikelihood):
        likelihood = likelihood.inner
    kind = plain_class(likelihood)
    if kind not in LIKELIHOODS:
        known = "use one that has a name, such as 'poisson', or export part='encoder'"
        raise ConfigError(_own("likelihood", likelihood, known))
    return kind


def layer_class(layer: Layer, name: str) -> type[Any]:
    """The class of this package that computes what the layer does. Raises ConfigError for any other."""
    kind = known_class(layer)
    if kind is None:
        other = {"encoder": ", or export part='decoder'", "decoder": ", or export part='encoder'"}
        hint = f"use layers of scratchvae{other.get(name.partition('.')[0], '')}"
        raise ConfigError(_own(name, layer, hint))
    return kind


def known_class(layer: Layer) -> type[Any] | None:
    """The class of this package that computes what the layer does; None if there is none.

    A subclass of `Sequential` that only chooses its layers is a `Sequential`.
    """
    kind: type[Any] = plain_class(layer)
    for container in (ConditionalSequential, Sequential):
        methods = "forward", "output_shape"
        if isinstance(layer, container) and all(getattr(kind, m) is getattr(container, m) for m in methods):
            return container
    return kind if kind in LAYERS else None


def linear_weights(layer: Any) -> Any:
    """W (I, O) of a `Linear`; W ⊙ M of a `MaskedLinear`."""
    return to_numpy(layer.W) * to_numpy(layer.mask) if isinstance(layer, MaskedLinear) else layer.W


def check_conditional(layer: ConditionalLinear, name: str, classes: Any) -> None:
    """Raises ConfigError for a layer that would read the class, in a network that does not."""
    if not classes:
        raise ConfigError(f"{name} is a ConditionalLinear outside a ConditionalSequential, which cannot be exported")


def output_names(model: Model, part: str) -> tuple[str, ...]:
    """The names of the outputs of a part."""
    if part != "encoder":
        return ("mean",)
    return ("mu", "logvar") if isinstance(model, VAE) else ("z",)


def input_names(model: Model, part: str) -> tuple[str, ...]:
    """The names of the inputs of a part."""
    return ("z" if part == "decoder" else "x", *(["labels"] * bool(model.classes)))


def check_replaceable(path: Path) -> None:
    """Raises FileError if there is a model file or a checkpoint at `path`, which an export must not replace."""
    try:
        with open_arrays(path) as file:
            is_model = HEADER in file.headers
    except FileError:  # there is none, or another kind of file
        return
    if is_model:
        raise FileError(f"{path} is a model file or a checkpoint, which the export would replace; choose another path")


def check_importable(name: str, path: Path) -> None:
    """Raises ConfigError unless Python can import the file, and that hides no module that others import."""
    stem = path.stem
    known = iskeyword(stem) or stem == "numpy" or stem in sys.stdlib_module_names
    if path.suffix != ".py" or not stem.isidentifier() or known:
        raise ConfigError(
            f"{name}{short_repr(str(path))}: expected a file that Python can import, with a name that no module of "
            "Python or NumPy has, such as 'encoder.py'"
        )


def _own(name: str, part: Any, hint: str) -> str:
    kind = shorten(type(part).__name__, 40)
    if type(part).__module__.startswith("scratchvae."):
        return f"{shorten(name, 40)} is a {kind}, which cannot be exported; {hint}"
    return f"{shorten(name, 40)} is a {kind}, a class of your own, which cannot be exported; {hint}"
