"""Check whole layers and parts of models: the gradient of every input and of every parameter."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf, prod
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError, DeviceError, DTypeError, ShapeError
from scratchvae.gradcheck import checks
from scratchvae.gradcheck.check import check
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.gradcheck.gradient_check import root_mean_square, worst_by_name
from scratchvae.gradcheck.parameters import (
    Parameters,
    cached_arrays,
    check_module_arrays,
    class_name,
    is_module,
    is_real,
    snapshot,
)
from scratchvae.gradcheck.report import WRONG, Report, is_wrong
from scratchvae.validation import check_choice, check_seed, join_choices, missing_methods, shorten, suggest_arguments

BATCHES = (4, 1, 7, 2)  # rows; a smaller batch after a larger one uses a part of the buffers
DRAWS = 4  # of a random batch at which no gradient is wrong but one is undecided, as at a kink
PICTURE = (5, 4)  # height and width of the pictures to try, with each of the widths as the number of channels
WIDTHS = (3, 1, 2, 4, 5, 6, 8, 9, 10, 12, 16)  # to try where nothing else shows the width of the input
PERTURBATION = 0.1  # of the parameters, relative to their size: a gain of 1 or a bias of 0 hides errors
METHODS = ("forward", "backward", "backward_data", "backward_noise", "log_prob", "loss", "bind", "step")
BACKENDS = ("numpy", "cupy", "fake-cupy")

Forward = Callable[..., Any]  # forward(part, *inputs) → output, or a tuple of outputs
Backward = Callable[..., Any]  # backward(part, *doutputs) → the gradient of each input


@suggest_arguments
def check_layer(
    layer: Any,
    x: Any = None,
    *,
    parameters: Mapping[str, str] | Sequence[str] | None = None,
    backend: str = "numpy",
    seed: int = 0,
    directions: int = 3,
    coordinates: bool = False,
    tolerance: float | None = None,
    precision: str = "long double",
) -> Report:
    """Check dx and the gradient of every parameter of a layer: any object with forward(x) → y and backward(dy) → dx.

    x           the input, or a tuple of inputs; by default random batches, one of a single row. A layer of scratchvae
                takes pictures (B, H, W, C) too
    parameters  names of the attributes that hold the parameters, if they are not found, or names of their gradients
                too: {"W": "grad_W"}; () if there are none. They are found in layers of scratchvae, in dicts `params`
                and `grads`, and in attributes such as W with a gradient dW, also of layers inside the layer
    backend     "fake-cupy" runs the layer on a stand-in for CuPy, which needs no GPU: a layer that uses `np` where it
                should use `self.xp` is refused. "cupy" runs it on a GPU

    directions, coordinates, tolerance and precision are those of `check`.

    The layer is checked at its parameters, and at perturbed ones, since a gain of 1 or a bias of 0 hides errors. The
    layer itself is not changed. Without x, the first width that forward takes is checked.

    Raises ConfigError for an object that is no layer, for arrays without a gradient beside them, and if no width of the
    input is found; DeviceError if the layer fails on the backend; and the exceptions of `check`.
    """
    checks.check_methods("layer", layer, ("forward", "backward"), "a layer: an object with forward(x) and backward(dy)")
    settings = _settings(directions, coordinates, tolerance, precision)
    if is_module(layer) and is_real(x) and x.ndim > 2:
        layer, x = _with_input_shape(layer, x.shape[1:]), x.reshape(len(x), -1)
    part = _Part(layer, _call_forward, _call_backward, ("x",), parameters, backend)
    if missing := missing_methods(layer):
        part.notes.append(f"note: it lacks {shorten(' and '.join(missing))}, which a model needs")
    if x is not None:
        inputs = x if isinstance(x, tuple) else (x,)
        part.names = checks.check_names(layer.forward, None, len(inputs))
        return part.check([inputs], seed, settings)
    return _check_rows(part, (None,), _one_matrix, seed, settings)


@suggest_arguments
def check_likelihood(
    likelihood: Any,
    outputs: Any = None,
    x: Any = None,
    *,
    parameters: Mapping[str, str] | Sequence[str] | None = None,
    backend: str = "numpy",
    seed: int = 0,
    directions: int = 3,
    coordinates: bool = False,
    tolerance: float | None = None,
    precision: str = "long double",
) -> Report:
    """Check a likelihood: log p(x | outputs) (B,) with respect to its outputs, x (B, D) and every parameter.

    It has forward(outputs, x), backward(dlog_p) and, if x is to be checked, backward_data(dlog_p). By default outputs
    are drawn from N(0, 1) and x from U[0, 1]. The other arguments and the exceptions are those of `check_layer`.
    """
    checks.check_methods("likelihood", likelihood, ("forward", "backward"), "a likelihood, such as Bernoulli()")
    settings = _settings(directions, coordinates, tolerance, precision)
    with_data = _implements(likelihood, "backward_data")

    def backward(likelihood: Any, dlog_p: Any) -> Any:
        doutputs = likelihood.backward(dlog_p)
        return (_copy(doutputs), likelihood.backward_data(dlog_p)) if with_data else (doutputs, None)

    part = _Part(likelihood, _one_number_a_row, backward, ("outputs", "x"), parameters, backend)
    outputs_of = getattr(likelihood, "outputs", lambda width: getattr(likelihood, "outputs_per_dimension", 1) * width)

    def draw(rows: int, width: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return rng.standard_normal((rows, outputs_of(width))), rng.random((rows, width))

    if not with_data:
        part.constant = {"x"}
        part.notes.append("note: there is no backward_data, so dx is not checked")
    return _check_rows(part, (outputs, x), draw, seed, settings)


@suggest_arguments
def check_prior(
    prior: Any,
    z: Any = None,
    *,
    parameters: Mapping[str, str] | Sequence[str] | None = None,
    backend: str = "numpy",
    seed: int = 0,
    directions: int = 3,
    coordinates: bool = False,
    tolerance: float | None = None,
    precision: str = "long double",
) -> Report:
    """Check a prior: log p(z) (B,) with respect to z (B, Z) and every parameter.

    It has forward(z) and backward(dlog_p). The other arguments and the exceptions are those of `check_layer`.
    """
    checks.check_methods("prior", prior, ("forward", "backward"), "a prior, such as StandardNormal()")
    settings = _settings(directions, coordinates, tolerance, precision)
    part = _Part(prior, _one_number_a_row, _call_backward, ("z",), parameters, backend)
    part.notes.append("note: draw is not checked, nor that the density is normalized")
    return _check_rows(part, (z,), _one_matrix, seed, settings)


@suggest_arguments
def check_posterior(
    posterior: Any,
    h: Any = None,
    eps: Any = None,
    *,
    parameters: Mapping[str, str] | Sequence[str] | None = None,
    backend: str = "numpy",
    seed: int = 0,
    directions: int = 3,
    coordinates: bool = False,
    tolerance: float | None = None,
    precision: str = "long double",
) -> Report:
    """Check a posterior: the draw z (B, Z) and log q(z | x) (B,) with respect to h (B, O), eps and every parameter.

    It has forward(h, eps), backward(dz, dlog_q) and, if there are any, log_prob() and backward_noise(dz, dlog_q). The
    other arguments and the exceptions are those of `check_layer`.
    """
    checks.check_methods("posterior", posterior, ("forward", "backward"), "a posterior, such as DiagonalGaussian()")
    settings = _settings(directions, coordinates, tolerance, precision)
    with_log_prob, with_noise = (_implements(posterior, name) for name in ("log_prob", "backward_noise"))

    def forward(posterior: Any, h: Any, eps: Any) -> Any:
        z = posterior.forward(h, eps)
        return (_copy(z), posterior.log_prob()) if with_log_prob else z

    def backward(posterior: Any, *gradients: Any) -> Any:
        dh = _copy(posterior.backward(*gradients))
        return dh, posterior.backward_noise(*gradients) if with_noise else None

    part = _Part(posterior, forward, backward, ("h", "eps"), parameters, backend)
    if not with_noise:
        part.constant = {"eps"}
        part.notes.append("note: there is no backward_noise, so deps is not checked")
    outputs, noise = (
        getattr(posterior, f"{name}_per_latent", default) for name, default in (("outputs", 2), ("noise", 1))
    )

    def draw(rows: int, latent: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return rng.standard_normal((rows, outputs * latent)), rng.standard_normal((rows, noise * latent))

    return _check_rows(part, (h, eps), draw, seed, settings)


@suggest_arguments
def check_objective(
    objective: Any,
    log_likelihood: Any = None,
    kl: Any = None,
    *,
    kl_weight: float | None = None,
    backend: str = "numpy",
    seed: int = 0,
    directions: int = 3,
    coordinates: bool = False,
    tolerance: float | None = None,
    precision: str = "long double",
) -> Report:
    """Check an objective: the loss with respect to log_likelihood and kl, at the KL weights 1 and 0.3.

    It has forward(log_likelihood, kl, kl_weight, kl_per_dimension) → terms, loss(terms) and backward() → the gradients
    of the loss for log_likelihood (B·K,) and kl: (B·K,), or (B·K, Z) if the objective needs it per dimension. The other
    arguments and the exceptions are those of `check_layer`.
    """
    checks.check_methods("objective", objective, ("forward", "loss", "backward"), "an objective, such as ELBO()")
    settings = _settings(directions, coordinates, tolerance, precision)
    per_dimension, draws = bool(getattr(objective, "kl_per_dimension", False)), int(getattr(objective, "draws", 1))

    def draw(rows: int, rng: np.random.Generator) -> tuple[Array, Array]:
        shape = (rows * draws, 3) if per_dimension else (rows * draws,)
        return -10 * rng.random(rows * draws), 5 * rng.random(shape)

    given = (log_likelihood, kl)
    if any(array is None for array in given) and not all(array is None for array in given):
        raise ConfigError("pass both log_likelihood and kl, or neither")
    reports = []
    for weight in (1.0, 0.3) if kl_weight is None else (kl_weight,):

        def forward(objective: Any, log_likelihood: Any, kl: Any, weight: float = weight) -> Any:
            per_row = kl.sum(axis=1) if per_dimension else kl
            terms = objective.forward(log_likelihood, per_row, weight, kl if per_dimension else None)
            return objective.loss(terms)

        def backward(objective: Any, dloss: Any) -> Any:
            return tuple(gradient * float(dloss) for gradient in objective.backward())

        part = _Part(objective, forward, backward, ("log_likelihood", "kl"), None, backend)
        at_random = kl is None
        reports.append(part.check_random(draw, seed, settings) if at_random else part.check([given], seed, settings))
    return _merge(reports)


def _settings(directions: int, coordinates: bool, tolerance: float | None, precision: str) -> dict[str, Any]:
    """Return the arguments of `check` that every function of this file passes on."""
    return {"directions": directions, "coordinates": coordinates, "tolerance": tolerance, "precision": precision}


def _one_number_a_row(part: Any, *inputs: Any) -> Any:
    log_p, rows = part.forward(*inputs), len(inputs[0])
    shape = getattr(log_p, "shape", ())
    if shape != (rows,):
        raise ShapeError(
            f"forward of {class_name(part)} returned shape {shape} for {rows} rows; expected ({rows},), one "
            "number for each row: sum over axis 1"
        )
    return log_p


def _one_matrix(rows: int, width: int, rng: np.random.Generator) -> tuple[Array, ...]:
    return (rng.standard_normal((rows, width)),)


def _check_rows(
    part: _Part,
    given: tuple[Any, ...],
    draw: Callable[[int, int, np.random.Generator], tuple[Array, ...]],
    seed: int,
    settings: dict[str, Any],
) -> Report:
    """Check at the given inputs, or at random batches if they are None."""
    if all(array is not None for array in given):
        return part.check([given], seed, settings)
    if any(array is not None for array in given):
        raise ConfigError(f"pass all of {', '.join(part.names)}, or none of them: the others would not fit")
    width = part.find_width(lambda width, rng: draw(2, width, rng))
    return part.check_random(lambda rows, rng: draw(rows, width, rng), seed, settings)


class _Part:
    """A copy of a layer or another part, as a function of its inputs and parameters."""

    def __init__(
        self,
        part: Any,
        forward: Forward,
        backward: Backward,
        names: Sequence[str],
        parameters: Mapping[str, str] | Sequence[str] | None,
        backend: str,
    ) -> None:
        check_choice("backend", backend, BACKENDS)
        self.original, self.call_forward, self.call_backward = part, forward, backward
        self.names, self.given, self.backend_name = tuple(names), parameters, backend
        self.constant: set[str] = set()  # inputs whose gradient is not checked
        self.notes: list[str] = []
        self.kind_of_rows = ""
        self.copies: dict[str, tuple[Any, Parameters]] = {}
        self.on_host = backend == "numpy"

    def find_width(self, draw: Callable[[int, np.random.Generator], tuple[Array, ...]]) -> int:
        """Return a width of the input that the forward takes. Raises ConfigError."""
        failure: Exception | None = None
        widths = tuple(dict.fromkeys([*_likely_widths(self.original), *WIDTHS]))
        pictures = [(*PICTURE, channels) for channels in widths] if is_module(self.original) else []
        for shape in (*((width,) for width in widths), *pictures):
            width = prod(shape)
            inputs = draw(width, np.random.default_rng(0))
            try:
                self.call_forward(_with_input_shape(self.original, shape), *inputs)
            except Exception as error:  # a user's layer may raise anything
                failure = failure or error
                continue
            if len(shape) > 1:
                self.original, self.kind_of_rows = _with_input_shape(self.original, shape), f" of pictures {shape}"
            return width
        first = f"; with the first width: {shorten(failure, 160)}" if failure else ""
        arguments = " and ".join(self.names)
        raise ConfigError(f"{class_name(self.original)} takes no width that was tried{first}; pass {arguments}")

    def check_random(
        self,
        draw: Callable[[int, np.random.Generator], tuple[Any, ...]],
        seed: int,
        settings: dict[str, Any],
    ) -> Report:
        """Check at random batches, in turns at the parameters of the part and at perturbed ones."""
        rng = np.random.default_rng(check_seed(seed))
        reports = []
        for number, rows in enumerate(BATCHES):
            for _ in range(DRAWS):
                report = self._check_at(draw(rows, rng), number % 2 == 1, seed + number, settings, rng)
                if report.passed or is_wrong(report):
                    break
            reports.append(report)
        self._note_float64(draw(2, rng))
        return self._merged(reports, list(BATCHES))

    def check(self, batches: Sequence[tuple[Any, ...]], seed: int, settings: dict[str, Any]) -> Report:
        """Check at each batch, at the parameters of the part and at perturbed ones."""
        rng = np.random.default_rng(check_seed(seed))
        reports = [
            self._check_at(batch, perturbed, seed, settings, rng) for batch in batches for perturbed in (False, True)
        ]
        return self._merged(reports, [len(batch[0]) if np.ndim(batch[0]) else 1 for batch in batches])

    def _note_float64(self, batch: tuple[Any, ...]) -> None:
        """Note that a part of scratchvae computes in float64 if its inputs are float32, which a model refuses."""
        if not is_module(self.original):
            return
        inputs = tuple(x.astype(np.float32) if is_real(x) else x for x in batch)
        part, parameters = self._copy_for("float32", inputs)
        parameters.set([self._to_device(np.asarray(value, np.float32)) for value in parameters.initial])
        y = self._run(self.call_forward, part, *map(self._to_device, inputs))
        if any(getattr(array, "dtype", None) == np.float64 for array in (y if isinstance(y, tuple) else (y,))):
            self.notes.append(
                "note: forward returns float64 for float32, which a model refuses: a NumPy number such as np.sqrt(2) "
                "makes it so, and math.sqrt(2) does not"
            )

    def _check_at(
        self, batch: tuple[Any, ...], perturbed: bool, seed: int, settings: dict[str, Any], rng: np.random.Generator
    ) -> Report:
        arrays = tuple(_as_array(name, x, self.original) for name, x in zip(self.names, batch, strict=True))
        found = self._parameters_for(arrays)
        values = [_perturbed(value, rng) for value in found.initial] if perturbed else found.initial
        return self._check_once(arrays, values, found, seed, settings)

    def _merged(self, reports: Sequence[Report], rows: Sequence[int]) -> Report:
        """Return one report, with notes on what was checked."""
        merged, found = _merge(reports), next(iter(self.copies.values()))[1]
        notes = [*self.notes, *merged.notes]
        if found.unchecked:
            notes.append(f"note: not checked: {join_choices(found.unchecked, 80)}")
        counts = [str(count) for count in rows]
        listed = " and ".join(filter(None, (", ".join(counts[:-1]), counts[-1])))
        none = "it has no parameters" if is_module(self.original) else "no parameters were found"
        at = "at its own parameters and at perturbed ones" if found.names else none
        on = f" on {self.backend_name}" if self.backend_name != "numpy" else ""
        notes.append(f"note: checked with {listed} row{'s' if counts != ['1'] else ''}{self.kind_of_rows}{on}; {at}")
        arguments = tuple(replace(a, checked="backward") if a.checked == "vjp" else a for a in merged.arguments)
        return replace(merged, arguments=arguments, notes=tuple(notes))

    def _parameters_for(self, inputs: tuple[Any, ...]) -> Parameters:
        """Find the parameters, after a forward and a backward, which may create their gradients."""
        dtypes = {str(x.dtype) for x in inputs if is_real(x)}
        return self._copy_for("float32" if dtypes == {"float32"} else "float64", inputs)[1]

    def _check_once(
        self, inputs: tuple[Any, ...], values: list[Array], found: Parameters, seed: int, settings: dict[str, Any]
    ) -> Report:
        constants = [x for name, x in zip(self.names, inputs, strict=True) if name in self.constant]
        variable = [(name, x) for name, x in zip(self.names, inputs, strict=True) if name not in self.constant]
        names = (*(name for name, _ in variable), *(_free(name, self.names) for name in found.names))
        state: dict[str, Any] = {}
        misshapen: dict[str, str] = {}  # inputs whose gradient has another shape, and what is wrong

        def forward(*arrays: Array) -> Any:
            xs, given_constants = iter(arrays[: len(variable)]), iter(constants)
            given = [next(given_constants) if name in self.constant else next(xs) for name in self.names]
            dtype = next((str(array.dtype) for array in arrays if is_real(array)), "float64")
            part, parameters = self._copy_for(dtype, inputs)
            state["part"], state["parameters"] = part, parameters
            parameters.set([self._to_device(np.array(a)) for a in arrays[len(variable) :]])
            y = self._run(self.call_forward, part, *(self._to_device(x) for x in given))
            return tuple(self._to_host(array) for array in y) if isinstance(y, tuple) else self._to_host(y)

        def backward(dy: Any, *arrays: Array) -> Any:
            part, parameters = state["part"], state["parameters"]
            parameters.clear_gradients()
            gradients = self._run(
                self.call_backward, part, *(self._to_device(d) for d in (dy if isinstance(dy, tuple) else (dy,)))
            )
            gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
            checked = [name for name, x in variable if is_real(x)]
            if len(gradients) == len(self.names):
                by_name = dict(zip(self.names, gradients, strict=True))
            elif len(gradients) == len(checked):
                by_name = dict(zip(checked, gradients, strict=True))
            else:
                raise ShapeError(
                    f"backward returned {len(gradients)} gradient{'s' if len(gradients) > 1 else ''}; expected "
                    f"{len(checked)}: one for each of {', '.join(checked)}"
                )
            for name, x in variable:
                gradient = self._to_host(by_name.get(name))
                if is_real(x) and np.shape(gradient) != x.shape:
                    given = "None" if gradient is None else f"shape {np.shape(gradient)}"
                    misshapen[name] = f"backward returned {given}; expected {x.shape}, the shape of {name}"
                    by_name[name] = np.zeros_like(x)
            dinputs = [by_name.get(name) for name, _ in variable]
            for name, gradient in zip(found.names, parameters.gradients(), strict=True):
                if gradient is None:
                    raise ShapeError(f"backward left no gradient of {name}; expected one in {class_name(part)}")
                dinputs.append(gradient)
            return tuple(self._to_host(gradient) for gradient in dinputs)

        arrays = [*(x for _, x in variable), *values]
        report = check(forward, backward, *arrays, names=names, seed=seed, **settings)
        arguments = [
            replace(argument, verdict=WRONG, error=inf, coordinate=None, reason=misshapen[argument.name])
            if argument.name in misshapen
            else argument
            for argument in report.arguments
        ]
        return replace(report, arguments=tuple(arguments))

    def _copy_for(self, dtype: str, inputs: tuple[Any, ...]) -> tuple[Any, Parameters]:
        """Return a copy of the part that computes in `dtype`, with its parameters. Raises DTypeError."""
        if dtype not in self.copies:
            part = _deep_copy(self.original)
            if is_module(part):
                if self.given is None and not self.copies:
                    check_module_arrays(part, self._caches(_deep_copy(part), inputs))
                for layer in _layers_of(part) if not self.on_host else ():
                    layer.xp = self._backend().xp
                self.copies[dtype] = part, Parameters(part, self.given, set())
            elif self.copies:
                raise DTypeError(f"{class_name(part)} computes in the dtype of its parameters")
            else:
                if not self.on_host:
                    raise ConfigError(
                        f"backend={self.backend_name!r} is for layers of scratchvae, whose parameters it moves to the "
                        f"device: make {class_name(part)} a subclass of scratchvae.layers.Layer"
                    )
                self.copies[dtype] = part, Parameters(part, self.given, self._caches(part, inputs))
        return self.copies[dtype]

    def _caches(self, part: Any, inputs: tuple[Any, ...]) -> set[Any]:
        """Return the paths of the arrays that a forward and a backward set, for they are no parameters."""
        snapshots = [snapshot(part)]
        for factor in (1.0, 0.75):
            y = self.call_forward(part, *(x * factor if is_real(x) else x for x in inputs))
            self.call_backward(part, *_like(y, factor))
            snapshots.append(snapshot(part))
        return cached_arrays(part, snapshots)

    def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.on_host:
            return function(*args)
        try:
            return function(*args)
        except (TypeError, AttributeError, ValueError) as error:
            raise self._failure_on_device(error) from error

    def _failure_on_device(self, error: Exception) -> DeviceError:
        return DeviceError(
            f"{class_name(self.original)} fails on {self.backend_name}{place_of(error)}: {shorten(error, 90)}; a layer "
            "must use self.xp, the array module of its backend"
        )

    def _backend(self) -> Any:
        from scratchvae.backend import get_backend

        return get_backend(self.backend_name)

    def _to_device(self, array: Any) -> Any:
        if self.on_host or not isinstance(array, np.ndarray):
            return array
        return self._backend().upload(array) if array.ndim else float(array)

    def _to_host(self, array: Any) -> Any:
        return array.get() if not self.on_host and hasattr(array, "get") else array


def _with_input_shape(part: Any, shape: tuple[int, ...]) -> Any:
    """Return a copy of a part, told the shape of a row if it is a layer of scratchvae."""
    part = _deep_copy(part)
    if is_module(part):
        part.input_shape = shape
        part.tell_children(shape)
    return part


def _call_forward(part: Any, *inputs: Any) -> Any:
    return part.forward(*inputs)


def _call_backward(part: Any, *dy: Any) -> Any:
    return part.backward(*dy) if len(dy) == 1 else part.backward(dy)


def _merge(reports: Sequence[Report]) -> Report:
    """Return one report with the worst result for each name."""
    arguments = worst_by_name(argument for report in reports for argument in report.arguments)
    notes = dict.fromkeys(note for report in reports for note in report.notes)
    return replace(reports[0], arguments=arguments, notes=tuple(notes))


def _implements(part: Any, method: str) -> bool:
    """True if the class has the method: the base class of a part may have one that refuses, marked as optional."""
    function = getattr(type(part), method, None)
    return function is not None and not getattr(function, "optional", False)


def _free(name: str, taken: Sequence[str]) -> str:
    return f"parameter {name}" if name in taken else name


def _perturbed(value: Array, rng: np.random.Generator) -> Array:
    return np.asarray(
        value + PERTURBATION * (root_mean_square(value) or 1.0) * rng.standard_normal(value.shape), value.dtype
    )


def _likely_widths(part: Any) -> Iterator[int]:
    """Yield the sizes of a part's arrays and its whole-number settings: one of them may be the width of its input."""
    values = list(vars(part).values()) if hasattr(part, "__dict__") else []
    for value in values:
        if isinstance(value, Mapping):
            values.extend(value.values())
    if hasattr(part, "all_parameter_shapes"):
        yield from (size for shape in part.all_parameter_shapes().values() for size in shape)
    yield from (size for value in values if isinstance(value, np.ndarray) for size in value.shape)
    yield from (value for value in values if type(value) is int and 0 < value <= 100_000)
    for value in values:
        if isinstance(value, tuple) and value and all(type(size) is int for size in value):
            yield prod(value)
    for value in values:
        for child in value if isinstance(value, tuple | list) else (value,):
            if child is not part and hasattr(child, "forward"):
                yield from _likely_widths(child)


