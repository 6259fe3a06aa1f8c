"""Files: written whole or not at all, by one process at a time, and read without running anything."""

from scratchvae.disk.arrays import Array, ArrayFile, listed, open_arrays, read_arrays
from scratchvae.disk.folders import cache_folder, check_writable
from scratchvae.disk.lock import locked
from scratchvae.disk.rotation import rotate, versions
from scratchvae.disk.sealed import Sealed, as_text, differing, open_sealed, write_sealed
from scratchvae.disk.writing import whole_file

__all__ = [
    "Array",
    "ArrayFile",
    "Sealed",
    "as_text",
    "cache_folder",
    "check_writable",
    "differing",
    "listed",
    "locked",
    "open_arrays",
    "open_sealed",
    "read_arrays",
    "rotate",
    "versions",
    "whole_file",
    "write_sealed",
]
