"""Random generators, one per purpose: the same seed gives independent numbers for each purpose.

A seed gives the same numbers in every thread and in every child process, forked or spawned. For different draws, use
different seeds.
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
    "held-out rows",
    "predicted rows",
    "shown rows",
)

BITS_AT_ONCE = 2**14  # numbers per chunk of random bits


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator of `seed` for `purpose`, one of PURPOSES. Raises ConfigError.

    It draws on the host, so that a seed gives the same numbers on every backend.
    """
    key = PURPOSES.index(purpose)
    return np.random.default_rng(np.random.SeedSequence(check_seed(seed), spawn_key=(key,)))


def row_generator(seed: int, row: Any) -> np.random.Generator:
    """Return a generator for the noise of a row: rows of the same numbers and dtype have the same noise.

    0 and −0 are the same number, and so are all NaN.
    """
    from hashlib import blake2b  # loaded only when needed: it takes milliseconds

    numbers = np.where(np.isnan(row), np.nan, row + 0.0)
    numbers = numbers.astype(np.float64 if numbers.itemsize > 8 else numbers.dtype)  # long doubles have unused bytes
    digest = blake2b(numbers.tobytes(), digest_size=16, salt=check_seed(seed).to_bytes(16, "little")).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def fill_random(out: Any, draw: Callable[..., Any]) -> Any:
    """Fill `out` by a generator's `draw` (its standard_normal or random), in the dtype of `out`, and return it."""
    if out.dtype in (np.float32, np.float64):
        draw(out=out, dtype=out.dtype.type)
    else:
        out[...] = draw(out.shape)  # NumPy does not draw long doubles
    return out


def fill_random_bits(out: Any, rng: np.random.Generator) -> None:
    """Fill `out`, a contiguous array of integers, with random bits.

    It works in chunks, because NumPy allocates a new array for the bits it returns.
    """
    flat = out.reshape(-1)
    for start in range(0, flat.size, BITS_AT_ONCE):
        chunk = flat[start : start + BITS_AT_ONCE]
        chunk[...] = rng.bit_generator.random_raw(-(-chunk.nbytes // 8)).view(out.dtype)[: chunk.size]
