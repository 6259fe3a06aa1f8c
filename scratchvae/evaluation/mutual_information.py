"""The mutual information gap between latent dimensions and known factors of variation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array
from scratchvae.errors import RangeError, ShapeError
from scratchvae.representation import fields_repr
from scratchvae.validation import check_int, check_type, suggest_arguments


class MutualInformationGap(NamedTuple):
    """The result for K factors and Z latent dimensions; information and entropy in nats.

    value         mean of `gaps`: 1 if every factor is determined by one dimension and independent of all others; at
                  least 0
    gaps          (K,), information of the most informative dimension about each factor minus that of the second, over
                  the entropy of the factor
    information   (K, Z), mutual information of each factor and each dimension
    entropy       (K,), entropy of each factor
    names         names of the factors
    """

    value: float
    gaps: Array
    information: Array
    entropy: Array
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return fields_repr(self)


@suggest_arguments
def mutual_information_gap(codes: Any, factors: Mapping[str, Any], bins: int = 20) -> MutualInformationGap:
    """Compute the mutual information gap of codes (N, Z) and known factors, each (N,) numbers, by name.

    gap_k = (I(z_a; v_k) − max_{j ≠ a} I(z_j; v_k)) / H(v_k), where z_a is the dimension with the most information about
    v_k. Chen et al. 2018, eq. 6. With a single dimension, the second term is 0.

    codes   draws from q(z | x), not its means. In a dimension that the KL has switched off, the mean still varies
            slightly, which binning magnifies; in a draw, the noise hides it
    bins    variables with more distinct values than that are divided into `bins` bins of equally many rows, equal
            values in the same bin; others are used unchanged. The result is invariant to monotonic transformations of
            a code

    Estimates from N rows with B bins and V values overstate the information by about (B − 1) (V − 1) / 2N (Miller
    1955). A factor with two values that look the same, such as a square rotated by 90°, cannot be determined entirely.
    Raises DTypeError, ShapeError, RangeError or ConfigError.
    """
    check_int("bins", bins, minimum=2)
    code_array = _check_numbers("codes", codes, 2)
    check_type("factors", factors, Mapping, "factors by name, such as {'shape': numbers}")
    dimensions = [_discretize(code, bins) for code in code_array.T]
    if not factors or not dimensions:
        raise ShapeError(
            f"{len(factors)} factors and {len(dimensions)} latent dimensions: expected at least one of each"
        )
    information, entropy = np.empty((len(factors), len(dimensions))), np.empty(len(factors))
    for k, (name, factor) in enumerate(factors.items()):
        values = _check_numbers(f"factor {name!r}", factor, 1)
        if len(values) != len(code_array):
            raise ShapeError(
                f"factor {name!r} has {len(values)} values for {len(code_array)} codes; expected one for each code"
            )
        if values.min() == values.max():
            raise RangeError(f"factor {name!r} is {values[0]:g} in all rows, so its entropy is 0; leave it out")
        factor_bins = _discretize(values, bins)
        entropy[k] = _entropy(factor_bins)
        information[k] = [_mutual_information(dimension, factor_bins) for dimension in dimensions]
    first, second = np.sort(np.pad(information, ((0, 0), (1, 0))), axis=1)[:, :-3:-1].T
    gaps = (first - second) / entropy
    return MutualInformationGap(float(gaps.mean()), gaps, information, entropy, tuple(factors))


def _check_numbers(name: str, values: Any, ndim: int) -> Array:
    with np.errstate(over="ignore"):  # a long double may be too large for float64
        numbers = as_real_array(name, values).astype(np.float64)
    if numbers.ndim != ndim or not len(numbers):
        raise ShapeError(f"{name} of shape {numbers.shape}: expected {'(N, Z)' if ndim == 2 else '(N,)'}, N at least 1")
    if not np.isfinite(numbers).all():
        raise RangeError(f"{name}: NaN or infinite values, which belong to no bin; leave those rows out")
    return numbers


def _discretize(numbers: Array, bins: int) -> Array:
    """Return the bin (N,) of each of the numbers (N,); the bins are numbered from 0 without gaps."""
    values, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    if len(values) <= bins:
        return np.asarray(inverse)
    twice_the_rank = 2 * np.cumsum(counts) - counts - 1  # the mean rank of equal values; ranks are 0 to N − 1
    indices: Array = np.unique(twice_the_rank * bins // (2 * len(numbers)), return_inverse=True)[1][inverse]
    return indices


def _entropy(bin_indices: Array) -> float:
    frequencies = np.unique(bin_indices, return_counts=True)[1] / len(bin_indices)
    return float(-(frequencies * np.log(frequencies)).sum())


# I(a; b) = H(a) + H(b) − H(a, b)
def _mutual_information(a: Array, b: Array) -> float:
    return max(0.0, _entropy(a) + _entropy(b) - _entropy(a * (b.max() + 1) + b))
