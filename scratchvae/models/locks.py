"""One thread at a time: what keeps threads that use one model out of each other's way.

All methods of a model compute in the same buffers, so a public one holds the model's lock from its first line to its
last, and other threads wait for it:

    any public method, save, score    may be called by several threads at once: each gets the bits that it would get
                         alone, from weights that are all of one moment
    Trainer.step         holds the lock from forward to update: steps of several threads follow each other
    Trainer.fit          holds it for each step, and lets others in between: a model in training can be used
    a second fit of a model, or a step by another thread, while one is under way      BusyError
    theta, params, forward, backward, chunks, a layer or an optimizer alone      unguarded: `with model.lock:` guards

The lock is re-entrant: inside `with model.lock:` all methods may be called, and nothing changes between two of them;
whoever writes into the weights does so inside `with model.writing():`. On a GPU, threads share the device's default
stream: give them none of their own.

Processes share nothing. A child that is forked finds the locks free, whoever held them, and the weights as they are
between two updates; one that is spawned is sent a copy (see `Model`). Both compute the same bits on
the host. What is on a GPU is refused to a forked child with a BackendError: CUDA does not survive a fork.

Nor does OpenBLAS always survive the fork of one thread in the middle of another's product of matrices: 8 of 1,500
children hung, with NumPy alone. So a fork waits until no method of a model is at work, up to PATIENCE seconds; a thread
that computes by itself, or for longer, is a reason to spawn.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, get_ident  # as threading has them, without its milliseconds at each start
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakSet

from scratchvae.backend import FORKED, translate_device_error
from scratchvae.errors import BackendError, BusyError

PATIENCE = 1.0  # seconds

F = TypeVar("F", bound=Callable[..., Any])


def synchronized(method: F) -> F:
    """A method that holds the `lock` of its object while it runs, and raises as `scratchvae.backend.surviving` does."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            try:
                return method(self, *args, **kwargs)
            except (MemoryError, RuntimeError) as error:
                raise translate_device_error(error) from error.__cause__

    return call  # type: ignore[return-value]


class Locks:
    """The locks of one model, which can be computed with by one thread at a time.

    lock       of all that is written while a method runs; re-entrant
    updating   of the weights alone, held within `lock` for each update and for nothing else, so briefly that a fork can
               wait for it safely
    on_host    whether a forked child can compute with the model
    """

    lock: Any
    updating: Any

    def __init__(self) -> None:
        self.on_host = True
        self.renew()
        _all.add(self)

    def renew(self) -> None:
        """Make the locks, held by no thread."""
        from threading import RLock

        self.lock, self.updating = RLock(), RLock()
        self._claim = allocate_lock()
        self._fitted_by: int | None = None

    @contextmanager
    def exclusive_fit(self) -> Iterator[None]:
        """While this lasts, no other thread may train. Raises BusyError where one does, or where this one does."""
        claim = self._claim
        if not claim.acquire(blocking=False):
            raise BusyError(
                "fit was called for a model that another fit is training; wait until that has ended, or train a copy: "
                "copy.deepcopy(model)"
            )
        try:
            self._fitted_by = get_ident()
            yield
        finally:
            self._fitted_by = None
            claim.release()

    def reading(self) -> AbstractContextManager[Any]:
        """While this lasts the weights stay as they are: by the lock, unless it is this thread that trains them."""
        return nullcontext() if self._fitted_by == get_ident() else self.lock

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While this lasts the weights may be written: nobody computes with them, and no fork comes in between."""
        with self.lock, self.updating:
            yield

    def require_no_other_fit(self) -> None:
        """Raises BusyError where another thread fits."""
        if self._fitted_by not in (None, get_ident()):
            raise BusyError(
                "step was called while another thread's fit is training the model; wait until that has ended, or train "
                "a copy: copy.deepcopy(model)"
            )


class Lost:
    """The lock of a model whose device a forked child has not."""

    def acquire(self, timeout: float) -> bool:
        """Whether there is anything to wait for."""
        return False

    def __enter__(self) -> None:
        raise BackendError(FORKED)

    def __exit__(self, *error: object) -> None:
        """Nothing was entered."""


_all: WeakSet[Locks] = WeakSet()
_one_fork = allocate_lock()
_held = ExitStack()


# Of all threads a fork takes along the one that forks: what others held in that moment would be held for ever. Whoever
# holds a `lock` may be waiting for one that the forking thread has, so that patience must end; but nobody waits for
# another lock while updating.
def _wait_for_others() -> None:
    _one_fork.acquire()
    models, until = list(_all), time.monotonic() + PATIENCE
    for locks in models:
        if locks.lock.acquire(timeout=max(0.0, until - time.monotonic())):
            _held.callback(locks.lock.release)
    for locks in models:
        _held.enter_context(locks.updating)


def _go_on() -> None:
    _held.close()
    _one_fork.release()


def _make_new_locks() -> None:
    for locks in list(_all):
        locks.renew()
        if not locks.on_host:
            locks.lock = Lost()
    _go_on()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_others, after_in_parent=_go_on, after_in_child=_make_new_locks)
