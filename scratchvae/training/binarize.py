"""Grey pixels as the chance of being on."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.streams import fill


class Binarizer:
    """Draws each pixel anew, 1 with probability x and 0 otherwise, on the host.

    A fresh draw at each step ("dynamic") keeps a network from learning the noise of a single one. Salakhutdinov and
    Murray 2008; Burda, Grosse and Salakhutdinov 2016.
    """

    def __init__(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        self.rng = rng
        self.dtype = dtype
        self._u: Array = np.empty((0, 0), dtype)

    # u ~ U[0, 1): P(u < x) = x, and a pixel that is 0 or 1 stays so
    def __call__(self, x: Array) -> Array:
        """Zeros and ones (n, D) from x (n, D) in [0, 1]; a loan until the next call."""
        if len(x) > len(self._u):
            self._u = np.empty(x.shape, self.dtype)
        u = self._u[: len(x)]
        np.less(fill(u, self.rng.random), x, out=u)
        return u


def check_binarize(binarize: str | None) -> str | None:
    """`binarize`, if it is None or "dynamic"; raises ConfigError otherwise."""
    if binarize not in (None, "dynamic"):
        raise ConfigError(
            f"binarize={binarize!r} is unknown; choose 'dynamic' (afresh at each step) or None (as it is)"
        )
    return binarize
