"""The directories of a TIFF file: one for each page, with tags that say how its samples are to be read.

A file begins with the byte order, "II" for little-endian or "MM" for big-endian, a version, 42 or 43 (BigTIFF), and the
position of the first directory. A directory has a count, entries (tag, type, count, value or its position), and the
position of the next directory. Adobe, "TIFF, revision 6.0", 1992.
"""

from __future__ import annotations

import re
import struct
from math import prod
from typing import NamedTuple

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, PHOTOMETRIC, DESCRIPTION = 254, 255, 256, 257, 258, 262, 270
ORIENTATION, SAMPLES, COLOUR_MAP, EXTRA_SAMPLES, SAMPLE_FORMAT, DEPTH = 274, 277, 320, 338, 339, 32997
TAGS = {
    SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, PHOTOMETRIC, DESCRIPTION, ORIENTATION, SAMPLES, COLOUR_MAP,
    EXTRA_SAMPLES, SAMPLE_FORMAT, DEPTH,
}  # fmt: skip
INTEGERS = {1: "B", 2: "B", 3: "H", 4: "I", 16: "Q"}  # the formats of the types; 2 is text
REDUCED, MASK = 1, 4  # bits of SUBFILE
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}  # samples without extra ones
GREY_BITS = (1, 2, 4, 8, 12, 16)
MOST_PAGES = 1 << 16
MOST_NUMBERS = 1 << 12  # that are read of a tag; a palette has 768, and a description says what matters first


