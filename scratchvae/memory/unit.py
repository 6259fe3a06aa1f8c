"""What every piece with a forward and a backward has in common: where its batch lives, and what it lets in."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array, backend_of
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.memory.batch import BatchBuffers


class Unit:
    """A piece of a model that writes into batch buffers of its own.

    A model binds its units once, for its largest batch. A unit that nobody bound binds itself at first use, so that
    it can be played with alone; a larger batch than ever before makes it bind anew.
    """

    xp: Any
    width: int  # columns of what comes in
    _rows = 0  # of the last forward
    _buffers: BatchBuffers | None = None
    _gradient_tail: tuple[int, ...] = ()

    def bind(self, buffers: BatchBuffers, width: int) -> int:
        """Receive room for a batch whose rows are `width` wide; return how wide the output is."""
        self.xp = buffers.backend.xp
        self.width = width
        self._buffers = buffers
        output = self.allocate(buffers, width)
        self._gradient_tail = (output,) if output else ()
        return output

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Make this unit's buffers; return the width of its output, 0 if it is one number a row."""
        raise NotImplementedError

    def admit(self, **inputs: Array) -> int:
        """The number of rows of the `inputs`, once each is known to be a (B, width) array of our dtype and device.

        Raises DeviceError, DTypeError or ShapeError.
        """
        first = next(iter(inputs.values()))
        buffers = self._buffers or self._bind_itself(first)
        self._rows = rows = len(first)
        for name, array in inputs.items():
            self._check(name, array, (rows, self.width))
        if rows > buffers.rows:
            self.bind(buffers.taller(rows), self.width)
        return rows

    def admit_gradient(self, **gradients: Array) -> int:
        """The number of rows of the last forward, once each gradient is known to have the shape of its output.

        Raises DeviceError, DTypeError or ShapeError.
        """
        for name, array in gradients.items():
            self._check(name, array, (self._rows, *self._gradient_tail))
        return self._rows

    def _check(self, name: str, array: Array, shape: tuple[int, ...]) -> None:
        if self._buffers is None:
            raise ShapeError(f"{type(self).__name__}.backward was called before forward; call forward first")
        self._buffers.backend.require(array, name)
        if array.dtype != self._buffers.dtype:
            raise DTypeError(
                f"{type(self).__name__} was given {name} of dtype {array.dtype} and computes in {self._buffers.dtype}; "
                f"convert it with .astype('{self._buffers.dtype}')"
            )
        if array.shape != shape or not shape[0]:
            raise ShapeError(
                f"{type(self).__name__} was given {name} of shape {array.shape}; expected "
                f"({shape[0] or 'at least one row'}{''.join(f', {n}' for n in shape[1:])}{',' * (len(shape) == 1)})"
            )

    def _bind_itself(self, x: Array) -> BatchBuffers:
        backend = backend_of(x)
        if x.dtype.kind != "f":
            raise DTypeError(
                f"{type(self).__name__} was given an array of dtype {x.dtype}; expected float32 or float64: "
                "convert it with .astype('float64')"
            )
        if x.ndim != 2:
            raise ShapeError(f"{type(self).__name__} was given shape {x.shape}; expected (B, width): one row a sample")
        self.bind(BatchBuffers(backend, x.dtype, len(x)), x.shape[1])
        assert self._buffers is not None
        return self._buffers
