"""Imputation: mark the missing values, sample or average them, and insert them into the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.arrays import as_numpy
from scratchvae.backend import Array, to_numpy
from scratchvae.dataframes import align_columns, is_dataframe
from scratchvae.errors import DivergedError, DTypeError, ShapeError
from scratchvae.models.conditional_sampler import ConditionalSampler
from scratchvae.rng import fill_random, generator
from scratchvae.validation import check_choice, check_int, short_repr, shorten

METHODS = ("metropolis", "pseudo-gibbs", "importance", "encoder")
VALUES = ("drawn", "mean")


def impute(
    vae: Any, x: Any, observed: Any, method: str, draws: int | None, samples: int, values: str, seed: int
) -> Array:
    """Fill in missing values: the implementation of `VAE.impute`."""
    check_choice("method", method, METHODS)
    check_choice("values", values, VALUES)
    count = 1 if draws is None else check_int("draws", draws)
    check_int("samples", samples)
    x = to_numpy(vae.as_rows(x, "x"))
    model = vae.for_imputation()
    masked = model.check_data(
        x if observed is None else mask_missing(x, _to_host(vae, _aligned(vae, observed), "observed"))
    )
    noise = NoiseSampler(model, seed)
    imputed = np.empty((count, *x.shape), np.result_type(x.dtype, vae.dtype))
    # numbers that become infinite are reported by _insert, so NumPy need not warn of them
    with model.locks.read_lock(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for rows, x_rows, _ in model.chunks(masked):
            sampler = ConditionalSampler(model, x_rows, noise)
            if draws is None:
                results = sampler.mean(method, samples)
            else:
                results = sampler.draw(method, samples, draws, values == "drawn")
            for output, values_of_rows in zip(imputed, results, strict=True):
                filled = to_numpy(model.in_data_units(values_of_rows))
                output[rows] = _insert(x[rows], np.isnan(masked[rows]), filled, method)
    result = imputed[0] if draws is None else imputed
    return result if vae.backend.on_host else vae.backend.upload(result)


def mask_missing(x: Array, observed: Array) -> Array:
    """x (N, D) with NaN wherever the mask `observed` (N, D) is False. Raises DTypeError or ShapeError."""
    if observed.dtype != bool:
        raise DTypeError(
            f"observed has dtype {shorten(observed.dtype)}; expected booleans, True where a value is observed: "
            "make them by a comparison, as in observed == 1"
        )
    if observed.shape != x.shape:
        raise ShapeError(
            f"observed has shape {short_repr(observed.shape)} and x {short_repr(x.shape)}; expected the same shape"
        )
    return np.where(observed, x, np.nan) if x.dtype.kind in "fiub" else x  # check_data rejects other dtypes


def _insert(x: Array, missing: Array, imputed: Array, method: str) -> Array:
    infinite = ~np.isfinite(imputed).all(axis=1)
    if infinite.any():
        other = "metropolis" if method != "metropolis" else "encoder"
        raise DivergedError(
            f"the draws of {int(infinite.sum())} rows became infinite with method={method!r}: the model does not fit "
            f"these rows; train it on such rows, or try method={other!r}"
        )
    return np.where(missing, imputed, x)


def _aligned(vae: Any, observed: Any) -> Any:
    """A table of booleans as an array, with its columns in the order of the schema."""
    return align_columns("observed", observed, vae.schema.columns) if is_dataframe(observed) else observed


def _to_host(vae: Any, array: Any, name: str) -> Array:
    return to_numpy(array) if type(array) is vae.backend.array_type else as_numpy(name, array)


class NoiseSampler:
    """Random numbers on the model's device, drawn from `seed` on the host."""

    def __init__(self, model: Any, seed: int) -> None:
        self.model = model
        self.rng = generator(seed, "imputation")

    def __call__(self, kind: str, *shape: int) -> Array:
        """An array of this shape; `kind` is "standard_normal", "standard_exponential" or "random" (uniform, [0, 1))."""
        noise: Array = self.model.validator.to_device(
            fill_random(np.empty(shape, self.model.dtype), getattr(self.rng, kind))
        )
        return noise
