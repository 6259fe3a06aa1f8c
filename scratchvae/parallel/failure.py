"""The end of a process of several that has failed: what it prints, and the end of the others.

A process that ends by itself would leave the others waiting for it. So it ends them too, by MPI_Abort, unless all of
them have failed within a second, by the same mistake of the user, say: then the first one prints it, and each ends as a
process without MPI does. mpiexec ends all if a process is killed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from scratchvae.parallel.messages import Messages

WAIT = 1.0  # seconds for which a process that has failed waits for the others to fail too
TURN = 0.1  # seconds by which the next process waits longer: of those that have failed, the first one ends all
LONGEST_WAIT = 6.0
CODE = 1  # the exit code of a script that ends by an exception
_failures: Messages | None = None  # of the largest group so far, on a communicator for nothing but `leave_together`
_group: Messages | None = None


def abort_on_error(group: Messages) -> None:
    """From now on, an exception that ends this process ends all processes of the group."""
    global _failures, _group
    if _group is not None and _group.size >= group.size:
        return
    first = _group is None
    comm, request = group.comm.Idup()
    group.wait(request)
    _group, _failures = group, Messages(comm, group.timeout)
    if first:
        show = sys.excepthook

        def end_all(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
            leave_together(lambda: show(kind, error, traceback), CODE)

        sys.excepthook = end_all


def leave_together(show: Callable[[], Any], code: int) -> None:
    """End all processes after a failure of this one, which `show` prints, once for all that have failed likewise.

    It returns if there is no group, or if all have failed and can end by themselves.
    """
    if _failures is None or _group is None:
        show()
        return
    pending = _group.pending  # MPI cannot be finished while a message is
    all_failed = _failures.wait(_failures.comm.Ibarrier(), min(WAIT + TURN * _failures.rank, LONGEST_WAIT))
    if _failures.rank == 0 or not all_failed:
        show()
    sys.stdout.flush()
    sys.stderr.flush()
    if pending or not all_failed:
        _failures.comm.Abort(code)
