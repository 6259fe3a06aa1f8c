"""Kernels for NumPy's arrays: the classes that CuPy has for its own, as far as this package asks anything of them."""

from __future__ import annotations

from ctypes import c_longlong
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend.native.compiler import compile_function
from scratchvae.backend.native.template import REALS, Operand, Parameter, elementwise, row_sum

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]
MOST_PLANS = 1024


class LaunchPlan(NamedTuple):
    """How to go through arrays of certain shapes, strides and types: the compiled loop, and what it is told of them."""

    loop: Any
    rows: int
    columns: int
    row_steps: list[int | None]


class Kernel:
    """A loop, called with every input, then every output: arrays, or Python's numbers among the inputs.

    Inputs broadcast to the shape of the loop, (B, D) or (P,); an array may be read and written by the same call.
    Raises TypeError or ValueError as CuPy does, and BackendError where nothing compiles.
    """

    write_page = staticmethod(elementwise)

    def __init__(self, inputs: str, outputs: str, operation: str, name: str) -> None:
        self.inputs = Parameter.all_of(inputs, written=False)
        self.outputs = Parameter.all_of(outputs, written=True)
        self.parameters = [*self.inputs, *self.outputs]
        self.operation = operation
        self.name = name
        self._plans: dict[tuple[Any, ...], LaunchPlan] = {}

    def run(self, arguments: tuple[Any, ...]) -> None:
        """Go through all numbers of the arrays."""
        key = tuple([(a.shape, a.strides, a.dtype) if isinstance(a, np.ndarray) else type(a) for a in arguments])
        plan = self._plans.get(key) or self._make_plan(key, arguments)
        passed: list[Any] = [plan.rows, plan.columns]
        for parameter, argument, row_step in zip(self.parameters, arguments, plan.row_steps, strict=True):
            if row_step is None:
                passed.append(argument)
                continue
            address, read_only = argument.__array_interface__["data"]
            if read_only and parameter.written:
                raise ValueError(f"{self.name}: {parameter.name} is read-only")
            passed += (address, row_step)
        plan.loop(*passed)

    def shapes(self, inputs: list[Shape], outputs: list[Shape]) -> tuple[Shape, Shape]:
        """Of the loop, and that which an output must have."""
        shape = np.broadcast_shapes(*inputs, *outputs)
        return shape, shape

    def _make_plan(self, key: tuple[Any, ...], arguments: tuple[Any, ...]) -> LaunchPlan:
        real = self._real(arguments)
        count = len(self.inputs)
        inputs, outputs = (
            [a.shape for a in of if isinstance(a, np.ndarray)] for of in (arguments[:count], arguments[count:])
        )
        shape, written = self.shapes(inputs, outputs)
        if len(shape) not in (1, 2) or outputs != [written] * len(outputs):
            raise ValueError(f"{self.name}: its outputs have shapes {outputs}; expected {written}, of one or two axes")
        places, row_steps = [], []
        for parameter, argument in zip(self.parameters, arguments, strict=True):
            row_step = step = None
            if isinstance(argument, np.ndarray):
                row_step, step = self._steps(argument, written if parameter.written else shape)
            places.append(Operand(parameter, step))
            row_steps.append(row_step)
        loop = compile_function(self.write_page(self.name, real, places, self.operation), self.name)
        loop.restype = None
        loop.argtypes = [c_longlong] * 2 + [kind for place in places for kind in place.types(real)]
        if len(self._plans) >= MOST_PLANS:
            self._plans.clear()
        rows, columns = shape if len(shape) == 2 else (1, *shape)
        return self._plans.setdefault(key, LaunchPlan(loop, rows, columns, row_steps))

    def _steps(self, array: Array, shape: Shape) -> tuple[int, int]:
        """From row to row and from column to column of `array` as `shape`, in numbers; a vector is a single row."""
        strides = [stride // array.itemsize for stride in np.broadcast_to(array, shape).strides]
        row, column = strides if len(shape) == 2 else (0, *strides)
        if shape[-1] == 1:
            column = 0
        if column not in (0, 1):
            raise ValueError(
                f"{self.name} was given an array of shape {array.shape} with gaps in its rows; copy it first"
            )
        return row, column

    def _real(self, arguments: tuple[Any, ...]) -> str:
        """What T stands for, once there are as many arguments as parameters, each of its parameter's type."""
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments, and was given {len(arguments)}")
        given = list(zip(self.parameters, arguments, strict=True))
        found = {a.dtype.char for p, a in given if isinstance(a, np.ndarray) and p.kind == "T"}
        if len(found) != 1 or not found <= REALS.keys():
            raise TypeError(f"{self.name}: T stands for {sorted(found)}; expected one of {sorted(REALS)}")
        real = REALS[found.pop()]
        for parameter, argument in given:
            if isinstance(argument, np.ndarray):
                if REALS.get(argument.dtype.char) != parameter.type_for(real):
                    raise TypeError(f"{self.name}: {parameter.name} holds {argument.dtype}; expected {parameter.kind}")
            elif parameter.written or not isinstance(argument, int | float):
                raise TypeError(f"{self.name} was given a {type(argument).__name__} for {parameter.name}")
        return real


class ElementwiseKernel(Kernel):
    """Does `operation` to every number. CuPy's class of this name."""

    def __call__(self, *arguments: Any) -> None:
        """Go through all numbers of the arrays."""
        self.run(arguments)


class ReductionKernel(Kernel):
    """Sums what `map_expr` makes of the numbers of each row. CuPy's class of this name, for sums over axis 1."""

    write_page = staticmethod(row_sum)

    def __init__(
        self, inputs: str, output: str, map_expr: str, reduce_expr: str, post_map_expr: str, identity: str, name: str
    ) -> None:
        if (reduce_expr, post_map_expr, identity) != ("a + b", f"{output.split()[1]} = a", "0"):
            raise NotImplementedError(f"{name} does not sum: {reduce_expr}; {post_map_expr}; from {identity}")
        super().__init__(inputs, output, map_expr, name)

    def __call__(self, *arguments: Any, axis: int) -> None:
        """Sum over the columns."""
        if axis != 1:
            raise NotImplementedError(f"{self.name} sums over axis 1, not over axis {axis}")
        self.run(arguments)

    def shapes(self, inputs: list[Shape], outputs: list[Shape]) -> tuple[Shape, Shape]:
        """Of the loop, and that which an output must have."""
        shape = np.broadcast_shapes(*inputs)
        return shape, shape[:1]
