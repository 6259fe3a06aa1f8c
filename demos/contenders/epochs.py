"""A long training of a contender in its own process: `EpochProcess` starts it, `serve` runs in it."""

import hashlib
import json
import sys
import time
from itertools import islice
from statistics import median

import numpy as np

from contenders.contender import Problem
from contenders.process import CONTENDERS as ALL
from contenders.process import Process, send, set_up

NAMES = ("native", "torch", "torch-fused", "torch-flush", "jax")
CONTENDERS = {
    "scratchvae": ALL["numpy"]["scratchvae"],
    "without-flush": "ours.OursWithoutFlush",
    **{name: ALL["numpy"][name] for name in NAMES},
}


class EpochProcess(Process):
    """A contender's process, which trains for some steps in each turn."""

    module = "contenders.epochs"

    def run(self, steps):
        """Train for some steps: their seconds, and the median milliseconds of one by the wall and processor clock."""
        return self.ask(steps)

    def results(self):
        """Return the share of subnormal numbers in m, the loss, and a digest of the weights or None."""
        return self.ask(0)


def serve(name, problem):
    contender = set_up(CONTENDERS[name], problem)
    if contender is None:
        return
    batches = map(contender.upload, problem.batches())
    for line in sys.stdin:
        if steps := int(line):
            times = [seconds_of(contender.step, x) for x in islice(batches, steps)]
            wall, processor = zip(*times, strict=True)
            send(seconds=sum(wall), wall=1e3 * median(wall), processor=1e3 * median(processor))
        else:
            weights = contender.weights()
            digest = None if weights is None else hashlib.sha256(weights.tobytes()).hexdigest()
            subnormal = share_of_subnormals(contender.first_moments())
            send(subnormal=subnormal, loss=contender.loss(), digest=digest)


def seconds_of(step, x):
    wall, processor = time.perf_counter(), time.process_time()
    step(x)
    return time.perf_counter() - wall, time.process_time() - processor


def share_of_subnormals(arrays):
    tiny = np.finfo(np.float32).smallest_normal
    subnormal = sum(np.count_nonzero((a != 0) & (np.abs(a) < tiny)) for a in arrays)
    return subnormal / sum(a.size for a in arrays)


if __name__ == "__main__":
    name, problem = sys.argv[1:]
    serve(name, Problem(**json.loads(problem)))
