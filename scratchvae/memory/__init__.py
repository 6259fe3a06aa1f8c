"""Memory: flat vectors with named views, batch buffers that are allocated once, and the base class `Module`."""

from scratchvae.memory.aligned import aligned
from scratchvae.memory.batch import BatchBuffers
from scratchvae.memory.flat import FlatVector, check_vector
from scratchvae.memory.host_to_device import HostToDeviceBuffer
from scratchvae.memory.module import (
    Module,
    Shape,
    arguments_of,
    check_methods,
    from_arguments,
    optional,
    output_shape_of,
    required,
)
from scratchvae.memory.writable import check_writable
from scratchvae.rows import RowReader

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
    "check_vector",
    "check_writable",
    "from_arguments",
    "optional",
    "output_shape_of",
    "required",
]
