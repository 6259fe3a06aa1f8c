"""Files: written whole or not at all, by one process at a time, and read without running anything."""

from scratchvae.disk.arrays import Array, ArrayFile, listed, open_arrays, read_arrays
from scratchvae.disk.folders import cache_folder, check_writable
from scratchvae.disk.lock import locked
from scratchvae.disk.rotation import rotate, versions
from scratchvae.disk.writing import whole_file

__all__ = [
    "Array",
    "ArrayFile",
    "cache_folder",
    "check_writable",
    "listed",
    "locked",
    "open_arrays",
    "read_arrays",
    "rotate",
    "versions",
    "whole_file",
]
