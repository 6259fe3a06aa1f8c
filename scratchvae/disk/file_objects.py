"""Open binary file objects, which are read and written in place of a path.

They need not be seekable: what is read and written as a whole is kept in memory. Nothing is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedRandom, BufferedReader, BytesIO, RawIOBase, TextIOBase
from os import PathLike
from typing import IO, Any

from scratchvae.disk.folders import short_reason
from scratchvae.errors import ConfigError, FileError
from scratchvae.validation import short_repr, shorten

MAX_BYTES = 2**32  # of a file object that is read into memory: an endless stream must not fill it
CHUNK_BYTES = 2**20


def is_file_object(value: Any) -> bool:
    """True for an object with `read` or `write`, which is no path."""
    return not isinstance(value, str | PathLike | type) and (hasattr(value, "read") or hasattr(value, "write"))


def name_of(file: Any) -> str:
    """The name of a path or of a file object for a message; without a name that of its class."""
    if not is_file_object(file):
        return str(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name else f"a {shorten(type(file).__name__)}"


def check_readable(file: Any) -> None:
    """Raises ConfigError unless `file` is open for reading in binary mode."""
    _check(file, "read", "rb")


def check_writable_object(file: Any) -> None:
    """Raises ConfigError unless `file` is open for writing in binary mode."""
    _check(file, "write", "wb")


def open_at_position(file: Any) -> IO[bytes]:
    """A seekable file with what `file` holds from its position on: itself, or a copy in memory.

    Raises ConfigError or FileError; OSError of the file object.
    """
    check_readable(file)
    if isinstance(file, BytesIO | BufferedReader | BufferedRandom) and file.seekable() and file.tell() == 0:
        return file
    content = BytesIO()
    while chunk := file.read(CHUNK_BYTES):
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise ConfigError(f"{_what(file)} returns text; pass a binary file, opened with mode 'rb'")
        content.write(chunk)
        if content.tell() > MAX_BYTES:
            raise FileError(
                f"it holds more than {MAX_BYTES:,} bytes, which are not read into memory; write them to a file and "
                "pass its path"
            )
    if chunk is None:  # a stream that does not block
        raise FileError("it has no data yet; pass a file object that waits for its data")
    if not content.tell():
        raise FileError("it has no data from its position on; call seek(0) before")
    content.seek(0)
    return content


def write_to_object(file: Any, content: memoryview) -> None:
    """Write all bytes at the position of `file`, and flush it. Raises ConfigError or FileError."""
    check_writable_object(file)
    raw = isinstance(file, RawIOBase)  # it may write less than it is given
    begin = 0
    try:
        while begin < len(content):
            chunk = bytes(content[begin : begin + CHUNK_BYTES])
            written = file.write(chunk)
            if raw and not written:
                raise BlockingIOError("it takes no data now")
            begin += written if raw else len(chunk)
        flush: Callable[[], object] | None = getattr(file, "flush", None)
        if flush is not None:
            flush()
    except TypeError:
        raise ConfigError(f"{_what(file)} takes no bytes; pass a binary file, opened with mode 'wb'") from None
    except (OSError, ValueError) as error:
        raise FileError(
            f"cannot write to {name_of(file)}: {short_reason(error)}; pass another file or a path"
        ) from None


def _check(file: Any, method: str, mode: str) -> None:
    verb = {"read": "reading", "write": "writing"}[method]
    if isinstance(file, TextIOBase) or hasattr(file, "encoding"):
        raise ConfigError(f"{_what(file)} is open in text mode; pass a binary file, opened with mode {mode!r}")
    if getattr(file, "closed", False) is True:
        raise ConfigError(f"{_what(file)} is closed; keep it open, or pass its path")
    able = getattr(file, "readable" if method == "read" else "writable", None)
    if not hasattr(file, method) or (able is not None and not able()):
        raise ConfigError(f"{_what(file)} is not open for {verb}; pass a file that was opened with mode {mode!r}")


def _what(file: Any) -> str:
    return f"path={short_repr(file)}"
