"""A contender in a process of its own: `Process` starts it, `serve` is what runs there."""

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
IN_A_ROW = 0.1  # seconds


def installed(name):
    """Whether the framework of that contender is there."""
    return all(find_spec(package) for package in ("torch", "jax") if name.startswith(package))


class Process:
    """Makes its network, tells its loss, then runs what it is asked to; or `unavailable` says why it does not."""

    def __init__(self, name, problem):
        self.name = name
        demos, sizes = str(Path(__file__).parent.parent), (str(problem.batch), str(problem.hidden))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "contenders.process", name, *sizes, problem.backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, [demos, os.environ.get("PYTHONPATH")])),
                "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # else JAX takes three quarters of a GPU's memory at once
            },
        )

    def begin(self):
        """Wait until it is ready."""
        answer = self.answer()
        self.loss, self.unavailable = answer.get("loss"), answer.get("unavailable")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} stopped with code {self.process.wait()}")
        return json.loads(line)

    def run(self, job, seconds):
        """One turn: the milliseconds of a call, and the peak of memory so far. The first of a job warms up besides."""
        print(job, seconds, file=self.process.stdin, flush=True)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)  # which closes the pipes, and so ends the process


def serve(name, problem):
    module, kind = CONTENDERS[problem.backend][name].split(".")
    try:
        contender = getattr(import_module(f"contenders.{module}"), kind)(problem)
    except Unavailable as error:
        tell(unavailable=str(error))
        return
    tell(loss=contender.loss())
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
        tell(milliseconds=1e3 * median(times), peak_MB=contender.peak_MB())


def tell(**answer):
    print(json.dumps(answer), flush=True)


def clock(job, contender, calls):
    """Seconds a call, of so many in a row and one wait for them all."""
    start = time.perf_counter()
    for _ in range(calls):
        job()
    contender.finish()
    return (time.perf_counter() - start) / calls


# On a CPU a call is done when it returns. On a GPU it has only been put in a queue: the clock must wait for the whole
# queue, and waiting takes time too, so it is done once for as many calls as take a tenth of a second.
def warm_up(job, contender):
    """Call the job a few times, then tell how many calls the clock shall take together."""
    clock(job, contender, 5)
    calls = 1
    while contender.problem.on_gpu and calls * clock(job, contender, calls) < IN_A_ROW:
        calls *= 2
    return calls


if __name__ == "__main__":
    name, batch, hidden, backend = sys.argv[1:]
    serve(name, Problem(int(batch), int(hidden), backend=backend))
