"""The parameters of an estimator, as scikit-learn reads and sets them."""

from __future__ import annotations

import inspect
import sys
from typing import Any, TypeVar

import numpy as np

from scratchvae.errors import ConfigError, NotFittedError
from scratchvae.validation import check_seed, short_repr

P = TypeVar("P", bound="Parameters")


class Parameters:
    """An object whose arguments of `__init__` are its parameters, stored unchanged under their own names.

    They are checked by `fit`, because scikit-learn sets them at any time.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name. No parameter has parameters of its own, so that `deep` changes nothing."""
        return {name: getattr(self, name) for name in sorted(_defaults(type(self)))}

    def set_params(self: P, **params: Any) -> P:
        """Set parameters by name, and return the estimator. Raises ConfigError for an unknown name."""
        names = sorted(_defaults(type(self)))
        if unknown := [name for name in params if name not in names]:
            raise ConfigError(
                f"Invalid parameter {unknown[0]!r} for {type(self).__name__}; expected one of {', '.join(names)}"
            )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = [
            f"{name}={short_repr(getattr(self, name))}"
            for name, default in _defaults(type(self)).items()
            if repr(getattr(self, name)) != repr(default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


def _defaults(kind: type) -> dict[str, Any]:
    parameters = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    return {name: parameter.default for name, parameter in parameters.items() if name != "self"}


def seed_of(random_state: Any) -> int:
    """A seed from what scikit-learn accepts: a whole number, a RandomState, a Generator, or None for another each time.

    Raises ConfigError.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    return check_seed(random_state, "random_state")


def not_fitted(estimator: str) -> NotFittedError:
    """The error of an estimator of this class before `fit`; it is one of scikit-learn's too, if that is loaded."""
    message = f"This {estimator} instance is not fitted yet: call fit first"
    exceptions = sys.modules.get("sklearn.exceptions")
    if exceptions is None:
        return NotFittedError(message)
    reduce = {"__reduce__": lambda _: (not_fitted, (estimator,))}
    return type("NotFittedError", (NotFittedError, exceptions.NotFittedError), reduce)(message)  # type: ignore[no-any-return]