def _like(y: Any, value: float) -> list[Any]:
    return [array * 0 + value for array in (y if isinstance(y, tuple) else (y,))]


def _as_array(name: str, x: Any, part: Any) -> Any:
    """Return an input: an array of real numbers in float64 for a layer of scratchvae, else as it is."""
    if isinstance(x, list | dict | str | set):
        kind = type(x).__name__
        raise DTypeError(f"{name} is of type {kind}; expected an array, or a tuple of arrays for several inputs")
    if is_real(x):
        return x.astype(np.float64) if is_module(part) or x.dtype not in (np.float32, np.float64) else x
    return np.asarray(x) if isinstance(x, float) else x


def _layers_of(part: Any) -> Iterator[Any]:
    """Yield a part and the layers of scratchvae inside it, if they have an array module."""
    if hasattr(part, "xp"):
        yield part
    for child in part.children().values() if hasattr(part, "bind_parameters") else ():
        yield from _layers_of(child)


def _copy(array: Any) -> Any:
    return array.copy() if hasattr(array, "copy") else array


def _deep_copy(part: Any) -> Any:
    try:
        modules = {id(module): module for module in sys.modules.values()}  # such as `xp`; they cannot be copied
        return part.unbound_copy() if hasattr(part, "unbound_copy") else copy.deepcopy(part, modules)
    except Exception as error:  # a user's class may raise anything
        raise ConfigError(
            f"{class_name(part)} cannot be copied ({shorten(error, 60)}); write __deepcopy__, or use check with its "
            "methods"
        ) from None


def place_of(error: Exception) -> str:
    """Return the last place of the traceback outside this package's machinery, as " at file:line"."""
    place, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename != __file__ and code.co_name in METHODS:
            place = f" at {Path(code.co_filename).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
