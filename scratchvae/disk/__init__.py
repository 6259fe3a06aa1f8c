"""Files: written whole or not at all, and read without running anything."""

from scratchvae.disk.arrays import Array, ArrayFile, open_arrays, read_arrays
from scratchvae.disk.writing import cache_folder, check_writable, whole_file

__all__ = ["Array", "ArrayFile", "cache_folder", "check_writable", "open_arrays", "read_arrays", "whole_file"]
