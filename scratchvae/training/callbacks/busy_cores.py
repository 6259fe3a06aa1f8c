"""A warning of cores that are busy with other work, on which several threads are slower than one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from scratchvae.errors import BusyCoresWarning
from scratchvae.training.callback import Callback
from scratchvae.training.state import TrainingState

SECONDS = 2.0  # of computing and waiting for a core, before the share of the waiting is judged
SHARE = 0.25


class CoreTime(NamedTuple):
    """The seconds for which this thread has computed, and for which it was ready to and waited for a core."""

    computing: float
    waiting: float

    @classmethod
    def now(cls) -> CoreTime | None:
        """Those since the thread began; None where the system does not tell: on others than Linux."""
        try:
            computing, waiting = map(int, Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[:2])
        except (OSError, ValueError):
            return None
        return cls(computing * 1e-9, waiting * 1e-9)


class BusyCoresDetector(Callback):
    """Issues a BusyCoresWarning, once per training, if the threads of the matrix products wait for cores.

    On the backend "numpy", OpenBLAS computes a product in several threads, each of which waits for all others. If the
    system has given the core of one of them to another process, all stand still for its time slice, which is as long
    as a hundred products: a step can take ten times as long as in a single thread.
    """

    _threads = 1
    _since: CoreTime | None = None

    def on_fit_begin(self, state: TrainingState) -> None:
        """Read the number of threads, and the times so far."""
        self._threads, self._since = 1, CoreTime.now()
        if state.model.backend.name == "numpy" and self._since is not None:
            from scratchvae.backend.openblas import find_openblas  # ctypes is slow to import

            blas = find_openblas()
            self._threads = 1 if blas is None else blas.get_num_threads()

    def on_epoch_end(self, state: TrainingState) -> None:
        """Warn if this thread has waited for too large a share of the time since training began."""
        now = CoreTime.now() if self._threads > 1 else None
        if now is None or self._since is None:
            return
        waiting = now.waiting - self._since.waiting
        total = now.computing - self._since.computing + waiting
        if total >= SECONDS and waiting > SHARE * total:
            self._since = None
            state.warn(
                f"other work keeps the cores busy: training waited for a core {waiting / total:.0%} of the time, and "
                f"OpenBLAS's {self._threads} threads for each other. Set OPENBLAS_NUM_THREADS=1, or use "
                "backend='native' (--backend native)",
                BusyCoresWarning,
            )
