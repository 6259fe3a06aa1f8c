"""A contender in its own process: `Process` starts it, `serve` runs in it."""

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from contenders.contender import Problem, Unavailable

CONTENDERS = {
    "numpy": {
        "scratchvae": "ours.Ours",
        "native": "ours.OursNative",
        "products": "products.Products",
        "torch": "pytorch.PyTorch",
        "torch-fused": "pytorch.PyTorchFused",
        "torch-compiled": "pytorch.PyTorchCompiled",
        "jax": "in_jax.Jax",
    },
    "cupy": {
        "scratchvae": "on_gpu.OursOnGPU",
        "products": "on_gpu.ProductsOnGPU",
        "torch-fused": "pytorch.PyTorchFused",
        "torch-compiled": "pytorch.PyTorchCompiledOnGPU",
        "torch-graph": "pytorch.PyTorchGraph",
        "jax": "in_jax.Jax",
    },
}
JOBS = ("step", "encode", "encode-one")
SECONDS_PER_WAIT = 0.1


def installed(name):
    """True if the framework of that contender is installed."""
    return all(find_spec(package) for package in ("torch", "jax") if name.startswith(package))


class Process:
    """A contender's process. `loss` is its loss; if it cannot run, `unavailable` is the reason."""

    module = "contenders.process"

    def __init__(self, name, problem):
        self.name = name
        demos = str(Path(__file__).parent.parent)
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, name, *map(str, self.arguments(problem))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, [demos, os.environ.get("PYTHONPATH")])),
                "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # by default JAX allocates three quarters of a GPU's memory
            },
        )

    def arguments(self, problem):
        return problem.batch, problem.hidden, problem.backend, problem.architecture

    def begin(self):
        """Wait until the process is ready."""
        answer = self.answer()
        self.loss, self.unavailable = answer.get("loss"), answer.get("unavailable")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} stopped with code {self.process.wait()}")
        return json.loads(line)

    def run(self, job, seconds):
        """Run one turn: the milliseconds per call, and the peak memory so far. The first turn warms up first."""
        print(job, seconds, file=self.process.stdin, flush=True)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)  # closes the pipes, which ends the process


def begin_all(processes):
    """Begin in each process; return those whose contender can run here, and print the others."""
    for process in processes:
        process.begin()
        if process.unavailable:
            print(f"without {process.name}: {process.unavailable}")
    return [process for process in processes if not process.unavailable]


def set_up(path, problem):
    """Make the contender "module.Class" and send its loss; send why it cannot run here, and return None."""
    module, kind = path.split(".")
    try:
        contender = getattr(import_module(f"contenders.{module}"), kind)(problem)
    except Unavailable as error:
        send(unavailable=str(error))
        return None
    send(loss=contender.loss())
    return contender


def serve(name, problem):
    contender = set_up(CONTENDERS[problem.backend][name], problem)
    if contender is None:
        return
    jobs = {
        "step": contender.step,
        "encode": lambda: contender.encode(problem.batch),
        "encode-one": lambda: contender.encode(1),
    }
    calls = {}
    for line in sys.stdin:
        job, seconds = line.split()
        times, end = [], time.perf_counter() + float(seconds)
        if job not in calls:
            calls[job] = warm_up(jobs[job], contender)
        while time.perf_counter() < end or len(times) < 3:
            times.append(clock(jobs[job], contender, calls[job]))
        send(milliseconds=1e3 * median(times), peak_MB=contender.peak_MB())


def send(**answer):
    print(json.dumps(answer), flush=True)


def clock(job, contender, calls):
    """The seconds per call of that many calls, with one wait at the end."""
    start = time.perf_counter()
    for _ in range(calls):
        job()
    contender.finish()
    return (time.perf_counter() - start) / calls


# On a CPU a call is done when it returns. On a GPU it is only queued: the timing must include a wait for the whole
# queue. Waiting takes time too, so there is one wait for as many calls as take SECONDS_PER_WAIT.
def warm_up(job, contender):
    """Call the job a few times, and return the number of calls to time together."""
    clock(job, contender, 5)
    calls = 1
    while contender.problem.on_gpu and calls * clock(job, contender, calls) < SECONDS_PER_WAIT:
        calls *= 2
    return calls


if __name__ == "__main__":
    name, batch, hidden, backend, architecture = sys.argv[1:]
    serve(name, Problem(int(batch), int(hidden), backend=backend, architecture=architecture))
