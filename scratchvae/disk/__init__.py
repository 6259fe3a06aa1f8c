"""Files on disk: atomic writes, locks between processes, and safe reading of arrays."""

from scratchvae.disk.arrays import Array, ArrayFile, join_names, map_array, open_arrays, read_arrays
from scratchvae.disk.file_objects import check_writable_object, is_file_object, name_of, write_to_object
from scratchvae.disk.folders import cache_folder, check_writable
from scratchvae.disk.lock import locked
from scratchvae.disk.rotation import rotate, versions
from scratchvae.disk.writing import atomic_write

__all__ = [
    "Array",
    "ArrayFile",
    "atomic_write",
    "cache_folder",
    "check_writable",
    "check_writable_object",
    "is_file_object",
    "join_names",
    "locked",
    "map_array",
    "name_of",
    "open_arrays",
    "read_arrays",
    "rotate",
    "versions",
    "write_to_object",
]
