"""Errors of a device, as one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from scratchvae.errors import BackendError

F = TypeVar("F", bound=Callable[..., Any])

FATAL = {
    "OutOfMemoryError": "has no memory left; take a smaller batch_size or network, or backend='numpy'",
    "CUDARuntimeError": "stopped working; look at nvidia-smi, and start a new process: this one cannot use it again",
}
FATAL["CUDADriverError"] = FATAL["CUBLASError"] = FATAL["CUDARuntimeError"]


def guarded(method: F) -> F:
    """A method that raises as `translate_device_errors` does."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with translate_device_errors():
            return method(*args, **kwargs)

    return call  # type: ignore[return-value]


@contextmanager
def translate_device_errors() -> Iterator[None]:
    """Raises BackendError for what a device did not survive. What was saved before stays as it is."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        raise translate_device_error(error) from error.__cause__


def translate_device_error(error: Exception) -> Exception:
    """The error to raise for `error`: itself, unless it comes from a device that did not survive."""
    kind = type(error)
    if kind.__module__.partition(".")[0] not in ("cupy", "cupy_backends") or kind.__name__ not in FATAL:
        return error
    reason = " ".join(str(error).split())
    lost = BackendError(f"the GPU {FATAL[kind.__name__]} ({kind.__name__}: {reason})")
    lost.__cause__ = error
    return lost
