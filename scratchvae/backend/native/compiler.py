"""From a page of C++ to a function that can be called, compiled once and kept."""

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

SECONDS = 120
# exp and log1p of a whole vector register are in glibc's libmvec, which its headers tell a compiler of only under
# -ffast-math, or where the macro alone is set. That flag would let it forget NaN and infinity; the macro does not.
FAST = ("-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-D__FAST_MATH__")
PLAIN = ("-O2",)
ALWAYS = ("-std=c++14", "-shared", "-fPIC", "-w")


def find_compiler() -> list[str]:
    """The command of the C++ compiler: what $CXX says, or c++, g++ or clang++. Raises BackendError.

    On Windows there is none to trust: GCC keeps vector registers on its stack as if that were aligned for them, which
    it is not (GCC's bug 54412), and what neither exports its functions nor brings its runtime along cannot be loaded.
    """
    if sys.platform == "win32":
        raise BackendError("backend 'native' is for Linux and macOS; on Windows, use backend='numpy', or WSL")
    wanted = shlex.split(os.environ.get("CXX", ""))
    for command in [wanted] if wanted else [["c++"], ["g++"], ["clang++"]]:
        if shutil.which(command[0]):
            return command
    raise BackendError(
        f"backend 'native' needs a C++ compiler, and found no {wanted[0] if wanted else 'c++, g++ or clang++'}; "
        "install GCC or Clang, name one in $CXX, or use backend='numpy'"
    )


@cache
def compile_function(source: str, name: str) -> Any:
    """The C function `name` of `source`. Its library is kept in the cache folder, for this machine and compiler.

    Raises BackendError or FileError.
    """
    compiler = find_compiler()
    of = "\0".join([source, *compiler, _version_of(*compiler), *FAST, platform.machine(), platform.node()])
    path = cache_folder() / "native" / f"{name}-{hashlib.sha256(of.encode()).hexdigest()[:24]}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            library = _compile(compiler, source, Path(folder))
            with atomic_write(path) as file:
                file.write(library.read_bytes())
    try:
        return getattr(ctypes.CDLL(str(path)), name)
    except (OSError, AttributeError) as error:
        raise BackendError(f"backend 'native' cannot use {path} ({error}); delete it, and it is made anew") from None


def _compile(compiler: list[str], source: str, folder: Path) -> Path:
    page, library = folder / "kernel.cpp", folder / "kernel.so"
    page.write_text(source, encoding="utf-8")
    for flags in (FAST, PLAIN):  # some compilers, and some machines, do not know all that is fast
        command = [*compiler, *ALWAYS, *flags, str(page), "-o", str(library)]
        try:
            done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackendError(f"backend 'native' could not run {compiler[0]}: {error}; use backend='numpy'") from None
        if not done.returncode:
            return library
    reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
    raise BackendError(
        f"backend 'native': {compiler[0]} compiles no kernel ({reason}); name another compiler in $CXX, or use "
        "backend='numpy'"
    )


@cache
def _version_of(*compiler: str) -> str:
    try:
        return subprocess.run(
            [*compiler, "--version"], capture_output=True, encoding="utf-8", errors="replace", timeout=SECONDS
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(f"backend 'native' could not run {compiler[0]}: {error}; use backend='numpy'") from None
