"""Streams: training rows that come in batches, from a function or an iterable, and are in memory a batch at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any
from zlib import crc32

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.dataframes import align_columns, column_names, is_dataframe
from scratchvae.errors import ConfigError, DataError, ShapeError
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.models import Model
from scratchvae.parallel import Part, whole
from scratchvae.rows import is_sparse
from scratchvae.training.minibatches import Batches
from scratchvae.training.preprocess import Preprocessor
from scratchvae.validation import check_int, short_repr

END = object()
FIRST_ROWS = 10_000  # of which the scale and the output bias are learned
FIRST_BYTES = 2**26  # that these rows may have


def is_stream(value: Any) -> bool:
    """True for a function, an iterator, or an iterable that is no array, table, list or set."""
    if callable(value) and not isinstance(value, type):
        return True
    if isinstance(value, str | bytes | list | tuple | dict | set | frozenset | np.ndarray):
        return False
    arrays = hasattr(value, "__array__") or hasattr(value, "dtype") or is_dataframe(value) or is_sparse(value)
    return (
        hasattr(value, "__iter__") and not arrays and (hasattr(value, "__next__") or not hasattr(value, "__getitem__"))
    )


class BatchStream:
    """The batches (B, D) of each epoch, B from 1 to `batch_size`: the first `steps` ones of a fresh iterable.

    source   a function that returns an iterable of batches, an iterable that can be repeated, or an iterator, which
             goes on from epoch to epoch. A function of one argument is given the number of the epoch, counted from 1
    """

    def __init__(self, source: Any, steps: int, batch_size: int, epochs: int, name: str = "images") -> None:
        self.steps, self.epochs = check_int("steps_per_epoch", steps), check_int("epochs", epochs)
        self.batch_size, self.name = batch_size, name
        self.one_shot = hasattr(source, "__next__")
        self.columns: tuple[str, ...] | None = None  # names of the columns of the first batch
        self._source = source
        self._iterator: Iterator[Any] = source if self.one_shot else iter(())
        self._taken = 0  # batches of an iterator
        self._previous: Any = None
        self._numbered = callable(source) and not self.one_shot and _accepts_one_argument(source)

    def first_rows(self, model: Model, epoch: int) -> Array:
        """The rows of the first batches of an epoch: the batches with up to FIRST_ROWS rows, FIRST_BYTES, at least one.

        Raises DataError for a stream that is empty or ends too early, DTypeError or ShapeError.
        """
        rows: list[Array] = []
        iterator = self._fresh(epoch)
        for number in range(1, self.steps + 1):
            batch = self._next(iterator, number - 1, epoch)
            if number == 1 and is_dataframe(batch):
                self.columns = column_names(batch)
            name = self.name_of(number, epoch)
            batch = align_columns(name, batch, self.columns) if is_dataframe(batch) else batch
            array = to_numpy(model.as_rows(batch, name)).copy()  # the stream may fill one array again and again
            self.check_shape(array, model.input_dim, number, epoch)
            rows.append(array)
            if sum(map(len, rows)) >= FIRST_ROWS or sum(array.nbytes for array in rows) >= FIRST_BYTES:
                break
        if self.one_shot:
            self._iterator, self._taken = chain(rows, iterator), 0
        return np.concatenate(rows)

    def batches(self, epoch: int, epochs_before: int) -> Iterator[tuple[int, Any]]:
        """Yield the batches of an epoch with their numbers, counted from 1; of an iterator, those that come next.

        Raises DataError if there are too few, ConfigError if an iterator had to go back.
        """
        iterator = self._fresh(epoch)
        if self.one_shot:
            left_out = epochs_before * self.steps - self._taken  # a resumed training has no use for earlier epochs
            if left_out < 0:
                raise ConfigError(
                    f"{self.name} is an iterator, which cannot go back to an earlier batch: pass a function that "
                    "returns it"
                )
            for _ in range(left_out):
                self._next(iterator, self._taken, epoch)
        for number in range(1, self.steps + 1):
            yield number, self._next(iterator, self._taken if self.one_shot else number - 1, epoch)

    def _next(self, iterator: Iterator[Any], came: int, epoch: int) -> Any:
        batch = next(iterator, END)
        if batch is END:
            raise self._ended(came, epoch)
        self._taken += 1
        return batch

    def check_shape(self, rows: Array, width: int, number: int, epoch: int) -> None:
        """Raises ShapeError unless rows (B, width) are a batch."""
        if rows.ndim == 2 and rows.shape[1] == width and 0 < len(rows) <= self.batch_size:
            return
        hint = ""
        if rows.ndim == 2 and rows.shape[1] == width and len(rows):
            hint = f": make the trainer with batch_size={len(rows)}, or smaller batches"
        raise ShapeError(
            f"{self.name_of(number, epoch)} has shape {short_repr(rows.shape)}; expected (B, {width}) with B from 1 to "
            f"{self.batch_size}, the batch_size{hint}"
        )

    def _fresh(self, epoch: int) -> Iterator[Any]:
        if self.one_shot:
            return self._iterator
        if not callable(self._source):
            return iter(self._source)
        iterable = self._source(epoch) if self._numbered else self._source()
        if not hasattr(iterable, "__iter__"):
            raise ConfigError(
                f"{self.name} is a function that returned {short_repr(iterable)}; expected an iterable of batches"
            )
        if iterable is self._previous and hasattr(iterable, "__next__"):
            raise ConfigError(
                f"{self.name} is a function that returned the same iterator twice; expected a fresh one for each epoch"
            )
        self._previous = iterable
        return iter(iterable)

    def name_of(self, number: int, epoch: int) -> str:
        """A batch in words."""
        return f"batch {number} of epoch {epoch} of {self.name}"

    def _ended(self, came: int, epoch: int) -> DataError:
        batches = f"{came} batch{'es' * (came != 1)}" if came else "no batches"
        if self.one_shot:
            return DataError(
                f"{self.name}, an iterator, had {batches}; expected {self.epochs * self.steps}, epochs × "
                "steps_per_epoch: make one of them smaller, or pass a function that returns a fresh one for each epoch"
            )
        return DataError(
            f"{self.name} had {batches} in epoch {epoch}; expected {self.steps}, steps_per_epoch: make it smaller, or "
            "pass a function that returns a fresh iterable for each epoch"
        )


class StreamMinibatches(Batches):
    """The batches of a `BatchStream` in the dtype and units of the networks of a model, after `preprocess`.

    Each is checked when it comes. A batch is valid until the next one.

    part       the part of a batch that this process computes, as of `MinibatchSource`
    checksum   of the batches that came, if there are several processes, which must have the same ones
    """

    def __init__(
        self, model: Model, stream: BatchStream, preprocess: Preprocessor, part: Callable[[int], Part] = whole
    ) -> None:
        self._part, self.checksum = part, 0
        self.model, self.stream, self.preprocess = model, stream, preprocess
        self.batch_size, self.rows, self.repeatable = stream.batch_size, 0, not stream.one_shot
        self._host = np.empty((stream.batch_size, model.input_dim), model.dtype)
        self._device_buffer, self._corrupted_buffer = (
            HostToDeviceBuffer(model.backend),
            HostToDeviceBuffer(model.backend),
        )

    def __len__(self) -> int:
        return self.stream.steps

    def after(self, batches: int, epoch: int = 1, epochs_before: int = 0) -> Iterator[Array]:
        """See `Batches.after`. The batches that are left out are read too, because a stream has no other way to them.

        Raises as `BatchStream.batches`; DTypeError, ShapeError or RangeError for what is no batch.
        """
        model, self.rows = self.model, 0
        for number, batch in self.stream.batches(epoch, epochs_before):
            rows = to_numpy(model.check_data(batch, self.stream.name_of(number, epoch)))
            self.stream.check_shape(rows, model.input_dim, number, epoch)
            self.indices = np.arange(self.rows, self.rows + len(rows))
            self.rows += len(rows)
            if number <= batches:
                continue
            x = self._host[: len(rows)]
            x[...] = model.scaled(rows)
            if self._part is not whole:
                self.checksum = crc32(x.sum(axis=1).tobytes(), self.checksum)
            x, corrupted = self.preprocess(x)
            self.batch_rows, self.part = len(x), self._part(len(x))
            own = self.part.rows
            self.indices = self.indices[own]
            if corrupted is not None:
                self.corrupted = self._corrupted_buffer.to_device(corrupted[own])
            yield self._device_buffer.to_device(x[own])


def _accepts_one_argument(function: Any) -> bool:
    """True if a function is to be called with one argument: it has one without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of a function in C
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
