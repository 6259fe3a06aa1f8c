"""How a bug is planted, and how it is looked for."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np

from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.verification.checked_modules import CHECKED_MODULES
from scratchvae.verification.checks import CHECKS, failure_messages
from scratchvae.verification.comparison import FINITE_DIFFERENCE, compare_many
from scratchvae.verification.oracles import get_oracle


class Patch(NamedTuple):
    """In a method of the class `owner`, `wrong` in the place of `right`, which must stand there once."""

    owner: type
    method: str
    right: str
    wrong: str


class KnownBug(NamedTuple):
    """A bug, and the names of the checks that must catch it, and of those that it is known to get past.

    A name is that of a check, such as "draws: variance", or of a piece and an oracle, such as "Linear by autograd".
    """

    number: int
    title: str
    why_unnoticed: str
    patches: tuple[Patch, ...]
    caught_by: tuple[str, ...]
    missed_by: tuple[str, ...] = ()


@contextmanager
def inject_bug(exhibit: KnownBug) -> Iterator[None]:
    """The package with the bug in it. Raises ConfigError if the code has changed and the bug no longer fits."""
    places = {(patch.owner, patch.method) for patch in exhibit.patches}
    originals = {place: vars(place[0])[place[1]] for place in places}
    try:
        for (owner, method), original in originals.items():
            patches = [patch for patch in exhibit.patches if (patch.owner, patch.method) == (owner, method)]
            setattr(owner, method, _patched(original, patches))
        yield
    finally:
        for (owner, method), original in originals.items():
            setattr(owner, method, original)


def _patched(method: Any, patches: list[Patch]) -> Any:
    source = dedent(inspect.getsource(method))
    for patch in patches:
        if source.count(patch.right) != 1:
            raise ConfigError(f"{method.__qualname__} does not have once: {patch.right}")
        source = source.replace(patch.right, patch.wrong)
    made: dict[str, Any] = {}
    code = compile(f"from __future__ import annotations\n{source}", f"<a bug in {method.__qualname__}>", "exec")
    exec(code, vars(sys.modules[method.__module__]), made)
    return made[method.__name__]


def failure_message(name: str, seed: int = 0) -> str:
    """What the check of that name complains of now; empty if of nothing."""
    try:
        with np.errstate(all="ignore"):
            return _complaint(name, seed)
    except (RangeError, ShapeError, DTypeError) as refusal:  # of what the planted code gave
        return str(refusal)


def _complaint(name: str, seed: int) -> str:
    if name in CHECKS:
        return "; ".join(failure_messages(CHECKS[name].measure(seed)))
    subject, _, by = name.partition(" by ")
    finding = compare_many(CHECKED_MODULES[subject], None if by == FINITE_DIFFERENCE else get_oracle(by), seed)
    if finding is None:
        raise ConfigError(f"{subject} has no gradient to hold against {by}; name an oracle")
    return "; ".join(f"{of} {said}" for of, said in finding.failures.items())
