"""Independent implementations to hold ours against: the formulas, differentiated by somebody else's library.

`autograd` writes each formula out; `torch` and `jax` use the functions that those libraries have for it, so that three
implementations by other hands must agree with ours.
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
    """What to do for an oracle whose library is not installed; None if it is."""
    check_choice("oracle", name, ORACLES)
    if find_spec(name) is not None:
        return None
    return f"{name} is not installed; pip install 'scratchvae[oracles]'"


def get_oracle(name: str) -> Oracle:
    """The oracle of that name. Raises ConfigError."""
    reason = install_hint(name)
    if reason is not None:
        raise ConfigError(f"oracle={name!r}: {reason}")
    oracle: Oracle = import_module(f"scratchvae.verification.oracles.{name}").ORACLE
    return oracle
