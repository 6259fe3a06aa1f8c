"""Builds the library of the null device, and the kernels of CuPy for the host, in a cache folder."""

import hashlib
import os
import re
import subprocess
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from scratchvae.backend.native.compiler import find_compiler
from scratchvae.disk import cache_folder

SOURCES = Path(__file__).parent
FLAGS = ("-std=c++17", "-fPIC", "-w")
# without errno and the status flags of the processor, as on a GPU; but no other order of operations, and no fused ones
OPTIMIZED = ("-O1", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")
LIBRARY = "libcublas.so.12"  # the name that CuPy's module needs; the functions of the device are in it too

KERNEL = re.compile(r'extern "C" __global__ void (\w+)\((.*?)\)\s*\{', re.DOTALL)
SHARED_MEMORY = re.compile(r"_sdata_raw\[(\d+) \* sizeof")
HEADERS = re.compile(r"^#include <cupy/.*>$", re.MULTILINE)


def build_library() -> Path:
    """Build the library of the device, and the precompiled header of its kernels; return the path of the library."""
    folder = build_folder()
    if folder.exists():
        return folder / LIBRARY
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        new = Path(parent, folder.name)
        new.mkdir()
        (new / "host_kernel.h").write_bytes((SOURCES / "host_kernel.h").read_bytes())
        compile_cpp("-x", "c++-header", *kernel_flags(new), new / "host_kernel.h", output=new / "host_kernel.h.gch")
        (new / "refused.cpp").write_text(refused_functions())
        sources = SOURCES / "device.cpp", SOURCES / "cublas.cpp", new / "refused.cpp"
        flags = ("-O3", "-shared", f"-Wl,-soname,{LIBRARY}")
        compile_cpp(*flags, *sources, "-ldl", output=new / LIBRARY)
        try:
            new.rename(folder)
        except OSError:  # another process was faster
            if not folder.exists():
                raise
    return folder / LIBRARY


def build_kernel(source: str) -> Path:
    """Compile a kernel that CuPy has generated for the host; return the path of its library."""
    code = host_source(source)
    path = build_folder() / f"{KERNEL.search(source)[1][:60]}-{hashlib.sha256(code.encode()).hexdigest()[:20]}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            file, library = Path(folder, "kernel.cpp"), Path(folder, "kernel.so")
            file.write_text(code)
            # linking takes as long as compiling, and this process has the mathematical functions already
            compile_cpp("-shared", "-nostdlib", *kernel_flags(path.parent), file, output=library)
            library.rename(path)
    return path


def host_source(source: str) -> str:
    """The C++ of a kernel for one thread, with a function that takes the addresses of its arguments, as CUDA does."""
    name, declared = KERNEL.search(source).groups()
    shared = SHARED_MEMORY.search(source)
    if shared:  # a reduction, in which the number of threads of a block is a constant
        for before, after in ("_sdata_raw[", " * sizeof"), ("_J_stride = ", " >> "), ("int _block = ", " / 2"):
            assert f"{before}{shared[1]}{after}" in source
            source = source.replace(f"{before}{shared[1]}{after}", f"{before}1{after}")
    arguments, sizes = [], []
    for k, parameter in enumerate(split_parameters(declared)):
        kind, word = parameter.removeprefix("const ").rsplit(None, 1)
        arguments.append("1" if word == "_block_stride" else f"*({kind}*)arguments[{k}]")
        sizes.append(f"sizeof({kind})")
    flush = "" if "double" in source else "const FlushToZero flush;"
    return "\n".join(
        [
            '#include "host_kernel.h"',
            HEADERS.sub("", source),
            f'extern "C" const size_t sizes_{name}[] = {{{", ".join([*sizes, "0"])}}};',
            f'extern "C" void run_{name}(void** arguments) {{ {flush} {name}({", ".join(arguments)}); }}',
        ]
    )


def split_parameters(declared: str) -> list[str]:
    """The declarations of a parameter list; those with template arguments contain commas too."""
    return [parameter.strip() for parameter in re.split(r",(?![^<]*>)", declared)]


def refused_functions() -> str:
    """The C++ of all functions of cuBLAS that CuPy needs and cublas.cpp has not."""
    folder = Path(find_spec("cupy_backends").origin).parent / "cuda" / "libs"
    (library,) = folder.glob("cublas.*.so")
    needed = {name.decode() for name in re.findall(rb"\0(cublas[A-Z]\w+)(?=\0)", library.read_bytes())}
    present = set(re.findall(r"^Status (cublas\w+)\(", (SOURCES / "cublas.cpp").read_text(), re.MULTILINE))
    return "".join(f'extern "C" int {name}() {{ return 15; }}\n' for name in sorted(needed - present))


def kernel_flags(folder: Path) -> list[str | Path]:
    include = Path(find_spec("cupy").origin).parent / "_core" / "include"
    return [*OPTIMIZED, "-I", folder, "-I", include]


def compile_cpp(*arguments: str | Path, output: Path) -> None:
    command = [*find_compiler(), *FLAGS, *map(str, arguments), "-o", str(output)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if result.returncode:
        raise RuntimeError(f"null device: {' '.join(command)}\n{result.stderr[:3000]}")


@cache
def build_folder() -> Path:
    """The folder of this version of the sources, of CuPy, and of the compiler."""
    cupy = Path(find_spec("cupy").origin).parent
    files = [*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp"), Path(__file__), cupy / "_version.py"]
    compiler = subprocess.run([*find_compiler(), "--version"], capture_output=True, encoding="utf-8").stdout
    key = "\0".join([*(path.read_text() for path in sorted(files)), str(cupy), compiler, *os.uname()])
    return cache_folder() / "null_device" / hashlib.sha256(key.encode()).hexdigest()[:20]
