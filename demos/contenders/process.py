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

from measuring.machine import peak_MB

from contenders.contender import Problem

CONTENDERS = {
    "scratchvae": "ours.Ours",
    "products": "products.Products",
    "torch": "pytorch.PyTorch",
    "torch-fused": "pytorch.PyTorchFused",
    "torch-compiled": "pytorch.PyTorchCompiled",
    "jax": "in_jax.Jax",
}
JOBS = ("step", "encode", "encode-one")


def installed(name):
    """Whether the framework of that contender is there."""
    return all(find_spec(package) for package in ("torch", "jax") if name.startswith(package))


class Process:
    """Makes its network, tells its loss, then runs what it is asked to."""

    def __init__(self, name, problem):
        self.name = name
        demos, sizes = str(Path(__file__).parent.parent), (str(problem.batch), str(problem.hidden))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "contenders.process", name, *sizes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, [demos, os.environ.get("PYTHONPATH")])),
            },
        )

    def begin(self):
        """Wait until it is ready."""
        self.loss = self.answer()["loss"]

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
    module, kind = CONTENDERS[name].split(".")
    contender = getattr(import_module(f"contenders.{module}"), kind)(problem)
    tell(loss=contender.loss())
    jobs = {
        "step": contender.step,
        "encode": lambda: contender.encode(problem.batch),
        "encode-one": lambda: contender.encode(1),
    }
    warm = set()
    for line in sys.stdin:
        job, seconds = line.split()
        times, end = [], time.perf_counter() + float(seconds)
        if job not in warm:
            for _ in range(5):
                jobs[job]()
            warm.add(job)
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            jobs[job]()
            times.append(time.perf_counter() - start)
        tell(milliseconds=1e3 * median(times), peak_MB=peak_MB())


def tell(**answer):
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    name, batch, hidden = sys.argv[1:]
    serve(name, Problem(int(batch), int(hidden)))
