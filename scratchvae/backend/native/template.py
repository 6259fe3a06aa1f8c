"""The C++ source around the body of a kernel: a loop over rows, with a vectorized loop over columns inside."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

REALS = {"f": "float", "d": "double", "g": "long double"}  # C++ type of each dtype.char
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


class KernelParameter(NamedTuple):
    """A declared parameter of a kernel: `kind` is T, the dtype of the call, or a fixed type such as float64."""

    kind: str
    name: str
    written: bool

    @classmethod
    def parse(cls, declarations: str, written: bool) -> list[KernelParameter]:
        """Return the parameters of a declaration such as "T x, T bias"."""
        words = (declaration.split() for declaration in declarations.split(","))
        return [cls(kind, name, written) for kind, name in words]

    def type_for(self, real: str) -> str:
        """Return its C++ type, with `real` for T."""
        return real if self.kind == "T" else FIXED[self.kind]


class Operand(NamedTuple):
    """A parameter with the layout of its argument: `step`, 0 or 1, is the stride of a column; None for a scalar."""

    parameter: KernelParameter
    step: int | None

    def declaration(self, real: str) -> str:
        """Return its declaration in the argument list of the C++ function."""
        kind, name = self.parameter.type_for(real), self.parameter.name
        return f"{kind} {name}" if self.step is None else f"{kind}* {name}_, long long {name}_row"

    def load(self, real: str) -> str:
        """Return the C++ statement that binds its name to the current element; empty for a scalar."""
        if self.step is None:
            return ""
        kind, name = self.parameter.type_for(real), self.parameter.name
        kind = f"{kind}&" if self.parameter.written else f"const {kind}"
        return f"{kind} {name} = {name}_[_row * {name}_row + _column * {self.step}];"

    def argument_types(self, real: str) -> list[Any]:
        """Return the ctypes of its C++ arguments."""
        if self.step is None:
            return [C_TYPES[self.parameter.type_for(real)]]
        return [ctypes.c_void_p, ctypes.c_longlong]


def elementwise(name: str, real: str, operands: list[Operand], operation: str) -> str:
    """Return the source of a kernel that applies `operation` to every element."""
    loads = " ".join(operand.load(real) for operand in operands)
    return _fill_template(name, real, operands, "#pragma omp simd", f"{loads} {operation}", "")


def row_sum(name: str, real: str, operands: list[Operand], operation: str) -> str:
    """Return the source of a kernel that sums `operation` over each row, into the last operand."""
    loads = " ".join(operand.load(real) for operand in operands[:-1])
    before = "T _sum = 0;\n#pragma omp simd reduction(+:_sum)"
    after = f"{operands[-1].parameter.name}_[_row] = _sum"
    return _fill_template(name, real, operands, before, f"{loads} _sum += {operation}", after)


def _fill_template(name: str, real: str, operands: list[Operand], before: str, body: str, after: str) -> str:
    declared = "".join(f", {operand.declaration(real)}" for operand in operands)
    return TEMPLATE.format(name=name, real=real, declared=declared, before=before, body=body, after=after)
