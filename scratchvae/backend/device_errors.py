"""Translation of CUDA errors into a BackendError that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scratchvae.errors import BackendError
from scratchvae.validation import shorten

FATAL = {
    "OutOfMemoryError": "has no memory left; use a smaller batch_size or network, or backend='numpy'",
    "CUDARuntimeError": "stopped working; check nvidia-smi, and start a new process: this one cannot use it again",
}
NO_MEMORY = "cudaErrorMemoryAllocation"
FATAL["CUDADriverError"] = FATAL["CUBLASError"] = FATAL["CUDARuntimeError"]


@contextmanager
def translate_device_errors() -> Iterator[None]:
    """Raise fatal errors of a device as BackendError. Usable in a `with` statement or as a decorator.

    Files that were saved before remain valid.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        raise to_backend_error(error) from error.__cause__


def to_backend_error(error: Exception) -> Exception:
    """Return a BackendError, caused by `error`, if `error` is a fatal error of a device; else `error` itself."""
    kind = type(error)
    if kind.__module__.partition(".")[0] not in ("cupy", "cupy_backends") or kind.__name__ not in FATAL:
        return error
    what = f"the GPU {FATAL[kind.__name__]}"
    if NO_MEMORY in str(error):  # as CUDA reports it of pinned memory of the host
        what = "the GPU or the host has no memory left; use a smaller batch_size or network, or backend='numpy'"
    translated = BackendError(f"{what} ({kind.__name__}: {shorten(error)})")
    translated.__cause__ = error
    return translated
