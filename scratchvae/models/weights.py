"""Parameters and gradients, as one vector each."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.memory import FlatVector, Unit
from scratchvae.memory.flat import Shapes


class Weights:
    """The parameters of some pieces, and their gradients: by name, and as the flat vectors that they lie in."""

    pieces: dict[str, Unit]

    @property
    def shapes(self) -> Shapes:
        """The names and shapes of the parameters, in the order in which they lie."""
        return {
            f"{of}.{name}": shape
            for of, piece in self.pieces.items()
            for name, shape in piece.parameter_shapes().items()
        }

    def lay_out(self, backend: Backend, dtype: np.dtype[Any]) -> None:
        """Make the two vectors, and bind every piece to its part of them."""
        shapes = self.shapes
        self._params = FlatVector(backend.xp, shapes, dtype)
        self._grads = FlatVector(backend.xp, shapes, dtype)
        for of, piece in self.pieces.items():
            piece.bind_parameters(self._params.part(of), self._grads.part(of))

    @property
    def params(self) -> dict[str, Array]:
        """The parameters by name, views of `theta`: write `params[name][...] = new`."""
        return dict(self._params.views)

    @property
    def grads(self) -> dict[str, Array]:
        """The gradient of the last backward by name, views of `dtheta`."""
        return dict(self._grads.views)

    @property
    def theta(self) -> Array:
        """All parameters, (P,)."""
        return self._params.data

    @property
    def dtheta(self) -> Array:
        """The gradient of the last backward with respect to `theta`, (P,)."""
        return self._grads.data
