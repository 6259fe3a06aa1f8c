"""The parameters of a layer, and their gradients, wherever the layer keeps them."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from scratchvae.errors import ConfigError, DTypeError
from scratchvae.validation import join_choices, short_repr, shorten

# Names of a gradient beside those of its parameter, or of the container of gradients beside that of parameters.
GRADIENT_NAMES = ("d{}", "grad_{}", "{}_grad", "d_{}", "_d{}", "g{}", "{}_gradient")
PAIRS = {
    "params": ("grads", "gradients"),
    "parameters": ("gradients", "grads"),
    "weights": ("gradients", "grads"),
    **dict.fromkeys(("data", "value", "array"), ("grad", "gradient")),
}
NOT_SEARCHED = (ModuleType, FunctionType, MethodType, type, np.ndarray, np.generic, np.random.Generator, str, bytes)
MISSING = object()
Path = tuple[Any, ...]  # attributes, keys and positions that lead from a layer to an array


class _Slot(NamedTuple):
    """One parameter: the paths to its array and to that of its gradient."""

    path: Path
    gradient_path: Path


class Parameters:
    """The parameters of a layer by name. Raises ConfigError if an array is found that is none and has no gradient.

    A layer keeps its parameters in one of these ways, also in the layers, lists, tuples, dicts and objects inside it:
        in attributes               layer.W and layer.dW, or layer.grad_W, layer.W_grad
        in dicts or lists           layer.params["W"] and layer.grads["W"], layer.weights[0] and layer.dweights[0]
        in objects                  layer.W.data and layer.W.grad
        as a layer of scratchvae    parameter_shapes() lists them
    An array that two names share is one parameter.

    `given` names them where it keeps them in another way: {"W": "name of the attribute with its gradient"}.

    initial   copies of the parameters, in their own dtype
    """

    def __init__(self, layer: Any, given: Mapping[str, str] | Sequence[str] | None, caches: set[Path]) -> None:
        self.layer = layer
        self.own: dict[str, Any] = {}  # arrays in place of those of a layer of scratchvae
        self.gradients_of_own: dict[str, Any] = {}
        self.slots: dict[str, _Slot] = {}
        self.unchecked: list[str] = []
        if given is not None:
            self.slots = _given_slots(layer, given)
            known = {path for slot in self.slots.values() for path in slot}
            self.unchecked = [_name(path) for path in _find_slots(layer, caches) if path not in known]
        elif is_module(layer):
            self.own = {name: np.array(value, np.float64) for name, value in _module_arrays(layer)}
        else:
            slots = _find_slots(layer, caches)
            lonely = [path for path, slot in slots.items() if slot is None]
            if lonely:
                raise _no_gradient(layer, [_name(path) for path in lonely])
            self.slots = {_name(slot.path): slot for slot in slots.values() if slot is not None}
        self.initial = [*self.own.values(), *(np.array(_get(layer, slot.path)) for slot in self.slots.values())]

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return [*self.own, *self.slots]

    def set(self, values: Sequence[Any]) -> None:
        """Set the parameters: those of a layer of scratchvae are replaced, all others are written in place."""
        if self.own:
            self.gradients_of_own = {name: value * 0 for name, value in zip(self.own, values, strict=True)}
            self.layer.bind_parameters(dict(zip(self.own, values, strict=True)), self.gradients_of_own)
        for slot, value in zip(self.slots.values(), values, strict=True) if self.slots else ():
            array = _get(self.layer, slot.path)
            if is_real(array) and array.dtype != value.dtype:
                raise DTypeError(f"{class_name(self.layer)} computes in the dtype of its parameters")
            if isinstance(array, np.ndarray) and array.ndim and array.flags.writeable:
                array[...] = value
            else:
                _set(self.layer, slot.path, float(value) if isinstance(array, float) else value)

    def clear_gradients(self) -> None:
        """Set the gradients to 0, for a layer that adds to them; a layer of scratchvae must overwrite them."""
        for slot in self.slots.values():
            gradient = _get(self.layer, slot.gradient_path)
            if isinstance(gradient, np.ndarray) and gradient.flags.writeable:
                gradient[...] = 0

    def gradients(self) -> list[Any]:
        """The gradients of the last backward."""
        found = [_get(self.layer, slot.gradient_path) for slot in self.slots.values()]
        return [*self.gradients_of_own.values(), *(None if gradient is MISSING else gradient for gradient in found)]


def is_module(layer: Any) -> bool:
    """True for a layer or another part of scratchvae."""
    return all(hasattr(layer, name) for name in ("bind_parameters", "own_parameters", "children"))


def _module_arrays(layer: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a layer of scratchvae and of the layers inside it, in NumPy."""
    for name in layer.own_parameters():
        array = getattr(layer, name)
        yield f"{prefix}{name}", array if isinstance(array, np.ndarray) else array.get()
    for name, child in layer.children().items():
        yield from _module_arrays(child, f"{prefix}{name}." if name else prefix)


