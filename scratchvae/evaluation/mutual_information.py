"""Which latent dimension stands for which factor of what is seen, and whether it does so alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array
from scratchvae.errors import RangeError, ShapeError
from scratchvae.representation import fields_repr
from scratchvae.validation import check_int, check_type


class MutualInformationGap(NamedTuple):
    """Of K factors and Z latent dimensions; information and entropies in nats.

    value         the mean of `gaps`: 1 if each factor is told, whole, by one dimension, and by no other; 0 at worst
    gaps          (K,), by which share of its entropy the dimension that tells most of a factor is ahead of the next
    information   (K, Z), what each dimension tells of each factor
    entropy       (K,), of each factor: what there is to tell
    names         of the factors
    """

    value: float
    gaps: Array
    information: Array
    entropy: Array
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return fields_repr(self)


def mutual_information_gap(codes: Any, factors: Mapping[str, Any], bins: int = 20) -> MutualInformationGap:
    """The mutual information gap of codes (N, Z), of rows whose factors are known, (N,) numbers by name.

    gap_k = (I(z_a; v_k) − max_{j ≠ a} I(z_j; v_k)) / H(v_k), where z_a tells most of v_k. Chen et al. 2018, eq. 6; a
    single dimension has no rival, and all of its information counts.

    codes   draws from q(z | x), not its means: in a dimension that the KL has emptied the mean still moves a little,
            and no count of bins sees how little, while the noise of a draw hides it
    bins    what takes more values than that is cut into so many parts with as many rows each, equal values together;
            what takes fewer is taken as it is. So a code that is stretched tells the same

    Counts of N rows in B bins by V values overstate the information by about (B − 1) (V − 1) / 2N (Miller 1955).
    A factor that looks the same at two of its values, as a square does after a quarter of a turn, cannot be told whole.
    Raises DTypeError, ShapeError, RangeError or ConfigError.
    """
    check_int("bins", bins, minimum=2)
    table = _numbers("codes", codes, 2)
    check_type("factors", factors, Mapping, "factors by name, such as {'shape': numbers}")
    parts = [_cut(code, bins) for code in table.T]
    if not factors or not parts:
        raise ShapeError(f"{len(factors)} factors and {len(parts)} latent dimensions: expected at least one of each")
    information, entropy = np.empty((len(factors), len(parts))), np.empty(len(factors))
    for k, (name, given) in enumerate(factors.items()):
        values = _numbers(f"factor {name!r}", given, 1)
        if len(values) != len(table):
            raise ShapeError(
                f"factor {name!r} has {len(values)} numbers, and there are {len(table)} codes; expected one for each"
            )
        if values.min() == values.max():
            raise RangeError(f"factor {name!r} is {values[0]:g} in all rows: there is nothing to tell; leave it out")
        factor = _cut(values, bins)
        entropy[k] = _entropy(factor)
        information[k] = [_information(part, factor) for part in parts]
    first, second = np.sort(np.pad(information, ((0, 0), (1, 0))), axis=1)[:, :-3:-1].T
    gaps = (first - second) / entropy
    return MutualInformationGap(float(gaps.mean()), gaps, information, entropy, tuple(factors))


def _numbers(name: str, given: Any, axes: int) -> Array:
    numbers = as_real_array(name, given).astype(np.float64)
    if numbers.ndim != axes or not len(numbers):
        raise ShapeError(f"{name} of shape {numbers.shape}: expected {'(N, Z)' if axes == 2 else '(N,)'}, N at least 1")
    if not np.isfinite(numbers).all():
        raise RangeError(f"{name}: NaN or infinite numbers, which belong to no bin; leave those rows out")
    return numbers


def _cut(numbers: Array, bins: int) -> Array:
    """In which part (N,) each of numbers (N,) is, counted from 0 without a gap."""
    values, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    if len(values) <= bins:
        return np.asarray(which)
    twice_the_rank = 2 * np.cumsum(counts) - counts - 1  # of equal values the mean one, from 0 to N − 1
    parts: Array = np.unique(twice_the_rank * bins // (2 * len(numbers)), return_inverse=True)[1][which]
    return parts


def _entropy(parts: Array) -> float:
    share = np.unique(parts, return_counts=True)[1] / len(parts)
    return float(-(share * np.log(share)).sum())


# I(a; b) = H(a) + H(b) − H(a, b)
def _information(a: Array, b: Array) -> float:
    return max(0.0, _entropy(a) + _entropy(b) - _entropy(a * (b.max() + 1) + b))
