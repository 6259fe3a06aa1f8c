"""Compilation of C++ source to a callable function, with a cache on disk."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from scratchvae.disk import atomic_write, cache_folder
from scratchvae.errors import BackendError
from scratchvae.validation import shorten

TIMEOUT = 120  # seconds
# glibc's libmvec has vectorized exp and log1p, which its headers declare only under -ffast-math or if __FAST_MATH__ is
# defined. The flag would assume that no number is NaN or infinite; the macro alone does not.
FAST = ("-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-D__FAST_MATH__")
PLAIN = ("-O2",)
ALWAYS = ("-std=c++14", "-shared", "-fPIC", "-w")


def find_compiler() -> list[str]:
    """Return the command of the C++ compiler: $CXX, or else c++, g++ or clang++. Raises BackendError.

    Windows is not supported: GCC assumes there that its stack is aligned for vector registers, which it is not (GCC bug
    54412), and a library that neither exports its functions nor includes its runtime cannot be loaded.
    """
    if sys.platform == "win32":
        raise BackendError("backend 'native' is for Linux and macOS; on Windows, use backend='numpy', or WSL")
    cxx = shlex.split(os.environ.get("CXX", ""))
    for command in [cxx] if cxx else [["c++"], ["g++"], ["clang++"]]:
        if shutil.which(command[0]):
            return command
    raise BackendError(
        f"backend 'native' needs a C++ compiler, but found no {shorten(cxx[0]) if cxx else 'c++, g++ or clang++'}; "
        "install GCC or Clang, set $CXX, or use backend='numpy'"
    )


@cache
def compile_functions(source: str, *names: str) -> tuple[Any, ...]:
    """Compile `source` and return its C functions of these names.

    The library is cached in the cache folder, per machine and compiler. Raises BackendError or FileError.
    """
    compiler = find_compiler()
    key = "\0".join([source, *compiler, _compiler_version(*compiler), *FAST, platform.machine(), platform.node()])
    path = cache_folder() / "native" / f"{names[0]}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            library = _compile(compiler, source, Path(folder))
            with atomic_write(path) as file:
                file.write(library.read_bytes())
    try:
        loaded = ctypes.CDLL(str(path))
        return tuple(getattr(loaded, name) for name in names)
    except (OSError, AttributeError) as error:
        raise BackendError(f"backend 'native' cannot load {path}; delete it, and it is compiled again") from error


def _compile(compiler: list[str], source: str, folder: Path) -> Path:
    source_file, library = folder / "kernel.cpp", folder / "kernel.so"
    source_file.write_text(source, encoding="utf-8")
    for flags in (FAST, PLAIN):  # not every compiler and machine supports the fast flags
        command = [*compiler, *ALWAYS, *flags, str(source_file), "-o", str(library)]
        try:
            result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _cannot_run(compiler[0], error) from None
        if not result.returncode:
            return library
    reason = next((line for line in result.stderr.splitlines() if "error" in line), result.stderr)
    reason = reason.removeprefix(f"{source_file}:")
    raise BackendError(
        f"backend 'native': {shorten(compiler[0], 40)} cannot compile a kernel ({shorten(reason)}); "
        "set $CXX to another compiler, or use backend='numpy'"
    )


def _cannot_run(compiler: str, error: Exception) -> BackendError:
    return BackendError(
        f"backend 'native' could not run {shorten(compiler, 40)} ({shorten(error)}); set $CXX to another compiler, or "
        "use backend='numpy'"
    )


@cache
def _compiler_version(*compiler: str) -> str:
    try:
        return subprocess.run(
            [*compiler, "--version"], capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _cannot_run(compiler[0], error) from None
