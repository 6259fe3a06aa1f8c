"""Archives: arrays under a header that says what they are, with digests. The format stands in `scratchvae.io`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np

from scratchvae.disk.arrays import Array, ArrayFile, join_names, open_arrays
from scratchvae.errors import ConfigError, FileError
from scratchvae.validation import short_repr

FORMAT = 3
WITHOUT_DIGESTS = 1  # the one format that had none
LONGEST_TEXT = 2**20  # characters
LONGEST_NUMBER = 400  # digits: a float has up to 309 before the point, the state of a generator 39
HEADER, DIGEST = "scratchvae", "sha256"


class Archive:
    """An open file of ours: its `header`, and the arrays that it says it has.

    `described` knows them by dtype and shape before any is read. Raises FileError for another file, an unknown format,
    or a damaged header.
    """

    def __init__(self, file: ArrayFile) -> None:
        self._file = file
        if HEADER not in file.headers:
            raise FileError("it is no file of scratchvae")
        text = _text(file, HEADER, LONGEST_TEXT)
        self.header = _parsed(text)
        self.format: Any = self.header.get("format")
        if isinstance(self.format, bool) or self.format not in range(1, FORMAT + 1):
            raise FileError(
                f"it is of format {self.format!r:.40}, and this version of scratchvae reads 1 to {FORMAT}: read it "
                "with the version that wrote it, or a newer one"
            )
        members = {name: kept for name, kept in file.headers.items() if name not in (HEADER, DIGEST)}
        self.headers = {name: kept._replace(dtype=kept.dtype.newbyteorder("=")) for name, kept in members.items()}
        self._promised: dict[str, Any] = {}
        if self.format != WITHOUT_DIGESTS:
            if _text(file, DIGEST, 64) != _sha256(text.encode()):
                raise FileError("its header is damaged: it does not have the digest that it was written with")
            self._promised = self.header.get("arrays", {})
            held = {name: {"dtype": kept.dtype.str, "shape": list(kept.shape)} for name, kept in members.items()}
            told = {name: {key: of[key] for key in ("dtype", "shape")} for name, of in self._promised.items()}
            if odd := diff_keys(held, told):
                raise FileError(f"it does not hold the arrays that its header tells of: see {join_names(odd)}")

    def read(self, name: str) -> Array:
        """The array of that name, in this machine's byte order, if its digest is the one that was written."""
        array = self._file.read(name)
        if self.format != WITHOUT_DIGESTS and _digest(array) != self._promised[name]["sha256"]:
            raise FileError(f"{name} is damaged: it does not have the digest that it was written with")
        return array.astype(self.headers[name].dtype, copy=False)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The file of ours at `path`; whatever goes wrong in the block is a FileError that names the file."""
    with open_arrays(path) as file:
        yield Archive(file)


def diff_keys(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The names under which the two have not the same."""
    return sorted(name for name in held.keys() | wanted.keys() if held.get(name) != wanted.get(name))


def write_archive(file: IO[bytes], header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write header and arrays to `file`, and prove that they can be read again. Raises FileError."""
    told = {name: {"dtype": a.dtype.str, "shape": a.shape, "sha256": _digest(a)} for name, a in arrays.items()}
    text = as_text("the header", {"format": FORMAT, **header, "arrays": told})
    members = {HEADER: np.array(text), DIGEST: np.array(_sha256(text.encode())), **arrays}
    write_arrays(file, members)
    file.flush()
    file.seek(0)
    written = Archive(ArrayFile(file))
    for name in written.headers:
        written.read(name)


# numpy.savez of NumPy 2.0 and 2.1 leaves its archive open where a disk fails, and that complains once it is collected.
def write_arrays(file: IO[bytes], members: Mapping[str, Array]) -> None:
    """The members of an .npz, as `numpy.savez` writes them, to the byte."""
    with ZipFile(file, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def as_text(name: str, value: Any) -> str:
    """`value` as JSON that can be read again, as part of a header. Raises ConfigError, by that name."""
    import json

    try:
        text = json.dumps({name: value})
        _parsed(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{name}={short_repr(value)} cannot be written as JSON ({error}); keep plain values"
        ) from None
    if len(text) > LONGEST_TEXT:
        raise ConfigError(
            f"{name} would be of {len(text)} characters; expected at most {LONGEST_TEXT}: keep less in it"
        )
    return json.dumps(value)


def _text(file: ArrayFile, name: str, longest: int) -> str:
    described = file.headers.get(name)
    if described is None or described.dtype.kind != "U" or described.shape != ():
        raise FileError(f"it has no text {name!r}")
    if described.nbytes > 4 * longest:
        raise FileError(f"its text {name!r} is of {described.nbytes // 4} characters; expected at most {longest}")
    return str(file.read(name))


def _parsed(text: str) -> dict[str, Any]:
    import json

    header = json.loads(text, parse_int=_short(int), parse_float=_short(float))
    if not isinstance(header, dict):
        raise FileError(f"its header is no object but {type(header).__name__}")
    return header


def _short(kind: Callable[[str], Any]) -> Callable[[str], Any]:
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
