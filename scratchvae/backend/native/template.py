"""The page of C++ around a kernel's body: a loop over rows, and in it one over columns, for vector registers."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

REALS = {"f": "float", "d": "double", "g": "long double"}  # by NumPy's letter
FIXED = {"float64": "double"}
C_TYPES = {"float": ctypes.c_float, "double": ctypes.c_double, "long double": ctypes.c_longdouble}

TEMPLATE = """
#include <cmath>
using namespace std;
typedef {real} T;

extern "C" void {name}(long long _rows, long long _columns{declared}) {{
  for (long long _row = 0; _row < _rows; _row++) {{
    {before}
    for (long long _column = 0; _column < _columns; _column++) {{
      {body};
    }}
    {after};
  }}
}}
"""


class Parameter(NamedTuple):
    """An argument of a kernel: `kind` is T, the kernel's own type, or a fixed one."""

    kind: str
    name: str
    written: bool

    @classmethod
    def all_of(cls, declarations: str, written: bool) -> list[Parameter]:
        """Those that are declared, as in "T x, T bias"."""
        words = (declaration.split() for declaration in declarations.split(","))
        return [cls(kind, name, written) for kind, name in words]

    def type_for(self, real: str) -> str:
        """Its C++ type where T is `real`."""
        return real if self.kind == "T" else FIXED[self.kind]


class Operand(NamedTuple):
    """Where a parameter is found: `step` leads from column to column of an array; None stands for a mere number."""

    parameter: Parameter
    step: int | None

    def declare(self, real: str) -> str:
        """It, among the arguments of the C function."""
        kind, name = self.parameter.type_for(real), self.parameter.name
        return f"{kind} {name}" if self.step is None else f"{kind}* {name}_, long long {name}_row"

    def find(self, real: str) -> str:
        """What gives an array's number its name."""
        if self.step is None:
            return ""
        kind, name = self.parameter.type_for(real), self.parameter.name
        kind = f"{kind}&" if self.parameter.written else f"const {kind}"
        return f"{kind} {name} = {name}_[_row * {name}_row + _column * {self.step}];"

    def types(self, real: str) -> list[Any]:
        """What ctypes is to make of it."""
        if self.step is None:
            return [C_TYPES[self.parameter.type_for(real)]]
        return [ctypes.c_void_p, ctypes.c_longlong]


def elementwise(name: str, real: str, places: list[Operand], operation: str) -> str:
    """A page that does `operation` to every number."""
    found = " ".join(place.find(real) for place in places)
    return _template(name, real, places, "#pragma omp simd", f"{found} {operation}", "")


def row_sum(name: str, real: str, places: list[Operand], operation: str) -> str:
    """A page that sums what `operation` makes of each number over a row, into the last place."""
    found = " ".join(place.find(real) for place in places[:-1])
    out = f"{places[-1].parameter.name}_[_row] = _sum"
    return _template(
        name, real, places, "T _sum = 0;\n#pragma omp simd reduction(+:_sum)", f"{found} _sum += {operation}", out
    )


def _template(name: str, real: str, places: list[Operand], before: str, body: str, after: str) -> str:
    declared = "".join(f", {place.declare(real)}" for place in places)
    return TEMPLATE.format(name=name, real=real, declared=declared, before=before, body=body, after=after)
