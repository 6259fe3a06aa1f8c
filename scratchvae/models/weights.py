"""Parameters and gradients, as one vector each."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.errors import BackendError
from scratchvae.memory import BatchBuffers, FlatVector, Unit
from scratchvae.memory.flat import Shapes
from scratchvae.models.door import Door
from scratchvae.streams import stream

PLAN = Backend("plan", None, type(None))  # of a model that only tells of its weights, and takes no room for them


class Weights:
    """The parameters of some pieces, and their gradients: by name, and as the flat vectors that they lie in."""

    pieces: dict[str, Unit]
    config: dict[str, Any]
    dtype: np.dtype[Any]
    backend: Backend
    door: Door

    @property
    def shapes(self) -> Shapes:
        """The names and shapes of the parameters, in the order in which they lie."""
        return {
            f"{of}.{name}": shape
            for of, piece in self.pieces.items()
            for name, shape in piece.parameter_shapes().items()
        }

    def settle(self, backend: Backend) -> None:
        """Take room for all pieces, and let them begin. Raises BackendError."""
        self.take_room(backend)
        rng = stream(self.config["seed"], "weights")
        for piece in self.pieces.values():
            piece.initialize(backend, rng)
        self.scale_output()

    def take_room(self, backend: Backend) -> None:
        """Lay the pieces' weights out on `backend`, with no room for rows yet. Raises BackendError."""
        if self.config["dtype"] == "longdouble" and not backend.on_host:
            raise BackendError(f"dtype='longdouble' needs backend='numpy'; {backend.name} has float32 and float64")
        self.backend = backend
        self.door = Door(backend, self.dtype)
        shapes = self.shapes
        self._params, self._grads = (FlatVector(backend.xp, shapes, self.dtype) for _ in range(2))
        for of, piece in self.pieces.items():
            piece.bind_parameters(self._params.part(of), self._grads.part(of))
        self._buffers = BatchBuffers(backend, self.dtype, 0)
        self.bind(self._buffers)  # so that no piece binds itself to another backend

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every piece its batch buffers."""
        raise NotImplementedError

    def scale_output(self) -> None:
        """Let the last weights begin as small as they are asked to."""
        raise NotImplementedError

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
