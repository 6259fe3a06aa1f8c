"""Checksums of arrays, in the format that the data sets list."""

import hashlib

import numpy as np

from scratchvae.datasets.checksums import ArrayChecksum


def checksum_of(array):
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return ArrayChecksum(array.dtype.name, array.shape, digest)
