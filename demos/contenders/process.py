"""A contender in its own process: `running` starts all, `serve` runs in each."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from itertools import islice, repeat
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from contenders.contender import Problem, Unavailable

CONTENDERS = {
    "numpy": {
        "scratchvae": "ours.Ours",
        "native": "ours.OursNative",
        "products": "products.Products",
        "torch": "pytorch.PyTorch",
        "torch-fused": "pytorch.PyTorchFused",
        "torch-flush": "pytorch.PyTorchFlush",
        "torch-compiled": "pytorch.PyTorchCompiled",
        "jax": "in_jax.Jax",
        "jax-undonated": "in_jax.JaxUndonated",
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
ROWS = {"encode-one": 1, "embed": 10_000, "log_likelihood": 20}  # of a job; the others have a batch
STEPS_PER_TURN = 50  # at most, because the time of a step may depend on the number of steps before
SAME_LOSS = 1e-5
SECONDS_PER_WAIT = 0.1
INPUTS_AT_ONCE = 8  # at most, on a GPU


def installed(name):
    """True if the framework of that contender is installed."""
    return all(find_spec(package) for package in ("torch", "jax") if name.startswith(package))


class Process:
    """A contender's process.

    unavailable   the reason if the contender cannot run here, else None
    loss          its loss before training, or None if it has none
    threads       the number of threads of each of its libraries
    jobs          the names of its jobs
    """

    module = "contenders.process"

    def __init__(self, name, problem):
        self.name = name
        demos = str(Path(__file__).parent.parent)
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, name, json.dumps(asdict(problem))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, [demos, os.environ.get("PYTHONPATH")])),
                "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # by default JAX allocates three quarters of a GPU's memory
            },
        )

    def begin(self):
        """Wait until the process is ready."""
        answer = self.answer()
        self.unavailable, self.loss = answer.get("unavailable"), answer.get("loss")
        self.threads, self.jobs = answer.get("threads"), answer.get("jobs")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} stopped with code {self.process.wait()}")
        return json.loads(line)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.answer()

    def train(self, steps):
        """Train until that many steps are done; return the loss."""
        return self.ask("train", steps)["loss"]

    def run(self, job, seconds):
        """Run one turn: the milliseconds per call, and the peak memory so far. The first turn warms up first."""
        return self.ask(job, seconds)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)  # closes the pipes, which ends the process


@contextmanager
def running(names, problem, kind=Process):
    """A context with the processes of the contenders that can run here. Exits if their losses differ."""
    with ExitStack() as stack:
        problem = problem.save(stack.enter_context(TemporaryDirectory()))
        processes = [stack.enter_context(kind(name, problem)) for name in names]
        for process in processes:
            process.begin()
            if process.unavailable:
                print(f"without {process.name}: {process.unavailable}")
        processes = [process for process in processes if not process.unavailable]
        if not processes:
            sys.exit("no contender can run here: install torch or jax, or leave --only out")
        refuse_different_losses({process.name: process.loss for process in processes}, SAME_LOSS)
        yield processes


def refuse_different_losses(losses, tolerance):
    """Exit unless all losses equal the first one, up to this relative difference; None is not compared."""
    first, reference = next(iter(losses.items()))
    for name, loss in losses.items():
        if loss is not None and not abs(loss / reference - 1) <= tolerance:
            sys.exit(f"{name} computes a loss of {loss}, {first} one of {reference}: they are not comparable")


# --- in a contender's process


def set_up(path, problem):
    """Make the contender "module.Class" and say so; send why it cannot run here, and return None."""
    module, kind = path.split(".")
    try:
        contender = getattr(import_module(f"contenders.{module}"), kind)(problem)
    except Unavailable as error:
        send(unavailable=str(error))
        return None
    send(loss=contender.loss(), threads=contender.threads(), jobs=contender.jobs)
    return contender


def send(**answer):
    print(json.dumps(answer), flush=True)


def serve(name, problem):
    contender = set_up(CONTENDERS[problem.backend][name], problem)
    if contender is None:
        return
    jobs = {"step": Job(contender, "step")}
    for line in sys.stdin:
        name, number = line.split()
        if name == "train":
            jobs["step"].repeat(int(number))
            send(loss=contender.loss())
        else:
            if name not in jobs:
                jobs[name] = Job(contender, name)
            milliseconds = 1e3 * jobs[name].turn(float(number))
            send(milliseconds=milliseconds, peak_MB=contender.peak_MB())


class Job:
    """A method of a contender to time. Its input is prepared before the clock starts: for each step another batch."""

    def __init__(self, contender, name):
        self.contender, self.done = contender, 0
        self.method = getattr(contender, name.removesuffix("-one"))
        if name == "step":
            self.inputs = map(contender.upload, contender.problem.batches())
            self.most = STEPS_PER_TURN
        else:
            rows = ROWS.get(name, contender.problem.batch)
            self.inputs = repeat(contender.upload(contender.problem.first_rows(rows)))
            self.most = float("inf")
        self.calls_per_wait = None

    def turn(self, seconds):
        """The median seconds per call, of calls during this time: at least three, at most `most`."""
        if self.calls_per_wait is None:
            self.warm_up()
        times, end = [], time.perf_counter() + seconds
        while len(times) < 3 or (time.perf_counter() < end and len(times) * self.calls_per_wait < self.most):
            times.append(self.clock(self.calls_per_wait))
        return median(times)

    def clock(self, calls):
        """The seconds per call of that many calls, with one wait at the end."""
        inputs = list(islice(self.inputs, min(calls, INPUTS_AT_ONCE)))
        self.contender.finish()
        start = time.perf_counter()
        for number in range(calls):
            self.method(inputs[number % len(inputs)])
        self.contender.finish()
        self.done += calls
        return (time.perf_counter() - start) / calls

    # On a CPU a call is done when it returns. On a GPU it is only queued: the timing must include a wait for the whole
    # queue. Waiting takes time too, so there is one wait for as many calls as take SECONDS_PER_WAIT.
    def warm_up(self):
        """Call the method a few times, and find the number of calls to time together."""
        self.repeat(3)
        self.calls_per_wait = 1
        on_gpu = self.contender.problem.on_gpu
        while on_gpu and self.calls_per_wait * self.clock(self.calls_per_wait) < SECONDS_PER_WAIT:
            self.calls_per_wait *= 2

    def repeat(self, count):
        """Call the method until it was called `count` times."""
        while self.done < count:
            self.clock(1)


if __name__ == "__main__":
    name, problem = sys.argv[1:]
    serve(name, Problem(**json.loads(problem)))
