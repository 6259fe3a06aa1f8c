"""A user's function and its vjp, on nested arrays of any library, as functions of NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from scratchvae.errors import DTypeError, RangeError, ShapeError
from scratchvae.gradcheck import containers, frameworks
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.validation import join_choices, shorten

LONG_DOUBLE, DOUBLE, SINGLE = np.dtype(np.longdouble), np.dtype(np.float64), np.dtype(np.float32)
LONG_DOUBLE_IS_WIDER = bool(np.finfo(LONG_DOUBLE).eps < np.finfo(DOUBLE).eps)


class ShapeChangeError(ShapeError):
    """A function whose result changes its shape or its structure from call to call."""


class _Leaf(NamedTuple):
    """A leaf of the inputs or outputs: an array of real numbers, or something without a gradient."""

    name: str
    value: Any
    library: str
    dtype: np.dtype[Any] | None  # None: without a gradient


class UserFunction:
    """f as a function of the arrays of real numbers among its inputs, the points at which it is checked.

    Everything else among the inputs is passed as it is: integers, booleans, strings, None. An output of several arrays
    becomes one vector.

    names    of the arrays of real numbers
    points   these arrays, in float64
    dtypes   as they were given: float64 or float32
    given_points   the points in these dtypes
    """

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str], library: str | None) -> None:
        self.f, self.inputs, self.input_names = f, inputs, names
        for name, value in zip(names, inputs, strict=True):
            containers.check_no_bare_numbers(value, name)
        self._leaves = [[_input_leaf(*leaf, library) for leaf in containers.leaves(v, n)] for n, v in self._named()]
        real = [leaf for of_input in self._leaves for leaf in of_input if leaf.dtype is not None]
        if not real:
            kinds = join_choices(sorted({_kind_of_leaf(leaf.value) for of in self._leaves for leaf in of}), 60)
            raise DTypeError(
                f"{', '.join(names)}: nothing to differentiate, only {kinds or 'empty containers'}; expected a NumPy "
                "array of float64: convert it with numpy.array(x, 'float64')"
            )
        self.names = tuple(leaf.name for leaf in real)
        self.points = tuple(frameworks.to_numpy(leaf.value).astype(np.float64) for leaf in real)
        self.dtypes = tuple(leaf.dtype for leaf in real if leaf.dtype is not None)
        self.given_points = tuple(x.astype(dtype) for x, dtype in zip(self.points, self.dtypes, strict=True))
        self.libraries = {leaf.library for leaf in real} | ({library} if library else set())
        for name, x in zip(self.names, self.points, strict=True):
            if not np.isfinite(x).all():
                raise RangeError(
                    f"{name} contains NaN or infinite values, where f has no derivative; choose another point"
                )
        self.changes_dy = False  # True if a vjp has written into dy
        self._outputs: list[_Leaf] | None = None
        self._template: Any = None

    def _named(self) -> list[tuple[str, Any]]:
        return list(zip(self.input_names, self.inputs, strict=True))

    @property
    def differentiable_inputs(self) -> tuple[str, ...]:
        """The names of the inputs that contain an array of real numbers."""
        return tuple(
            name for name, of in zip(self.input_names, self._leaves, strict=True) if any(leaf.dtype for leaf in of)
        )

    @property
    def output_count(self) -> int:
        """The number of output arrays."""
        return len(self._real_outputs())

    def arguments(self, arrays: Sequence[Array]) -> list[Any]:
        """Return the inputs with these NumPy arrays in place of the arrays of real numbers."""
        return self._arguments(self._real_as_given(arrays))

    def _arguments(self, real: Sequence[Any]) -> list[Any]:
        arrays, values = iter(real), []
        for (_, value), of_input in zip(self._named(), self._leaves, strict=True):
            values.append(containers.rebuild(value, partial(_next_argument, iter(of_input), arrays)))
        return values

    def _real(self) -> list[_Leaf]:
        return [leaf for of_input in self._leaves for leaf in of_input if leaf.dtype is not None]

    def _real_outputs(self) -> list[_Leaf]:
        return [leaf for leaf in self._outputs or [] if leaf.dtype is not None]

    def _real_as_given(self, arrays: Sequence[Array]) -> list[Any]:
        return [self._as_given(array, leaf) for array, leaf in zip(arrays, self._real(), strict=True)]

    @staticmethod
    def _as_given(array: Array, leaf: _Leaf) -> Any:
        return frameworks.from_numpy(array, leaf.library, leaf.value) if leaf.library != frameworks.NUMPY else array

    def __call__(self, *arrays: Array) -> Array:
        """Return f at these arrays, in the dtype in which it computes. Raises DTypeError or ShapeChangeError."""
        with frameworks.in_float64(self.libraries):
            y = self.f(*self.arguments(arrays))
            if self._outputs is None:
                self._set_outputs(y)
            hint = "as at the first call: a function must always return the same structure"
            try:
                outputs = list(containers.aligned_leaves(y, self._template, "f", hint))
            except ShapeError as error:
                raise ShapeChangeError(error.message) from None
            real = [
                _output_array(y) for y, leaf in zip(outputs, self._outputs or [], strict=True) if leaf.dtype is not None
            ]
        if not containers.is_container(self._template):
            return real[0]
        return np.concatenate([np.ravel(array) for array in real])

    def _set_outputs(self, y: Any) -> None:
        if isinstance(y, set) or y is None:
            kind = "None" if y is None else "a set"
            raise DTypeError(f"f returned {kind}; expected an array, a number, or a tuple, list or dict of them")
        containers.check_not_ragged(y, "f")
        outputs = [_output_leaf(name, leaf) for name, leaf in containers.leaves(y, "")]
        if not any(leaf.dtype for leaf in outputs):
            kind = _kind_of(np.asarray(outputs[0].value)) if outputs else "an empty container"
            raise DTypeError(
                f"f returned {kind}; expected real numbers: compute in floating point and return the result"
            )
        self._outputs, self._template = outputs, containers.rebuild(y, lambda leaf: None)
        self.libraries |= {leaf.library for leaf in outputs}

    def widest(self, precision: str) -> tuple[Callable[..., Array], np.dtype[Any], np.dtype[Any]]:
        """Return f, the dtype of its inputs for finite differences, and the dtype in which it computes.

        This is the widest in which f computes. f takes other inputs than those given only if it returns a wider dtype.
        """
        for dtype in (LONG_DOUBLE, DOUBLE):
            if dtype == LONG_DOUBLE and (precision == "double" or not LONG_DOUBLE_IS_WIDER):
                continue
            try:
                y = self(*(x.astype(dtype) for x in self.points))
            except Exception:  # a user's f may raise anything; it works as given, and the report states the precision
                continue
            if y.dtype == dtype:
                return self, dtype, dtype
        computes_in = max((*self.output_dtypes(), *self.dtypes), key=lambda dtype: np.finfo(dtype).eps)
        return self._as_given_dtypes, DOUBLE, computes_in

    def _as_given_dtypes(self, *arrays: Array) -> Array:
        return self(*(x.astype(dtype) for x, dtype in zip(arrays, self.dtypes, strict=True)))

    def dy(self, dy: Array) -> Any:
        """Return dy, in the shape of the NumPy output, as the structure of f's result; None where it is not real."""
        parts = iter(self.split(dy))
        leaves = iter(self._outputs or [])

        def next_part(_: Any) -> Any:
            leaf = next(leaves)
            return None if leaf.dtype is None else self._as_given(next(parts).astype(leaf.dtype), leaf)

        return containers.rebuild(self._template, next_part)

    def split(self, y: Array) -> list[Array]:
        """Return the vector of all outputs as one array for each output."""
        if not containers.is_container(self._template):
            return [y]
        shapes = [np.shape(leaf.value) for leaf in self._real_outputs()]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(y, ends), shapes, strict=True)]

    def output_dtypes(self) -> list[np.dtype[Any]]:
        """The dtypes of the outputs at the first call."""
        return [leaf.dtype for leaf in self._real_outputs() if leaf.dtype is not None]

    def vjp(self, vjp: Callable[..., Any], dy: Array, arrays: Sequence[Array], name: str = "vjp") -> list[Array]:
        """Return the gradient of ⟨dy, f⟩ for each array, by the user's vjp. Raises DTypeError or ShapeError."""
        with frameworks.in_float64(self.libraries):
            given, expected = self.dy(dy), self.dy(dy)
            gradients = self.gradients(vjp(given, *self.arguments(arrays)), name)
            pairs = zip(containers.leaves(given, ""), containers.leaves(expected, ""), strict=True)
            self.changes_dy |= any(isinstance(a, np.ndarray) and not np.array_equal(a, b) for (_, a), (_, b) in pairs)
            return gradients

    def autodiff(self, library: str, dy: Array, arrays: Sequence[Array]) -> list[Array]:
        """Return the same gradients by automatic differentiation of f."""

        def outputs(*real: Any) -> list[Any]:
            leaves = containers.aligned_leaves(self.f(*self._arguments(real)), self._template, "f", "as before")
            return [y for y, leaf in zip(leaves, self._outputs or [], strict=True) if leaf.dtype is not None]

        with frameworks.in_float64(self.libraries):
            real = self._real_as_given(arrays)
            parts = zip(self.split(dy), self._real_outputs(), strict=True)
            dys = [self._as_given(part.astype(leaf.dtype or DOUBLE), leaf) for part, leaf in parts]
            return [np.array(frameworks.to_numpy(g)) for g in frameworks.vjp(library, outputs, real, dys)]

    def gradients(self, gradients: Any, function_name: str = "vjp") -> list[Array]:
        """Return copies of the gradients that a vjp returned, one for each array of real numbers.

        They are copied because a layer may reuse their memory in its next forward, which finite differences call.
        """
        differentiable = self.differentiable_inputs
        others = [name for name in self.input_names if name not in differentiable]
        without = f"; {join_choices(others, 60)}: no real numbers, hence no gradient" if others else ""
        by_input = dict(zip(self.input_names, zip(self.inputs, self._leaves, strict=True), strict=True))
        single = by_input[differentiable[0]][0] if len(differentiable) == 1 else None
        chosen: tuple[str, ...]
        if len(differentiable) == 1 and _fits(gradients, single):
            chosen, values = differentiable, [gradients]
        elif not isinstance(gradients, tuple | list):
            if gradients is None or isinstance(gradients, dict | set | str):
                kind = "None" if gradients is None else f"a {type(gradients).__qualname__}"
                expected = f"a tuple with a gradient for each of {', '.join(differentiable)}"
            else:
                kind = "1 gradient"
                expected = f"{len(differentiable)}: one for each of {', '.join(differentiable)}"
            raise ShapeError(f"{function_name} returned {kind}; expected {expected}{without}")
        elif len(gradients) in (len(self.inputs), len(differentiable)):
            chosen = tuple(self.input_names) if len(gradients) == len(self.inputs) else differentiable
            values = list(gradients)
        else:
            raise ShapeError(
                f"{function_name} returned {len(gradients)} gradient{'s' if len(gradients) > 1 else ''} in a tuple; "
                f"expected {len(differentiable)}: one for each of {', '.join(differentiable)}{without}"
            )
        copies = []
        for name, value in zip(chosen, values, strict=True):
            template, leaves = by_input[name]
            if value is None and not any(leaf.dtype for leaf in leaves):
                continue
            gradients_of_input = containers.aligned_leaves(
                value, template, f"{function_name} for {name}", "like the input"
            )
            for leaf, gradient in zip(leaves, gradients_of_input, strict=True):
                if leaf.dtype is not None:
                    shape = np.shape(leaf.value)
                    copies.append(gradient_array(gradient, shape, leaf.name, function_name))
                elif not _is_nothing(gradient):
                    raise DTypeError(
                        f"{function_name} returned a gradient for {leaf.name}, which has none: it is of type "
                        f"{_type_of(leaf.value)}; return None for it, or leave it out"
                    )
        return copies