def check_module_arrays(layer: Any, caches: set[Path]) -> None:
    """Raise ConfigError if a layer of scratchvae has an array of its own that is no parameter, cache or setting."""
    own = layer.own_parameters()
    try:
        settings = layer.config()
    except ConfigError:  # it cannot be saved, but checked
        settings = {}
    known = {*own, *(f"d{name}" for name in own), *settings}
    names = [
        name
        for name, value in vars(layer).items()
        if is_real(value) and name not in known and name[0] != "_" and (name,) not in caches
    ]
    if names:
        raise ConfigError(
            f"{class_name(layer)} has {join_choices(names, 40)}, which is no parameter: list it in parameter_shapes, "
            "or say that it is a constant: parameters=()"
        )


def _given_slots(layer: Any, given: Mapping[str, str] | Sequence[str]) -> dict[str, _Slot]:
    by_name = given if isinstance(given, Mapping) else {name: f"d{name}" for name in given}
    slots = {}
    for name, gradient_name in by_name.items():
        if not isinstance(name, str) or not isinstance(gradient_name, str) or isinstance(given, str):
            raise ConfigError(
                f"parameters={short_repr(given)}: expected the names of attributes, such as ('W', 'b'), or of their "
                "gradients too, such as {'W': 'grad_W'}"
            )
        path, value = _path(layer, name), _get(layer, _path(layer, name))
        if value is MISSING:
            raise ConfigError(f"parameters: {class_name(layer)} has no attribute {shorten(name, 40)}")
        if not is_real(value) and not isinstance(value, float):
            raise ConfigError(
                f"parameters: {shorten(name, 40)} is of type {type(value).__name__}; expected the name of an array"
            )
        slots[name] = _Slot(path, _path(layer, gradient_name))
    return slots


def _path(layer: Any, name: str) -> Path:
    """Return the path of a dotted name, such as "layers.0.W"."""
    path: list[Any] = []
    for word in name.split("."):
        owner = _get(layer, tuple(path))
        path.append(int(word) if word.isdigit() and isinstance(owner, tuple | list) else word)
    return tuple(path)


def _find_slots(layer: Any, caches: set[Path]) -> dict[Path, _Slot | None]:
    """Return each array that is no cache and no gradient, and None in place of a gradient that is not found."""
    found: dict[Path, Path | None] = {}
    for path, value in _reachable(layer):
        gradient_path = _gradient_path(layer, path)
        if path not in caches and (is_real(value) or gradient_path is not None):
            found[path] = gradient_path
    gradients = set(found.values())
    slots: dict[Path, _Slot | None] = {}
    seen: set[int] = set()
    for path, gradient_path in found.items():
        value = _get(layer, path)
        if path not in gradients and not (is_real(value) and id(value) in seen):
            seen.add(id(value))
            slots[path] = None if gradient_path is None else _Slot(path, gradient_path)
    return slots


def _gradient_path(layer: Any, path: Path) -> Path | None:
    """Return the path of the gradient: the same path with the name of the gradient in place of one of its names."""
    for k in reversed(range(len(path))):
        for name in _gradient_names(path[k]):
            candidate = (*path[:k], name, *path[k + 1 :])
            prefixed = (*candidate[:-1], f"d{candidate[-1]}")  # grads["dW"]
            for gradient_path in (candidate, prefixed) if k < len(path) - 1 else (candidate,):
                gradient = _get(layer, gradient_path)
                if gradient is None or is_real(gradient) or isinstance(gradient, float):
                    return gradient_path
    return None


