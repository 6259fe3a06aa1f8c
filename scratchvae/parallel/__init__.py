"""Several processes that train one model together, over MPI."""

from scratchvae.parallel.failure import abort_on_error, leave_together
from scratchvae.parallel.launch import launched_processes, launched_rank, mpi_group, share_cores
from scratchvae.parallel.process_group import WHOLE, Part, ProcessGroup, process_group, whole

__all__ = [
    "WHOLE",
    "Part",
    "ProcessGroup",
    "abort_on_error",
    "launched_processes",
    "launched_rank",
    "leave_together",
    "mpi_group",
    "process_group",
    "share_cores",
    "whole",
]
