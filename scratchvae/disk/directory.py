"""Checks of a zip file's directory against the file, before any member is read."""

from __future__ import annotations

from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from scratchvae.errors import FileError
from scratchvae.validation import short_repr

LARGEST_DIRECTORY = 2**20  # bytes, enough for about ten thousand arrays
DEFLATE_RATIO = 1032  # the maximum of deflate: a match of 258 bytes takes two bits. RFC 1951, sec. 3.2.5
BOMB, BOMB_RATIO = 2**24, 250  # uncompressed bytes, and their ratio to the compressed bytes
ENCRYPTED = 0x1
LOCAL_HEADER = 30  # bytes before a member's name

END, END_LENGTH, MAX_COMMENT_BYTES = b"PK\x05\x06", 22, 2**16
LOCATOR, LOCATOR_LENGTH = b"PK\x06\x07", 20  # of the end of a directory with 64-bit numbers (zip64)


def check_directory(file: IO[bytes], size: int) -> tuple[ZipFile, dict[str, int]]:
    """The zip archive in `file` of `size` bytes, and the uncompressed size of each member. Raises FileError."""
    if (claimed := _directory_size(file, size)) > LARGEST_DIRECTORY:
        raise FileError(f"its directory has {claimed} bytes; expected at most {LARGEST_DIRECTORY}")
    archive = ZipFile(file)
    end, sizes = 0, {}  # end of the previous member
    compressed, uncompressed = 0, 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name = short_repr(info.filename)
        if info.filename in sizes:
            raise FileError(f"it has two members named {name}")
        if info.flag_bits & ENCRYPTED or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise FileError(f"its member {name} is encrypted, or not compressed by deflate")
        begin = info.header_offset
        if begin < end or begin + LOCAL_HEADER + info.compress_size > size:
            raise FileError(f"its member {name} overlaps another one, or exceeds the end of the file")
        end = begin + LOCAL_HEADER + len(info.filename) + info.compress_size
        stored = info.compress_type == ZIP_STORED
        if info.file_size > info.compress_size * (1 if stored else DEFLATE_RATIO):
            raise FileError(f"its member {name} claims {info.file_size} bytes and has {info.compress_size}")
        compressed += info.compress_size
        uncompressed += info.file_size
        sizes[info.filename] = info.file_size
    if uncompressed > BOMB and uncompressed > BOMB_RATIO * compressed:
        raise FileError(
            f"its {compressed} bytes expand to {uncompressed}, as in a zip bomb; if you trust it, write it again "
            "without compression: numpy.savez"
        )
    return archive, sizes


def _directory_size(file: IO[bytes], size: int) -> int:
    """The size that the directory claims, which zipfile would read at once, with an object for each member."""
    tail_length = min(size, END_LENGTH + MAX_COMMENT_BYTES + LOCATOR_LENGTH)
    file.seek(size - tail_length)
    tail = file.read(tail_length)
    file.seek(0)
    end = tail.rfind(END)
    if end < 0:
        return 0  # zipfile raises the error
    claimed = _number(tail, end + 12, 4)
    locator = tail.rfind(LOCATOR, 0, end)
    if locator >= 0:
        at = _number(tail, locator + 8, 8)
        if at + 48 <= size:
            file.seek(at)
            claimed = max(claimed, _number(file.read(48), 40, 8))
            file.seek(0)
    return claimed


def _number(content: bytes, begin: int, length: int) -> int:
    return int.from_bytes(content[begin : begin + length], "little")
