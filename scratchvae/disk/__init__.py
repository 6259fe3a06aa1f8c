"""Files: written whole or not at all, and read without running anything."""

from scratchvae.disk.arrays import Array, read_arrays
from scratchvae.disk.writing import cache_folder, check_writable, whole_file

__all__ = ["Array", "cache_folder", "check_writable", "read_arrays", "whole_file"]
