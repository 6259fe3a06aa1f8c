"""Where numbers live: one flat vector with named views, and batch buffers that are bound once."""

from scratchvae.memory.aligned import aligned
from scratchvae.memory.batch import BatchBuffers
from scratchvae.memory.flat import FlatVector, require_vector
from scratchvae.memory.landing import Landing
from scratchvae.memory.module import Module, Shape, arguments_of, check_methods, required
from scratchvae.memory.rows import Rows
from scratchvae.memory.writable import require_writable

__all__ = [
    "BatchBuffers",
    "FlatVector",
    "Landing",
    "Module",
    "Rows",
    "Shape",
    "aligned",
    "arguments_of",
    "check_methods",
    "require_vector",
    "require_writable",
    "required",
]
