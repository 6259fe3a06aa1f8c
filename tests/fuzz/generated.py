"""Cases that hypothesis generates: headers of all kinds, with correct checksums and digests."""

import gzip
import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from random import Random
from typing import Any

import archives
import numpy as np
from hypothesis import strategies as st
from readers import ARRAYS, Case, npz
from texts import VALUES

from scratchvae.cli.train_options import OPTIONS

sizes = st.one_of(st.integers(-3, 20), st.integers(-(2**70), 2**70), st.sampled_from([2**31, 2**32, 2**63 - 1, 10**18]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(VALUES[:20]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=12,
)
python_values = st.recursive(
    st.none() | st.booleans() | sizes | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = (
    st.binary(max_size=200) | st.sampled_from([array.tobytes() for array in ARRAYS]) | st.integers(0, 4000).map(bytes)
)


@st.composite
def npys(draw: Any) -> bytes:
    """A .npy file of any header."""
    held: dict[str, Any] = {
        "descr": draw(st.one_of(st.sampled_from(["<f4", "<f8", "|u1", "|b1", ">i2", "<U3", "|O"]), python_values)),
        "fortran_order": draw(st.booleans() | python_values),
        "shape": draw(st.lists(sizes, max_size=5).map(tuple) | python_values),
    }
    if draw(st.integers(0, 9)) == 0:
        held |= draw(st.dictionaries(st.text(max_size=5), python_values, max_size=2))
    body = draw(bodies)
    if draw(st.booleans()):  # a shape that fits
        width = {"<f4": 4, "<f8": 8, "|u1": 1, "|b1": 1, ">i2": 2, "<U3": 12}.get(
            held["descr"] if isinstance(held["descr"], str) else "", 1
        )
        rows = draw(st.integers(1, 20))
        held["shape"] = draw(st.sampled_from([(rows, 4), (4, rows), (rows, 2, 2), (rows * 4,), (rows, 2, 2, 1)]))
        body = (body * (1 + 4 * rows * width // max(1, len(body))))[: 4 * rows * width] or bytes(4 * rows * width)
    return archives.npy(repr(held), body, draw(st.sampled_from([None, None, None, Random(draw(st.integers(0, 99)))])))


def one(name: str, contents: st.SearchStrategy[bytes]) -> st.SearchStrategy[Case]:
    return contents.map(lambda content: {name: content})


member_names = st.sampled_from(["a.npy", "b.npy", "c", "arr_0.npy", "é.npy"])
members = st.tuples(member_names, npys() | st.binary(max_size=50), st.sampled_from(archives.METHODS))
npzs = st.lists(members, max_size=4).map(archives.write_zip)


def objects(held: Any) -> Iterator[dict[str, Any]]:
    """Every object that is not empty in what JSON holds."""
    if isinstance(held, dict) and held:
        yield held
    for inner in held.values() if isinstance(held, dict) else held if isinstance(held, list) else ():
        yield from objects(inner)


@st.composite
def sealed(draw: Any, packed: bytes, old: bool) -> bytes:
    """A file of ours with anything in its header, and the digests that belong to that."""
    members = {name[:-4]: inside for name, inside, _ in archives.read_zip(packed)}
    header = json.loads(archives.array_text(members.pop("scratchvae")))
    members.pop("sha256", None)
    arrays = {name: np.load(archives.io.BytesIO(inside)) for name, inside in members.items()}
    place = draw(st.sampled_from(list(objects(header))))
    keys = st.sampled_from(sorted(place)) | st.text(max_size=9)
    place |= draw(st.dictionaries(keys, json_values | sizes | st.lists(sizes, max_size=3), min_size=1, max_size=3))
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(arrays)))
        array = (
            draw(st.sampled_from(ARRAYS[:9]))
            if draw(st.booleans())
            else arrays[name].astype(draw(st.sampled_from(["f8", ">f4", "i4", "f2", "c8"])))
        )
        arrays[name] = array
        if not old and place is not header.get("arrays") and "arrays" in header and isinstance(header["arrays"], dict):
            raw = np.ascontiguousarray(array)
            header["arrays"][name] = {
                "dtype": raw.dtype.str,
                "shape": list(raw.shape),
                "sha256": hashlib.sha256(raw.tobytes()).hexdigest(),
            }
    text = json.dumps(header)
    if draw(st.integers(0, 9)) == 0:
        text = draw(
            st.text(max_size=30)
            | st.sampled_from(["[" * 90_000, "[]", "{}", '{"format": 3}', "1" * 9000, " " * 2_000_000])
        )
    text = text.replace("\0", "")  # NumPy's texts end before them
    seal = {} if old else {"sha256": np.array(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest())}
    return npz(draw(st.booleans()), scratchvae=np.array(text), **seal, **arrays)


@st.composite
def idx_files(draw: Any) -> Case:
    """One of the four, its words any numbers, at times gzipped."""
    from scratchvae.datasets.idx import FILES

    k = draw(st.integers(0, 3))
    words = draw(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 20), max_size=5))
    magic = draw(st.sampled_from([0x803, 0x801]) | st.integers(0, 2**32 - 1))
    content = struct.pack(f">{len(words) + 1}I", magic, *words) + draw(bodies)
    if draw(st.booleans()):
        return {f"{FILES[k]}.gz": gzip.compress(content, mtime=0)}
    return {FILES[k]: content}


cells = st.one_of(
    st.floats().map(repr), st.integers().map(str), st.text(max_size=6),
    st.sampled_from(["", "NA", "?", "label", '"', '"a', "1e5", " 2 "])
)  # fmt: skip


@st.composite
def tables(draw: Any) -> bytes:
    """Any cells, mostly in lines of one length."""
    width = draw(st.integers(1, 5))
    lines = draw(st.lists(st.lists(cells, min_size=width, max_size=width) | st.lists(cells, max_size=4), max_size=5))
    lines += [["1"] * width] * draw(st.integers(0, 12))
    names = draw(st.lists(st.text(max_size=5) | st.just("label"), min_size=width, max_size=width))
    between = draw(st.sampled_from([",", ";", "\t", ", "]))
    text = draw(st.sampled_from(["\n", "\r\n", "\r"])).join(between.join(line) for line in [names, *lines])
    return text.encode("utf-8", "replace")


@st.composite
def pngs(draw: Any) -> bytes:
    """An image of any header, its checksums right."""
    dims = st.integers(0, 2**32 - 1) | st.integers(0, 3000) | st.sampled_from([4, 5])
    fields = [draw(dims), draw(dims), *(draw(st.integers(0, 17)) for _ in range(5))]
    if draw(st.booleans()):
        fields[2:] = [draw(st.sampled_from([1, 8, 16])), 0, 0, 0, draw(st.integers(0, 1))]
    chunks = [(b"IHDR", struct.pack(">2I5B", *fields)), (b"IDAT", zlib.compress(draw(bodies))), (b"IEND", b"")]
    chunks[1:1] = draw(
        st.lists(
            st.tuples(st.sampled_from([b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"eXIf", b"fcTL"]), st.binary(max_size=40)),
            max_size=2,
        )
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b)) for t, b in chunks
    )


