"""The parameters of a layer, and their gradients, wherever the layer keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from scratchvae.errors import ConfigError
from scratchvae.validation import join_choices, short_repr, shorten

DICTS = (("params", "grads"), ("parameters", "gradients"))  # attributes that hold arrays by name
GRADIENT_NAMES = ("d{}", "grad_{}", "{}_grad", "d_{}", "g{}")


class _Slot(NamedTuple):
    """One parameter: where its array and the array of its gradient are."""

    owner: Any  # an object with attributes, or a dict
    key: str
    gradient_owner: Any
    gradient_key: str

    @property
    def value(self) -> Any:
        return _read(self.owner, self.key)

    @property
    def gradient(self) -> Any:
        return _read(self.gradient_owner, self.gradient_key)


class Parameters:
    """The parameters of a layer by name. Raises ConfigError if some are found without a gradient.

    A layer keeps its parameters in one of these ways:
        in dicts                    layer.params["W"] and layer.grads["W"]
        in attributes               layer.W and layer.dW, or layer.grad_W, layer.W_grad
        as a layer of scratchvae    parameter_shapes() lists them
        in layers inside it         an attribute that has a forward and a backward, or a list of them

    initial  copies of the parameters, in float64

    `given` names them where it keeps them in another way: {"W": "name of the attribute with its gradient"}.
    """

    def __init__(self, layer: Any, given: Mapping[str, str] | Sequence[str] | None, caches: set[str]) -> None:
        self.layer = layer
        self.own: dict[str, Any] = {}  # arrays in place of those of a layer of scratchvae
        self.gradients_of_own: dict[str, Any] = {}
        self.slots: dict[str, _Slot] = {}
        if given is not None:
            self.slots = dict(_given_slots(layer, given))
        elif _is_module(layer):
            self.own = {name: np.array(value, np.float64) for name, value in _module_arrays(layer)}
        else:
            self.slots = dict(_find_slots(layer, "", caches))
        self.initial = [*self.own.values(), *(np.array(slot.value, np.float64) for slot in self.slots.values())]

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
            array = slot.value
            if isinstance(array, np.ndarray) and array.ndim and array.flags.writeable:
                array[...] = value
            else:
                _write(slot.owner, slot.key, value)

    def gradients(self) -> list[Any]:
        """The gradients of the last backward."""
        return [*self.gradients_of_own.values(), *(slot.gradient for slot in self.slots.values())]


def _is_module(layer: Any) -> bool:
    return all(hasattr(layer, name) for name in ("bind_parameters", "own_parameters", "children"))


def _module_arrays(layer: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a layer of scratchvae and of the layers inside it, in NumPy."""
    for name in layer.own_parameters():
        array = getattr(layer, name)
        yield f"{prefix}{name}", array if isinstance(array, np.ndarray) else array.get()
    for name, child in layer.children().items():
        yield from _module_arrays(child, f"{prefix}{name}." if name else prefix)


def _given_slots(layer: Any, given: Mapping[str, str] | Sequence[str]) -> Iterator[tuple[str, _Slot]]:
    by_name = given if isinstance(given, Mapping) else {name: f"d{name}" for name in given}
    for name, gradient_name in by_name.items():
        if not isinstance(name, str) or not isinstance(gradient_name, str) or isinstance(given, str):
            raise ConfigError(
                f"parameters={short_repr(given)}: expected the names of attributes, such as ('W', 'b'), or of their "
                "gradients too, such as {'W': 'grad_W'}"
            )
        if not hasattr(layer, name):
            raise ConfigError(f"parameters: {_name_of(layer)} has no attribute {shorten(name, 40)}")
        yield name, _Slot(layer, name, layer, gradient_name)


def _find_slots(layer: Any, prefix: str, caches: set[str]) -> Iterator[tuple[str, _Slot]]:
    attributes = _attributes(layer)
    for params, grads in DICTS:
        owner, gradient_owner = attributes.get(params), attributes.get(grads)
        if isinstance(owner, Mapping) and isinstance(gradient_owner, Mapping):
            for name, array in owner.items():
                if not _is_real(array):
                    continue
                keys = [key for key in (name, f"d{name}") if key in gradient_owner]
                if not keys:
                    raise _no_gradient(layer, [str(name)], f"in {grads}")
                yield f"{prefix}{name}", _Slot(owner, name, gradient_owner, keys[0])
            return
    found, lonely = [], []
    for name, array in attributes.items():
        if f"{prefix}{name}" in caches or not _is_real(array) or _is_gradient(name, attributes):
            continue
        gradient_names = [pattern.format(name) for pattern in GRADIENT_NAMES if pattern.format(name) in attributes]
        if gradient_names:
            found.append((f"{prefix}{name}", _Slot(layer, name, layer, gradient_names[0])))
        else:
            lonely.append(name)
    if lonely:
        raise _no_gradient(layer, lonely, "beside them")
    yield from found
    for name, child in _children(attributes):
        yield from _find_slots(child, f"{prefix}{name}.", caches)


def changed_arrays(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Return the names of the arrays of `snapshot` that a forward has set: caches, not parameters."""
    return {
        name
        for name in after
        if name not in before or np.shape(before[name]) != np.shape(after[name]) or (before[name] != after[name]).any()
    }


def snapshot(layer: Any, prefix: str = "") -> dict[str, Any]:
    """Return copies of all arrays of real numbers among the attributes of a layer and of the layers inside it."""
    attributes = _attributes(layer)
    arrays = {f"{prefix}{name}": np.array(value) for name, value in attributes.items() if _is_real(value)}
    for name, child in _children(attributes):
        arrays |= snapshot(child, f"{prefix}{name}.")
    return arrays


def _children(attributes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in attributes.items():
        if _is_layer(value):
            yield name, value
        elif isinstance(value, tuple | list):
            yield from ((f"{name}.{k}", item) for k, item in enumerate(value) if _is_layer(item))


def _attributes(layer: Any) -> dict[str, Any]:
    return dict(vars(layer)) if hasattr(layer, "__dict__") else {}


def _is_layer(value: Any) -> bool:
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in ("forward", "backward"))


def _is_real(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _is_gradient(name: str, attributes: dict[str, Any]) -> bool:
    return any(pattern.format(other) == name for other in attributes for pattern in GRADIENT_NAMES)


def _no_gradient(layer: Any, names: list[str], where: str) -> ConfigError:
    listed = join_choices(names, 40)
    first = names[0]
    return ConfigError(
        f"{_name_of(layer)} has {listed} and no gradient {where}; keep it in d{first}, or in dicts params and grads, "
        f"or say which arrays are parameters: parameters={{'{first}': 'its gradient'}}, or parameters=()"
    )


def _name_of(layer: Any) -> str:
    return shorten(type(layer).__name__, 30)


def _read(owner: Any, key: str) -> Any:
    return owner.get(key) if isinstance(owner, Mapping) else getattr(owner, key, None)


def _write(owner: Any, key: str, value: Any) -> None:
    if isinstance(owner, dict):
        owner[key] = value
    else:
        setattr(owner, key, value)
