"""Backends: NumPy, NumPy with compiled kernels, or CuPy, chosen per model at run time."""

from scratchvae.backend.backends import FORK_ERROR, NUMPY, Array, Backend, backend_of, get_backend, to_numpy
from scratchvae.backend.device_errors import to_backend_error, translate_device_errors
from scratchvae.backend.nccl import NCCLSum, find_nccl

__all__ = [
    "FORK_ERROR",
    "NUMPY",
    "Array",
    "Backend",
    "NCCLSum",
    "backend_of",
    "find_nccl",
    "get_backend",
    "to_backend_error",
    "to_numpy",
    "translate_device_errors",
]
