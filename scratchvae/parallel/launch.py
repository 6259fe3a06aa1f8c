"""Programs that are started by mpiexec: how many processes there are, and the cores of each."""

from __future__ import annotations

import os
from collections.abc import Mapping

from scratchvae.backend.cores import available_cores
from scratchvae.errors import ConfigError
from scratchvae.parallel.process_group import TIMEOUT, ProcessGroup

# The number of processes, as MPICH and its relatives, Open MPI, MVAPICH and Slurm's srun tell it to each.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")
THREADS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")  # that OpenBLAS reads


def launched_processes(environment: Mapping[str, str] = os.environ) -> int:
    """The number of processes of which this is one, by the variables that mpiexec sets; 1 without it."""
    sizes = (environment.get(name, "") for name in SIZES)
    return max((int(size) for size in sizes if size.isdecimal()), default=1)


def launched_rank(environment: Mapping[str, str] = os.environ) -> int:
    """The number of this process among those, counted from 0."""
    ranks = (environment.get(name, "") for name in RANKS)
    return next((int(rank) for rank in ranks if rank.isdecimal()), 0)


def mpi_group(timeout: float = TIMEOUT) -> ProcessGroup | None:
    """The group of all processes that mpiexec has started; None if that is one. Raises ConfigError."""
    launched = launched_processes()
    if launched < 2:
        return None
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # mpi4py raises RuntimeError if it finds no MPI
        raise ConfigError(
            f"mpiexec has started {launched} processes, which need mpi4py ({type(error).__name__}: {error}); install "
            "it with  pip install 'scratchvae[mpi]'  or leave mpiexec out"
        ) from None
    size = MPI.COMM_WORLD.Get_size()
    if size != launched:
        raise ConfigError(
            f"mpiexec has started {launched} processes, and mpi4py finds {size}: it is of another MPI than mpiexec; "
            "use the mpiexec of the MPI that mpi4py was made for"
        )
    return ProcessGroup(MPI.COMM_WORLD, timeout)


def share_cores(group: ProcessGroup) -> None:
    """Let OpenBLAS use the part of this machine's cores that belongs to this process, unless the user has set it.

    Each process would otherwise use all cores, and its threads would wait for those of the others.
    """
    from scratchvae.backend.openblas import find_openblas  # ctypes is slow to import

    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    sharing = group.gather((group.machine, cores)).count((group.machine, cores))
    blas = find_openblas()
    if blas is not None and not any(os.environ.get(name) for name in THREADS):
        blas.set_num_threads(max(1, min(blas.get_num_threads(), available_cores() // sharing)))
