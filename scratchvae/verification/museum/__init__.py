"""The bug museum: real bugs of real VAEs, each to be planted into this one, and what catches it.

Each was found in a public from-scratch VAE or in a well-known library. An exhibit changes a line or two of a method of
this package for as long as it is shown; the checks then run as they always do.
"""

from scratchvae.verification.museum.formula_bugs import FORMULA_BUGS
from scratchvae.verification.museum.known_bug import KnownBug, Patch, failure_message, inject_bug
from scratchvae.verification.museum.wiring_bugs import WIRING_BUGS

__all__ = ["KNOWN_BUGS", "NOT_APPLICABLE", "KnownBug", "Patch", "failure_message", "inject_bug"]

KNOWN_BUGS: tuple[KnownBug, ...] = tuple(sorted((*FORMULA_BUGS, *WIRING_BUGS), key=lambda exhibit: exhibit.number))

# Nothing in the package can have these yet.
NOT_APPLICABLE: dict[int, str] = {}
