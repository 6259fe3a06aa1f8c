"""The configuration of a model: the settings that its file stores, each with its check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.layers.initializers import INITIALIZERS
from scratchvae.models.network import ACTIVATIONS, ARCHITECTURES
from scratchvae.models.parts import LIKELIHOODS, check_sigma
from scratchvae.models.scale import CENTRED, OF_COLUMNS, SCALES
from scratchvae.validation import (
    check_bool,
    check_choice,
    check_float,
    check_int,
    check_ints,
    check_picture_shape,
    check_seed,
    short_repr,
)

DTYPES = ("float32", "float64", "longdouble")
Config = Mapping[str, Any]

CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "input_dim": check_int,
    "latent_dim": check_int,
    "architecture": lambda name, value: check_choice(name, value, ARCHITECTURES),
    "hidden": check_ints,
    "decoder_hidden": lambda name, value: None if value is None else check_ints(name, value),
    "activation": lambda name, value: check_choice(name, value, tuple(ACTIVATIONS)),
    "likelihood": lambda name, value: check_choice(name, value, tuple(LIKELIHOODS)),
    "sigma": lambda name, value: value,
    "missing": check_bool,
    "beta": check_float,
    "free_bits": check_float,
    "seed": lambda name, value: check_seed(value, name),
    "dtype": lambda name, value: check_choice(name, value, DTYPES),
    "init": lambda name, value: None if value is None else check_choice(name, value, tuple(INITIALIZERS)),
    "scale": lambda name, value: check_choice(name, value, SCALES),
    "image_shape": lambda name, value: None if value is None else check_picture_shape(name, value),
}


def configuration(settings: Mapping[str, Any], custom: Mapping[str, Any], **more: Any) -> Config:
    """Check the `settings`, and return them with `more` as a read-only mapping of JSON values.

    A likelihood or an activation among the `custom` parts is represented by the name of its class. The backend is not
    part of the configuration. Raises ConfigError.
    """
    named = "likelihood" not in custom
    config = {
        name: settings[name] if name in ("likelihood", "activation") and name in custom else check(name, settings[name])
        for name, check in CHECKS.items()
    }
    config["sigma"] = check_sigma(config["sigma"], config["likelihood"]) if named else None
    scale = config["scale"]
    if named and scale in CENTRED and LIKELIHOODS[config["likelihood"]].support == (0.0, 1.0):
        raise ConfigError(
            f"scale={scale!r} gives numbers outside [0, 1], which likelihood={config['likelihood']!r} does not "
            "have: use scale='minmax', or likelihood='gaussian'"
        )
    likelihood = LIKELIHOODS[config["likelihood"]] if named else custom["likelihood"]
    if likelihood.keeps_units and scale not in ("auto", "none"):
        name = config["likelihood"]
        raise ConfigError(
            f"scale={scale!r} changes the unit of the data, and likelihood={short_repr(name)} takes them as "
            "they are: leave scale out"
        )
    if config["sigma"] is not None and scale in OF_COLUMNS:
        raise ConfigError(
            f"sigma={short_repr(config['sigma'])} is in the units of the data, and scale={scale!r} gives columns "
            "other units: leave one of them out"
        )
    shape = config["image_shape"]
    if shape is not None and (len(shape) not in (2, 3) or prod(shape) != config["input_dim"]):
        hint = "; or leave input_dim out" if len(shape) in (2, 3) else ""
        raise ConfigError(
            f"image_shape={short_repr(settings['image_shape'])}: expected (height, width) or (height, width, channels) "
            f"of {config['input_dim']} numbers in all{hint}"
        )
    return MappingProxyType({**config, **more})
