"""The bug museum: real bugs of published VAEs, to be injected into this package, and the checks that detect each.

Each bug was found in a public from-scratch VAE or in a well-known library. `inject_bug` temporarily changes a few lines
of a method of this package; the checks then run unchanged.
"""

from scratchvae.verification.museum.formula_bugs import FORMULA_BUGS
from scratchvae.verification.museum.known_bug import KnownBug, Patch, failure_message, inject_bug
from scratchvae.verification.museum.wiring_bugs import WIRING_BUGS

__all__ = ["KNOWN_BUGS", "NOT_APPLICABLE", "KnownBug", "Patch", "failure_message", "inject_bug"]

KNOWN_BUGS: tuple[KnownBug, ...] = tuple(sorted((*FORMULA_BUGS, *WIRING_BUGS), key=lambda bug: bug.number))

# By number: bugs of the list that do not apply to this package, and why. There is none at present.
NOT_APPLICABLE: dict[int, str] = {}
