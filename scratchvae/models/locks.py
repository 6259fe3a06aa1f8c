"""Thread safety: the locks of a model.

All methods of a model use the same buffers, so that one thread at a time computes: see `FairLock`. A long call gives
way to others after each chunk of rows: one row is embedded after two chunks at most, while another thread embeds
millions. For threads that compute at the same time, use copies, or clones of an `Encoder`, which share the weights.

    public methods, save, score    may be called from several threads. Each call returns the same bits as without other
                                   threads, computed from the weights between two updates
    Trainer.step                   holds the lock from forward to update; steps from several threads run one by one
    Trainer.fit                    holds the lock during each step and releases it between steps, so that other threads
                                   can use a model in training. A second fit of the same model, or a step by another
                                   thread, raises BusyError
    theta, params, forward, backward, chunks, and the methods of a layer or an optimizer
                                   are not locked: call them inside `with model.lock:`

The lock is re-entrant: inside `with model.lock:` all methods may be called, and no other thread changes the model in
between. Write to the weights inside `with model.write_lock():`. On a GPU, all threads must use the default stream.

Processes share nothing. In a forked child all locks are free, and the weights are those between two updates. A spawned
child receives a copy (see `Model`). Both compute the same bits on the host. CUDA does not survive a fork: in a forked
child, a model on a GPU raises BackendError.

OpenBLAS may hang in a child that was forked while another thread multiplied matrices: 8 of 1,500 children did, with
NumPy alone. A fork therefore waits until no method of a model is running, for at most FORK_TIMEOUT seconds. It does not
wait for computations without a model, nor for longer ones: spawn the child instead.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, get_ident  # importing threading would add milliseconds to each start
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakSet

from scratchvae.backend import FORK_ERROR, to_backend_error
from scratchvae.errors import BackendError, BusyError
from scratchvae.models.fair_lock import FairLock
from scratchvae.validation import accepted_arguments, unknown_argument

FORK_TIMEOUT = 1.0  # seconds

F = TypeVar("F", bound=Callable[..., Any])


def synchronized(method: F) -> F:
    """Run the method, which does not change the weights, inside `self.lock`.

    Errors of the device are translated as `translate_device_errors` does, and an unknown argument is refused as by
    `suggest_arguments`.
    """
    accepted = accepted_arguments(method)

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs and (unknown := kwargs.keys() - accepted):
            raise unknown_argument(method, (self, *args), unknown)
        lock = self.locks.lock
        lock.acquire(reads=True)
        try:
            with self.backend.threads:
                return method(self, *args, **kwargs)
        except (MemoryError, RuntimeError) as error:
            raise to_backend_error(error) from error.__cause__
        finally:
            lock.release()

    return call  # type: ignore[return-value]


class Locks:
    """The locks of one model.

    lock           protects the weights and all buffers while a method runs; re-entrant
    weights_lock   protects the weights during an update. It is acquired inside `lock` and held only briefly, so that a
                   fork can wait for it safely
    on_host        False for a model on a GPU, which a forked child cannot use
    """

    lock: Any
    weights_lock: Any

    def __init__(self) -> None:
        self.on_host = True
        self.renew()
        _instances.add(self)

    def renew(self) -> None:
        """Make new, free locks."""
        from threading import RLock

        self.lock, self.weights_lock = FairLock(), RLock()
        self._fit_lock = allocate_lock()
        self._fit_thread: int | None = None

    @contextmanager
    def exclusive_fit(self) -> Iterator[None]:
        """A context in which no other thread may train. Raises BusyError if the model is being trained already."""
        fit_lock = self._fit_lock
        if not fit_lock.acquire(blocking=False):
            raise BusyError(
                "fit was called for a model that another fit is training; wait until that has ended, or train a copy: "
                "copy.deepcopy(model)"
            )
        try:
            self._fit_thread = get_ident()
            yield
        finally:
            self._fit_thread = None
            fit_lock.release()

    def read_lock(self) -> AbstractContextManager[Any]:
        """A context in which the weights do not change: the lock, or nothing in the thread that trains the model."""
        return nullcontext() if self._fit_thread == get_ident() else self.lock.reading()

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """A context in which the weights may be written: no other thread uses them, and no fork happens."""
        with self.lock, self.weights_lock:
            yield

    def require_no_other_fit(self, method: str = "step") -> None:
        """Raises BusyError while another thread's fit trains the model."""
        if self._fit_thread not in (None, get_ident()):
            raise BusyError(
                f"{method} was called while another thread's fit is training the model; wait until that has ended, or "
                "train a copy: copy.deepcopy(model)"
            )


class UnavailableLock:
    """The lock of a GPU model in a forked child: entering it raises BackendError."""

    def acquire(self, reads: bool = False, timeout: float = -1.0) -> bool:
        """False: the lock cannot be acquired. Without a timeout, raises BackendError."""
        if timeout < 0:
            raise BackendError(FORK_ERROR)
        return False

    def reading(self) -> UnavailableLock:
        """Itself."""
        return self

    def __enter__(self) -> None:
        raise BackendError(FORK_ERROR)

    def __exit__(self, *error: object) -> None:
        """Do nothing."""


_instances: WeakSet[Locks] = WeakSet()
_fork_lock = allocate_lock()
_acquired = ExitStack()


# A forked child has only the thread that forked, so that a lock held by another thread would never be released there.
# Before a fork, all locks are therefore acquired. A thread that holds a `lock` may wait for one that the forking thread
# holds, hence the timeout. No thread waits for another lock while it holds a `weights_lock`, which needs no timeout.
def _acquire_locks() -> None:
    _fork_lock.acquire()
    models, deadline = list(_instances), time.monotonic() + FORK_TIMEOUT
    for locks in models:
        if locks.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            _acquired.callback(locks.lock.release)
    for locks in models:
        _acquired.enter_context(locks.weights_lock)


def _release_locks() -> None:
    _acquired.close()
    _fork_lock.release()


def _renew_locks() -> None:
    for locks in list(_instances):
        locks.renew()
        if not locks.on_host:
            locks.lock = UnavailableLock()
    _release_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_acquire_locks, after_in_parent=_release_locks, after_in_child=_renew_locks)
