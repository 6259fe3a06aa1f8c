"""Kernels for devices, run on the host: their C++ goes through the machine's own compiler, one loop around it.

What CuPy refuses is refused: an array of the host, an `out` of another shape, numbers of two types under one name. As
there, an array may be input and output at once, and a kernel sees what it has itself just written.
"""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import standin
from standin import DeviceArray

from scratchvae.backend import Backend

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
FOLDER = tempfile.TemporaryDirectory()
NAMES = {"f": "float", "d": "double"}
FIXED = {"float64": "double", "int64": "long long"}
HEAD = """#include <cmath>
using namespace std;
template <class T> struct Raw { T* p; long long n; T& operator[](long long k) const { return p[k]; }
                                long long size() const { return n; } };
"""


class Parameter:
    def __init__(self, text):
        *raw, self.kind, self.name = text.split()
        assert raw in ([], ["raw"]), text
        self.raw = bool(raw)


class Kernel:
    def __init__(self, inputs, outputs, name):
        self.inputs = [Parameter(text) for text in inputs.split(",")]
        self.outputs = [Parameter(text) for text in outputs.split(",")]
        self.name = name
        self.made = {}

    def run(self, arguments, shape_of):
        parameters = self.inputs + self.outputs
        if len(arguments) != len(parameters):
            raise TypeError(f"{self.name} takes {len(parameters)} arguments")
        standin._launch()
        kinds = {
            a.dtype.char for p, a in zip(parameters, arguments, strict=True) if p.kind == "T" and hasattr(a, "dtype")
        }
        if len(kinds) != 1 or not kinds <= NAMES.keys():
            raise TypeError(f"{self.name}: T stands for {kinds}")
        real = NAMES[kinds.pop()]
        loops = [
            a._host for p, a in zip(parameters, arguments, strict=True) if isinstance(a, DeviceArray) and not p.raw
        ]
        shape = shape_of(loops)
        declared, unpacked, passed, kept = [], [], [], []
        for k, (parameter, argument) in enumerate(zip(parameters, arguments, strict=True)):
            kind = FIXED.get(parameter.kind, real)
            if not isinstance(argument, DeviceArray):
                if type(argument) not in (int, float) or parameter in self.outputs:
                    raise TypeError(f"{self.name} was given a {type(argument)} for {parameter.name}")
                declared.append(f"{kind} {parameter.name}")
                passed.append(
                    {"float": ctypes.c_float, "double": ctypes.c_double}.get(kind, ctypes.c_longlong)(argument)
                )
                continue
            host = argument._host
            if host.dtype != {"float": "f4", "double": "f8", "long long": "i8"}[kind]:
                raise TypeError(f"{self.name}: {parameter.name} is {host.dtype}, not {kind}")
            if parameter.raw:
                assert host.flags.c_contiguous
                declared.append(f"{kind}* p{k}, long long n{k}")
                unpacked.append(f"Raw<{kind}> {parameter.name}{{p{k}, n{k}}};")
                passed += [ctypes.c_void_p(host.ctypes.data), ctypes.c_longlong(host.size)]
                continue
            if parameter in self.outputs and self.elementwise and host.shape != shape:
                raise ValueError(f"{self.name}: out has shape {host.shape}, the loop {shape}")
            seen = host if host.shape == shape or parameter in self.outputs else np.broadcast_to(host, shape)
            flat = seen if seen.flags.c_contiguous else np.ascontiguousarray(seen)
            if flat is not seen and parameter in self.outputs:
                kept.append((seen, flat))
            declared.append(f"{kind}* p{k}")
            where = "i" if self.elementwise or parameter not in self.outputs else "row"
            unpacked.append(f"{'' if parameter in self.outputs else 'const '}{kind}& {parameter.name} = p{k}[{where}];")
            passed.append(ctypes.c_void_p(flat.ctypes.data))
            kept.append((None, flat))
        self.compiled(real, declared, unpacked)(*self.size(shape), *passed)
        for seen, flat in kept:
            if seen is not None:
                seen[...] = flat

    def compiled(self, real, declared, unpacked):
        source = HEAD + self.body(real, ", ".join(declared), "\n".join(unpacked))
        if source not in self.made:
            file = Path(FOLDER.name) / f"{self.name}-{hashlib.sha256(source.encode()).hexdigest()[:16]}"
            file.with_suffix(".cpp").write_text(source)
            words = ["-O1", "-shared", "-fPIC", "-ffp-contract=off", "-Wall", "-Werror", "-Wno-unused-variable"]
            subprocess.run([COMPILER, *words, file.with_suffix(".cpp"), "-o", file.with_suffix(".so")], check=True)
            self.made[source] = ctypes.CDLL(str(file.with_suffix(".so"))).loop
        return self.made[source]


class ElementwiseKernel(Kernel):
    elementwise = True

    def __init__(self, in_params, out_params, operation, name):
        super().__init__(in_params, out_params, name)
        self.operation = operation

    def __call__(self, *arguments):
        self.run(arguments, lambda loops: np.broadcast_shapes(*(a.shape for a in loops)))

    def size(self, shape):
        return (ctypes.c_longlong(int(np.prod(shape))),)

    def body(self, real, declared, unpacked):
        return (
            f'typedef {real} T;\nextern "C" void loop(long long n, {declared})'
            f"{{ for (long long i = 0; i < n; i++) {{ {unpacked}\n{self.operation}; }} }}\n"
        )


class ReductionKernel(Kernel):
    elementwise = False

    def __init__(self, in_params, out_params, map_expr, reduce_expr, post_map_expr, identity, name):
        super().__init__(in_params, out_params, name)
        self.expressions = map_expr, reduce_expr, post_map_expr, identity

    def __call__(self, *arguments, axis):
        assert axis == 1
        (out,) = arguments[len(self.inputs) :]
        given = [a._host.shape for a in arguments[: len(self.inputs)]]
        if out.shape != np.broadcast_shapes(*given)[:1]:
            raise ValueError(f"{self.name}: out has shape {out.shape}, the inputs {given}")
        self.run(arguments, lambda loops: np.broadcast_shapes(*(a.shape for a in loops[: len(self.inputs)])))

    def size(self, shape):
        return tuple(map(ctypes.c_longlong, shape))

    def body(self, real, declared, unpacked):
        mapped, reduced, after, identity = self.expressions
        lines = unpacked.split("\n")
        out = [line for line in lines if "[row]" in line]
        return (
            f'typedef {real} T;\nextern "C" void loop(long long rows, long long width, {declared}) {{\n'
            f"for (long long row = 0; row < rows; row++) {{ {' '.join(out)} T sum = {identity};\n"
            f"for (long long column = 0; column < width; column++) {{ long long i = row * width + column;\n"
            f"{' '.join(line for line in lines if line not in out)}\n"
            f"T a = sum, b = {mapped}; sum = {reduced}; }}\n T a = sum; {after}; }} }}\n"
        )


class Module(standin.Module):
    """The stand-in with kernels."""

    ElementwiseKernel = ElementwiseKernel
    ReductionKernel = ReductionKernel


EMULATED = Backend("emulated", Module, DeviceArray, np.empty, standin.Event)
