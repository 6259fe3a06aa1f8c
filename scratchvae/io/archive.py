"""Archives: .npz files with a header and digests of the arrays. `scratchvae.io` describes the format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
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
MAX_DEPTH = 100  # of lists and dicts in a header: parsers have limits of their own
MAX_NAME_BYTES = 2**12
HEADER, DIGEST = "scratchvae", "sha256"
LONG_DOUBLE = "longdouble"  # in the header of a file that has long doubles


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

        if any(map(_is_long_double, members.values())):
            written = self.header.get(LONG_DOUBLE, _long_double())  # early files do not say it
            if written != _long_double():
                raise FileError(
                    "it holds long doubles of another kind of machine, whose bits have another meaning here; load it "
                    "there, and save model.astype('float64')"
                )

    def read(self, name: str) -> Array:
        """Read the array of this name in native byte order. Raises FileError if its digest differs."""
        array = self._file.read(name)
        if self.format != WITHOUT_DIGESTS and _digest(array) != self._declared[name]["sha256"]:
            raise FileError(f"{name} is damaged: the digest differs")
        return array.astype(self.headers[name].dtype, copy=False)


@contextmanager
def open_archive(source: Path | IO[bytes]) -> Iterator[Archive]:
    """A context with the archive at a path, or in an open binary file, which stays open.

    Errors inside the block become FileErrors that name the file.
    """
    with open_arrays(source) as file:
        yield Archive(file)


def diff_keys(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The sorted keys for which a and b have different values, or which only one of them has."""
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def write_archive(file: IO[bytes], header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write header and arrays to `file`, and verify them by reading them again. Raises ConfigError or FileError."""
    declared = {name: {"dtype": a.dtype.str, "shape": a.shape, "sha256": _digest(a)} for name, a in arrays.items()}
    long_double = {LONG_DOUBLE: _long_double()} if any(map(_is_long_double, arrays.values())) else {}
    text = as_text("the header", {"format": FORMAT, **header, **long_double, "arrays": declared})
    members = {HEADER: np.array(text), DIGEST: np.array(_sha256(text.encode())), **arrays}
    write_arrays(file, members)
    file.flush()
    file.seek(0)
    try:
        written = Archive(ArrayFile(file))
        for name in written.headers:
            written.read(name)
    except FileError as error:
        raise FileError(
            f"the file cannot be read again after it was written: {error.message}; check the disk, and use fewer, "
            "shorter and plainer names of parameters"
        ) from None


# numpy.savez of NumPy 2.0 and 2.1 leaves its ZipFile open when a write fails, which warns at garbage collection.
def write_arrays(file: IO[bytes], members: Mapping[str, Array]) -> None:
    """Write the members of an .npz file, byte for byte as `numpy.savez` does."""
    with ZipFile(file, "w") as archive:
        for name, array in members.items():
            with _open_member(archive, name) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _open_member(archive: ZipFile, name: str) -> IO[bytes]:
    try:
        if len(name.encode()) > MAX_NAME_BYTES:
            raise ValueError("it is too long")
        return archive.open(f"{name}.npy", "w", force_zip64=True)
    except ValueError as error:  # of the name, or of its characters
        raise ConfigError(
            f"the array {short_repr(name)} cannot be written by that name ({shorten(error)}); use a short plain name"
        ) from None


def as_text(name: str, value: Any, max_depth: int = MAX_DEPTH) -> str:
    """`value` as JSON text for a header, checked by parsing it. Raises ConfigError, whose message names `name`."""
    import json

    try:
        for _ in _items(name, value, max_depth):  # raises for what is nested too deeply
            pass
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


def check_json(name: str, value: Any) -> None:
    """Raises ConfigError unless JSON returns an equal `value`: None, text, finite numbers, lists, and dicts by text."""
    try:
        items = list(_items(name, value, MAX_DEPTH // 2))
    except ValueError:  # as_text reports it
        items = []
    for path, item in items:
        if item is None or isinstance(item, str | int | list):
            continue
        if isinstance(item, float) and isfinite(item):
            continue
        if isinstance(item, dict):
            odd = [key for key in item if not isinstance(key, str)]
            if not odd:
                continue
            reason = f"has the key {short_repr(odd[0])}; use text"
        elif isinstance(item, float):
            reason = f"is {item}, which JSON does not have; use None or a text"
        elif isinstance(item, tuple):
            reason = f"is {short_repr(item)}, a tuple, which a file returns as a list; use a list"
        else:
            reason = f"is {short_repr(item)}; use plain values: text, numbers, lists and dicts"
        raise ConfigError(f"{shorten(path)} cannot be written to a file: it {reason}")
    as_text(name, value, MAX_DEPTH // 2)  # of a header that it is in


def _items(name: str, value: Any, max_depth: int) -> Iterator[tuple[str, Any]]:
    """The value and everything in it, each with its path. Raises ValueError if it cannot be written."""
    level = [(name, value)]
    depth = 0
    while level:
        if len(level) > MAX_TEXT_CHARACTERS:
            raise ValueError(f"it has more than {MAX_TEXT_CHARACTERS} parts")
        yield from level
        level = [(f"{path}[{key!r}]", inner) for path, item in level for key, inner in _inside(item)]
        depth += 1
        if depth > max_depth and level:
            raise ValueError(f"it is nested more than {max_depth} levels deep")


def _inside(item: Any) -> list[tuple[Any, Any]]:
    if isinstance(item, dict):
        return list(item.items())
    return list(enumerate(item)) if isinstance(item, list | tuple) else []


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


def _is_long_double(array: Any) -> bool:
    return bool(array.dtype.kind == "f" and array.dtype.itemsize > 8)


def _long_double() -> dict[str, int]:
    """The format of this machine's long double: it has 63 bits of a mantissa on x86, 112 on ARM."""
    info = np.finfo(np.longdouble)
    return {"mantissa": int(info.nmant), "exponent": int(info.iexp)}


def _digest(array: Array) -> str:
    return _sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _sha256(content: bytes | memoryview) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()
