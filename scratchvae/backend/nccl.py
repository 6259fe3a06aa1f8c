"""Sums over the GPUs of several processes, by NCCL, NVIDIA's library of collective operations."""

from __future__ import annotations

from typing import Any

from scratchvae.backend.backends import Array


def find_nccl(array: Array) -> Any:
    """CuPy's module of NCCL for an array of a GPU; None where CuPy was built without it, and for other arrays."""
    if type(array).__module__.partition(".")[0] != "cupy":
        return None
    try:
        from cupy.cuda import nccl
    except ImportError:
        return None
    return nccl if getattr(nccl, "available", True) else None


class NCCLSum:
    """Sums in place over the current devices of `size` processes. All must make one, and call it in the same order.

    nccl        the module
    unique_id   what `nccl.get_unique_id` returned in one of them
    """

    def __init__(self, nccl: Any, size: int, unique_id: Any, rank: int) -> None:
        self._nccl = nccl
        self._communicator = nccl.NcclCommunicator(size, unique_id, rank)

    def __call__(self, array: Any) -> Any:
        """Begin to sum an array of float32 or float64; return the event that records the end."""
        import cupy

        dtype = self._nccl.NCCL_FLOAT64 if array.dtype.itemsize == 8 else self._nccl.NCCL_FLOAT32
        stream = cupy.cuda.get_current_stream()
        self._communicator.allReduce(array.data.ptr, array.data.ptr, array.size, dtype, self._nccl.NCCL_SUM, stream.ptr)
        event = cupy.cuda.Event(disable_timing=True)
        event.record(stream)
        return event
