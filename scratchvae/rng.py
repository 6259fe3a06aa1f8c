"""Random streams: one for each purpose, so that a seed never gives the same numbers to two of them.

A seed gives the same numbers wherever it is used: in each thread, and in each child of a process, forked or spawned. To
draw or train differently in each, give each a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.validation import check_seed

PURPOSES = (
    "weights",
    "noise",
    "prior",
    "pixels",
    "training order",
    "training noise",
    "training pixels",
    "corruption",
    "training corruption",
    "factors",
    "imputation",
    "training input std",
)

BITS_AT_ONCE = 2**14  # numbers


def generator(seed: int, purpose: str) -> np.random.Generator:
    """The generator that `seed` stands for where numbers are drawn for `purpose`. Raises ConfigError.

    It draws on the host: a seed gives the same numbers on every backend.
    """
    key = PURPOSES.index(purpose)
    return np.random.default_rng(np.random.SeedSequence(check_seed(seed), spawn_key=(key,)))


def fill_random(out: Any, draw: Callable[..., Any]) -> Any:
    """`out`, filled with what a generator's `draw` (standard_normal or random) gives in its dtype."""
    if out.dtype in (np.float32, np.float64):
        draw(out=out, dtype=out.dtype.type)
    else:
        out[...] = draw(out.shape)  # NumPy draws no long doubles
    return out


def fill_random_bits(out: Any, rng: np.random.Generator) -> None:
    """Fill `out`, contiguous whole numbers, with random bits, a few at a time: NumPy puts them in a new array."""
    flat = out.reshape(-1)
    for start in range(0, flat.size, BITS_AT_ONCE):
        part = flat[start : start + BITS_AT_ONCE]
        part[...] = rng.bit_generator.random_raw(-(-part.nbytes // 8)).view(out.dtype)[: part.size]
