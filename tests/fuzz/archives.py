"""Damage of .npy, .npz and .gz files according to their formats, with valid checksums."""

import gzip
import io
import re
import struct
import warnings
import zipfile
import zlib
from functools import lru_cache
from random import Random

import damage
import numpy as np
from texts import edit_json

MEBI = 1 << 20
BOMBS = (256 * MEBI, 63 * MEBI, 15 * MEBI)  # bytes of zeros
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
SHAPES = (
    "()", "(0,)", "(1,)", "(10, 4)", "(1000000000000000000,)", "(-1, 4)", "(-10, -4)", "(10.0, 4)", "(True, 4)",
    "[10, 4]",
    "(10, 4", "10", "(10, 'a')", "(0, 9223372036854775807, 4)", "(4294967296, 4294967296)", "(2,) * 40", "None",
    "(" + "1, " * 70 + ")", "(10, 4, 1)", "(5, 4, 2)", "(40, 1)", "(1, 40)", "(" * 4000, "{}", "(10 ** 9,)",
    "(9" + "9" * 5000 + ",)",
)  # fmt: skip
DTYPES = (
    "'<f4'", "'<f8'", "'>f4'", "'<f2'", "'<f16'", "'|u1'", "'|b1'", "'<i8'", "'<c8'", "'|O'", "'|V1000000000'",
    "'|V0'", "'|S0'",
    "'<U0'", "'<U100000000'", "'|S40'", "'<M8[s]'", "'<m8'", "'<M8[1000000s]'", "[('a', '<f4')]", "[('a', '|O')]",
    "[]", "''",
    "'(2,3)f4'", "'f4,f4'", "('<f4', (1000000, 1000000))", "None", "5", "'<f3'", "b'<f4'", "'T'",
    "{'names': ['a'], 'formats': ['O']}",
    "'" + "f4," * 500 + "f4'",
)  # fmt: skip

HEADERS = (
    "{}", "[]", "(" * 9000, "{" * 200, "-" * 9000, "not " * 3000, "\0", "é", "lambda: 1", "{'descr': '<f4'}",
    "__import__('os')", "1" * 9000,
)  # fmt: skip


def header(rng: Random, content: bytes, other: bytes) -> bytes:
    """Replace the .npy header and leave the numbers."""
    text = "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (  # noqa: UP031, for the braces
        rng.choice(DTYPES) if rng.random() < 0.6 else "'<f4'",
        rng.choice(("True", "False", "False", "1", "None", "'False'")),
        rng.choice(SHAPES) if rng.random() < 0.6 else "(10, 4)",
    )
    if rng.random() < 0.2:
        text = rng.choice((text[:-1] + "'a': 1}", text * 3, text[:-1], *HEADERS))
    return npy(text, content[content.find(b"\n") + 1 :], rng)


def npy(text: str, body: bytes, rng: Random | None = None) -> bytes:
    """A .npy file; with `rng`, sometimes with an invalid version or header length."""
    raw = text.encode("utf-8", "surrogatepass")
    raw += b" " * (-(len(raw) + 11) % 64) + b"\n"
    odd = rng is not None and rng.random() < 0.25
    version = rng.choice((1, 2, 3, 0, 4, 255)) if rng and odd else 1
    claimed = rng.choice((len(raw), *damage.NUMBERS)) if rng and odd else len(raw)
    width = 2 if version == 1 else 4
    return b"\x93NUMPY" + bytes([version, 0]) + (claimed % 256**width).to_bytes(width, "little") + raw + body


def read_zip(content: bytes) -> list[tuple[str, bytes, int]]:
    """The members of a zip file: (name, content, method); [] for a damaged file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [
                (info.filename, archive.read(info), info.compress_type)
                for info in archive.infolist()
                if info.file_size < 1 << 22
            ]
    except Exception:
        return []


def write_zip(members: list[tuple[str, bytes, int]]) -> bytes:
    """A zip file with the given members."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")  # duplicate names
        for name, content, method in members:
            archive.writestr(name.partition("\0")[0] or " ", content, method)  # zipfile writes no empty name
    return file.getvalue()


