"""The bug museum: real bugs of real VAEs, each to be planted into this one, and what catches it.

Each was found in a public from-scratch VAE or in a well-known library. An exhibit changes a line or two of a method of
this package for as long as it is shown; the checks then run as they always do.
"""

from scratchvae.verification.museum.known_bug import KnownBug, Patch, complaint_of, planted
from scratchvae.verification.museum.pieces import IN_PIECES
from scratchvae.verification.museum.wiring import IN_WIRING

__all__ = ["KNOWN_BUGS", "NOT_YET", "KnownBug", "Patch", "complaint_of", "planted"]

KNOWN_BUGS: tuple[KnownBug, ...] = tuple(sorted((*IN_PIECES, *IN_WIRING), key=lambda exhibit: exhibit.number))

# Nothing in the package can have these yet.
NOT_YET: dict[int, str] = {}
