"""Oracles: independent implementations of the formulas, differentiated by an automatic differentiation library.

The `autograd` oracle writes out each formula; `torch` and `jax` use the functions of those libraries. The package must
agree with all three.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from scratchvae.errors import ConfigError
from scratchvae.validation import check_choice
from scratchvae.verification.oracles.oracle import AdamSettings, Oracle

__all__ = ["ORACLES", "AdamSettings", "Oracle", "get_oracle", "install_hint"]

ORACLES = ("autograd", "torch", "jax")


def install_hint(name: str) -> str | None:
    """Return how to install the library of an oracle; None if it is installed. Raises ConfigError."""
    check_choice("oracle", name, ORACLES)
    if find_spec(name) is not None:
        return None
    return f"{name} is not installed; pip install 'scratchvae[oracles]'"


def get_oracle(name: str) -> Oracle:
    """Return the oracle of that name. Raises ConfigError."""
    reason = install_hint(name)
    if reason is not None:
        raise ConfigError(f"oracle={name!r}: {reason}")
    oracle: Oracle = import_module(f"scratchvae.verification.oracles.{name}").ORACLE
    return oracle
