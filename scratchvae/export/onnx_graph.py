"""The graph of an ONNX file while it is built: its nodes, its constants, and the layout of pictures."""

from __future__ import annotations

from math import prod
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.memory import Shape


class Value(NamedTuple):
    """A tensor of the graph.

    tensor           its name
    shape            the shape of a row, pictures as (H, W, C)
    channels_first   False: the tensor is (B, width), as in this package. True: it is (B, C, H, W), as ONNX has pictures
    """

    tensor: str
    shape: Shape
    channels_first: bool = False


class Graph:
    """Nodes and constants in the order in which they are added. `dtype` is that of the model."""

    def __init__(self, library: ModuleType, dtype: np.dtype[Any]) -> None:
        self.library, self.dtype = library, dtype
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; return the name of that."""
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(self.library.helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def rename(self, tensor: str, name: str) -> None:
        """Give a tensor the name of an output of the graph."""
        self.nodes.append(self.library.helper.make_node("Identity", [tensor], [name], f"output_{name}"))

    def constant(self, array: Any, name: str = "") -> str:
        """Add a constant by this name, unless it is there; return the name."""
        name = name or f"constant_{len(self.initializers)}"
        if name not in self.initializers:
            contiguous = np.ascontiguousarray(array).reshape(np.shape(array))
            self.initializers[name] = self.library.numpy_helper.from_array(contiguous, name)
        return name

    def number(self, value: float) -> str:
        """A single number, in the dtype of the model."""
        return self.constant(np.array(value, self.dtype), f"number_{value!r}")

    def parameter(self, array: Array, name: str) -> str:
        """A parameter of the model, by its name there, in the layout that ONNX needs."""
        return self.constant(array, name)

    def cast(self, tensor: str, dtype: np.dtype[Any]) -> str:
        """The tensor in another dtype."""
        return self.add("Cast", tensor, to=self.library.helper.np_dtype_to_tensor_dtype(dtype))

    def columns(self, tensor: str, start: int, stop: int) -> str:
        """Columns of a tensor, along its last axis."""
        return self.add("Slice", tensor, *(self.constant(np.array([number])) for number in (start, stop, -1)))

    # A 0 in the shape of a Reshape stands for the size that the tensor has there: the number of rows.
    def reshape(self, tensor: str, *shape: int) -> str:
        """The rows (B, …) of a tensor in another shape, (B, *shape)."""
        return self.add("Reshape", tensor, self.constant(np.array([0, *shape])))

    def rows(self, value: Value) -> str:
        """The value as rows (B, width), pictures with the channels last."""
        if not value.channels_first:
            return value.tensor
        return self.reshape(self.add("Transpose", value.tensor, perm=[0, 2, 3, 1]), prod(value.shape))

    def pictures(self, value: Value, shape: Shape) -> str:
        """The value as pictures (B, C, H, W), from rows of the `shape` (H, W, C)."""
        if value.channels_first:
            return value.tensor
        return self.add("Transpose", self.reshape(value.tensor, *shape), perm=[0, 3, 1, 2])
