"""A user's own data: an array in a file, or a folder of grey images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scratchvae.datasets.dataset import Dataset, hold_out_a_tenth
from scratchvae.disk import Array, read_arrays
from scratchvae.errors import DataError, FileError

LARGEST_PIXEL = {"1": 1, "L": 255, "I;16": 65535}  # by Pillow's name for the mode of a grey image
IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff"}


def load_file(path: Path, key: str | None = None) -> Dataset:
    """The array of a .npy file, or of an .npz file that holds one array or one named `key`.

    Its shape is (N, D), or (N, H, W) for pictures. Rows are divided by 255 if they are uint8 and brighter than 1, and
    taken as they are if they hold 0 and 1 only, or are floats. Each tenth row is kept for testing.
    Raises DataError.
    """
    if path.suffix not in (".npy", ".npz"):
        raise DataError(f"{path} is neither a .npy nor an .npz file; save an array with numpy.save")
    try:
        (array,) = read_arrays(path, lambda names: [_member(path, names, key)]).values()
    except FileError as error:
        raise DataError(str(error)) from None
    return _from_array(path, array)


def load_folder(path: Path) -> Dataset:
    """The grey images of one folder, all of one size, in the order of their names; needs Pillow.

    8-bit values are divided by 255, 16-bit values by 65535. Each tenth image is kept for testing. Raises DataError.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DataError("reading images needs Pillow: install it with  pip install 'scratchvae[cli]'") from None
    paths = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DataError(f"{path} holds no images; expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    images: list[Array] = []
    for file in paths:
        try:
            with Image.open(file) as image:
                if image.mode not in LARGEST_PIXEL:
                    raise DataError(f"{file} is no grey image but of mode {image.mode}; convert it to 8-bit grey first")
                pixels = np.asarray(image, np.float32) / np.float32(LARGEST_PIXEL[image.mode])
        except DataError:
            raise
        except Exception as error:  # each format of Pillow's has its own way to say that a file is damaged
            raise DataError(f"{file} cannot be read as an image: {error}") from None
        if images and pixels.shape != images[0].shape:
            sizes = [f"{pixel.shape[1]} × {pixel.shape[0]}" for pixel in (pixels, images[0])]
            raise DataError(f"{file} is of size {sizes[0]}, {paths[0].name} of {sizes[1]}; expected one size")
        images.append(pixels)
    stack = np.stack(images)
    return hold_out_a_tenth(str(path), stack.reshape(len(stack), -1), (stack.shape[1], stack.shape[2]))


def _member(path: Path, names: list[str], key: str | None) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        asked = "" if key is None else f" and no {key!r}"
        raise DataError(
            f"{path} holds the arrays {', '.join(sorted(names)) or 'none'}{asked}; name one with --key (key=)"
        )
    return key


def _from_array(path: Path, array: Array) -> Dataset:
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or not array.size:
        raise DataError(f"{path} holds an array of shape {array.shape}; expected (N, D), or (N, H, W), not empty")
    shape = (array.shape[1], array.shape[2]) if array.ndim == 3 else _square(array.shape[1])
    rows = array.reshape(len(array), -1)
    if rows.dtype.kind in "iub":
        low, high = int(rows.min()), int(rows.max())
        if low < 0 or high > (255 if rows.dtype == np.uint8 else 1):
            raise DataError(
                f"{path} holds {rows.dtype} from {low} to {high}; expected uint8 (0 to 255), only 0 and 1, or floats "
                "in [0, 1]: divide by the largest possible value and save again; floats of any size are for a Gaussian "
                "likelihood"
            )
        rows = rows.astype(np.float32) / np.float32(255 if high > 1 else 1)
    elif rows.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and a model refuses it
            rows = np.ascontiguousarray(rows, np.float32)  # itself, if it is that already
    else:
        raise DataError(f"{path} holds {rows.dtype}; expected real numbers")
    return hold_out_a_tenth(str(path), rows, shape)


def _square(pixels: int) -> tuple[int, int] | None:
    side = round(pixels**0.5)
    return (side, side) if side * side == pixels and side > 1 else None
