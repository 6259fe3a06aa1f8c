"""The configuration of a model: the settings that its file keeps, each with its check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.layers.initializers import INITIALIZERS
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS, check_sigma
from scratchvae.settings import one_of, real, seed_of, shown, truth, whole, wholes

DTYPES = ("float32", "float64", "longdouble")
Config = Mapping[str, Any]

CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "input_dim": whole,
    "latent_dim": whole,
    "hidden": wholes,
    "activation": lambda name, value: one_of(name, value, tuple(ACTIVATIONS)),
    "likelihood": lambda name, value: one_of(name, value, tuple(LIKELIHOODS)),
    "sigma": lambda name, value: value,
    "missing": truth,
    "beta": real,
    "free_bits": real,
    "seed": lambda name, value: seed_of(value, name),
    "dtype": lambda name, value: one_of(name, value, DTYPES),
    "init": lambda name, value: None if value is None else one_of(name, value, tuple(INITIALIZERS)),
    "image_shape": lambda name, value: None if value is None else wholes(name, value),
}


def configuration(settings: Mapping[str, Any], own: Mapping[str, Any], **more: Any) -> Config:
    """The `settings`, as JSON can hold them, once each is known to make sense, and `more`; not to be written.

    A likelihood among the user's `own` parts stands there by the name of its class.

    Where a model computes is not part of what it is. Raises ConfigError.
    """
    named = "likelihood" not in own
    config = {
        name: settings[name] if name == "likelihood" and not named else check(name, settings[name])
        for name, check in CHECKS.items()
    }
    config["sigma"] = check_sigma(config["sigma"], config["likelihood"]) if named else None
    shape = config["image_shape"]
    if shape is not None and (len(shape) != 2 or prod(shape) != config["input_dim"]):
        raise ConfigError(
            f"image_shape={shown(settings['image_shape'])}: expected (height, width) with {config['input_dim']} pixels "
            "in all"
        )
    return MappingProxyType({**config, **more})