def _gradient_names(name: Any) -> list[str]:
    if not isinstance(name, str):
        return []
    private = [f"_d{name[1:]}"] if name[:1] == "_" else []
    return [*PAIRS.get(name, ()), *(pattern.format(name) for pattern in GRADIENT_NAMES), *private]


def cached_arrays(layer: Any, snapshots: Sequence[dict[Path, Any]]) -> set[Path]:
    """Return the paths of arrays that are caches, from snapshots before and after two batches.

    A cache differs between the batches, or was not there before the first one and has no gradient.
    """
    before, first, second = snapshots
    return {
        path
        for path, array in second.items()
        if path not in first
        or np.shape(first[path]) != np.shape(array)
        or (first[path] != array).any()
        or (path not in before and _gradient_path(layer, path) is None)
    }


def snapshot(layer: Any) -> dict[Path, Any]:
    """Return copies of all arrays of real numbers in a layer."""
    return {path: np.array(value) for path, value in _reachable(layer) if is_real(value)}


def _reachable(layer: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the path and value of each array of real numbers, and each float, in a layer and all it contains."""
    seen: set[int] = set()

    def walk(owner: Any, path: Path) -> Iterator[tuple[Path, Any]]:
        if id(owner) in seen:
            return
        seen.add(id(owner))
        for key, value in _items(owner):
            if is_real(value) or type(value) is float:
                yield (*path, key), value
            elif not isinstance(value, NOT_SEARCHED):
                yield from walk(value, (*path, key))

    yield from walk(layer, ())


def _items(owner: Any) -> list[tuple[Any, Any]]:
    """Return what an object, a dict, a tuple or a list contains, by attribute, key or position."""
    if isinstance(owner, Mapping):
        return list(owner.items())
    if isinstance(owner, tuple | list):
        return list(enumerate(owner))
    kind = type(owner)
    if getattr(builtins, kind.__name__, None) is kind or kind.__module__.partition(".")[0] == "numpy":
        return []
    slots = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ()) if hasattr(owner, name)]
    of_class = [name for base in kind.__mro__ for name, value in vars(base).items() if is_real(value)]
    names = dict.fromkeys([*getattr(owner, "__dict__", {}), *slots, *of_class])
    return [(name, getattr(owner, name)) for name in names]


def _get(layer: Any, path: Path) -> Any:
    """Return what lies at a path, or MISSING."""
    for key in path:
        if isinstance(layer, Mapping):
            layer = layer.get(key, MISSING)
        elif isinstance(layer, tuple | list):
            layer = layer[key] if isinstance(key, int) and key < len(layer) else MISSING
        else:
            layer = getattr(layer, key, MISSING) if isinstance(key, str) else MISSING
        if layer is MISSING:
            return MISSING
    return layer


def _set(layer: Any, path: Path, value: Any) -> None:
    owner = _get(layer, path[:-1])
    if isinstance(owner, dict | list):
        owner[path[-1]] = value
    else:
        setattr(owner, path[-1], value)


def _name(path: Path) -> str:
    """Return the name of a parameter, without the names of the dicts and attributes that hold it alone."""
    hidden = {"params", "parameters", "data", "value", "array"}
    return ".".join(str(key) for key in path if key not in hidden) or ".".join(map(str, path))


def is_real(value: Any) -> bool:
    """True for a NumPy array of real numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _no_gradient(layer: Any, names: list[str]) -> ConfigError:
    return ConfigError(
        f"{class_name(layer)} has {join_choices(names, 40)} and no gradient beside, such as d{shorten(names[0], 20)}; "
        "if some are constants, name the parameters: parameters=('W', 'b'), {'W': 'its gradient'} or ()"
    )


def class_name(layer: Any) -> str:
    """Return the name of a layer's class, for messages."""
    return shorten(type(layer).__name__, 30)