def gradient_array(gradient: Any, shape: tuple[int, ...], name: str, function_name: str) -> Array:
    """Return a copy of a gradient as a NumPy array of that shape. Raises DTypeError or ShapeError."""
    try:
        copy = np.array(frameworks.to_numpy(gradient))
    except ValueError:
        raise DTypeError(f"{function_name} returned rows of unequal length for {name}; expected an array") from None
    if copy.dtype.kind != "f":
        raise DTypeError(f"{function_name} returned {_kind_of(copy)} for {name}; expected an array of real numbers")
    if copy.shape != shape:
        raise ShapeError(
            f"{function_name} returned shape {shorten(copy.shape)} for {name}; expected {shorten(shape)}, the shape of "
            "the input"
        )
    return copy


def _fits(gradient: Any, template: Any) -> bool:
    """True if this may be the gradient of that input itself, not a tuple with the gradient."""
    if not containers.is_container(template):
        return not containers.is_container(gradient) and not isinstance(gradient, str | set) and gradient is not None
    try:
        list(containers.aligned_leaves(gradient, template, "", ""))
    except ShapeError:
        return False
    return True


def _is_nothing(gradient: Any) -> bool:
    """True for None, zeros, and JAX's gradients of integers, which have a dtype without a size."""
    if gradient is None:
        return True
    array = frameworks.to_numpy(gradient)
    return array.dtype.itemsize == 0 or (array.dtype.kind in "fiub" and not array.any())


