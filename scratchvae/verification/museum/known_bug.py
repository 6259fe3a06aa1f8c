"""Inject known bugs, and run the checks by name."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np

from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.verification.cases import CASES
from scratchvae.verification.checks import CHECKS, failure_messages
from scratchvae.verification.comparison import FINITE_DIFFERENCE, compare_many
from scratchvae.verification.oracles import get_oracle


class Patch(NamedTuple):
    """A source change: in a method of the class `owner`, replace `right`, which must occur exactly once, by `wrong`."""

    owner: type
    method: str
    right: str
    wrong: str


class KnownBug(NamedTuple):
    """A bug that was found in real code.

    number          its number in the museum; variants of a bug, each a bug of its own, share a number
    title           what is wrong
    why_unnoticed   why ordinary training or testing does not reveal it
    patches         the source changes that inject it
    caught_by       names of the checks that must detect it
    missed_by       names of checks that cannot detect it

    The name of a check is a key of CHECKS, such as "draws: variance", or a verification case and an oracle, such as
    "Linear by autograd".
    """

    number: int
    title: str
    why_unnoticed: str
    patches: tuple[Patch, ...]
    caught_by: tuple[str, ...]
    missed_by: tuple[str, ...] = ()


@contextmanager
def inject_bug(bug: KnownBug) -> Iterator[None]:
    """Patch the package with the bug inside a `with` block. Raises ConfigError if a patch does not match the source."""
    methods = {(patch.owner, patch.method) for patch in bug.patches}
    originals = {(owner, method): vars(owner)[method] for owner, method in methods}
    try:
        for (owner, method), original in originals.items():
            patches = [patch for patch in bug.patches if (patch.owner, patch.method) == (owner, method)]
            setattr(owner, method, _patched(original, patches))
        yield
    finally:
        for (owner, method), original in originals.items():
            setattr(owner, method, original)


def _patched(method: Any, patches: list[Patch]) -> Any:
    source = dedent(inspect.getsource(method))
    for patch in patches:
        if source.count(patch.right) != 1:
            raise ConfigError(f"{method.__qualname__} does not contain exactly once: {patch.right}")
        source = source.replace(patch.right, patch.wrong)
    namespace: dict[str, Any] = {}
    code = compile(f"from __future__ import annotations\n{source}", f"<a bug in {method.__qualname__}>", "exec")
    exec(code, vars(sys.modules[method.__module__]), namespace)
    return namespace[method.__name__]


def failure_message(name: str, seed: int = 0) -> str:
    """Run the named check and return its failures as one message; empty if it passes."""
    try:
        with np.errstate(all="ignore"):
            return _failure_message(name, seed)
    except (RangeError, ShapeError, DTypeError) as error:  # the results of the patched code were rejected
        return str(error)


def _failure_message(name: str, seed: int) -> str:
    if name in CHECKS:
        return "; ".join(failure_messages(CHECKS[name].measure(seed)))
    module, _, oracle = name.partition(" by ")
    comparison = compare_many(CASES[module], None if oracle == FINITE_DIFFERENCE else get_oracle(oracle), seed)
    if comparison is None:
        raise ConfigError(f"{module} has no gradient to compare with finite differences; name an oracle")
    return "; ".join(f"{quantity} {text}" for quantity, text in comparison.failures.items())
