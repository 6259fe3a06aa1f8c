"""Messages between the processes of a communicator, with a limit to the time that a process waits for the others.

Only the operations of MPI that do not block are used, so that a process can look at the clock, and Python can handle
Ctrl-C, while it waits. A wait that keeps asking costs no more than one of MPI, which keeps asking too.
"""

from __future__ import annotations

import os
import pickle
import time
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ProcessError

CHUNK = 2**30  # bytes of one message: the counts of MPI before version 4 have 31 bits
yield_core = getattr(os, "sched_yield", lambda: time.sleep(0))  # to another process that waits for this core


class Messages:
    """The collective operations of a communicator of mpi4py. Each must be called by all processes, in the same order.

    timeout   seconds after which a process that waits for the others raises ProcessError
    pending   True while the others have not answered, and after a timeout
    """

    def __init__(self, comm: Any, timeout: float) -> None:
        from mpi4py import MPI

        self._mpi, self.comm, self.timeout = MPI, comm, timeout
        self.rank, self.size = int(comm.Get_rank()), int(comm.Get_size())
        self.machine = str(MPI.Get_processor_name())
        self.pending = False

    def wait(self, request: Any, timeout: float | None = None) -> bool:
        """Wait until a request is complete; with a `timeout` of its own, return False when that has passed."""
        limit = self.timeout if timeout is None else timeout
        self.pending, deadline = True, time.monotonic() + limit
        while not request.Test():
            if time.monotonic() > deadline:
                if timeout is not None:
                    return False
                raise ProcessError(self.stalled())
            yield_core()
        self.pending = False
        return True

    def stalled(self) -> str:
        """The message after a timeout."""
        return (
            f"process {self.rank} of {self.size} has waited {self.timeout:g} s for the others: one of them has stalled "
            "or ended, or the network has; resume from the last checkpoint, with a longer timeout if they were busy"
        )

    def sum(self, array: Array) -> None:
        """Replace an array in host memory by its sum over the processes, the same bits in all."""
        self.wait(self.comm.Iallreduce(self._mpi.IN_PLACE, array, self._mpi.SUM))

    def lowest(self, number: int) -> int:
        """The lowest of the numbers of all processes."""
        numbers = np.array([number], np.int64)
        self.wait(self.comm.Iallreduce(self._mpi.IN_PLACE, numbers, self._mpi.MIN))
        return int(numbers[0])

    def broadcast(self, value: Any, root: int) -> Any:
        """The value that process `root` has, a copy of it in the others."""
        packed = np.frombuffer(pickle.dumps(value) if self.rank == root else b"", np.uint8)
        length = np.array([len(packed)], np.int64)
        self.wait(self.comm.Ibcast(length, root))
        if self.rank != root:
            packed = np.empty(int(length[0]), np.uint8)
        for start in range(0, len(packed), CHUNK):
            self.wait(self.comm.Ibcast(packed[start : start + CHUNK], root))
        return value if self.rank == root else pickle.loads(packed.tobytes())

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in their order, in each of them."""
        return [self.broadcast(value, root) for root in range(self.size)]
