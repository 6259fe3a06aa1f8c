"""Which latent dimensions carry anything."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.models import VAE
from scratchvae.probability import DiagonalGaussian, GaussianKL, StandardNormal
from scratchvae.representation import fields_repr
from scratchvae.validation import check_type

ACTIVE_ABOVE = 0.01


class ActiveUnits(NamedTuple):
    """For each latent dimension: its mean KL (Z,) in nats, and the variance of its posterior mean over the rows (Z,).

    `active` counts the dimensions whose variance exceeds 0.01: the "active units" of Burda, Grosse and Salakhutdinov
    2016. The others say nothing about x.
    """

    kl: Array
    variance: Array
    active: int

    def __repr__(self) -> str:
        return fields_repr(self)


def active_units(vae: VAE, images: Any, labels: Any = None) -> ActiveUnits:
    """How the posterior of each row of images (N, D) uses the latent space.

    labels (N,), or one for all, are for a model that takes them. Raises ConfigError, DTypeError, ShapeError or
    RangeError.
    """
    check_type("vae", vae, VAE, "a VAE, whose codes have a posterior")
    if not (isinstance(vae.posterior, DiagonalGaussian) and isinstance(vae.prior, StandardNormal)):
        raise ConfigError(
            "active_units is of a DiagonalGaussian posterior and a StandardNormal prior, and this model has "
            f"{type(vae.posterior).__name__} and {type(vae.prior).__name__}"
        )
    encoded = vae.encode(vae.check_data(images, "images"), labels)
    mu, logvar = (to_numpy(array).astype(np.float64) for array in encoded)
    divergence = GaussianKL()
    divergence.forward(mu, logvar)
    variance = mu.var(axis=0)
    return ActiveUnits(divergence.per_dimension.mean(axis=0), variance, int((variance > ACTIVE_ABOVE).sum()))
