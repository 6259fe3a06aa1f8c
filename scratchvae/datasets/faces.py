"""Grey images of faces: Frey faces and Olivetti."""

from __future__ import annotations

import numpy as np

from scratchvae.datasets.checksums import ArrayChecksum, read_contents
from scratchvae.datasets.dataset import Dataset, Split, split_by_mask
from scratchvae.datasets.search_paths import Folder, find_file

FREY_FACES = ArrayChecksum("uint8", (1965, 28, 20), "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78")
OLIVETTI = ArrayChecksum("uint8", (400, 64, 64), "a3f75007cc103363b61a63e06bec8ea4846407682ef6e7c9ae1eb9c1bd0e8a00")


def load_frey_faces(folder: Folder = None) -> Dataset:
    """1965 frames of a film of one face, height 28, width 20, pixels / 255: the first 1600 for training. No labels.

    The last 365 frames, which are consecutive, are for testing, because neighbouring frames are similar: the mean
    squared distance from a test frame to the nearest training frame is 3.3. It would be 1.2 with every tenth frame for
    testing.

    The film is by B. Frey, from S. Roweis's data page, and was used by D. Kingma, M. Welling, "Auto-Encoding
    Variational Bayes", ICLR 2014. `find_file` describes where the file frey_faces.npy, (1965, 28, 20) uint8, is
    searched. Its contents are verified. Raises DataError.
    """
    (pixels,) = read_contents(find_file("frey-faces", "frey_faces.npy", folder), {"": FREY_FACES})
    rows = Split(pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255), None)
    return split_by_mask("frey-faces", rows, np.arange(len(pixels)) >= 1600, (28, 20))


def load_olivetti(folder: Folder = None, side: int = 64) -> Dataset:
    """400 images, 10 of each of 40 people, person by person, 64×64 or 32×32, pixels / 255; labels 0 to 39.

    The first 8 images of each person are for training, the last 2 for testing: 320 and 80 images of the same people.
    With `side` 32, a pixel is the mean of four.

    F. Samaria, A. Harter, "Parameterisation of a Stochastic Model for Human Face Identification", WACV 1994; images by
    AT&T Laboratories Cambridge. `find_file` describes where the file olivetti_faces.npy, (400, 64, 64) uint8, is
    searched. Its contents are verified. The brightest pixel is 242; scikit-learn's copy is divided by that. Raises
    DataError.
    """
    (pixels,) = read_contents(find_file("olivetti", "olivetti_faces.npy", folder), {"": OLIVETTI})
    block = 64 // side
    sums = pixels.reshape(400, side, block, side, block).sum(axis=(2, 4), dtype=np.uint32)
    images = sums.reshape(400, -1).astype(np.float32) / np.float32(255 * block**2)
    person, picture = np.divmod(np.arange(400), 10)
    name = "olivetti" if side == 64 else f"olivetti-{side}"
    return split_by_mask(name, Split(images, person), picture >= 8, (side, side))
