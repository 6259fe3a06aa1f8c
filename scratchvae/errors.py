"""What is refused, by kind: each message says what was given, what was expected and what to do."""

from __future__ import annotations

import sys
from typing import Any


class ScratchVAEError(Exception):
    """Base of every error that scratchvae raises on purpose."""


class ShapeError(ScratchVAEError, ValueError):
    """An array of the wrong number of axes, rows or columns."""


class DTypeError(ScratchVAEError, TypeError):
    """An array of a type that cannot be computed on."""


class RangeError(ScratchVAEError, ValueError):
    """Values outside what the model can explain: NaN, infinite, or outside the likelihood's support."""


class ConfigError(ScratchVAEError, ValueError):
    """A setting that makes no sense: a latent size of 0, a negative learning rate."""


class BackendError(ScratchVAEError, ValueError):
    """A backend that cannot work here."""


class DeviceError(ScratchVAEError, TypeError):
    """An array that lives on another device than the code it reached."""


class ReadOnlyError(ScratchVAEError, ValueError):
    """An array that may not be written into, where results were to go."""


class DataError(ScratchVAEError, ValueError):
    """A data set that cannot be found, fetched or read."""


class FileError(ScratchVAEError, ValueError):
    """A file that is no model of ours, or that cannot be written."""


class BusyError(ScratchVAEError, ValueError):
    """What another thread, or another process, is at work on, and cannot be worked on by two."""


class LockedError(BusyError, FileError):
    """A file that another process has locked."""


class CopyError(ScratchVAEError, TypeError):
    """What can be neither copied nor sent to another process."""


class UnlockedWarning(UserWarning):
    """A disk that knows no locks, so that nothing keeps two processes from writing into one folder."""


class CollapseWarning(UserWarning):
    """Training whose posterior has become the prior in (nearly) every latent dimension."""


class DivergenceWarning(UserWarning):
    """Training that has gone back, and on with half the learning rate, for its numbers were finite no longer."""


class CheckpointWarning(UserWarning):
    """A checkpoint that cannot be read, in whose place the one before was taken."""


class DivergedError(ScratchVAEError, ValueError):
    """Training whose numbers are finite no longer.

    step       of the optimizer's updates the one that was to be made, counted from 1; None where it is not known
    epoch      counted from 1; None likewise
    finding    a `scratchvae.training.Finding` of what was not finite first; None where nobody traced it
    layer      the finding's layer, such as "encoder.0"; None likewise
    tensor     the finding's tensor, such as "encoder.0.W"; None likewise
    """

    def __init__(self, message: str, step: int | None = None, epoch: int | None = None, finding: Any = None) -> None:
        super().__init__(message)
        self.step = step
        self.epoch = epoch
        self.finding = finding
        self.layer: str | None = None if finding is None else finding.layer
        self.tensor: str | None = None if finding is None else finding.tensor


def warn(message: str, category: type[Warning]) -> None:
    """Warn of something where our caller is: at the nearest line that is not of this package."""
    import warnings

    inside = ("scratchvae", "contextlib")  # the latter stands between a `with` and what it enters
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in inside:
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)
