"""A group of processes that trains one model: the rows of each, sums over all, and errors that end all."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from scratchvae.backend import Array, Backend, get_backend
from scratchvae.errors import ConfigError, CopyError, ProcessError
from scratchvae.parallel.devices import make_device_sum, require_own_devices, use_device
from scratchvae.parallel.failure import abort_on_error, leave_together
from scratchvae.parallel.messages import Messages
from scratchvae.validation import check_positive, short_repr, shorten

T = TypeVar("T")
TIMEOUT = 300.0  # seconds: longer than the validation, or the writing of a checkpoint, for which the others wait


class Part(NamedTuple):
    """The rows of a batch that a process computes.

    rows     where they are in the batch; at least one row, so that each process takes part in each sum
    weight   their number, divided by that of the batch; 0 if the batch has fewer rows than there are processes, and
             this one computes a row of another
    """

    rows: slice
    weight: float


LONGEST = 70  # characters of a value in a message
SAME = "start all processes with the same version, data and settings"
WHOLE = Part(slice(None), 1.0)


def whole(rows: int) -> Part:
    """The part of the only process: all rows."""
    return WHOLE


class ProcessGroup:
    """The processes of an MPI communicator, which train one model on the same data.

        group = ProcessGroup(MPI.COMM_WORLD, timeout=60)
        Trainer(model, comm=group).fit(images, 10)  # in each process

    comm      a communicator of mpi4py
    timeout   seconds after which a process that waits for the others raises ProcessError

    Each process computes its part of the rows of a batch of B rows. With the mean gradient g_r of the B_r rows of
    process r, the gradient of the batch is Σ_r (B_r/B) g_r: `mean` computes it. It adds in the dtype of the model. A
    sum of n numbers is then as exact as their own rounding to this dtype, and a message is half as long as in float64.

    If a process of several ends by an exception that nobody catches, it prints the exception and ends all of them.
    Raises ConfigError.
    """

    def __init__(self, comm: Any, timeout: float = TIMEOUT) -> None:
        check_communicator(comm)
        self.comm = comm
        self._messages = Messages(comm, check_positive("timeout", timeout))
        self._device_sum: Callable[[Array], None] | None = None
        self.rank, self.size = self._messages.rank, self._messages.size
        if self.size > 1:
            abort_on_error(self._messages)

    def __repr__(self) -> str:
        return f"<ProcessGroup: process {self.rank} of {self.size}, timeout={self.timeout:g}>"

    def __deepcopy__(self, memo: Any) -> ProcessGroup:
        return self

    def __reduce__(self) -> NoReturn:
        raise CopyError("a ProcessGroup cannot be pickled, nor can a trainer with comm=: save the model by sv.save")

    @property
    def timeout(self) -> float:
        """The seconds after which a process that waits for the others raises ProcessError."""
        return self._messages.timeout

    @timeout.setter
    def timeout(self, value: float) -> None:
        self._messages.timeout = check_positive("timeout", value)

    @property
    def is_root(self) -> bool:
        """True in the process that prints and writes files: the first one."""
        return self.rank == 0

    # --- rows

    # Process r has the rows ⌊r B/n⌋ … ⌊(r + 1) B/n⌋ − 1 of a batch: the numbers of rows differ by at most one.
    def part(self, rows: int) -> Part:
        """The part of this process of a batch of `rows` rows."""
        start, stop = (rank * rows // self.size for rank in (self.rank, self.rank + 1))
        return Part(slice(start, stop), (stop - start) / rows) if start < stop else Part(slice(0, 1), 0.0)

    # --- sums

    def sum(self, array: Array) -> None:
        """Replace an array on the host or a device by its sum over the processes, the same bits in all."""
        if isinstance(array, np.ndarray):
            self._messages.sum(array)
            return
        if self._device_sum is None:
            self._device_sum = make_device_sum(self._messages, array)
        self._device_sum(array)

    def mean(self, array: Array, weight: float, together: bool = False) -> None:
        """Replace the mean over the rows of this process by that over the rows of all: Σ_r w_r m_r.

        together   this is inside the context `together`, in which another process may have failed before
        """
        if together:
            self.raise_first(None)
        if weight == 0.0:
            array.fill(0.0)
        elif weight != 1.0:
            array *= weight
        self.sum(array)

    # --- agreement

    @contextmanager
    def together(self) -> Iterator[None]:
        """A context that ends in all processes in the same way: an exception in one of them is raised by all.

        All must enter it. Inside, only `together`, `root_value` and `require_same` may wait for other processes.
        """
        try:
            yield
        except Exception as error:
            if not getattr(error, "raised_by_all", False):
                self.raise_first(error)
            raise
        self.raise_first(None)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A context in which the others wait for this process: if it calls sys.exit, all end."""
        try:
            yield
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
            message = f"process {self.rank} of {self.size} has called sys.exit in training, which ends all processes"
            leave_together(lambda: print(message, file=sys.stderr), code)
            raise

    def raise_first(self, error: Exception | None) -> None:
        """Raise the error of the first process that has one, in all processes; return if none has."""
        first = self._messages.lowest(self.size if error is None else self.rank)
        if first == self.size:
            return
        if self.rank == first:
            assert error is not None
            self._messages.broadcast(_picklable(error, self.rank), first)
            raise _marked(error)
        raise _marked(self._messages.broadcast(None, first))

    def root_value(self, function: Callable[[], T]) -> T:
        """The result of a function that only the first process calls, in all; an exception is raised by all."""
        value: Any = None
        with self.together():
            if self.is_root:
                value = function()
        result: T = self._messages.broadcast(value, 0)
        return result

    def first_value(self, value: T) -> T:
        """The value of the first process whose value is true, in all; that of each if all are false."""
        first = self._messages.lowest(self.rank if value else self.size)
        result: T = value if first == self.size else self._messages.broadcast(value, first)
        return result

    def require_same_versions(self) -> None:
        """Raise ConfigError in all processes unless all have the same versions of this package and of NumPy."""
        self.require_same({"scratchvae": sys.modules["scratchvae"].__version__, "numpy": np.__version__})

    def require_same(self, values: dict[str, Any], hint: str = SAME, error: type[Exception] = ConfigError) -> None:
        """Raise `error` in all processes, with the first difference, unless all have the same values by name."""
        with self.together():  # one that has failed before has no values
            pass
        all_values = self._messages.gather({name: repr(value) for name, value in values.items()})
        first = all_values[0]
        for rank, other in enumerate(all_values):
            for name in {**first, **other}:
                if other.get(name) != first.get(name):
                    its, expected = (shorten(each.get(name, "missing"), LONGEST) for each in (other, first))
                    raise _marked(
                        error(f"process {rank} differs from process 0 in {name}: {its}, not {expected}; {hint}")
                    )

    # --- devices

    def use_device(self, backend: str | Backend) -> None:
        """Make a GPU of this machine the current one, another for each process. Call it before the model is made.

        Raises ConfigError if there are more processes than GPUs, BackendError.
        """
        use_device(self._messages, get_backend(backend), self.machine)

    def require_own_devices(self, backend: Backend) -> None:
        """Raise ConfigError in all processes if two of them use the same GPU."""
        require_own_devices(self._messages, backend, self.machine)

    @property
    def machine(self) -> str:
        """The name of the machine of this process."""
        return self._messages.machine

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in their order, in each of them."""
        return self._messages.gather(value)


def process_group(comm: Any) -> ProcessGroup | None:
    """The group of a communicator, or None without one. Raises ConfigError."""
    return comm if comm is None or isinstance(comm, ProcessGroup) else ProcessGroup(comm)


def check_communicator(comm: Any) -> None:
    """Raises ConfigError unless `comm` is a communicator of mpi4py, within one group of processes."""
    if type(comm).__module__.partition(".")[0] == "mpi4py":
        from mpi4py import MPI

        if isinstance(comm, MPI.Intracomm) and comm != MPI.COMM_NULL:
            return
    raise ConfigError(
        f"comm={short_repr(comm)}: expected a communicator of mpi4py, such as MPI.COMM_WORLD, or a ProcessGroup"
    )


def _picklable(error: Exception, rank: int) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # of a class with arguments of its own
        return ProcessError(f"process {rank} ended: {type(error).__name__}: {error}")
    return error


def _marked(error: Exception) -> Exception:
    error.raised_by_all = True  # type: ignore[attr-defined]
    return error
