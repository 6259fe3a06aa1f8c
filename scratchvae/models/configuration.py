"""What makes a model: the settings that its file keeps."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.layers.initializers import INITIALIZERS
from scratchvae.models.likelihoods import LIKELIHOODS, check_sigma
from scratchvae.models.network import ACTIVATIONS
from scratchvae.settings import one_of, real, seed_of, shown, truth, whole, wholes

DTYPES = ("float32", "float64", "longdouble")


def configuration(
    *,
    input_dim: int,
    latent_dim: int,
    hidden: Sequence[int],
    activation: str,
    likelihood: str,
    sigma: float | None,
    missing: bool,
    beta: float,
    free_bits: float,
    seed: int,
    dtype: str,
    init: str | None,
    image_shape: Sequence[int] | None,
) -> dict[str, Any]:
    """The settings of a model, as JSON can hold them, once each is known to make sense.

    Where a model computes is not part of what it is. Raises ConfigError.
    """
    config: dict[str, Any] = {
        "input_dim": whole("input_dim", input_dim),
        "latent_dim": whole("latent_dim", latent_dim),
        "hidden": list(wholes("hidden", hidden)),
        "activation": one_of("activation", activation, tuple(ACTIVATIONS)),
        "likelihood": one_of("likelihood", likelihood, tuple(LIKELIHOODS)),
        "sigma": check_sigma(sigma, likelihood),
        "missing": truth("missing", missing),
        "beta": real("beta", beta),
        "free_bits": real("free_bits", free_bits),
        "seed": seed_of(seed),
        "dtype": one_of("dtype", dtype, DTYPES),
        "init": None if init is None else one_of("init", init, tuple(INITIALIZERS)),
        "image_shape": None if image_shape is None else list(wholes("image_shape", image_shape)),
    }
    shape = config["image_shape"]
    if shape is not None and (len(shape) != 2 or prod(shape) != input_dim):
        raise ConfigError(f"image_shape={shown(image_shape)}: expected (height, width) with {input_dim} pixels in all")
    return config