def members(rng: Random, content: bytes, other: bytes) -> bytes:
    """Swap, rename, duplicate, remove, recompress or damage members."""
    entries = read_zip(content)
    if not entries:
        return damage.flip(rng, content, other)
    k, n = rng.randrange(len(entries)), rng.randrange(len(entries))
    name, inside, method = entries[k]
    match rng.randrange(10):
        case 0:
            entries[k], entries[n] = (name, entries[n][1], method), (entries[n][0], inside, entries[n][2])
        case 1:
            names = (
                " ",
                ".npy",
                "../a.npy",
                "/a.npy",
                name.upper(),
                name + "\0",
                "é",
                "a" * 60000,
                name[:-4],
                entries[n][0],
            )
            entries[k] = (rng.choice(names), inside, method)
        case 2:
            entries.insert(n, entries[k])
        case 3:
            del entries[k]
        case 4:
            entries[k] = (name, inside, rng.choice(METHODS))
        case 5:
            entries[k] = (name, rng.choice((content, other, b"", write_zip(entries[:1]))), method)
        case 6:
            entries[k] = (name, rng.choice(read_zip(other) or entries)[1], method)
        case 7:
            entries[k] = (name, header(rng, inside, other), method)
        case 8 if name.startswith("scratchvae"):
            entries[k] = (name, text_array(edit_json(rng, array_text(inside))), method)
        case _:
            entries[k] = (name, rng.choice(damage.ANY)(rng, inside, other), method)
    return write_zip(entries)


def array_text(content: bytes) -> str:
    """The text in a .npy file; "{}" for a damaged file."""
    try:
        return str(np.load(io.BytesIO(content), allow_pickle=False))
    except Exception:
        return "{}"


def text_array(text: str) -> bytes:
    """A .npy file with a text."""
    file = io.BytesIO()
    np.save(file, np.array(text))
    return file.getvalue()


def directory(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change a number in the zip's directory or in a local header."""
    marks = [found.start() for found in re.finditer(b"PK(\1\2|\3\4|\5\6)", content)]
    if not marks:
        return damage.flip(rng, content, other)
    at = rng.choice(marks)
    places = {b"PK\1\2": (6, 8, 10, 16, 20, 24, 28, 30, 32, 34, 38, 42), b"PK\3\4": (4, 6, 8, 14, 18, 22, 26, 28)}
    at += rng.choice(places.get(content[at : at + 4], (4, 6, 8, 10, 12, 16, 20)))
    width = rng.choice((2, 4))
    copied = content[(mark := rng.choice(marks)) + 16 : mark + 20]  # another member's field: members may overlap
    value = rng.choice((*damage.NUMBERS, rng.randrange(len(content)))) % 256**width
    return content[:at] + rng.choice((value.to_bytes(width, "little"), copied)) + content[at + width :]


def zip_bomb(rng: Random, content: bytes, other: bytes) -> bytes:
    """Write a member of zeros with a compression ratio of 1000, sometimes with a false small size."""
    entries, (size, bomb, _, crc) = read_zip(content), bomb_of(rng.choice(BOMBS))
    name = rng.choice(entries)[0].encode() if entries else b"arr_0.npy"
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(bomb), size, len(name), 0)
    claimed = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(bomb), rng.choice((size, 168)), len(name), 0)
    local = b"PK\3\4" + fields + name + bomb
    central = b"PK\1\2" + struct.pack("<H", 20) + claimed + bytes(14) + name
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def gzipped(rng: Random, content: bytes, other: bytes) -> bytes:
    """Damage the content of a .gz file, or make it very long or double."""
    try:
        inside = zlib.decompressobj(31).decompress(content, 1 << 22)
    except zlib.error:
        return damage.flip(rng, content, other)
    match rng.randrange(8):
        case 0:
            return content + content
        case 1:
            return content + gzip.compress(b"", mtime=0)
        case 2:
            return bomb_of(rng.choice(BOMBS))[2]
        case 3:
            return gzip.compress(struct.pack(">4I", 0x803, 1 << 14, 1 << 7, 1 << 7) + inside[16:], mtime=0)
        case _:
            return gzip.compress(rng.choice((*damage.ANY, damage.word))(rng, inside, other), rng.randrange(10), mtime=0)


@lru_cache(maxsize=8)
def bomb_of(zeros: int) -> tuple[int, bytes, bytes, int]:
    """Compressed `zeros` zeros: length, deflated .npy, gzipped idx, and the CRC of the .npy."""
    block = bytes(MEBI)
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros_block = squeezed.compress(block) + squeezed.flush(zlib.Z_FULL_FLUSH)  # independent of the data before it
    shape = (zeros >> 8, 16, 16)
    starts = (
        npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}", b""),
        struct.pack(">4I", 0x803, *shape),
    )
    packed, sums = [], []
    for start in starts:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
        last = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
        packed.append(first + zeros_block * (zeros // MEBI) + last)
        crc = zlib.crc32(start)
        for _ in range(zeros // MEBI):
            crc = zlib.crc32(block, crc)
        sums.append(crc)
    head, tail = b"\x1f\x8b\x08" + bytes(7), struct.pack("<II", sums[1], (len(starts[1]) + zeros) % 2**32)
    return len(starts[0]) + zeros, packed[0], head + packed[1] + tail, sums[0]
