"""Grey pixels as the chance of being on."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError


class Binarizer:
    """Draws each pixel anew, 1 with probability x and 0 otherwise, on the host.

    A fresh draw at each step ("dynamic") keeps a network from learning the noise of a single one. Salakhutdinov and
    Murray 2008; Burda, Grosse and Salakhutdinov 2016.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._u: Array = np.empty((0, 0), np.float32)

    # u ~ U[0, 1): P(u < x) = x, and a pixel that is 0 or 1 stays so
    def __call__(self, x: Array, out: Array) -> Array:
        """Zeros and ones (n, D), written to `out`, from x (n, D) in [0, 1]; both may be the same array."""
        if len(x) > len(self._u):
            self._u = np.empty(x.shape, np.float32)
        u = self._u[: len(x)]
        self.rng.random(out=u, dtype=np.float32)
        np.less(u, x, out=out)
        return out


def check_binarize(binarize: str | None) -> str | None:
    """`binarize`, if it is None or "dynamic"; raises ConfigError otherwise."""
    if binarize not in (None, "dynamic"):
        raise ConfigError(
            f"binarize={binarize!r} is unknown; choose 'dynamic' (afresh at each step) or None (as it is)"
        )
    return binarize
