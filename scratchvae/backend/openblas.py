"""The OpenBLAS library that NumPy has loaded, with which it computes matrix products."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

NAMES = [(prefix, suffix) for prefix in ("scipy_", "") for suffix in ("64_", "")]  # around those of its functions


class OpenBLAS:
    """The functions of a library whose names have this prefix and suffix. Raises AttributeError if it lacks one.

    get_num_threads, set_num_threads   of the whole process
    gemm                               the addresses of cblas_sgemm and cblas_dgemm, by the dtype's `str`
    wide                               True if its integers have 64 bits
    """

    def __init__(self, library: Any, prefix: str, suffix: str) -> None:
        self.get_num_threads = getattr(library, f"{prefix}openblas_get_num_threads{suffix}")
        self.set_num_threads = getattr(library, f"{prefix}openblas_set_num_threads{suffix}")
        self.get_num_threads.restype, self.set_num_threads.argtypes = ctypes.c_int, [ctypes.c_int]
        names = {np.dtype("f").str: "cblas_sgemm", np.dtype("d").str: "cblas_dgemm"}
        functions = {dtype: getattr(library, f"{prefix}{name}{suffix}") for dtype, name in names.items()}
        self.gemm = {dtype: ctypes.cast(function, ctypes.c_void_p).value for dtype, function in functions.items()}
        get_config = getattr(library, f"{prefix}openblas_get_config{suffix}")
        get_config.restype = ctypes.c_char_p
        self.wide = b"USE64BITINT" in get_config()


@cache
def find_openblas() -> OpenBLAS | None:
    """The OpenBLAS of NumPy, if this process runs on Linux and has loaded one."""
    for path in _loaded_libraries():
        library = ctypes.CDLL(path)
        for prefix, suffix in NAMES:
            try:
                return OpenBLAS(library, prefix, suffix)
            except AttributeError:  # other names, or one built without CBLAS
                continue
    return None


def _loaded_libraries() -> list[str]:
    """The paths of the OpenBLAS libraries that this process has loaded, that of NumPy first."""
    if not sys.platform.startswith("linux"):
        return []
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    mapped = [line.split(maxsplit=5) for line in maps.splitlines()]
    paths = dict.fromkeys(fields[5] for fields in mapped if len(fields) == 6)
    found = [path for path in paths if "openblas" in Path(path).name and Path(path).exists()]
    return sorted(found, key=lambda path: "numpy" not in path)  # SciPy may have loaded one of its own
