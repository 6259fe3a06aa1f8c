"""Whose turn it is to train a model: see `scratchvae.models.synchronized`. Guarded is what is wrapped here, too."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar

from scratchvae.backend import surviving
from scratchvae.errors import CopyError
from scratchvae.models import Model

F = TypeVar("F", bound=Callable[..., Any])


def one_step_at_a_time(step: F) -> F:
    """A trainer's method, which holds its model's lock while it runs. Raises BusyError while another thread fits."""

    @wraps(step)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.model.lock, surviving():
            self.model.require_no_other_fit()
            return step(self, *args, **kwargs)

    return call  # type: ignore[return-value]


def one_fit_at_a_time(fit: F) -> F:
    """A trainer's method, while which no other thread trains its model. Raises BusyError where one does."""

    @wraps(fit)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.model.fitting(), surviving():
            return fit(self, *args, **kwargs)

    return call  # type: ignore[return-value]


class Uncopied:
    """A trainer, which is bound to its model, whose weights a copy could not move."""

    model: Model

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise CopyError(
            f"a {type(self).__name__} can be neither copied nor sent to another process; copy its model, and make a "
            "trainer there, or let fit(checkpoint=…) write a file that training goes on from"
        )
