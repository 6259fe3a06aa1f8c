"""The processes of a command that mpiexec has started: `train` uses them all, the other commands are for one."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO, TypeVar

from scratchvae.cli.options import refuse
from scratchvae.errors import ConfigError
from scratchvae.parallel import ProcessGroup, launched_processes, launched_rank, leave_together, mpi_group, share_cores

T = TypeVar("T")
COMMAND = "train"  # the only command of several processes


class Discarded(io.TextIOBase):
    """A stream that discards all text."""

    def write(self, text: str) -> int:
        """The number of characters."""
        return len(text)


class Processes:
    """The processes that mpiexec has started for this command; the first one alone prints.

    group   their `ProcessGroup`, after `join`; None for a single process
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.group: ProcessGroup | None = None
        self.launched = launched_processes(environment)
        self._stderr = sys.stderr
        if self.launched > 1 and launched_rank(environment) > 0:
            sys.stdout = sys.stderr = Discarded()

    @property
    def is_first(self) -> bool:
        """True in the process that prints and writes files."""
        return self.group is None or self.group.is_root

    def join(self, command: str) -> None:
        """Make the group, if there are several processes. Raises ConfigError for another command than `train`."""
        if self.launched > 1 and command != COMMAND:
            raise ConfigError(
                f"mpiexec has started {self.launched} processes, and only {COMMAND} uses several; leave mpiexec out"
            )
        self.group = mpi_group()

    def prepare(self, args: argparse.Namespace) -> ProcessGroup | None:
        """Give each process its cores, its GPU and --mpi-timeout; return the group. Raises ConfigError."""
        if self.group is None:
            refuse(args, "in a single process: leave it out, or start several by mpiexec", "mpi-timeout")
            return None
        share_cores(self.group)
        self.group.use_device(args.backend)
        if hasattr(args, "mpi_timeout"):
            self.group.timeout = args.mpi_timeout
        return self.group

    def on_first(self, function: Callable[[], T]) -> T:
        """The result of a function that the first process calls; an exception is raised by all."""
        return function() if self.group is None else self.group.root_value(function)

    def fail(self, show: Callable[[TextIO], None], code: int) -> None:
        """End all processes after a failure of this one, which `show` prints to a stream."""
        if self.group is None:
            show(sys.stderr)
        else:
            leave_together(lambda: show(self._stderr), code)
