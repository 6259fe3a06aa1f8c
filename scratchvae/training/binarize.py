"""Grey pixels as the chance of being on."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.models import Model
from scratchvae.rng import fill_random_bits
from scratchvae.validation import short_repr


class Binarizer:
    """Draws each pixel anew, 1 with probability x and 0 otherwise, on the host.

    A fresh draw at each step ("dynamic") keeps a network from learning the noise of a single one. Salakhutdinov and
    Murray 2008; Burda, Grosse and Salakhutdinov 2016. With `missing`, NaN stays.
    """

    def __init__(self, rng: np.random.Generator, dtype: np.dtype[Any], missing: bool = False) -> None:
        self.missing = missing
        self.rng = rng
        self.dtype = dtype
        self._drawn: Array = np.empty((0, 0), dtype)

    # Sixteen random bits a pixel are drawn four times as fast as a float. For u uniform on 0 … 65535 and any whole t,
    #   P(u < t) = t / 65536
    # so t = ⌊65535 x + ½⌋ puts the chance within 2⁻¹⁶ of x. Where u is 65535 it becomes 65534: t = 65535 then always
    # wins, as t = 0 never does, and a pixel that is 0 or 1 stays so.
    def __call__(self, x: Array) -> Array:
        """Zeros and ones (n, D) from x (n, D) in [0, 1]; a loan until the next call."""
        if len(x) > len(self._drawn):
            self._drawn = np.empty(x.shape, self.dtype)
            self._u, self._t = np.empty((2, *x.shape), np.uint16)
        drawn, u, t = self._drawn[: len(x)], self._u[: len(x)], self._t[: len(x)]
        np.multiply(x, 65535.0, out=drawn)
        drawn += 0.5
        if self.missing:
            np.fmax(drawn, 0.0, out=drawn)  # NaN is nothing that a whole number could hold
        np.copyto(t, drawn, casting="unsafe")
        fill_random_bits(u, self.rng)
        np.minimum(u, 65534, out=u)
        np.less(u, t, out=drawn)
        if self.missing:
            np.copyto(drawn, np.nan, where=np.isnan(x))
        return drawn


def check_binarize(binarize: str | None, model: Model) -> str | None:
    """`binarize`, if it is None, or "dynamic" for a model of pixels that are on or off; else raises ConfigError."""
    if binarize is not None and not (isinstance(binarize, str) and binarize == "dynamic"):
        raise ConfigError(
            f"binarize={short_repr(binarize)}: expected 'dynamic' (afresh at each step) or None (as it is); choose one"
        )
    if binarize is not None and model.config["likelihood"] != "bernoulli":
        raise ConfigError(
            f"binarize={binarize!r} makes zeros and ones, of which likelihood={model.config['likelihood']!r} is no "
            "distribution: leave it out, or take likelihood='bernoulli'"
        )
    return binarize
