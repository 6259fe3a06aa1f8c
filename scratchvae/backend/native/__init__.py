"""The kernels of the backend "native": C++ over NumPy arrays, compiled on this machine.

The two classes have the interface of CuPy's ElementwiseKernel and ReductionKernel, so that a kernel written for the GPU
also runs on the CPU: one pass over memory instead of several.
"""

from scratchvae.backend.native.compiler import find_compiler
from scratchvae.backend.native.kernels import ElementwiseKernel, ReductionKernel

__all__ = ["ElementwiseKernel", "ReductionKernel", "find_compiler"]
