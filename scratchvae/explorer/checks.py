"""The refusal of models that the page cannot compute."""

from __future__ import annotations

from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.export.parts import known_class, own_method
from scratchvae.fused import plain_class
from scratchvae.layers import Layer
from scratchvae.models import VAE, Model
from scratchvae.probability import DiagonalGaussian, StandardNormal
from scratchvae.validation import check_type, shorten

# the methods whose results the page computes
METHODS = ("forward", "encode", "embed", "decode", "reconstruct", "elbo", "terms", "sample")


def check_showable(model: Any) -> Model:
    """Return the model. Raises ConfigError, with the name of the part, if the page has no JavaScript for it."""
    found: Model = check_type("model", model, Model, "a model, as sv.load returns")
    if method := own_method(found, [name for name in METHODS if hasattr(type(found), name)]):
        kind = shorten(type(found).__name__, 30)
        raise ConfigError(
            f"model is a {kind}, which has a method {method} of its own, and the page has no JavaScript for it; use a "
            "model of scratchvae"
        )
    for name in ("encoder", "decoder", "classifier"):
        if name in found.parts:
            _check_network(found.parts[name], name)
    if isinstance(found, VAE):
        for name, known in (("posterior", DiagonalGaussian), ("prior", StandardNormal)):
            if plain_class(found.parts[name]) is not known:
                raise without_javascript(name, found.parts[name], f"use a {known.__name__}")
    return found


def _check_network(layer: Layer, name: str) -> None:
    if known_class(layer) is None:
        raise without_javascript(name, layer, "use layers of scratchvae")
    for child, inner in layer.children().items():
        _check_network(inner, f"{name}.{child}" if child else name)  # type: ignore[arg-type]


def without_javascript(name: str, part: Any, hint: str) -> ConfigError:
    """The error of a part of this name."""
    kind = shorten(type(part).__name__, 40)
    own = "" if type(part).__module__.startswith("scratchvae.") else ", a class of your own"
    return ConfigError(f"{shorten(name, 40)} is a {kind}{own}, for which the page has no JavaScript; {hint}")
