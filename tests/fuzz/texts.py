"""Damage of JSON, tables and images according to their formats."""

import json
import struct
import zlib
from random import Random
from typing import Any

import damage

DEEP = ("[" * 100_000, '{"a":' * 100_000, "[" * 900 + "]" * 900)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**18, 0.5, 1e308, float("nan"), float("inf"), "", "a", "é", "\ud800",
    "\0", "x" * 5000,
    [], {}, [1], [[]], {"a": {}}, [10**9], [0], [-1], ["a"], [None], "VAE", "float32", "longdouble", [5] * 2000,
    "None", "/dev/zero",
)  # fmt: skip
CELLS = (
    b"", b"NA", b"?", b"nan", b"inf", b"-Infinity", b"1e999", b"1e-999", b"1_0", b"\0", b'"', b'""', b'"a""b"',
    b'"1\n2"', b"x" * 200_000,
    b"\xd9\xa1", b"\xff", b"\xe2\x80\xa8", b" 1 ", b"1;2", b"1,5", b"0x1p3", b"=1+1", b"9" * 5000, b"label", b"-0",
    b"\r", b"1\t2",
)  # fmt: skip


def edit_json(rng: Random, text: str) -> str:
    """Change one place of a JSON text."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if rng.random() < 0.1:
        return rng.choice(
            (
                *DEEP,
                "",
                "null",
                "[]",
                "7",
                text[:-1],
                text + text,
                text.replace(":", ": 1e", 1),
                "9" * 5000,
                '"' + "a" * 10**6,
            )
        )
    inside, places = content, []
    while isinstance(inside, dict | list) and inside:
        key = rng.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
        places.append((inside, key))
        inside = inside[key]
    if not places:
        return json.dumps(rng.choice(VALUES))
    container, key = rng.choice(places)
    match rng.randrange(6) if isinstance(container, dict) else 5:
        case 0:
            del container[key]
        case 1:
            container[rng.choice(("", "a", "é", "format", "config", "hidden", "lr", "x" * 5000, str(key).upper()))] = (
                container.pop(key)
            )
        case 2:
            container[rng.choice(("a", "seed", "missing", "labels", "params/z", "classes"))] = rng.choice(VALUES)
        case 3:
            return json.dumps(content).replace("{", "{" + json.dumps({str(key): rng.choice(VALUES)})[1:-1] + ", ", 1)
        case _:
            container[key] = rng.choice(VALUES)
    return json.dumps(content)


def settings(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change a setting."""
    text = edit_json(rng, content.decode("utf-8", "replace"))
    return text.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16")), "surrogatepass")


def table(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change a cell, a row or the whole table."""
    lines = content.split(b"\n")
    k = rng.randrange(len(lines))
    between = rng.choice((b",", b";", b"\t"))
    cells = lines[k].split(between)
    n = rng.randrange(len(cells))
    match rng.randrange(8):
        case 0:
            cells.insert(n, rng.choice(CELLS))
        case 1:
            del cells[n]
        case 2:
            lines.insert(k, rng.choice((b"", b" ", b"#", b",,,", rng.choice(lines))))
        case 3:
            return content.decode("latin-1").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")))
        case 4:
            return content.replace(b"\n", rng.choice((b"\r", b"\r\n", b"", b"\n\n", b"\0", b"\x0b")))
        case 5:
            return content.replace(between, rng.choice((b";", b"\t", b" ", b"|", b'"', b",,", b", ")))
        case _:
            cells[n] = rng.choice(CELLS)
    lines[k] = between.join(cells)
    return b"\n".join(lines) * rng.choice((1, 1, 1, 1, 40))


def image(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change a chunk of a PNG with a valid checksum, the text header of a PGM, or a number near the beginning."""
    if content.startswith(b"P5"):
        sizes = (
            b"5000 5000",
            b"0 0",
            b"-4 5",
            b"4 999999999",
            b"4 5\n#" + b"a" * 5000,
            b"100000 100000",
            b"5 4",
            b"2 10",
        )
        return content.replace(b"4 5", rng.choice(sizes), 1)
    chunks = _chunks(content)
    if not chunks:
        at = rng.randrange(min(60, len(content) or 1))
        return content[:at] + (rng.choice(damage.NUMBERS) % 256**4).to_bytes(4, "little") + content[at + 4 :]
    k = rng.randrange(len(chunks))
    kind, body = chunks[k]
    match rng.randrange(7):
        case 0:
            chunks.insert(rng.randint(0, len(chunks)), chunks[k])
        case 1:
            del chunks[k]
        case 2:
            kinds = (
                b"iCCP",
                b"zTXt",
                b"iTXt",
                b"PLTE",
                b"tRNS",
                b"acTL",
                b"fcTL",
                b"eXIf",
                b"gAMA",
                b"pHYs",
                b"abcd",
                b"IDAT",
            )
            chunks.insert(
                1,
                (
                    rng.choice(kinds),
                    rng.choice((b"", b"a\0\0" + zlib.compress(bytes(1 << 22)), rng.randbytes(9), body)),
                ),
            )
        case 3:
            size = [rng.choice((4, 5, 0, 1, 2048, 2049, 65536, 2**31 - 1, 2**32 - 1)) for _ in range(2)]
            chunks[0] = (
                b"IHDR",
                struct.pack(
                    ">2I5B",
                    *size,
                    *(rng.choice(some) for some in ((8, 16, 1, 9), (0, 0, 2, 3, 4, 6, 7), (0, 1), (0, 1), (0, 1, 2))),
                ),
            )
        case 4:
            chunks[k] = (kind, zlib.compress(rng.choice((b"", bytes(1 << 22), rng.randbytes(50)))))
        case _:
            chunks[k] = (kind, rng.choice(damage.ANY)(rng, body, other))
    return content[:8] + b"".join(
        struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b)) for t, b in chunks
    )


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while content.startswith(b"\x89PNG") and at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks
