"""The C++ source around the body of a kernel: a loop over rows, with a vectorized loop over columns inside."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

REALS = {"f": "float", "d": "double", "g": "long double"}  # C++ type of each dtype.char
FIXED = {"float64": "double"}
C_TYPES = {"float": ctypes.c_float, "double": ctypes.c_double, "long double": ctypes.c_longdouble}

SPLIT_FROM = 2**14  # elements from which on a kernel is computed in several threads

# The loop is split into blocks of rows, or of columns if there is one row, four for each thread: see `pool`. Every
# element is computed, and every row summed, by one thread and by the same machine code: a copy of the loop inside its
# caller could be vectorized in another way, and round differently. So the threads change no bit.
TEMPLATE = """
#include <algorithm>
#include <cmath>
using namespace std;
typedef {real} T;
{preamble}
typedef void (*Run)(void (*job)(void* data, int index), void* data, int jobs);

static __attribute__((noinline, noclone)) void _loop(long long _first, long long _last, long long _left,
                                                     long long _right{declared}) {{
  for (long long _row = _first; _row < _last; _row++) {{
    {before}
    for (long long _column = _left; _column < _right; _column++) {{
      {body};
    }}
    {after};
  }}
}}

extern "C" void {name}(Run _run, int _threads, const long long* _sizes{arguments}) {{
  const long long _rows = _sizes[0], _columns = _sizes[1]{row_steps};
  const int _blocks = 4 * _threads;
  const bool _by_row = _rows >= _blocks, _by_column = {splits_columns} && _rows == 1;
  if (_threads < 2 || _rows * _columns < {split_from} || !(_by_row || _by_column)) {{
    _loop(0, _rows, 0, _columns{passed});
    return;
  }}
  auto _block = [=](int _index) {{
    const long long _length = _by_row ? _rows : _columns, _size = ((_length + _blocks - 1) / _blocks + 15) / 16 * 16;
    const long long _begin = min(_length, _index * _size), _end = min(_length, _begin + _size);
    _loop(_by_row ? _begin : 0, _by_row ? _end : 1, _by_row ? 0 : _begin, _by_row ? _columns : _end{passed});
  }};
  _run([](void* _data, int _index) {{ (*(decltype(_block)*)_data)(_index); }}, (void*)&_block, _blocks);
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
        return f"{kind} {name}" if self.step is None else f"{kind}* {name}_"

    def name(self) -> str:
        """Return the name that it declares."""
        return self.parameter.name if self.step is None else f"{self.parameter.name}_"

    @property
    def per_row(self) -> bool:
        """True if all elements of a row read the same number, so that it is loaded before the loop over columns."""
        return self.step == 0 and not self.parameter.written

    def load(self, real: str) -> str:
        """Return the C++ statement that binds its name to the current element; empty for a scalar."""
        if self.step is None:
            return ""
        kind, name = self.parameter.type_for(real), self.parameter.name
        kind = f"{kind}&" if self.parameter.written else f"const {kind}"
        column = f" + _column * {self.step}" if self.step else ""
        return f"{kind} {name} = {name}_[_row * {name}_row{column}];"

    def argument_type(self, real: str) -> Any:
        """Return the ctype of its C++ argument."""
        return C_TYPES[self.parameter.type_for(real)] if self.step is None else ctypes.c_void_p


def elementwise(name: str, real: str, operands: list[Operand], operation: str, preamble: str = "") -> str:
    """Return the source of a kernel that applies `operation` to every element."""
    return _fill_template(name, real, operands, operands, "#pragma omp simd", operation, "", True, preamble)


def row_sum(name: str, real: str, operands: list[Operand], operation: str, preamble: str = "") -> str:
    """Return the source of a kernel that sums `operation` over each row, into the last operand."""
    before = "T _sum = 0;\n#pragma omp simd reduction(+:_sum)"
    after = f"{operands[-1].parameter.name}_[_row] = _sum"
    return _fill_template(name, real, operands, operands[:-1], before, f"_sum += {operation}", after, False, preamble)


def _fill_template(
    name: str,
    real: str,
    operands: list[Operand],
    loaded: list[Operand],
    before: str,
    body: str,
    after: str,
    splits_columns: bool,
    preamble: str,
) -> str:
    per_row, per_element = (
        " ".join(operand.load(real) for operand in loaded if operand.per_row is choice) for choice in (True, False)
    )
    names = [operand.parameter.name for operand in operands if operand.step is not None]
    arguments = "".join(f", {operand.declaration(real)}" for operand in operands)
    return TEMPLATE.format(
        name=name,
        real=real,
        preamble=preamble,
        arguments=arguments,
        row_steps="".join(f", {name}_row = _sizes[{k}]" for k, name in enumerate(names, 2)),
        declared=arguments + "".join(f", long long {name}_row" for name in names),
        passed="".join(
            f", {name}" for name in [*(operand.name() for operand in operands), *(f"{n}_row" for n in names)]
        ),
        before=f"{per_row}\n{before}",
        body=f"{per_element} {body}",
        after=after,
        splits_columns=str(splits_columns).lower(),
        split_from=SPLIT_FROM,
    )
