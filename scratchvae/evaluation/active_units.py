"""Active units: the latent dimensions that a VAE uses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.models import VAE
from scratchvae.probability import DiagonalGaussian, GaussianKL, StandardNormal
from scratchvae.representation import fields_repr
from scratchvae.validation import check_type, suggest_arguments

MIN_ACTIVE_VARIANCE = 0.01


class ActiveUnits(NamedTuple):
    """The use of each latent dimension.

    kl          (Z,), the mean KL over the rows, in nats
    variance    (Z,), the variance of the posterior mean over the rows; 0 for a single row
    active      number of dimensions with a variance above 0.01, the "active units" of Burda, Grosse and Salakhutdinov
                2016; the others carry no information about x
    """

    kl: Array
    variance: Array
    active: int

    def __repr__(self) -> str:
        return fields_repr(self)


@suggest_arguments
def active_units(vae: VAE, images: Any, labels: Any = None) -> ActiveUnits:
    """Measure how much each latent dimension is used for images (N, D).

    labels (N,), or one label for all rows, are required for a model with labels. Raises ConfigError, DTypeError,
    ShapeError or RangeError.
    """
    check_type("vae", vae, VAE, "a VAE (an autoencoder has no posterior)")
    if not (isinstance(vae.posterior, DiagonalGaussian) and isinstance(vae.prior, StandardNormal)):
        raise ConfigError(
            "active_units needs a DiagonalGaussian posterior and a StandardNormal prior; this model has "
            f"{type(vae.posterior).__name__} and {type(vae.prior).__name__}"
        )
    parameters = vae.encode(vae.check_data(images, "images", lazy=True), labels)
    mu, logvar = (to_numpy(array).astype(np.float64) for array in parameters)
    divergence = GaussianKL()
    with np.errstate(over="ignore", invalid="ignore"):  # infinite where it is too large for float64
        divergence.forward(mu, logvar)
        kl, variance = divergence.per_dimension.mean(axis=0), mu.var(axis=0)
    return ActiveUnits(kl, variance, int((variance > MIN_ACTIVE_VARIANCE).sum()))
