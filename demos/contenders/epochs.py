"""A long training of a contender in its own process: `EpochProcess` starts it, `serve` runs in it."""

import hashlib
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np

import scratchvae as sv
from contenders.contender import Problem
from contenders.process import Process, send, set_up

CONTENDERS = {
    "scratchvae": "ours.Ours",
    "without-flush": "ours.OursWithoutFlush",
    "native": "ours.OursNative",
    "torch": "pytorch.PyTorch",
    "torch-fused": "pytorch.PyTorchFused",
    "jax": "in_jax.Jax",
}


@dataclass(frozen=True)
class Training(Problem):
    """The problem with the first `rows` rows of a data set, each pixel 0 or 1, in batches that the steps take in turn.

    The output bias starts at the log-odds of each pixel, as `Trainer` sets it.
    """

    data: str = "binarized-mnist"
    rows: int = 50_000

    @cached_property
    def batches(self):
        images = sv.datasets.load(self.data).train.images[: self.rows]
        images = (images >= 0.5).astype(np.float32)
        count = len(images) // self.batch
        return images[: count * self.batch].reshape(count, self.batch, self.width)

    @cached_property
    def params(self):
        params = super().params
        ones, count = self.batches.sum(axis=(0, 1), dtype=float), len(self.batches) * self.batch
        params["decoder.2.b"] = np.log((ones + 1) / (count - ones + 1)).astype(np.float32)
        return params


class EpochProcess(Process):
    """A contender's process, which trains for some steps in each turn."""

    module = "contenders.epochs"

    def arguments(self, problem):
        return problem.batch, problem.hidden, problem.width, problem.data, problem.rows

    def run(self, steps):
        """Train for some steps: the median milliseconds of a step, by the wall clock and of processor time."""
        print(steps, file=self.process.stdin, flush=True)
        return self.answer()

    def results(self):
        """Return the share of subnormal numbers in m, the loss, and a digest of the weights or None."""
        return self.run(0)


def serve(name, problem):
    contender = set_up(CONTENDERS[name], problem)
    if contender is None:
        return
    for line in sys.stdin:
        if steps := int(line):
            wall, processor = zip(*(seconds_of(contender.step) for _ in range(steps)), strict=True)
            send(wall=1e3 * median(wall), processor=1e3 * median(processor))
        else:
            weights = contender.weights()
            digest = None if weights is None else hashlib.sha256(weights.tobytes()).hexdigest()
            subnormal = share_of_subnormals(contender.first_moments())
            send(subnormal=subnormal, loss=contender.loss(), digest=digest)


def seconds_of(step):
    wall, processor = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - processor


def share_of_subnormals(arrays):
    tiny = np.finfo(np.float32).smallest_normal
    subnormal = sum(np.count_nonzero((a != 0) & (np.abs(a) < tiny)) for a in arrays)
    return subnormal / sum(a.size for a in arrays)


if __name__ == "__main__":
    name, batch, hidden, width, data, rows = sys.argv[1:]
    serve(name, Training(int(batch), int(hidden), int(width), data=data, rows=int(rows)))
