"""Where numbers live: one flat vector with named views, and batch buffers that are bound once."""

from scratchvae.memory.aligned import aligned
from scratchvae.memory.batch import BatchBuffers
from scratchvae.memory.flat import FlatVector, require_vector
from scratchvae.memory.host_to_device import HostToDeviceBuffer
from scratchvae.memory.module import Module, Shape, arguments_of, check_methods, required
from scratchvae.memory.row_reader import RowReader
from scratchvae.memory.writable import require_writable

__all__ = [
    "BatchBuffers",
    "FlatVector",
    "HostToDeviceBuffer",
    "Module",
    "RowReader",
    "Shape",
    "aligned",
    "arguments_of",
    "check_methods",
    "require_vector",
    "require_writable",
    "required",
]
