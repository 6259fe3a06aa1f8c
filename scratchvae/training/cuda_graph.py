"""Training steps as CUDA graphs.

A GPU computes the kernels of a small network faster than Python launches them. A CUDA graph is a recording of launches,
which the GPU then runs by itself: the host starts a step by one call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array
from scratchvae.backend.cublas import RecordableCuPy
from scratchvae.errors import BackendError, ConfigError
from scratchvae.memory import Module
from scratchvae.models import ELBOTerms, Model
from scratchvae.models.draws import Draws
from scratchvae.validation import check_bool, shorten

EAGER_STEPS = 2  # with the same inputs, before a step is recorded: kernels are compiled and buffers allocated in them
MAX_GRAPHS = 4
SCALARS = (bool, int, float, str, type(None), np.generic)
MISSING = object()

# A recording holds addresses and numbers: those of the step in which it was made. It is replayed only if
# - the arguments are at the same addresses, and those that are no arrays are equal;
# - the buffers of the model are the same, and so are the settings of its modules, which are numbers in the kernels.
# All else that a step reads is in memory of the device: weights, noise, the sums of the epoch. What its Python code
# would assign to the attributes of the modules is assigned again at each replay, since other calls of the model may
# come between two steps. Temporary arrays are in a memory pool of the recording, from which nothing else is allocated.
# Constants that a module writes into a buffer only when they change, as its attribute `_filled_for` says, are written
# in every replay, because other calls may have written others.


class CUDAGraphs:
    """Steps that are computed by `compute`, or as a CUDA graph from the third step with the same inputs on.

    model       on the backend "cupy"
    compute     compute(x, eps, **arguments) does the work of a step on the device, and returns its terms. It may add to
                `sums`, and sets the gradient
    sums        arrays
    required    raise BackendError if a step cannot be recorded, instead of computing it as before

    The first result of each recording is compared with that of `compute`, after a step on other inputs. A recording
    with other bits is not used.
    """

    def __init__(
        self, model: Model, compute: Callable[..., ELBOTerms], sums: dict[str, Array], required: bool = False
    ) -> None:
        self.model, self.compute, self.sums, self.required = model, compute, sums, required
        self.enabled = True
        self._cuda = model.backend.xp.cuda
        self._stream = self._cuda.Stream(non_blocking=True)
        self._graphs: dict[Any, Graph] = {}
        self._counts: dict[Any, int] = {}  # of the steps with the same inputs
        self._buffers: Any = None

    def __call__(self, x: Array, eps: Array, settings: tuple[Any, ...], arguments: dict[str, Any]) -> ELBOTerms:
        """Do a step on x (B, D) with the noise eps; `settings` are further numbers on which `compute` depends."""
        if not self.enabled:
            return self.compute(x, eps, **arguments)
        if self.model._buffers is not self._buffers:
            self._buffers = self.model._buffers
            self._graphs.clear()
            self._counts.clear()
        named = {"x": x, "eps": eps, **arguments}
        key = (*settings, "forward" in vars(self.model), *((name, _identity(value)) for name, value in named.items()))
        graph = self._graphs.get(key)
        if graph is not None:
            if graph.settings_are_current():
                return graph.replay()
            del self._graphs[key]
        self._counts[key] = self._counts.pop(key, 0) + 1
        if self._counts[key] <= EAGER_STEPS:
            while len(self._counts) > 2 * MAX_GRAPHS:
                del self._counts[next(iter(self._counts))]
            return self.compute(x, eps, **arguments)
        del self._counts[key]
        return self._record(key, x, eps, arguments)

    def _record(self, key: Any, x: Array, eps: Array, arguments: dict[str, Any]) -> ELBOTerms:
        """Do a step, and record it too; keep the recording if it has the same results."""
        before = [array.copy() for array in self.sums.values()]
        expected = self._copies(self.compute(x, eps, **arguments))
        self._restore(before)
        try:
            graph = self._capture(x, eps, arguments)
            self._compute_other_results(x, eps, arguments)
            self._restore(before)
            terms = graph.replay()
            same = all(map(_have_same_bits, self._copies(terms), expected))
            reason = "its results have other bits"
        except Exception as error:  # of CUDA, CuPy or code that reads numbers of the device
            same, reason = False, f"{type(error).__name__}: {shorten(error)}"
        if same:
            if len(self._graphs) >= MAX_GRAPHS:
                del self._graphs[next(iter(self._graphs))]
            self._graphs[key] = graph
            return terms
        if self.required:
            raise BackendError(f"cuda_graph=True: this step cannot be recorded as a CUDA graph ({reason})")
        self.enabled = False
        self._graphs.clear()
        self._restore(before)
        return self.compute(x, eps, **arguments)

    def _capture(self, x: Array, eps: Array, arguments: dict[str, Any]) -> Graph:
        modules: list[Any] = [self.model, *_modules_of(self.model)]
        for module in modules:
            if "_filled_for" in vars(module):
                module._filled_for = None  # so that the constants are written in the recording too
        stream, pool = self._stream, self._cuda.MemoryPool()
        with stream, self._cuda.using_allocator(pool.malloc):
            stream.begin_capture()
            try:
                terms = self.compute(x, eps, **arguments)
            except BaseException:
                with suppress(Exception):  # an error of the recording would hide the one of the step
                    stream.end_capture()
                raise
            recording = stream.end_capture()
        return Graph(recording, pool, terms, modules)

    def _compute_other_results(self, x: Array, eps: Array, arguments: dict[str, Any]) -> None:
        """Do the step with its rows in reverse order and other noise: so work that is not recorded leaves a trace."""
        inputs = x.copy(), eps.copy()
        try:
            x[...] = inputs[0][::-1]
            eps *= -1.0
            self.compute(x, eps, **arguments)
        finally:
            x[...], eps[...] = inputs

    def _copies(self, terms: ELBOTerms) -> list[Array]:
        return [array.copy() for array in (self.model.dtheta, *terms, *self.sums.values())]

    def _restore(self, copies: list[Array]) -> None:
        for array, copied in zip(self.sums.values(), copies, strict=True):
            array[...] = copied


class Graph:
    """A recorded step.

    recording, pool   a graph of CuPy, and the memory pool of its temporary arrays
    terms             of the step
    modules           whose attributes after the step are kept
    """

    def __init__(self, recording: Any, pool: Any, terms: ELBOTerms, modules: list[Any]) -> None:
        self._recording, self._pool, self._terms = recording, pool, terms
        self._settings = [Setting(vars(module), name, value) for module in modules for name, value in _scalars(module)]
        fixed = {(id(setting.attributes), setting.name) for setting in self._settings}
        self._states = []
        for module in modules:
            attributes = vars(module)
            names = ("was_corrupted", "_filled_for") if isinstance(module, Model) else tuple(attributes)
            kept = [name for name in names if name in attributes and (id(attributes), name) not in fixed]
            self._states.append((attributes, {name: attributes[name] for name in kept}))

    def settings_are_current(self) -> bool:
        """True if the settings of the modules are those of the recording."""
        return all(attributes.get(name, MISSING) == value for attributes, name, value in self._settings)

    def replay(self) -> ELBOTerms:
        """Do the step with what is now in its inputs."""
        for attributes, state in self._states:
            attributes.update(state)
        self._recording.launch()
        return self._terms


class Setting(NamedTuple):
    """The value of an attribute that is an argument of a module's `__init__`."""

    attributes: dict[str, Any]
    name: str
    value: Any


