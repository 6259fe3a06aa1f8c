"""Programs in several processes, started by mpiexec."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MPIEXEC = shutil.which("mpiexec")
TIMEOUT = 120  # seconds, on a busy machine
needs_mpi4py = pytest.mark.skipif(find_spec("mpi4py") is None, reason="mpi4py is not installed")
needs_mpiexec = pytest.mark.skipif(
    find_spec("mpi4py") is None or MPIEXEC is None, reason="mpi4py or mpiexec is not installed"
)


def command_of(processes, *arguments):
    """The command that runs Python with these arguments in several processes."""
    oversubscribe = ["--oversubscribe"] if is_open_mpi() else []
    return [MPIEXEC, *oversubscribe, "-n", str(processes), sys.executable, "-W", "error", *map(str, arguments)]


def is_open_mpi():
    version = subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True, timeout=TIMEOUT)
    return "Open MPI" in version.stdout or "OpenRTE" in version.stdout


def environment():
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}


def start(processes, *arguments):
    """Start a program in several processes; its output is collected by `communicate`."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command_of(processes, *arguments), **pipes, text=True, env=environment())


def end(program):
    """End a program that may have ended already, and close its pipes."""
    program.kill()
    program.communicate()


def run(processes, *arguments, code=0):
    """Run a program in several processes; return the standard output and error, after a check of the exit code."""
    program = start(processes, *arguments)
    try:
        out, err = program.communicate(timeout=TIMEOUT)
    finally:
        end(program)
    if code is not None:
        assert program.returncode == code, err
    return out, err


def printed(out):
    """The JSON value in the last line that a program printed."""
    return json.loads(out.splitlines()[-1])