@st.composite
def pgms(draw: Any) -> bytes:
    """An image whose header is words."""
    words = draw(st.lists(sizes.map(str) | st.text(max_size=4), min_size=2, max_size=4))
    return (
        draw(st.sampled_from(["P5", "P2", "P4", "P1", "Pf", "P7", "P6"])).encode()
        + b" "
        + " ".join(words).encode("utf-8", "replace")
        + b"\n"
        + draw(bodies)
    )


@st.composite
def settings_files(draw: Any) -> bytes:
    """Any values of options that are known, and others."""
    names = st.sampled_from([option.dest for option in OPTIONS]) | st.text(max_size=9)
    held = draw(st.dictionaries(names, json_values, max_size=6))
    return json.dumps({"command": held} if draw(st.booleans()) else held).encode()


def generated(name: str, whole: list[Case]) -> st.SearchStrategy[tuple[int, Case]]:
    """Which of the whole cases, and the files of it that are made."""
    k = st.integers(0, len(whole) - 1)
    if name in ("model", "old model", "encoder", "checkpoint"):
        file = min(whole[0])
        return k.flatmap(
            lambda k: sealed(whole[k][file], name == "old model").map(lambda content: (k, {file: content}))
        )
    if name == "images":
        endings = [next(iter(case)).partition(".")[2] for case in whole]
        return k.flatmap(lambda k: st.tuples(st.just(k), one(f"3.{endings[k]}", pngs() | pgms())))
    of: dict[str, st.SearchStrategy[Case]] = {
        "npy": one("data.npy", npys()),
        "npz": one("data.npz", npzs),
        "npz of several": one("data.npz", npzs),
        "known array": one("data.npy", npys()),
        "idx": idx_files(),
        "csv": one("data.csv", tables()),
        "known table": one("yeast.data", tables()),
        "settings": one("config.json", settings_files()),
    }
    return st.tuples(k, of[name])
