"""What every piece with a forward and a backward has in common: where its batch lives, and what it lets in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend, backend_of
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.memory.batch import BatchBuffers
from scratchvae.memory.flat import Shapes
from scratchvae.memory.fused import fuse


class Unit:
    """A piece of a model that writes into batch buffers of its own.

    A model binds its units once, for its largest batch. A unit that nobody bound binds itself at first use, so that
    it can be played with alone; a larger batch than ever before makes it bind anew. It serves one thread at a time.
    """

    xp: Any
    width: int  # columns of what comes in
    _rows = 0  # of the last forward
    _buffers: BatchBuffers | None = None
    _gradient_tail: tuple[int, ...] = ()

    def bind(self, buffers: BatchBuffers, width: int) -> int:
        """Receive room for a batch whose rows are `width` wide; return how wide the output is."""
        fuse(self, buffers.backend.xp)
        output = self.allocate(buffers, width)  # a width that does not fit is refused before anything is kept of it
        self.xp = buffers.backend.xp
        self.width = width
        self._buffers = buffers
        self._gradient_tail = (output,) if output else ()
        return output

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Make this unit's buffers; return the width of its output, 0 if it is one number a row."""
        raise NotImplementedError

    def parameter_shapes(self) -> Shapes:
        """The names and shapes of the parameters; there are none."""
        return {}

    def bind_parameters(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Receive views to keep the parameters and their gradients in, named as in `parameter_shapes`."""

    def initialize(self, backend: Backend, rng: np.random.Generator) -> None:
        """Set the parameters to where training begins."""

    def admit(self, **inputs: Array) -> int:
        """The number of rows of the `inputs`, once each is known to be a (B, width) array of our dtype and device.

        Raises DeviceError, DTypeError or ShapeError.
        """
        name, first = next(iter(inputs.items()))
        buffers = self._buffers or self._bind_itself(name, first)
        try:
            rows = len(first)
        except TypeError:  # no rows at all, which `_look` tells of
            rows = 0
        self._check(buffers, inputs, (rows, self.width))
        self._rows = rows
        if rows > buffers.rows:
            self.bind(buffers.taller(rows), self.width)
        return rows

    def admit_as(self, width: int, **inputs: Array) -> None:
        """Let in what belongs to the rows just admitted and is `width` wide. Raises as `admit`."""
        assert self._buffers is not None
        self._check(self._buffers, inputs, (self._rows, width))

    def admit_gradient(self, **gradients: Array) -> int:
        """The number of rows of the last forward, once each gradient is known to have the shape of its output.

        Raises DeviceError, DTypeError or ShapeError.
        """
        if self._buffers is None or not self._rows:
            raise ShapeError(f"{type(self).__name__}.backward was called before forward; call forward first")
        self._check(self._buffers, gradients, (self._rows, *self._gradient_tail))
        return self._rows

    def _check(self, buffers: BatchBuffers, arrays: dict[str, Array], shape: tuple[int, ...]) -> None:
        expected, dtype = buffers.backend.array_type, buffers.dtype
        for name, array in arrays.items():  # what is just as it should be, is let in at once: a step asks forty times
            if type(array) is not expected or array.dtype is not dtype or array.shape != shape or not shape[0]:
                self._look(buffers, name, array, shape)

    def _look(self, buffers: BatchBuffers, name: str, array: Array, shape: tuple[int, ...]) -> None:
        buffers.backend.require(array, f"{type(self).__name__} was given {name}, which")
        if array.dtype != buffers.dtype:
            raise DTypeError(
                f"{type(self).__name__} was given {name} of dtype {array.dtype} and computes in {buffers.dtype}; "
                f"convert it with .astype('{buffers.dtype}')"
            )
        if array.shape != shape or not shape[0]:
            wanted = shape if shape[0] else f"at least one row of {self.width} numbers"
            raise ShapeError(f"{type(self).__name__} was given {name} of shape {array.shape}; expected {wanted}")

    def _bind_itself(self, name: str, x: Array) -> BatchBuffers:
        backend = backend_of(x, f"{type(self).__name__} was given {name}, which")
        if x.dtype.kind != "f" or x.dtype.itemsize < 4:
            raise DTypeError(
                f"{type(self).__name__} was given {name} of dtype {x.dtype}; expected float32 or float64: "
                "convert it with .astype('float64')"
            )
        if x.ndim != 2 or not x.size:
            raise ShapeError(
                f"{type(self).__name__} was given {name} of shape {x.shape}; expected (B, width), B ≥ 1: a row a sample"
            )
        buffers = BatchBuffers(backend, x.dtype, len(x))
        self.bind(buffers, x.shape[1])
        return buffers
