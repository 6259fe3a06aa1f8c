"""The same model again: in another dtype, beside itself, or in another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from scratchvae.backend import Array, Backend, to_numpy
from scratchvae.models.synchronized import Synchronized, synchronized
from scratchvae.models.weights import Weights

C = TypeVar("C", bound="Copied")


class Copied(Synchronized, Weights):
    """A model whose copies share nothing with it: the same settings, weights and notes, and memory of their own.

    So `copy.copy`, `copy.deepcopy` and `pickle` do, of which the last is how `multiprocessing` brings a model to the
    processes that it starts: on the same backend there, by its name. What else was hung on the model stays behind.
    Never unpickle a file that you were given: that runs what is in it, and `scratchvae.load` does not.
    """

    config: dict[str, Any]
    notes: dict[str, Any]
    backend: Backend

    @synchronized
    def astype(self: C, dtype: str) -> C:
        """The same model, weights and notes, to compute in another dtype. Raises ConfigError."""
        other = type(self)(**{**self.config, "dtype": dtype}, backend=self.backend)  # type: ignore[call-arg]
        other.theta[...] = self.theta
        other.notes = dict(self.notes)
        return other

    @synchronized
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return again, (type(self), self.config, self.backend, to_numpy(self.theta).copy(), self.notes)


def again(kind: type[C], config: dict[str, Any], backend: Backend, theta: Array, notes: dict[str, Any]) -> C:
    """A model of these settings, weights (P,), which are copied, and notes."""
    model = kind(**config, backend=backend)  # type: ignore[call-arg]
    model.backend.copy_from_host(model.theta, theta)
    model.notes = dict(notes)
    return model
