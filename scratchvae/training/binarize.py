"""Dynamic binarization: grey values as probabilities of 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.models import Model
from scratchvae.rng import fill_random_bits
from scratchvae.validation import short_repr


class Binarizer:
    """Draws binary pixels on the host: 1 with probability x, otherwise 0.

    A new draw at each step ("dynamic") prevents the network from overfitting the noise of a single one. Salakhutdinov
    and Murray 2008; Burda, Grosse and Salakhutdinov 2016. With `missing`, NaN is left unchanged.
    """

    def __init__(self, rng: np.random.Generator, dtype: np.dtype[Any], missing: bool = False) -> None:
        self.missing = missing
        self.rng = rng
        self.dtype = dtype
        self._drawn: Array = np.empty((0, 0), dtype)

    # Drawing 16 random bits is four times as fast as drawing a float. For u uniform on 0 … 65535 and an integer t,
    #   P(u < t) = t / 65536
    # so t = ⌊65535 x + ½⌋ gives a probability within 2⁻¹⁶ of x. u = 65535 is replaced by 65534, so that u < t always
    # holds for t = 65535 and never for t = 0: pixels that are 0 or 1 do not change.
    def __call__(self, x: Array, rows: int | None = None, own: slice = slice(None)) -> Array:
        """Zeros and ones (n, D) from x (n, D) in [0, 1]; valid until the next call.

        rows, own   x are the rows `own` of a batch of this number of rows, for all of which the bits are drawn
        """
        u = self.bits((len(x) if rows is None else rows, x.shape[1]))[own]
        t = self.thresholds(x)
        drawn = self._drawn[: len(x)]
        np.less(u, t, out=drawn)
        if self.missing:
            np.copyto(drawn, np.nan, where=np.isnan(x))
        return drawn

    def thresholds(self, x: Array) -> Array:
        """t (n, D), 16-bit integers, from x (n, D) in [0, 1]; valid until the next call. That of NaN is 0."""
        self._allocate(x.shape)
        scaled, t = self._drawn[: len(x)], self._t[: len(x)]
        np.multiply(x, 65535.0, out=scaled)
        scaled += 0.5
        if self.missing:
            np.fmax(scaled, 0.0, out=scaled)  # an integer cannot represent NaN
        np.copyto(t, scaled, casting="unsafe")
        return t

    def bits(self, shape: tuple[int, int]) -> Array:
        """Random u (n, D), 16-bit integers from 0 to 65534, for a batch of this shape; valid until the next call."""
        self._allocate(shape)
        u = self._u[: shape[0]]
        fill_random_bits(u, self.rng)
        np.minimum(u, 65534, out=u)
        return u

    def _allocate(self, shape: tuple[int, int]) -> None:
        if shape[0] > len(self._drawn):
            self._drawn = np.empty(shape, self.dtype)
            self._u, self._t = np.empty((2, *shape), np.uint16)


def check_binarize(binarize: str | None, model: Model) -> str | None:
    """Check `binarize`, None or "dynamic", against the model's likelihood; return it. Raises ConfigError."""
    if binarize is not None and not (isinstance(binarize, str) and binarize == "dynamic"):
        raise ConfigError(
            f"binarize={short_repr(binarize)}: expected 'dynamic' (drawn at each step) or None (no binarization)"
        )
    if binarize is not None and model.config["likelihood"] != "bernoulli":
        likelihood = short_repr(model.config["likelihood"])
        raise ConfigError(
            f"binarize={binarize!r} gives zeros and ones, but likelihood={likelihood} is for other data: leave it "
            "out, or use likelihood='bernoulli'"
        )
    return binarize