def make_graphs(
    model: Model, compute: Callable[..., ELBOTerms], sums: dict[str, Array], choice: bool | None
) -> CUDAGraphs | None:
    """The graphs of a fit; None if each step is to be launched kernel by kernel.

    choice   the `cuda_graph` of the trainer: None excludes models with code of the user, since only what a step
             launches is recorded, not what else its code does
    """
    recordable = isinstance(model.backend.xp, RecordableCuPy)
    own_code = model.custom_parts or type(model).__module__.partition(".")[0] != "scratchvae"
    if choice or (choice is None and recordable and not own_code):
        return CUDAGraphs(model, compute, sums, required=bool(choice))
    return None


def check_cuda_graph(choice: bool | None, model: Model) -> bool | None:
    """Check `cuda_graph`; return it. Raises ConfigError."""
    if choice is not None and check_bool("cuda_graph", choice) and model.backend.on_host:
        raise ConfigError(
            f"cuda_graph=True is for backend='cupy', and this model is on {model.backend.name!r}: leave it out"
        )
    if choice and not isinstance(model.backend.xp, RecordableCuPy):
        raise ConfigError("cuda_graph=True needs CuPy's cuBLAS library, which was not found: leave it out")
    return choice


def _identity(value: Any) -> Any:
    """A key by which two arguments of a step are the same: of an array, its memory."""
    return (value.data.ptr, value.shape, value.strides, value.dtype.char) if hasattr(value, "strides") else value


def _have_same_bits(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


def _scalars(module: Any) -> Iterator[tuple[str, Any]]:
    """The settings of a module that are numbers or texts: arguments of `__init__` with attributes of their names."""
    if isinstance(module, Module):
        for name in inspect.signature(type(module)).parameters:
            value = vars(module).get(name, MISSING)
            if isinstance(value, SCALARS):
                yield name, value


def _modules_of(model: Model) -> list[Module]:
    """All modules that a model uses, each once."""
    found: dict[int, Module] = {}
    remaining = [*vars(model).values(), *model.parts.values()]
    while remaining:
        value = remaining.pop()
        if isinstance(value, tuple | list):
            remaining += value
        elif isinstance(value, Module | Draws) and id(value) not in found:
            if isinstance(value, Module):
                found[id(value)] = value
            remaining += vars(value).values()
    return list(found.values())
