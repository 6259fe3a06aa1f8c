"""The device: NumPy, NumPy with compiled kernels, or CuPy, chosen per model at run time."""

from scratchvae.backend.backends import FORKED, NUMPY, Array, Backend, backend_of, get_backend, to_numpy
from scratchvae.backend.device_errors import guarded, translate_device_error, translate_device_errors

__all__ = [
    "FORKED",
    "NUMPY",
    "Array",
    "Backend",
    "backend_of",
    "get_backend",
    "guarded",
    "to_numpy",
    "translate_device_error",
    "translate_device_errors",
]
