"""The windows of pictures as the rows of a matrix, and the transpose of that map."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.validation import check_int, shorten

HOST_BLOCK = 2**20  # bytes of windows at a time: they stay in the cache between the copy and the product
DEVICE_BLOCK = 2**28  # on a GPU each block costs launches, and no cache holds one


def picture_shape(layer: str, input_shape: Shape, channels: int) -> Shape:
    """Return (height, width, channels) of rows of `input_shape`, which may leave out a single channel.

    Raises ShapeError unless they are pictures of so many channels.
    """
    shape = (*input_shape, 1) if channels == 1 and len(input_shape) == 2 else tuple(input_shape)
    if len(shape) == 3 and shape[2] == channels:
        return shape
    if len(shape) == 3 or len(input_shape) == 2:
        count = shape[2] if len(shape) == 3 else 1
        raise ShapeError(
            f"{layer} was given pictures of shape {shorten(tuple(input_shape))}, of {count} "
            f"channel{'s' if count > 1 else ''}; expected {channels}: a picture is (height, width, channels)"
        )
    raise ShapeError(
        f"{layer} was given rows of shape {shorten(tuple(input_shape))}; expected pictures: chain layers in a "
        f"Sequential, after Reshape(height, width, {channels}), or give the model an image_shape"
    )


def check_window(kernel_size: int, stride: int, padding: int) -> tuple[int, int, int]:
    """Return the three. Raises ConfigError unless they are whole numbers and the padding is less than a window."""
    size, step, border = (
        check_int("kernel_size", kernel_size),
        check_int("stride", stride),
        check_int("padding", padding, minimum=0),
    )
    if border >= size:
        raise ConfigError(
            f"padding={border}: expected at most {size - 1}, kernel_size − 1: with more, some windows would hold no "
            "pixel"
        )
    return size, step, border


class Patches:
    """The linear map A from pictures x to their windows, and its transpose, with buffers for a block of pictures.

    A x has a row for each window: a window of k × k pixels at every s-th row and column of a picture (H, W, C) with a
    border of p zeros. At the place (i, j) it is

        (A x)[i, j, a, b, c] = x[s i + a − p, s j + b − p, c],   0 ≤ a, b < k

    `places` is the number of windows downwards and across: P = ⌊(H + 2p − k) / s⌋ + 1, and Q likewise.
    Chellapilla, Puri and Simard 2006, sec. 3. Pictures that are taken in blocks keep their windows in the cache.
    """

    def __init__(self, picture: Shape, size: int, stride: int, padding: int) -> None:
        self.picture, self.size, self.stride, self.padding = picture, size, stride, padding
        self.places = tuple((length + 2 * padding - size) // stride + 1 for length in picture[:2])
        self.count = prod(self.places)

    # In steps of s, the offsets a < k are a = s α + a′ with 0 ≤ a′ < s. At one α the windows do not overlap: no two
    # have a row s i + s α + a′ in common. So all windows at α and β are the pixels of one rectangle, in another order:
    # ⌈k/s⌉² copies make A x, and the transpose adds where A copies. With a single channel, where runs of s numbers
    # would be short, k² copies of one offset each are faster: NumPy's innermost loop then runs along a row of windows.
    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the windows of a block of pictures, bordered pictures, and the views between which A copies."""
        (height, width, channels), k, s, p = self.picture, self.size, self.stride, self.padding
        P, Q = self.places
        self.allocate_matrix(buffers)
        group = s if channels > 1 else 1  # of offsets that are copied together
        reach = (k - 1) // group * group  # the first offset of the last group
        bordered = (max(height + 2 * p, reach + s * P), max(width + 2 * p, reach + s * Q), channels)
        block = buffers.resized(self.rows)
        self._x, self._sums = (block.matrix(prod(bordered)).reshape(self.rows, *bordered) for _ in range(2))
        self._x.fill(0.0)  # the border stays 0
        self._inside_x, self._inside_sums = (x[:, p : p + height, p : p + width] for x in (self._x, self._sums))
        windows = self._matrix.reshape(self.rows, P, Q, k, k * channels)
        self._views = []  # of equal shapes: windows, pixels of x, sums of pixels
        for a in range(0, k, group):
            for b in range(0, k, group):
                down, across = min(group, k - a), min(group, k - b) * channels
                part = windows[:, :, :, a : a + down, b * channels : b * channels + across]
                x, sums = (self._rectangle(array, a, b)[:, :, :down, :, :across] for array in (self._x, self._sums))
                self._views.append((part.transpose(0, 1, 3, 2, 4), x, sums))

    def _rectangle(self, x: Array, a: int, b: int) -> Array:
        """The pixels at the offsets from (a, b) up to (a + s, b + s) of all windows: a view (rows, P, s, Q, s·C)."""
        s, (P, Q) = self.stride, self.places
        return x[:, a : a + s * P, b : b + s * Q].reshape(self.rows, P, s, Q, -1)

    def allocate_matrix(self, buffers: BatchBuffers) -> None:
        """Choose the number of pictures in a block, and allocate the matrix of their windows."""
        columns = self.size**2 * self.picture[2]
        bytes_at_once = HOST_BLOCK if buffers.backend.on_host else DEVICE_BLOCK
        self.rows = max(1, min(buffers.rows, bytes_at_once // (self.count * columns * buffers.dtype.itemsize)))
        self._matrix = buffers.resized(self.rows * self.count).matrix(columns)

    def blocks(self, rows: int) -> Iterator[slice]:
        """Yield the slices of an array of so many rows, `self.rows` at a time."""
        for start in range(0, rows, self.rows):
            yield slice(start, start + self.rows)

    def matrix(self, rows: int) -> Array:
        """The matrix (b·P·Q, k·k·C) for a block of b rows: A x after `gather`, or to be filled for `scatter`."""
        return self._matrix[: rows * self.count]

    def gather(self, x: Array) -> Array:
        """A x (b·P·Q, k·k·C) of a block of pictures x (b, H·W·C)."""
        rows = len(x)
        self._inside_x[:rows] = x.reshape(rows, *self.picture)
        for windows, x_pixels, _ in self._views:
            windows[:rows] = x_pixels[:rows]
        return self.matrix(rows)

    # ⟨A x, m⟩ = ⟨x, Aᵀ m⟩: a pixel of x is in several windows, and its factor is the sum of their numbers in m.
    def scatter(self, out: Array) -> None:
        """Aᵀ m (b, H·W·C), written into `out`, for the m (b·P·Q, k·k·C) that stands in `matrix`."""
        rows = len(out)
        self._sums[:rows].fill(0.0)
        for windows, _, sums in self._views:
            pixel_sums = sums[:rows]
            pixel_sums += windows[:rows]
        out.reshape(rows, *self.picture)[...] = self._inside_sums[:rows]
