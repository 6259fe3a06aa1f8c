"""Errors and warnings of the package.

Each message says what was given, what was expected and what to do.
"""

from __future__ import annotations

import re
import sys
from math import ceil
from typing import Any

LONGEST_MESSAGE = 200  # characters
LONGEST_WORD = 40  # characters of a word that is never shortened


class ScratchVAEError(Exception):
    """Base class of all errors that scratchvae raises.

    `str(error)` is one line of at most 200 characters, whatever was given; `error.message` is the whole message.
    """

    @property
    def message(self) -> str:
        """The message without a limit of its length."""
        return super().__str__()

    def __str__(self) -> str:
        return shorten_message(self.message)


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


class NotFittedError(ScratchVAEError, ValueError, AttributeError):
    """An estimator that is used before its `fit`."""


class BusyError(ScratchVAEError, ValueError):
    """An object or file in use by another thread or process."""


class LockedError(BusyError, FileError):
    """A file that another process has locked."""


class ProcessError(ScratchVAEError, ValueError):
    """A process of several that does not answer, or whose weights differ from those of the others."""


class CopyError(ScratchVAEError, TypeError):
    """An object that can be neither copied nor pickled."""


class UnlockedWarning(UserWarning):
    """A file system without locks: two processes could write into the same folder."""


class CollapseWarning(UserWarning):
    """Posterior collapse: q(z | x) equals the prior in (nearly) every latent dimension."""


class BusyCoresWarning(UserWarning):
    """Cores that are busy with other work, on which a training in several threads is slow."""


class DivergenceWarning(UserWarning):
    """Numbers became non-finite; training was rolled back and continues at half the learning rate."""


class NonFiniteWarning(UserWarning):
    """A result that is not finite."""


class DenoiseWarning(UserWarning):
    """A model that is asked to remove noise, and was not trained to."""


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

    __str__ = Exception.__str__  # a report of several sentences, which is never shortened


def shorten_message(message: str, limit: int = LONGEST_MESSAGE) -> str:
    """Return `message` in one line of at most `limit` characters.

    If it is too long, the longest words are shortened first, such as paths, then the text before the last "; ", after
    which a message says what to do.
    """
    words = message.split()
    excess = len(" ".join(words)) - limit
    while excess > 0 and (longest := max(words, key=len)) and len(longest) > LONGEST_WORD:
        length = max(LONGEST_WORD, len(longest) - ceil(excess / words.count(longest)))
        words = [shorten_word(word, length) if word == longest else word for word in words]
        excess = len(" ".join(words)) - limit
    line = " ".join(words)
    if len(line) <= limit:
        return line
    text, separator, hint = line.rpartition("; ")
    end = f"…{separator}{hint}" if separator and len(hint) < limit // 2 else "…"
    whole, length = text if len(end) > 1 else line, limit - len(end)
    begin = whole[:length]
    if whole[length : length + 1].isalnum():  # in a word
        begin = re.sub(r"(?<=\S)\s+\w*$", "", begin)
    return begin + end


def shorten_word(word: str, length: int = LONGEST_WORD) -> str:
    """Return the beginning and the end of a word, together at most `length` characters."""
    half = length // 2
    return word if len(word) <= length else f"{word[: length - half - 1]}…{word[-half:]}"


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning that points at the nearest caller outside this package."""
    import warnings

    skipped = ("scratchvae", "contextlib")  # contextlib's frames lie between a `with` statement and its body
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in skipped:
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)
