"""The affine map in which some outputs do not depend on some inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.layers.linear import Linear
from scratchvae.memory import BatchBuffers
from scratchvae.validation import check_int, short_repr


class MaskedLinear(Linear):
    """Affine map, y = x (W ⊙ M) + b, with M_io = 1 if output o may depend on input i, else 0.

    shapes   x (B, I)   W, M (I, O)   b (O,)   y (B, O)
    saves    x, by reference; W ⊙ M
    writes   y | dW, db, dx

    M is made from degrees, as in the masked autoencoder of Germain, Gregor, Murray and Larochelle 2015, eq. 12 and 13:
    a number of degree m depends on the inputs of the network up to the m-th. A hidden unit may read numbers of a degree
    up to its own; an output, with `strict`, only those of a lower one.

    input_degrees, output_degrees   I and O whole numbers
    strict                          M_io = 1 if the degree of o is greater than that of i; False: at least as great
    W is initialized by `init` with `seed`, b to 0. Raises ConfigError.
    """

    def __init__(
        self,
        input_degrees: Sequence[int],
        output_degrees: Sequence[int],
        strict: bool = False,
        init: str = "glorot_uniform",
        seed: int | None = None,
    ) -> None:
        self.input_degrees = _check_degrees("input_degrees", input_degrees)
        self.output_degrees = _check_degrees("output_degrees", output_degrees)
        self.strict = bool(strict)
        super().__init__(len(self.input_degrees), len(self.output_degrees), init, seed)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate y, dx, M and W ⊙ M."""
        super().allocate(buffers)
        i, o = np.array(self.input_degrees)[:, None], np.array(self.output_degrees)[None]
        self._mask = buffers.backend.upload((o > i if self.strict else o >= i).astype(buffers.dtype))
        self._masked_W = buffers.resized(self.inputs).matrix(self.outputs)

    @property
    def mask(self) -> Array:
        """M (I, O)."""
        return self._mask

    def matmul(self, x: Array) -> Array:
        """x (W ⊙ M) (B, O), without the bias."""
        rows = self.check_inputs(x=x)
        y = self._y[:rows]
        self.xp.multiply(self.W, self._mask, out=self._masked_W)
        self.xp.matmul(x, self._masked_W, out=y)
        self.x = x
        return y

    # As in `Linear`, with W ⊙ M in place of W:
    #   →  d(W ⊙ M) = xᵀ dy,   dW = M ⊙ xᵀ dy,   dx = dy (W ⊙ M)ᵀ
    def backward(self, dy: Array) -> Array:
        """dW, db and dx (B, I) from dy (B, O)."""
        self.backward_parameters(dy)
        dx = self._dx[: len(dy)]
        self.xp.matmul(dy, self._masked_W.T, out=dx)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        """dW and db only."""
        super().backward_parameters(dy)
        self.dW *= self._mask


def _check_degrees(name: str, values: Any) -> tuple[int, ...]:
    if isinstance(values, str | bytes) or not isinstance(values, Sequence | range) or not len(values):
        raise ConfigError(f"{name}={short_repr(values)}: expected a whole number for each unit, such as (1, 2, 3)")
    return tuple(check_int(f"{name}[{k}]", value, minimum=0) for k, value in enumerate(values))