class TiffPage(NamedTuple):
    """The tags of a page, and the format and position of their values in the file, as for `struct.pack_into`."""

    big_endian: bool
    tags: dict[int, tuple[int, ...]]
    places: dict[int, tuple[str, int]]

    def value(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        return self.tags.get(tag, (default,))[0]

    @property
    def bits(self) -> int:
        """The bits of a sample."""
        return max(self.tags.get(BITS, (1,)))

    @property
    def white_is_zero(self) -> bool:
        """True if 0 is white, and the largest value is black."""
        return self.value(PHOTOMETRIC, BLACK_IS_ZERO) == WHITE_IS_ZERO

    @property
    def orientation(self) -> int:
        """The orientation, numbered as in EXIF."""
        return self.value(ORIENTATION, 1)

    def problem(self) -> str | None:
        """The fault of this page as a grey image, with the remedy; None if no fault is known."""
        kind, samples = self.value(PHOTOMETRIC, -1), self.value(SAMPLES, 1)
        extra = self.tags.get(EXTRA_SAMPLES, ())
        if self.value(SUBFILE, 0) & REDUCED or self.value(OLD_SUBFILE, 1) == 2:
            return "is marked as a reduced copy (thumbnail) of another page; remove it first"
        if self.value(SUBFILE, 0) & MASK:
            return "is marked as a transparency mask of another page; remove it first"
        if self.value(DEPTH, 1) > 1:
            return f"has a depth of {self.value(DEPTH, 1)} slices; save each slice as a page"
        if PHOTOMETRIC not in self.tags:
            return "does not say whether 0 is black or white (PhotometricInterpretation); save it as PNG"
        if kind not in COLOURS:
            return f"is of photometric interpretation {kind}; convert it to 8-bit or 16-bit grey first"
        if any(number != 1 for number in self.tags.get(SAMPLE_FORMAT, ())):
            return "has samples that are signed or floats; convert it to 8-bit or 16-bit grey first"
        if self.bits not in GREY_BITS or len(set(self.tags.get(BITS, ()))) > 1:
            return f"has samples of {self.bits} bits; convert it to 8-bit or 16-bit grey first"
        if samples > COLOURS[kind] and (samples != COLOURS[kind] + 1 or extra not in ((1,), (2,))):
            return f"has {samples} channels; save each channel as an image of its own"
        if self.bits > 8 and (samples > 1 or kind not in (WHITE_IS_ZERO, BLACK_IS_ZERO)):
            return f"is a {self.bits}-bit image with colours or alpha; convert it to 16-bit grey first"
        if self.bits == 12 and self.big_endian:
            return "has 12-bit samples in big-endian order, which Pillow does not read; convert it to 16-bit grey"
        if kind == PALETTE and 0 < max(self.tags.get(COLOUR_MAP, (0,))) < 256:
            return "has a palette of 8-bit colours, expected 16-bit ones; save it as PNG"
        return None


def is_tiff(content: bytes | bytearray) -> bool:
    """True if `content` begins as a TIFF file."""
    return bytes(content[:4]) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_pages(content: bytes | bytearray) -> list[TiffPage]:
    """The pages of a TIFF file. Raises ValueError, with what is wrong."""
    order = "<" if content[:2] == b"II" else ">"
    big = 43 in content[2:4]
    try:
        (position,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
        pages, seen = [], set()
        while position:
            if position in seen:
                raise ValueError("its pages follow each other in a circle")
            seen.add(position)
            page, position = _read_page(content, position, order, big)
            pages.append(page)
            if len(pages) > MOST_PAGES:
                raise ValueError(f"it has more than {MOST_PAGES} pages; split it first")
    except (struct.error, OverflowError):
        raise ValueError("its list of pages is damaged") from None
    if not pages:
        raise ValueError("it has no pages")
    return pages


def _read_page(content: bytes | bytearray, position: int, order: str, big: bool) -> tuple[TiffPage, int]:
    """The page at a position, and the position of the next one."""
    count_format, entry_format, offset = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    (count,) = struct.unpack_from(order + count_format, content, position)
    position += struct.calcsize(order + count_format)
    inline = struct.calcsize(order + offset)
    page = TiffPage(order == ">", {}, {})
    entry_size = struct.calcsize(order + entry_format) + inline
    if count * entry_size > len(content):
        raise ValueError("its list of pages is damaged")
    for entry in range(position, position + count * entry_size, entry_size):
        tag, kind, length = struct.unpack_from(order + entry_format, content, entry)
        if tag in TAGS and kind in INTEGERS and length:
            at = entry + entry_size - inline
            if length * struct.calcsize(order + INTEGERS[kind]) > inline:
                (at,) = struct.unpack_from(order + offset, content, at)
            numbers = f"{order}{min(length, MOST_NUMBERS)}{INTEGERS[kind]}"
            page.tags[tag], page.places[tag] = struct.unpack_from(numbers, content, at), (numbers, at)
    (following,) = struct.unpack_from(order + offset, content, position + count * entry_size)
    return page, following


def without_conversions(content: bytes, pages: list[TiffPage]) -> bytearray:
    """A copy of the file in which 0 is black and no page is turned, so that a reader returns the samples as stored.

    Pillow inverts images of 1 to 8 bits, reads those of 16 bits without inverting them or not at all, depending on the
    byte order, and turns pages in some versions only.
    """
    changed = bytearray(content)
    for page in pages:
        for tag, wrong in ((PHOTOMETRIC, page.white_is_zero), (ORIENTATION, page.orientation != 1)):
            if wrong:
                numbers, at = page.places[tag]
                struct.pack_into(numbers, changed, at, *[1] * len(page.tags[tag]))
    return changed


def images_without_page(pages: list[TiffPage]) -> int:
    """The number of images that the file claims to have in its description and has no page for.

    ImageJ (in files above 4 GB) and tifffile may store a whole stack behind the directory of its first page.
    """
    text = bytes(number & 255 for number in pages[0].tags.get(DESCRIPTION, ())).decode("latin-1")
    if text.startswith("ImageJ=") and (found := re.search(r"^images=([0-9]{1,9})\s*$", text, re.MULTILINE)):
        return max(0, int(found[1]) - len(pages))
    if found := re.match(r'\{"shape": \[([0-9]{1,9}(?:, [0-9]{1,9})*)\]', text):
        samples = prod(map(int, found[1].split(", ")))
        page_samples = prod(pages[0].value(tag, 1) for tag in (WIDTH, HEIGHT, SAMPLES))
        return max(0, samples // max(1, page_samples) - len(pages))
    return 0
