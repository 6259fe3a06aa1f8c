"""The base of everything with a forward and a backward: its batch buffers, its parameters, and the checks of inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from math import prod, sqrt
from typing import Any, TypeVar

import numpy as np

from scratchvae.backend import NUMPY, Array, Backend, backend_of
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.memory.batch import BatchBuffers
from scratchvae.memory.flat import FlatVector, Shapes, under
from scratchvae.memory.writable import require_writable
from scratchvae.representation import call_repr

M = TypeVar("M", bound="Module")
F = TypeVar("F", bound=Callable[..., Any])
Shape = tuple[int, ...]


def required(method: F) -> F:
    """Mark a method that a subclass must write."""
    method.required = True  # type: ignore[attr-defined]
    return method


def check_methods(what: str, part: Any) -> None:
    """Raises ConfigError where the class of `part` has not written all methods that its base asks for."""
    kind = type(part)
    lacking = [name for name in dir(kind) if getattr(getattr(kind, name, None), "required", False)]
    if lacking:
        raise ConfigError(f"{what} is a {kind.__name__}, which lacks {' and '.join(lacking)}: write it in the class")


class Module:
    """A part of a model that computes with batches of rows.

    A model binds its modules once, for its largest batch: `bind` tells a module the shape of one row of its input,
    and lends it `xp`, the array module to compute with. A module that no model bound binds itself at first use, so that
    it can be tried alone; a batch larger than any before makes it bind again. It serves one thread at a time.

    Rows are flat: an input of shape (1, 28, 28) comes as an array (B, 784).

    A subclass writes
        output_shape(input_shape)   the shape of one row of the output, () for one number a row
        forward, backward           the computation and its derivative
    and, where it needs them,
        allocate(buffers)           to make buffers, once for each larger batch
        parameter_shapes()          the names and shapes of its parameters: "W" is then `self.W`, its gradient `self.dW`
        initial_values(rng)         the values that the parameters begin with
        config()                    the arguments that make it again, for a file; read from the attributes that are
                                    named as the arguments of `__init__`, unless it is written
    """

    xp: Any  # NumPy, until it is bound
    input_shape: Shape
    input_width: int  # numbers in a row of the input
    seed: int | None = None  # of the parameters, where no model makes them
    owned = False  # by a model
    _self_made = False  # the parameters
    _axes = 2  # of an input: rows, and their numbers; 1 where it is one number a row
    _rows = 0  # of the last forward
    _buffers: BatchBuffers | None = None
    _input_tail: Shape = ()
    _gradient_tail: Shape = ()

    # A module that no model bound has NumPy, and its parameters in float64 from the moment that they are asked for.
    def __getattr__(self, name: str) -> Any:
        if name == "xp":
            return np
        if not name.startswith("_") and not vars(self).get("_asking"):
            self._asking = True  # parameter_shapes may ask for what is not there either
            try:
                own = self.own_parameters()
            except AttributeError:
                own = {}
            finally:
                del self._asking
            if name in own or (name.startswith("d") and name[1:] in own):
                self._make_own_parameters(BatchBuffers(NUMPY, np.float64, 0))
                return vars(self)[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def bind(self, buffers: BatchBuffers, input_shape: Shape) -> Shape:
        """Receive room for a batch whose rows have `input_shape`; return the shape of the output's rows."""
        output = self.output_shape(input_shape)  # what does not fit is refused before anything is kept of it
        self.xp = buffers.backend.xp
        self.input_shape, self.input_width = input_shape, prod(input_shape)
        self._input_tail = (self.input_width,) if input_shape else ()
        self._gradient_tail = (prod(output),) if output else ()
        self.allocate(buffers)
        self._make_own_parameters(buffers)
        self._buffers = buffers
        return output

    @required
    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one row of the output, from that of the input. Raises ShapeError."""
        raise NotImplementedError(f"{type(self).__name__} lacks output_shape(input_shape)")

    def allocate(self, buffers: BatchBuffers) -> None:
        """Make the buffers, for rows of `self.input_width` numbers; there are none."""

    __repr__ = call_repr

    def config(self) -> dict[str, Any]:
        """The arguments that make this module again. Raises ConfigError."""
        return arguments_of(self)

    @classmethod
    def from_config(cls: type[M], config: dict[str, Any]) -> M:
        """The module that `config` was taken from, not bound."""
        return cls(**config)

    def children(self) -> dict[str, Module]:
        """The modules inside this one, by the name that their parameters have before them."""
        found = {}
        for attribute, value in vars(self).items():
            if isinstance(value, Module):
                found[attribute] = value
            elif isinstance(value, tuple | list):
                found |= {f"{attribute}.{k}": child for k, child in enumerate(value) if isinstance(child, Module)}
        return found

    def parameter_shapes(self) -> Shapes:
        """The names and shapes of the parameters: those of the children, unless a subclass writes its own."""
        return {
            f"{child}.{name}".lstrip("."): shape
            for child, module in self.children().items()
            for name, shape in module.all_parameter_shapes().items()
        }

    def all_parameter_shapes(self) -> Shapes:
        """The module's own parameters, and those of the children whether it names them or not."""
        return {**self.parameter_shapes(), **Module.parameter_shapes(self)}

    def bind_parameters(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Receive views to keep the parameters and their gradients in, named as in `parameter_shapes`.

        Raises ReadOnlyError.
        """
        for name in self.own_parameters():
            require_writable(**{name: params[name], f"d{name}": grads[name]})
            setattr(self, name, params[name])
            setattr(self, f"d{name}", grads[name])
        self._self_made = False
        for child, module in self.children().items():
            module.bind_parameters(*((under(of, child) if child else of) for of in (params, grads)))

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """The values that the module's own parameters begin with, in float64 on the host.

        Matrices are drawn from U(−a, a) with a = √(6/(I + O)) (Glorot and Bengio 2010, eq. 16); vectors are 0.
        """
        values = {}
        for name, shape in self.own_parameters().items():
            a = sqrt(6.0 / (shape[0] + shape[-1])) if len(shape) > 1 else 0.0
            values[name] = rng.uniform(-a, a, shape) if a else np.zeros(shape)
        return values

    def initialize(self, backend: Backend, rng: np.random.Generator) -> None:
        """Set the parameters to where training begins: its own, by `rng` unless it has a seed, then the children's."""
        if self.own_parameters():
            self._set_parameters(backend, rng if self.seed is None else np.random.default_rng(self.seed))
        for module in self.children().values():
            module.initialize(backend, rng)

    def check_inputs(self, **inputs: Array) -> int:
        """The number of rows of the `inputs`, once each is known to be a (B, width) array of our dtype and device.

        Raises DeviceError, DTypeError or ShapeError.
        """
        name, first = next(iter(inputs.items()))
        buffers = self._buffers or self._bind_itself(name, first)
        try:
            rows = len(first)
        except TypeError:  # no rows at all, which `_refuse` says
            rows = 0
        self._check(buffers, inputs, (rows, *self._input_tail))
        self._rows = rows
        if rows > buffers.rows:
            self.bind(buffers.resized(rows), self.input_shape)
        return rows

    def check_width(self, width: int, **inputs: Array) -> None:
        """Check arrays that belong to the rows just checked and are `width` wide. Raises as `check_inputs`."""
        assert self._buffers is not None
        self._check(self._buffers, inputs, (self._rows, width))

    def check_gradients(self, **gradients: Array) -> int:
        """The number of rows of the last forward, once each gradient is known to have the shape of its output.

        Raises DeviceError, DTypeError or ShapeError.
        """
        if self._buffers is None or not self._rows:
            raise ShapeError(f"{type(self).__name__}.backward was called before forward; call forward first")
        self._check(self._buffers, gradients, (self._rows, *self._gradient_tail))
        return self._rows

    def _check(self, buffers: BatchBuffers, arrays: dict[str, Array], shape: Shape) -> None:
        expected, dtype = buffers.backend.array_type, buffers.dtype
        for name, array in arrays.items():  # what is as it should be passes quickly: a step asks forty times
            if type(array) is not expected or array.dtype is not dtype or array.shape != shape or not shape[0]:
                self._refuse(buffers, name, array, shape)

    def _refuse(self, buffers: BatchBuffers, name: str, array: Array, shape: Shape) -> None:
        buffers.backend.check_array(array, f"{type(self).__name__} was given {name}, which")
        if array.dtype != buffers.dtype:
            raise DTypeError(
                f"{type(self).__name__} was given {name} of dtype {array.dtype} and computes in {buffers.dtype}; "
                f"convert it with .astype('{buffers.dtype}')"
            )
        if array.shape != shape or not shape[0]:
            wanted = shape if shape[0] else f"at least one row of {self.input_width} numbers"
            raise ShapeError(f"{type(self).__name__} was given {name} of shape {array.shape}; expected {wanted}")

    def _bind_itself(self, name: str, x: Array) -> BatchBuffers:
        backend = backend_of(x, f"{type(self).__name__} was given {name}, which")
        if x.dtype.kind != "f" or x.dtype.itemsize < 4:
            raise DTypeError(
                f"{type(self).__name__} was given {name} of dtype {x.dtype}; expected float32 or float64: "
                "convert it with .astype('float64')"
            )
        if x.ndim != self._axes or not x.size:
            raise ShapeError(
                f"{type(self).__name__} was given {name} of shape {x.shape}; expected (B, width), B ≥ 1: a row a sample"
            )
        buffers = BatchBuffers(backend, x.dtype, len(x))
        self.bind(buffers, x.shape[1:])
        return buffers

    def own_parameters(self) -> Shapes:
        """The names and shapes of the parameters that belong to no child."""
        own = self.parameter_shapes()
        for child in self.children():
            own = {name: shape for name, shape in own.items() if child and not name.startswith(f"{child}.")}
        return own

    def _make_own_parameters(self, buffers: BatchBuffers) -> None:
        """Parameters in memory of its own, for a module that no model has lent any; cast for use in another dtype."""
        own, made = self.own_parameters(), vars(self)
        before = {name: made[name] for name in own if name in made}
        if len(before) == len(own) and not (self._self_made and any(a.dtype != buffers.dtype for a in before.values())):
            return
        params, grads = (FlatVector(buffers.backend.xp, own, buffers.dtype) for _ in range(2))
        for name in own:
            setattr(self, name, params.views[name])
            setattr(self, f"d{name}", grads.views[name])
        self._self_made = True
        if len(before) == len(own):
            for name, array in before.items():
                params.views[name][...] = array
        else:
            self._set_parameters(buffers.backend, np.random.default_rng(self.seed))

    def _set_parameters(self, backend: Backend, rng: np.random.Generator) -> None:
        for name, value in self.initial_values(rng).items():
            parameter: Array = getattr(self, name)
            backend.copy_from_host(parameter, np.asarray(value).astype(parameter.dtype))


def arguments_of(made: Any) -> dict[str, Any]:
    """The arguments of `__init__` that make an object again, from the attributes of their names. Raises ConfigError."""
    kind = type(made)
    own = kind.__init__ is not object.__init__
    names = [name for name in inspect.signature(kind.__init__).parameters if name != "self"] if own else []
    for name in names:
        if not hasattr(made, name) or inspect.ismethod(getattr(made, name)):
            raise ConfigError(
                f"{kind.__name__} keeps no attribute {name!r}, so that it cannot be saved or copied; keep each "
                f"argument of __init__ under its own name (self.{name} = {name}), or write config()"
            )
    return {name: getattr(made, name) for name in names}
