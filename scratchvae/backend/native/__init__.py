"""The kernels of the backend "native": C++ over NumPy arrays, compiled on this machine.

The two classes have the interface of CuPy's ElementwiseKernel and ReductionKernel, so that a kernel written for the GPU
also runs on the CPU: one pass over memory instead of several. `Windows` is for convolutions, on the CPU alone.
"""

from scratchvae.backend.native.compiler import find_compiler
from scratchvae.backend.native.kernels import ElementwiseKernel, ReductionKernel
from scratchvae.backend.native.pool import Pool, PooledNumPy, PoolOfProcess, get_pool
from scratchvae.backend.native.windows import Windows

__all__ = [
    "ElementwiseKernel",
    "Pool",
    "PoolOfProcess",
    "PooledNumPy",
    "ReductionKernel",
    "Windows",
    "find_compiler",
    "get_pool",
]
