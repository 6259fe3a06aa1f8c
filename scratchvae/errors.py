"""Errors and warnings of the package.

Each message says what was given, what was expected and what to do.
"""

from __future__ import annotations

import sys
from typing import Any


class ScratchVAEError(Exception):
    """Base class of all errors that scratchvae raises."""


class ShapeError(ScratchVAEError, ValueError):
    """An array of the wrong number of axes, rows or columns."""


class DTypeError(ScratchVAEError, TypeError):
    """An array of an unsupported dtype, or a value that is not an array."""


class RangeError(ScratchVAEError, ValueError):
    """Values that are NaN, infinite or outside the likelihood's support."""


class ConfigError(ScratchVAEError, ValueError):
    """An invalid setting, such as a latent size of 0 or a negative learning rate."""


class BackendError(ScratchVAEError, ValueError):
    """A backend that is unknown or does not work on this machine."""


class DeviceError(ScratchVAEError, TypeError):
    """An array on another device than the one that computes."""


class ReadOnlyError(ScratchVAEError, ValueError):
    """A read-only array where a writable one is needed."""


class DataError(ScratchVAEError, ValueError):
    """A data set that cannot be found, downloaded or read."""


class FileError(ScratchVAEError, ValueError):
    """A file that is not a scratchvae model, or that cannot be read or written."""


class BusyError(ScratchVAEError, ValueError):
    """An object or file in use by another thread or process."""


class LockedError(BusyError, FileError):
    """A file that another process has locked."""


class CopyError(ScratchVAEError, TypeError):
    """An object that can be neither copied nor pickled."""


class UnlockedWarning(UserWarning):
    """A file system without locks: two processes could write into the same folder."""


class CollapseWarning(UserWarning):
    """Posterior collapse: q(z | x) equals the prior in (nearly) every latent dimension."""


class DivergenceWarning(UserWarning):
    """Numbers became non-finite; training was rolled back and continues at half the learning rate."""


class CheckpointWarning(UserWarning):
    """A checkpoint that cannot be read; the one before it was loaded."""


class DivergedError(ScratchVAEError, ValueError):
    """Training with numbers that are no longer finite.

    step       number of the optimizer update that failed, counted from 1; None if unknown
    epoch      number of the epoch, counted from 1; None if unknown
    finding    the first non-finite tensor, a `scratchvae.training.NonFiniteTensor`; None if it was not traced
    layer      the layer of that tensor, such as "encoder.0"; None if it was not traced
    tensor     the name of that tensor, such as "encoder.0.W"; None if it was not traced
    """

    def __init__(self, message: str, step: int | None = None, epoch: int | None = None, finding: Any = None) -> None:
        super().__init__(message)
        self.step = step
        self.epoch = epoch
        self.finding = finding
        self.layer: str | None = None if finding is None else finding.layer
        self.tensor: str | None = None if finding is None else finding.tensor


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning that points at the nearest caller outside this package."""
    import warnings

    skipped = ("scratchvae", "contextlib")  # contextlib's frames lie between a `with` statement and its body
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in skipped:
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)
