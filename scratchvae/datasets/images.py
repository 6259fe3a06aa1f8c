"""Data in a folder of images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchvae.datasets.dataset import Dataset, hold_out
from scratchvae.datasets.image_file import open_image_file
from scratchvae.errors import DataError, warn
from scratchvae.validation import join_choices

SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}  # folders that are no classes
SUFFIXES = {
    ".apng", ".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff",
}  # fmt: skip
UNREAD_SUFFIXES = {  # of images in formats that are not read
    ".arw", ".avif", ".cr2", ".cr3", ".czi", ".dcm", ".dib", ".dng", ".exr", ".gif", ".heic", ".heif", ".icns", ".ico",
    ".j2k", ".jp2", ".jxl", ".lif", ".lsm", ".nd2", ".nef", ".orf", ".pam", ".pcx", ".pfm", ".psd", ".raf", ".raw",
    ".rw2", ".sgi", ".svg", ".tga", ".webp", ".xcf",
}  # fmt: skip
HIDDEN = {  # in lower case; names that begin with a dot are hidden too
    "$recycle.bin", "@eadir", "__macosx", "desktop.ini", "ehthumbs.db", "ehthumbs_vista.db", "icon\r", "lost+found",
    "system volume information", "thumbs.db",
}  # fmt: skip
MAX_LISTED = 80  # characters of the names of other files in a warning


class _Folder(NamedTuple):
    """The images in natural order; the subfolders that they lie in, or None; and the other files and folders."""

    images: list[Path]
    classes: list[Path] | None
    others: list[Path]


def load_folder(path: Path, seed: int | None = 0, color: str = "grey", size: tuple[int, int] | None = None) -> Dataset:
    """Load the images of a folder in the natural order of their names: img2 before img10.

    color   "grey": rows are pictures (height, width). "rgb": (height, width, 3), red, green and blue of each pixel
    size    (height, width) to which Pillow scales each image, whatever its proportions; None: all have one size

    BMP, JPEG, PNG, PBM, PGM, PPM and TIFF are read, also mixed; this needs Pillow. Each page of a TIFF is an image.
    Black is 0 and white is 1: values are divided by the largest possible one, 255 for 8 bits, 4095 for 12, 65535 for
    16, or the one that a PGM names. Images are turned as EXIF says, and inverted if 0 is white in the file. Alpha
    channels without transparency are passed over; with color="grey", colour images are read if their pixels are all
    grey. Others are refused, as are animations, 32-bit images, floats, and 16-bit images in colour.

    If all images lie in subfolders, each subfolder is a class, whose images may lie in folders inside it:
    `Dataset.classes` has their names in natural order, and labels are indices into it. `Dataset.files` has the names of
    the files of the rows, such as "cat/img2.png", or "stack.tif page 3". Hidden files and folders are passed over, such
    as .DS_Store, ._img2.png, Thumbs.db and __MACOSX. A warning names all other files that are not images.

    A tenth of the images, chosen by `seed`, is for testing. An image may have at most 4,194,304 pixels (2048 × 2048),
    or 16 times as many if it is scaled to a `size`, and a file 32 MiB. The sizes in all headers are compared before the
    first image is decoded. Raises DataError.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise DataError("reading images needs Pillow: install it with  pip install 'scratchvae[cli]'") from None
    images, subfolders, others = _find_images(path)
    parts = [folder.name for folder in subfolders or () if folder.name.lower() in SPLITS]
    if parts:
        raise DataError(
            f"{path} holds the folder {parts[0]}, a part of a data set and no class; name the folder of one part"
        )
    common, pages = _common_size(images, size)
    shape = common if color == "grey" else (*common, 3)
    rows = np.empty((sum(pages), *shape), np.float32)
    row = iter(rows)
    for file, count in zip(images, pages, strict=True):
        with open_image_file(file, size is not None) as image:
            for page in range(count):
                np.copyto(next(row), image.read(page, color, size))  # raises if another process has changed its size
    if others:
        names = [_relative(path, other) + "/" * other.is_dir() for other in others]
        warn(f"{path}: {len(names)} not read, as not images: {join_choices(names, MAX_LISTED)}", UserWarning)
    classes = labels = None
    if subfolders is not None:
        classes, class_of = tuple(_text(folder.name) for folder in subfolders), {f: k for k, f in enumerate(subfolders)}
        labels = np.repeat([class_of[path / file.relative_to(path).parts[0]] for file in images], pages)
    files = (_page_names(_relative(path, file), count) for file, count in zip(images, pages, strict=True))
    data = hold_out(str(path), rows.reshape(len(rows), -1), shape, labels, seed)
    return data._replace(classes=classes, files=tuple(name for names in files for name in names))


