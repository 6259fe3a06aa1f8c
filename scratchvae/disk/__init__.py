"""Files: written whole or not at all, and read without running anything."""

from scratchvae.disk.arrays import Array, ArrayFile, open_arrays, read_arrays
from scratchvae.disk.sealed import Sealed, open_sealed, write_sealed
from scratchvae.disk.writing import cache_folder, check_writable, whole_file

__all__ = [
    "Array",
    "ArrayFile",
    "Sealed",
    "cache_folder",
    "check_writable",
    "open_arrays",
    "open_sealed",
    "read_arrays",
    "whole_file",
    "write_sealed",
]
