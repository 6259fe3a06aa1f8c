"""Where numbers live: one flat vector with named views, and batch buffers that are bound once."""

from scratchvae.memory.aligned import aligned
from scratchvae.memory.batch import BatchBuffers
from scratchvae.memory.flat import FlatVector, require_vector
from scratchvae.memory.fused import fuse, twin_of
from scratchvae.memory.landing import Landing
from scratchvae.memory.rows import Rows
from scratchvae.memory.unit import Unit
from scratchvae.memory.writable import require_writable

__all__ = [
    "BatchBuffers",
    "FlatVector",
    "Landing",
    "Rows",
    "Unit",
    "aligned",
    "fuse",
    "require_vector",
    "require_writable",
    "twin_of",
]