def _find_images(folder: Path) -> _Folder:
    """The images directly in a folder, or in and below its subfolders. Raises DataError if they are in both."""
    images, subfolders, others = _list(folder)
    with_images = [subfolder for subfolder in subfolders if _holds_images(subfolder)]
    if not images and not with_images:
        raise DataError(f"{folder} holds no images; expected files ending in {', '.join(sorted(SUFFIXES))}")
    if not with_images:
        return _Folder(images, None, others + subfolders)
    if images:
        raise DataError(
            f"{folder} holds images itself, as {images[0].name}, and in its subfolder {with_images[0].name}; move the "
            "subfolder elsewhere, or all images into a subfolder for each class"
        )
    for subfolder in subfolders:
        inside, rest = _images_below(subfolder)
        if not inside:
            raise DataError(f"{subfolder} holds no images, and the other subfolders are classes; move it elsewhere")
        images += inside
        others += rest
    return _Folder(images, subfolders, others)


def _images_below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images in a folder and below it, and the other files and folders. Raises DataError."""
    images, subfolders, others = _list(folder)
    for subfolder in subfolders:
        inside, rest = _images_below(subfolder)
        if inside and subfolder.name.lower() in SPLITS:
            raise DataError(
                f"{folder} holds the folder {subfolder.name}, a part of a data set and no class; name the folder of "
                "one part"
            )
        images += inside
        others += rest if inside else [subfolder]
    return images, others


def _list(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """The images, subfolders and other files of a folder, in natural order, without hidden ones. Raises DataError."""
    images, subfolders, others = [], [], []
    for path in sorted(folder.iterdir(), key=_natural_order):
        if _is_hidden(path.name):
            continue
        if path.is_dir():
            subfolders.append(path)
        elif path.suffix.lower() in UNREAD_SUFFIXES:
            raise DataError(
                f"{path}: images ending in {path.suffix} are not read; save it as PNG, or move it elsewhere"
            )
        elif path.suffix.lower() in SUFFIXES:
            images.append(path)
        else:
            others.append(path)
    return images, subfolders, others


def _holds_images(folder: Path) -> bool:
    """True if there is an image, of any format, in a folder or below it."""
    for _, subfolders, files in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not _is_hidden(name)]
        if any(Path(name).suffix.lower() in SUFFIXES | UNREAD_SUFFIXES for name in files if not _is_hidden(name)):
            return True
    return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in HIDDEN


def _natural_order(path: Path) -> tuple[list[str | int], list[str | int], str, str]:
    """A key that sorts numbers in names by their value, and ignores case."""

    def split(text: str) -> list[str | int]:
        parts: list[str | int] = list(re.split("([0-9]+)", text.casefold()))
        parts[1::2] = map(int, parts[1::2])
        return parts

    return split(path.stem), split(path.suffix), path.name.casefold(), path.name


def _common_size(files: list[Path], size: tuple[int, int] | None) -> tuple[tuple[int, int], list[int]]:
    """The (height, width) of all images, or `size`, and the number of pages in each file.

    Raises DataError for another size.
    """
    common, pages = None, []
    for file in files:
        with open_image_file(file, size is not None) as image:
            pages.append(len(image.sizes))
            for page, (width, height) in enumerate(image.sizes):
                common = common or (width, height)
                if size is None and (width, height) != common:
                    raise DataError(
                        f"{image.where(page)} has height and width {height} × {width}, {files[0].name} "
                        f"{common[1]} × {common[0]}; expected one size: give size=(height, width) to scale them to"
                    )
    assert common is not None
    return (common[1], common[0]) if size is None else size, pages


def _page_names(file: str, pages: int) -> Iterator[str]:
    """The name of each row of a file."""
    yield from [file] if pages == 1 else (f"{file} page {page}" for page in range(1, pages + 1))


def _relative(folder: Path, file: Path) -> str:
    return _text(file.relative_to(folder).as_posix())


def _text(name: str) -> str:
    """A name that can be written as UTF-8: bytes of a name that are no UTF-8 are replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