def _next_argument(leaves: Iterator[_Leaf], arrays: Iterator[Any], _: Any) -> Any:
    leaf = next(leaves)
    if leaf.dtype is not None:
        return next(arrays)
    if frameworks.library_of(leaf.value) == frameworks.NUMPY:
        return frameworks.from_numpy(leaf.value, leaf.library)
    return leaf.value


def _kind_of_leaf(value: Any) -> str:
    """The type of a value without a gradient, or the dtype of an array."""
    return f"an array of {value.dtype}" if hasattr(value, "dtype") else type(value).__name__


def _input_leaf(name: str, value: Any, library: str | None) -> _Leaf:
    if isinstance(value, float):
        value = np.asarray(value)
    given = frameworks.library_of(value)
    if given is None and (value is None or isinstance(value, int | str)):
        return _Leaf(name, value, frameworks.NUMPY, None)
    of_numpy_subclass = isinstance(value, np.ndarray) and type(value) is not np.ndarray
    if given is None or of_numpy_subclass:
        raise DTypeError(
            f"{name} is of type {_type_of(value)}; expected a NumPy array of float64: convert it with "
            "numpy.array(x, 'float64')"
        )
    target = library if library and given == frameworks.NUMPY else given
    array = frameworks.to_numpy(value)
    if array.dtype.kind in "iub":
        return _Leaf(name, value, target, None)
    if array.dtype not in (DOUBLE, SINGLE):
        raise DTypeError(
            f"{name} has dtype {shorten(array.dtype, 40)}; expected float64, whose precision finite differences need, "
            "or float32: convert it with .astype('float64')"
        )
    return _Leaf(name, np.asarray(value) if isinstance(value, np.generic) else value, target, array.dtype)


def _output_leaf(name: str, value: Any) -> _Leaf:
    library = frameworks.library_of(value)
    if library is None and value is None:
        return _Leaf(name, value, frameworks.NUMPY, None)
    array = _output_array(value)
    real = array.dtype.kind == "f"
    if not real and array.dtype.kind not in "iub":
        where = f" as output {name}" if name else ""
        raise DTypeError(
            f"f returned {_kind_of(array)}{where}; expected real numbers: compute in floating point and return the "
            "result"
        )
    return _Leaf(name, array, library or frameworks.NUMPY, array.dtype if real else None)


def _output_array(value: Any) -> Array:
    try:
        return frameworks.to_numpy(value)
    except ValueError:
        raise DTypeError("f returned rows of unequal length; expected one array or number") from None


def _type_of(value: Any) -> str:
    array = frameworks.library_of(value) is not None
    return f"{type(value).__qualname__} of {frameworks.to_numpy(value).dtype}" if array else type(value).__qualname__


def _kind_of(array: Array) -> str:
    return "None" if array.dtype == object and array.size and array.item(0) is None else f"dtype {array.dtype}"
