"""C++ kernels for NumPy's arrays, made by this machine's own compiler: what the backend "native" has besides NumPy.

CuPy has kernels, NumPy has none. Here are the two classes that CuPy has for them, so that a kernel written for a GPU
runs on the CPU as well: one pass over memory in place of several.
"""

from scratchvae.backend.native.compiler import find_compiler
from scratchvae.backend.native.kernels import ElementwiseKernel, ReductionKernel

__all__ = ["ElementwiseKernel", "ReductionKernel", "find_compiler"]
