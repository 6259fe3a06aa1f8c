"""Damage of any file: (rng, content, other content) → content."""

import re
import struct
from collections.abc import Callable
from random import Random

Damage = Callable[[Random, bytes, bytes], bytes]
NUMBERS = (0, 1, -1, 2, 7, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 10**18, 2**63 - 1)
TEXTS = (
    b"0",
    b"1",
    b"-1",
    b"1e999",
    b"nan",
    b"1_0",
    b"10000000000000000000",
    b"9" * 5000,
    b"0x10",
    b"1.5",
    b"True",
    b"\xd9\xa1",
)
LARGEST = 1 << 21  # bytes, to bound files that are damaged several times


def flip(rng: Random, content: bytes, other: bytes) -> bytes:
    """Flip some bits."""
    flipped = bytearray(content or b"\0")
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def overwrite(rng: Random, content: bytes, other: bytes) -> bytes:
    """Overwrite consecutive bytes."""
    count, at = rng.randint(1, 16), _place(rng, content)
    new = rng.randbytes(count) if rng.random() < 0.5 else bytes([rng.choice((0, 32, 127, 128, 255))]) * count
    return content[:at] + new + content[at + count :]


def number(rng: Random, content: bytes, other: bytes) -> bytes:
    """Overwrite a binary number."""
    width, at = rng.choice((1, 2, 4, 8)), _place(rng, content)
    value = rng.choice(NUMBERS) % (1 << 8 * width)
    return content[:at] + value.to_bytes(width, rng.choice(("little", "big"))) + content[at + width :]


def text_number(rng: Random, content: bytes, other: bytes) -> bytes:
    """Replace a number in digits."""
    matches = list(re.finditer(rb"-?\d+(\.\d+)?", content[:4096]))
    if not matches:
        return flip(rng, content, other)
    chosen = rng.choice(matches)
    return content[: chosen.start()] + rng.choice(TEXTS) + content[chosen.end() :]


def truncate(rng: Random, content: bytes, other: bytes) -> bytes:
    """Remove the end."""
    return content[: _place(rng, content)] if rng.random() < 0.7 else content[: -rng.randint(1, 8)]


def behead(rng: Random, content: bytes, other: bytes) -> bytes:
    """Remove the beginning."""
    return content[_place(rng, content) :]


def extend(rng: Random, content: bytes, other: bytes) -> bytes:
    """Append zeros, random bytes, the content itself or another file."""
    return content + rng.choice((bytes(rng.randint(1, 4096)), rng.randbytes(rng.randint(1, 64)), content, other))


def remove(rng: Random, content: bytes, other: bytes) -> bytes:
    """Remove a block."""
    begin, end = _block(rng, content)
    return content[:begin] + content[end:]


def repeat(rng: Random, content: bytes, other: bytes) -> bytes:
    """Repeat a block, right after itself or elsewhere."""
    begin, end = _block(rng, content)
    at = end if rng.random() < 0.5 else _place(rng, content)
    return content[:at] + content[begin:end] * rng.choice((1, 1, 2, 50)) + content[at:]


def exchange(rng: Random, content: bytes, other: bytes) -> bytes:
    """Exchange two blocks."""
    a, b, c = sorted(_place(rng, content) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def splice(rng: Random, content: bytes, other: bytes) -> bytes:
    """Join the beginning of one file and the end of another."""
    at = _place(rng, content)
    return content[:at] + other[at if rng.random() < 0.5 else _place(rng, other) :]


def nothing(rng: Random, content: bytes, other: bytes) -> bytes:
    """Replace the file by an empty one or another kind."""
    return rng.choice((b"", b"\0", b"\n", b"{}", b"PK\3\4", b"PK\5\6" + bytes(18), b"\x93NUMPY", b"\x1f\x8b", other))


ANY: tuple[Damage, ...] = (
    flip, flip, overwrite, number, number, text_number, truncate, behead, extend, remove, repeat, exchange, splice,
    nothing
)  # fmt: skip


def word(rng: Random, content: bytes, other: bytes) -> bytes:
    """Replace one word of an idx header."""
    if len(content) < 8:
        return flip(rng, content, other)
    at = 4 * rng.randrange(min(4, len(content) // 4))
    return content[:at] + struct.pack(">I", rng.choice(NUMBERS) % 2**32) + content[at + 4 :]


def _place(rng: Random, content: bytes) -> int:
    """A random offset, more often near the beginning or the end (headers and directories)."""
    near = rng.random()
    if near < 0.3:
        return min(len(content), rng.randrange(160))
    return max(0, len(content) - rng.randrange(160)) if near < 0.5 else rng.randint(0, len(content))


def _block(rng: Random, content: bytes) -> tuple[int, int]:
    begin = _place(rng, content)
    return begin, min(len(content), begin + rng.choice((1, 2, 4, 16, 64, 256, 4096)))
