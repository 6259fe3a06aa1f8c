"""Archives: .npz files with a header and digests of the arrays. `scratchvae.io` describes the format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np

from scratchvae.disk.arrays import Array, ArrayFile, join_names, open_arrays
from scratchvae.errors import ConfigError, FileError
from scratchvae.validation import short_repr, shorten

FORMAT = 3
WITHOUT_DIGESTS = 1  # the only format without digests
MAX_TEXT_CHARACTERS = 2**20  # characters
LONGEST_NUMBER = 400  # digits: a float has up to 309 before the point, the state of a random generator 39
HEADER, DIGEST = "scratchvae", "sha256"


class Archive:
    """An open scratchvae file: its `header`, and its arrays.

    `headers` has the dtype and shape of each array before any is read. Raises FileError for another kind of file, an
    unknown format, or a damaged header.
    """

    def __init__(self, file: ArrayFile) -> None:
        self._file = file
        if HEADER not in file.headers:
            raise FileError("it is not a scratchvae file")
        text = _read_text(file, HEADER, MAX_TEXT_CHARACTERS)
        self.header = _parse_header(text)
        self.format: Any = self.header.get("format")
        if isinstance(self.format, bool) or self.format not in range(1, FORMAT + 1):
            raise FileError(
                f"it has format {self.format!r:.40}, and this version of scratchvae reads formats 1 to {FORMAT}: use "
                "the version that wrote it, or a newer one"
            )
        members = {name: member for name, member in file.headers.items() if name not in (HEADER, DIGEST)}
        self.headers = {name: member._replace(dtype=member.dtype.newbyteorder("=")) for name, member in members.items()}
        self._declared: dict[str, Any] = {}  # the header's "arrays"
        if self.format != WITHOUT_DIGESTS:
            if _read_text(file, DIGEST, 64) != _sha256(text.encode()):
                raise FileError("its header is damaged: the digest differs")
            self._declared = self.header.get("arrays", {})
            found = {name: {"dtype": member.dtype.str, "shape": list(member.shape)} for name, member in members.items()}
            declared = {name: {key: item[key] for key in ("dtype", "shape")} for name, item in self._declared.items()}
            if different := diff_keys(found, declared):
                raise FileError(f"its arrays are not those of its header: see {join_names(different)}")

    def read(self, name: str) -> Array:
        """Read the array of this name in native byte order. Raises FileError if its digest differs."""
        array = self._file.read(name)
        if self.format != WITHOUT_DIGESTS and _digest(array) != self._declared[name]["sha256"]:
            raise FileError(f"{name} is damaged: the digest differs")
        return array.astype(self.headers[name].dtype, copy=False)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """A context with the archive at `path`. Errors inside the block become FileErrors that name the file."""
    with open_arrays(path) as file:
        yield Archive(file)


def diff_keys(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The sorted keys for which a and b have different values, or which only one of them has."""
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def write_archive(file: IO[bytes], header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write header and arrays to `file`, and verify them by reading them again. Raises FileError."""
    declared = {name: {"dtype": a.dtype.str, "shape": a.shape, "sha256": _digest(a)} for name, a in arrays.items()}
    text = as_text("the header", {"format": FORMAT, **header, "arrays": declared})
    members = {HEADER: np.array(text), DIGEST: np.array(_sha256(text.encode())), **arrays}
    write_arrays(file, members)
    file.flush()
    file.seek(0)
    written = Archive(ArrayFile(file))
    for name in written.headers:
        written.read(name)


# numpy.savez of NumPy 2.0 and 2.1 leaves its ZipFile open when a write fails, which warns at garbage collection.
def write_arrays(file: IO[bytes], members: Mapping[str, Array]) -> None:
    """Write the members of an .npz file, byte for byte as `numpy.savez` does."""
    with ZipFile(file, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def as_text(name: str, value: Any) -> str:
    """`value` as JSON text for a header, checked by parsing it. Raises ConfigError, whose message names `name`."""
    import json

    try:
        text = json.dumps({name: value})
        _parse_header(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{name}={short_repr(value)} cannot be written as JSON ({shorten(error)}); use plain values"
        ) from None
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ConfigError(
            f"{name} would have {len(text)} characters as JSON; expected at most {MAX_TEXT_CHARACTERS}: use less"
        )
    return json.dumps(value)


def _read_text(file: ArrayFile, name: str, longest: int) -> str:
    header = file.headers.get(name)
    if header is None or header.dtype.kind != "U" or header.shape != ():
        raise FileError(f"it has no text {name!r}")
    if header.nbytes > 4 * longest:
        raise FileError(f"its text {name!r} has {header.nbytes // 4} characters; expected at most {longest}")
    return str(file.read(name))


def _parse_header(text: str) -> dict[str, Any]:
    import json

    header = json.loads(text, parse_int=_bounded(int), parse_float=_bounded(float))
    if not isinstance(header, dict):
        raise FileError(f"its header is not an object but {type(header).__name__}")
    return header


def _bounded(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(digits: str) -> Any:
        if len(digits) > LONGEST_NUMBER:
            raise ValueError(f"a number of {len(digits)} digits")
        return kind(digits)

    return read


def _digest(array: Array) -> str:
    return _sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _sha256(content: bytes | memoryview) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()
