"""Kernels over NumPy arrays: the part of CuPy's kernel classes that this package uses."""

from __future__ import annotations

from ctypes import c_int, c_void_p
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend.native.address import address_of
from scratchvae.backend.native.compiler import compile_functions
from scratchvae.backend.native.pool import get_pool
from scratchvae.backend.native.template import REALS, KernelParameter, Operand, elementwise, row_sum
from scratchvae.backend.plans import Plans

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


class LaunchPlan(NamedTuple):
    """A compiled kernel with its fixed arguments, for one combination of shapes, strides and dtypes."""

    function: Any
    sizes: Array  # rows, columns, and for each array the elements from row to row
    address: int  # of `sizes`
    is_array: list[bool]


class Kernel:
    """A kernel, called with all inputs, then all outputs: arrays, or Python scalars among the inputs.

    `preamble` defines the functions that `operation` calls.

    Inputs broadcast to the shape of the loop, (B, D) or (P,); the same array may be input and output. Raises TypeError
    or ValueError as CuPy does, and BackendError if it cannot be compiled.
    """

    write_source = staticmethod(elementwise)

    def __init__(self, inputs: str, outputs: str, operation: str, name: str, preamble: str = "") -> None:
        self.inputs = KernelParameter.parse(inputs, written=False)
        self.outputs = KernelParameter.parse(outputs, written=True)
        self.parameters = [*self.inputs, *self.outputs]
        self.operation = operation
        self.name = name
        self.preamble = preamble
        self._plans: Plans[LaunchPlan] = Plans()

    def run(self, arguments: tuple[Any, ...]) -> None:
        """Run the kernel, compiling it at the first call for these shapes, strides and dtypes."""
        key = tuple([(a.shape, a.strides, a.dtype) if isinstance(a, np.ndarray) else type(a) for a in arguments])
        plan = self._plans.get(key) or self._make_plan(key, arguments)
        for output in arguments[len(self.inputs) :]:
            if not output.flags.writeable:
                name = self.parameters[[output is argument for argument in arguments].index(True)].name
                raise ValueError(f"{self.name}: output {name} is read-only; expected a writable array")
        pairs = zip(arguments, plan.is_array)  # noqa: B905  # fast: their number has been checked
        data = [address_of(argument) if is_array else argument for argument, is_array in pairs]
        plan.function(*get_pool().for_kernels(), plan.address, *data)

    def loop_and_output_shapes(self, inputs: list[Shape], outputs: list[Shape]) -> tuple[Shape, Shape]:
        """Return the shape of the loop and the shape that outputs must have, from the shapes of the arrays."""
        shape = np.broadcast_shapes(*inputs, *outputs)
        return shape, shape

    def _make_plan(self, key: tuple[Any, ...], arguments: tuple[Any, ...]) -> LaunchPlan:
        real = self._check_types(arguments)
        count = len(self.inputs)
        inputs = [a.shape for a in arguments[:count] if isinstance(a, np.ndarray)]
        outputs = [a.shape for a in arguments[count:] if isinstance(a, np.ndarray)]
        shape, output_shape = self.loop_and_output_shapes(inputs, outputs)
        if len(shape) not in (1, 2) or outputs != [output_shape] * len(outputs):
            raise ValueError(f"{self.name}: outputs have shapes {outputs}; expected {output_shape}, of one or two axes")
        operands, row_steps = [], []
        for parameter, argument in zip(self.parameters, arguments, strict=True):
            step = None
            if isinstance(argument, np.ndarray):
                row_step, step = self._steps(argument, output_shape if parameter.written else shape)
                row_steps.append(row_step)
            operands.append(Operand(parameter, step))
        source = self.write_source(self.name, real, operands, self.operation, self.preamble)
        (function,) = compile_functions(source, self.name)
        function.restype = None
        function.argtypes = [c_void_p, c_int, c_void_p, *(operand.argument_type(real) for operand in operands)]
        sizes = np.array([*(shape if len(shape) == 2 else (1, *shape)), *row_steps], np.int64)
        is_array = [operand.step is not None for operand in operands]
        return self._plans.add(key, LaunchPlan(function, sizes, address_of(sizes), is_array))

    def _steps(self, array: Array, shape: Shape) -> tuple[int, int]:
        """Return the row and column strides of `array` broadcast to `shape`, in elements; a vector is a single row."""
        strides = [stride // array.itemsize for stride in np.broadcast_to(array, shape).strides]
        row, column = strides if len(shape) == 2 else (0, *strides)
        if shape[-1] == 1:
            column = 0
        if column not in (0, 1):
            raise ValueError(
                f"{self.name}: an array of shape {array.shape} has gaps in its rows; expected contiguous rows: copy it"
            )
        return row, column

    def _check_types(self, arguments: tuple[Any, ...]) -> str:
        """Return the C++ type of T. Raises TypeError if the number or the types of the arguments are wrong."""
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments, but was given {len(arguments)}")
        pairs = list(zip(self.parameters, arguments, strict=True))
        dtypes = {a.dtype.char for p, a in pairs if isinstance(a, np.ndarray) and p.kind == "T"}
        if len(dtypes) != 1 or not dtypes <= REALS.keys():
            names = ", ".join(np.dtype(char).name for char in sorted(dtypes))
            raise TypeError(f"{self.name}: the arrays have dtypes {names}; expected one real dtype for all")
        real = REALS[dtypes.pop()]
        for parameter, argument in pairs:
            if isinstance(argument, np.ndarray):
                if REALS.get(argument.dtype.char) != parameter.type_for(real):
                    raise TypeError(
                        f"{self.name}: {parameter.name} has dtype {argument.dtype}; expected {parameter.kind}"
                    )
            elif parameter.written or not isinstance(argument, int | float):
                raise TypeError(f"{self.name} was given a {type(argument).__name__} for {parameter.name}")
        return real


class ElementwiseKernel(Kernel):
    """A kernel that applies `operation` to every element. The interface of cupy.ElementwiseKernel."""

    def __call__(self, *arguments: Any) -> None:
        """Run over all elements of the inputs, then outputs."""
        self.run(arguments)


class ReductionKernel(Kernel):
    """A kernel that sums `map_expr` over each row. The interface of cupy.ReductionKernel, for sums over axis 1."""

    write_source = staticmethod(row_sum)

    def __init__(
        self,
        inputs: str,
        output: str,
        map_expr: str,
        reduce_expr: str,
        post_map_expr: str,
        identity: str,
        name: str,
        preamble: str = "",
    ) -> None:
        if (reduce_expr, post_map_expr, identity) != ("a + b", f"{output.split()[1]} = a", "0"):
            raise NotImplementedError(f"{name} does not sum; expected 'a + b', 'out = a' and '0' after its map_expr")
        super().__init__(inputs, output, map_expr, name, preamble)

    def __call__(self, *arguments: Any, axis: int) -> None:
        """Sum over axis 1."""
        if axis != 1:
            raise NotImplementedError(f"{self.name} sums over axis 1, not over axis {axis}; use axis=1")
        self.run(arguments)

    def loop_and_output_shapes(self, inputs: list[Shape], outputs: list[Shape]) -> tuple[Shape, Shape]:
        """Return the shape of the loop, (B, D), and the shape that the output must have, (B,)."""
        shape = np.broadcast_shapes(*inputs)
        return shape, shape[:1]
