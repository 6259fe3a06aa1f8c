"""The base class of everything with a forward and a backward: buffers, parameters and checks of inputs."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from math import prod, sqrt
from numbers import Integral
from typing import Any, TypeVar

import numpy as np

from scratchvae.backend import NUMPY, Array, Backend, backend_of
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.memory.batch import BatchBuffers
from scratchvae.memory.flat import FlatVector, Shapes, with_prefix
from scratchvae.memory.writable import check_writable
from scratchvae.representation import call_repr
from scratchvae.validation import missing_methods, short_repr, shorten

M = TypeVar("M", bound="Module")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Shape = tuple[int, ...]


def required(method: F) -> F:
    """Mark a method that a subclass must implement."""
    method.required = True  # type: ignore[attr-defined]
    return method


def optional(method: F) -> F:
    """Mark a method that a subclass may implement; that of the base class refuses."""
    method.optional = True  # type: ignore[attr-defined]
    return method


def check_methods(name: str, part: Any) -> None:
    """Raise ConfigError if the class of `part` does not implement all required methods of its base classes."""
    kind = type(part)
    if missing := missing_methods(part):
        raise ConfigError(
            f"{shorten(name, 40)} is a {shorten(kind.__name__, 40)}, which lacks {shorten(' and '.join(missing))}: "
            "write it in the class"
        )


class Module:
    """A computation on batches of rows, with a forward and a backward.

    A model binds its modules once, for its largest batch: `bind` sets the shape of one row of the input and the array
    module `xp`, and allocates the buffers. A module outside a model binds itself at the first forward. A batch larger
    than any before binds it again. A module is not thread-safe.

    Rows are flat: pictures of shape (28, 28, 1) are an array (B, 784). To use a layer of pictures outside a model, put
    it after a Reshape: Sequential(Reshape(28, 28, 1), layer). The modules inside a module that does not bind them are
    told the shape for which its `output_shape` asks them, or else that of its own rows, and take it if they have as
    many numbers.

    The docstring of a subclass lists
        shapes   of inputs, parameters and outputs
        saves    what forward saves for backward. "By reference": the caller's own array, which must stay unchanged
                 until backward has returned; everything else is in a buffer of the module
        writes   the arrays written by forward | by backward

    A subclass implements
        output_shape(input_shape)   the shape of one row of the output, () for one number per row
        forward, backward           the computation and its derivative
    and, if needed,
        allocate(buffers)           allocation of its buffers, called again for each larger batch
        parameter_shapes()          names and shapes of the parameters: "W" becomes `self.W`, its gradient `self.dW`
        initial_values(rng)         the initial values of the parameters
        config()                    the arguments of `__init__`, for saving and copying; by default read from the
                                    attributes of the same names: store size as self.size, *layers as self.layers
    """

    xp: Any  # NumPy, until it is bound
    input_shape: Shape
    input_width: int  # numbers in a row of the input
    seed: int | None = None  # of the initial parameters; None: use the rng of the model, or a random seed
    owned = False  # True if it is part of a model
    _owns_parameters = False  # True if no model has provided the memory of its parameters
    _shape_is_a_guess = False  # True if `input_shape` is that of a parent's rows, or of an earlier use
    _sources: Mapping[str, str] = {}  # the modules from which arrays come, by the names of the arrays, for messages
    _axes = 2  # of an input: 2 for (B, width), 1 for (B,)
    _rows = 0  # of the last forward
    _buffers: BatchBuffers | None = None
    _input_row_shape: Shape = ()
    _output_row_shape: Shape = ()

    # A module outside a model computes with NumPy, and its parameters are created in float64 at first access.
    def __getattr__(self, name: str) -> Any:
        if name == "xp":
            return np
        if not name.startswith("_") and not vars(self).get("_resolving"):
            self._resolving = True  # parameter_shapes may itself access missing attributes
            try:
                own = self.own_parameters()
            except AttributeError:
                own = {}
            finally:
                del self._resolving
            if name in own or (name.startswith("d") and name[1:] in own):
                self._allocate_own_parameters(BatchBuffers(NUMPY, np.float64, 0))
                return vars(self)[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def bind(self, buffers: BatchBuffers, input_shape: Shape) -> Shape:
        """Allocate everything for batches of rows of `input_shape`; return the shape of the output's rows."""
        output = output_shape_of(self, input_shape)  # raises ShapeError before anything is changed
        self._forget_buffers_of_children()  # of another shape or dtype, if they were used before
        self.xp = buffers.backend.xp
        self.input_shape, self.input_width = input_shape, prod(input_shape)
        self._input_row_shape = (self.input_width,) if input_shape else ()
        self._output_row_shape = (prod(output),) if output else ()
        self.allocate(buffers)
        self.tell_children(input_shape)
        self._allocate_own_parameters(buffers)
        self._buffers = buffers
        return output

    def _forget_buffers_of_children(self) -> None:
        for child in self.children().values():
            child._buffers = None
            child._forget_buffers_of_children()

    # A child that `allocate` has not bound binds itself to the first rows that it is given, which are flat. If they are
    # pictures, of what shape? Of the one for which `output_shape` asks the child, or else of the shape of its parent's.
    def tell_children(self, input_shape: Shape) -> None:
        """Tell the modules inside it that bind themselves the shape of their rows; see `_bind_to_input`."""
        children = [child for child in self.children().values() if child._buffers is None]
        for child in children:
            child.input_shape, child._shape_is_a_guess = input_shape, True
            child.output_shape = partial(_note_shape, child)  # type: ignore[method-assign]
        if children:
            with suppress(Exception):  # the shape may be a guess, which a user's method need not take
                self.output_shape(input_shape)
        for child in children:
            del child.output_shape
            child.tell_children(child.input_shape)

    @required
    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one row of the output, from that of the input. Raises ShapeError."""
        raise NotImplementedError(f"{type(self).__name__} lacks output_shape(input_shape)")

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate buffers for rows of `self.input_width` numbers. There are none by default."""

    __repr__ = call_repr

    def config(self) -> dict[str, Any]:
        """Return the arguments of `__init__` of this module. Raises ConfigError."""
        return arguments_of(self)

    @classmethod
    def from_config(cls: type[M], config: dict[str, Any]) -> M:
        """Construct a module, not bound, from a `config()`."""
        return from_arguments(cls, config)

    def children(self) -> dict[str, Module]:
        """Return the modules inside this one, by the prefix of the names of their parameters."""
        children = {}
        for attribute, value in vars(self).items():
            if isinstance(value, Module):
                children[attribute] = value
            elif isinstance(value, tuple | list):
                children |= {f"{attribute}.{k}": child for k, child in enumerate(value) if isinstance(child, Module)}
        return children

    def parameter_shapes(self) -> Shapes:
        """Return the names and shapes of the parameters; by default, those of the children."""
        return {
            f"{child}.{name}".lstrip("."): shape
            for child, module in self.children().items()
            for name, shape in module.all_parameter_shapes().items()
        }

    def all_parameter_shapes(self) -> Shapes:
        """Return the names and shapes of the module's own parameters and of all its children's."""
        return {**self._checked_parameter_shapes(), **Module.parameter_shapes(self)}

    def _checked_parameter_shapes(self) -> Shapes:
        shapes: Any = self.parameter_shapes()
        if not isinstance(shapes, Mapping) or not all(map(_is_shape, shapes.values())):
            raise ConfigError(
                f"{self._class_name()}.parameter_shapes returned {short_repr(shapes)}; expected a tuple for each name, "
                "such as {'W': (784, 32), 'b': (32,)}"
            )
        return {name: tuple(map(int, shape)) for name, shape in shapes.items()}

    def bind_parameters(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Set the parameters and their gradients to views, named as in `parameter_shapes`.

        Raises ReadOnlyError.
        """
        for name in self.own_parameters():
            check_writable(**{name: params[name], f"d{name}": grads[name]})
            setattr(self, name, params[name])
            setattr(self, f"d{name}", grads[name])
        self._owns_parameters = False
        for child, module in self.children().items():
            module.bind_parameters(*((with_prefix(views, child) if child else views) for views in (params, grads)))

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """Return the initial values of the module's own parameters, in float64 on the host.

        Matrices (I, O) are drawn from U(−a, a) with a = √(6/(I + O)) (Glorot and Bengio 2010, eq. 16); of kernels
        (k, k, I, O), k² I and k² O take the place of I and O. Vectors are 0.
        """
        values = {}
        for name, shape in self.own_parameters().items():
            a = sqrt(6.0 / (prod(shape[:-2]) * sum(shape[-2:]))) if len(shape) > 1 else 0.0
            values[name] = rng.uniform(-a, a, shape) if a else np.zeros(shape)
        return values

    def unbound_copy(self: M) -> M:
        """Return a copy with the same parameters that is not bound: it binds itself at its next forward."""
        shared = {id(module): module for module in sys.modules.values()}  # such as `xp`; they cannot be copied
        clone = copy.deepcopy(self, shared)
        clone._unbind()
        return clone

    def _unbind(self) -> None:
        self._buffers, self._rows, self.owned, self._owns_parameters = None, 0, False, True
        self._shape_is_a_guess = True
        for module in self.children().values():
            module._unbind()

    def initialize(self, backend: Backend, rng: np.random.Generator) -> None:
        """Set its own parameters to their initial values, by its seed or else by `rng`, then those of the children."""
        if self.own_parameters():
            self._set_parameters(backend, rng if self.seed is None else np.random.default_rng(self.seed))
        for module in self.children().values():
            module.initialize(backend, rng)

    def check_inputs(self, **inputs: Array) -> int:
        """Check that each input is (B, width), of the module's dtype and device; return the number of rows B.

        Raises DeviceError, DTypeError or ShapeError.
        """
        buffers = self._buffers
        if buffers is not None and len(inputs) == 1:  # one training step checks about forty arrays
            (x,) = inputs.values()
            if type(x) is buffers.backend.array_type and x.dtype is buffers.dtype:
                shape = x.shape
                if shape[1:] == self._input_row_shape and 0 < shape[0] <= buffers.rows:
                    self._rows = rows = shape[0]
                    return rows  # type: ignore[no-any-return]
        name, first = next(iter(inputs.items()))
        buffers = buffers or self._bind_to_input(name, first)
        try:
            rows = len(first)
        except TypeError:  # not an array of rows: `_raise_mismatch` reports it
            rows = 0
        self._check_arrays(buffers, inputs, (rows, *self._input_row_shape))
        self._rows = rows
        if rows > buffers.rows:
            self.bind(buffers.resized(rows), self.input_shape)
        return rows

    def check_width(self, width: int, **inputs: Array) -> None:
        """Check that each input is (B, width), B being that of the last `check_inputs`. Raises as `check_inputs`."""
        assert self._buffers is not None
        self._check_arrays(self._buffers, inputs, (self._rows, width))

    def check_gradients(self, **gradients: Array) -> int:
        """Check that each gradient has the shape of the last forward's output; return its number of rows.

        Raises DeviceError, DTypeError or ShapeError.
        """
        if self._buffers is None or not self._rows:
            raise ShapeError(f"{self._class_name()}.backward was called before forward; call forward first")
        self._check_arrays(self._buffers, gradients, (self._rows, *self._output_row_shape))
        return self._rows

    def _check_arrays(self, buffers: BatchBuffers, arrays: dict[str, Array], shape: Shape) -> None:
        expected, dtype = buffers.backend.array_type, buffers.dtype
        for name, array in arrays.items():  # fast, since one training step checks about forty arrays
            if type(array) is not expected or array.dtype is not dtype or array.shape != shape or not shape[0]:
                self._raise_mismatch(buffers, name, array, shape)

    def _raise_mismatch(self, buffers: BatchBuffers, name: str, array: Array, shape: Shape) -> None:
        source = self._sources.get(name)
        given = f"{self._class_name()} was given {name}" + (f" from {source}" if source else "")
        buffers.backend.check_array(array, f"{given}, which")
        if array.dtype != buffers.dtype:
            raise DTypeError(
                f"{given} of dtype {shorten(array.dtype, 30)} and computes in {buffers.dtype}; convert it with "
                f".astype('{buffers.dtype}')"
            )
        if array.shape != shape or not shape[0]:
            expected = f"{shape}" if shape[0] else f"at least one row of {self.input_width} numbers"
            if name.startswith("d") and shape[0] and not source:
                expected += ", the shape of its output: it is what the backward of the next part returned"
            raise ShapeError(f"{given} of shape {shorten(array.shape)}; expected {expected}")

    def name_sources(self, **sources: str) -> None:
        """Set the names of the modules that return the arrays of these names to this one, for messages."""
        self._sources = {**self._sources, **sources}

    def _bind_to_input(self, name: str, x: Array) -> BatchBuffers:
        backend = backend_of(x, f"{self._class_name()} was given {name}, which")
        if x.dtype.kind != "f" or x.dtype.itemsize < 4:
            raise DTypeError(
                f"{self._class_name()} was given {name} of dtype {shorten(x.dtype, 30)}; expected float32 or float64: "
                "convert it with .astype('float64')"
            )
        if x.ndim != self._axes or not x.size:
            expected = "(B, width), B ≥ 1: one row per sample" if self._axes == 2 else "(B,), B ≥ 1: one number per row"
            raise ShapeError(f"{self._class_name()} was given {name} of shape {shorten(x.shape)}; expected {expected}")
        buffers = BatchBuffers(backend, x.dtype, len(x))
        known: Shape = vars(self).get("input_shape", ())  # rows are flat, and may be pictures
        fits = bool(known) and prod(known) == prod(x.shape[1:])
        if known and not fits and not self._shape_is_a_guess:
            raise ShapeError(
                f"{self._class_name()} was given {name} of shape {shorten(x.shape)}; expected rows of {prod(known)} "
                f"numbers, its input_shape {shorten(known)}"
            )
        self.bind(buffers, known if fits else x.shape[1:])
        return buffers

    def own_parameters(self) -> Shapes:
        """Return the names and shapes of the parameters that belong to no child."""
        own = self._checked_parameter_shapes()
        for child in self.children():
            own = {name: shape for name, shape in own.items() if child and not name.startswith(f"{child}.")}
        return own

    def _allocate_own_parameters(self, buffers: BatchBuffers) -> None:
        """Allocate and initialize the parameters of a module outside a model, or cast them to another dtype."""
        own, attributes = self.own_parameters(), vars(self)
        before = {name: attributes[name] for name in own if name in attributes}
        cast = self._owns_parameters and any(array.dtype != buffers.dtype for array in before.values())
        if len(before) == len(own) and not cast:
            return
        params, grads = (FlatVector(buffers.backend.xp, own, buffers.dtype) for _ in range(2))
        for name in own:
            setattr(self, name, params.views[name])
            setattr(self, f"d{name}", grads.views[name])
        self._owns_parameters = True
        if len(before) == len(own):
            for name, array in before.items():
                params.views[name][...] = array
        else:
            self._set_parameters(buffers.backend, np.random.default_rng(self.seed))

    def _set_parameters(self, backend: Backend, rng: np.random.Generator) -> None:
        shapes, values = self.own_parameters(), self.initial_values(rng)
        method = f"{self._class_name()}.initial_values"
        if not isinstance(values, Mapping):
            raise ConfigError(f"{method} returned {short_repr(values)}; expected a dict of arrays by name")
        for name, value in values.items():
            if name not in shapes:
                known = shorten(", ".join(shapes))
                raise ConfigError(
                    f"{method} returned {short_repr(name)}; expected the names of parameter_shapes, {known}"
                )
            if np.shape(value) != shapes[name]:
                raise ConfigError(
                    f"{method} returned {shorten(name, 30)} of shape {shorten(np.shape(value))}; expected "
                    f"{shorten(shapes[name])}, as in parameter_shapes"
                )
            parameter: Array = getattr(self, name)
            backend.copy_from_host(parameter, np.asarray(value).astype(parameter.dtype))

    def _class_name(self) -> str:
        return shorten(type(self).__name__, 30)


def _note_shape(child: Module, input_shape: Shape) -> Shape:
    child.input_shape = input_shape
    return type(child).output_shape(child, input_shape)


def output_shape_of(module: Module, input_shape: Shape) -> Shape:
    """Return `module.output_shape(input_shape)`. Raises ConfigError unless that is a tuple of whole numbers."""
    shape: Any = module.output_shape(input_shape)
    if not _is_shape(shape):
        raise ConfigError(
            f"{module._class_name()}.output_shape returned {short_repr(shape)}; expected the shape of one row of the "
            "output, as a tuple such as (32,) or (28, 28, 1)"
        )
    return tuple(map(int, shape))


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(size, Integral) and int(size) > 0 for size in value)


def arguments_of(instance: Any) -> dict[str, Any]:
    """Return the arguments of `__init__`, read from the attributes of the same names. Raises ConfigError.

    Those of *layers are a tuple of that name; those of **settings are arguments of their own.
    """
    kind = type(instance)
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        short, named = shorten(name, 24), shorten(kind.__name__, 30)
        if inspect.isroutine(getattr(kind, name, None)):
            raise ConfigError(
                f"{named} has an argument {short!r} of __init__, which is the name of a method, so it cannot be saved "
                "or copied; rename the argument, or write config()"
            )
        if not hasattr(instance, name):
            raise ConfigError(
                f"{named} has no attribute {short!r} for that argument of __init__, so it cannot be saved or copied; "
                f"set self.{short} = {short}, or write config()"
            )
        value = getattr(instance, name)
        arguments |= value if parameter.kind is parameter.VAR_KEYWORD else {name: value}
    return arguments


def from_arguments(kind: type[T], arguments: Mapping[str, Any]) -> T:
    """Construct an instance from its `arguments_of`."""
    signature = inspect.signature(kind)
    known = {name: value for name, value in arguments.items() if name in signature.parameters}
    others = {name: value for name, value in arguments.items() if name not in known}
    bound = inspect.BoundArguments(signature, known)
    return kind(*bound.args, **bound.kwargs, **others)
