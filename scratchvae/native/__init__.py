"""NumPy, and C++ kernels made by this machine's own compiler: what the backend "native" computes with.

CuPy has kernels, NumPy has none. `module()` is NumPy with the two classes that CuPy has for them, so that a kernel that
is brought to a GPU comes to the CPU as well: one pass over memory in place of several.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from scratchvae.native.compiler import find_compiler
from scratchvae.native.kernels import ElementwiseKernel, ReductionKernel


@cache
def module() -> Any:
    """NumPy, with `ElementwiseKernel` and `ReductionKernel`. Raises BackendError where there is no compiler."""
    find_compiler()
    native = ModuleType("numpy_with_kernels")
    native.__dict__.update(vars(np), ElementwiseKernel=ElementwiseKernel, ReductionKernel=ReductionKernel)
    return native
