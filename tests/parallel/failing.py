"""A training in several processes, of which process 1 fails in the way that is named:

mpiexec -n 3 python failing.py WAY
"""

import os
import signal
import sys

import numpy as np
from mpi4py import MPI

import scratchvae as sv
from scratchvae.parallel import ProcessGroup
from scratchvae.training import Callback

RANK, WAY = MPI.COMM_WORLD.rank, sys.argv[1]
X = np.random.default_rng(0).uniform(0, 1, (103, 9))


class InStep20(Callback):
    """Calls a function once, in step 20, in process 1."""

    def __init__(self, function):
        self.function, self.done = function, False

    def on_step_end(self, state):
        if RANK == 1 and state.updates == 20 and not self.done:
            self.done = True
            self.function(state)


def fail(state):
    raise KeyError("no such key")


def write_nan(state):
    state.model.theta[:3] = np.nan


def other_weights(state):
    state.model.theta[:3] = 0.5


def stream(epoch):
    rows = X + 0.001 if RANK == 1 and WAY == "stream" and epoch == 3 else X
    return (rows[start : start + 20] / 2 for start in range(0, 100, 20))


CALLBACKS = {
    "exception": fail,
    "nan": write_nan,
    "weights": other_weights,
    "stall": lambda state: os.kill(os.getpid(), signal.SIGSTOP),
    "exit": lambda state: sys.exit(4),
    "kill": lambda state: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda state: state.stop("enough"),
    "interrupt": lambda state: os.kill(os.getpid(), signal.SIGINT),
}


def main():
    differs = RANK == 1
    images = X.copy()
    if differs and WAY == "data":
        images[5, 5] = 0.123
    if differs and WAY == "range":
        images *= 3
    if WAY == "version":
        sv.__version__ = "0.2.1" if differs else sv.__version__
    kind = sv.IWAE if differs and WAY == "model" else sv.VAE
    model = kind(9, 2, (8,), dtype="float32" if differs and WAY == "dtype" else "float64")
    if differs and WAY == "initial weights":
        model.theta[0] += 1e-6
    trainer = sv.Trainer(
        model,
        batch_size=2 if WAY == "small batches" else 20,
        seed=int(differs and WAY == "seed"),
        clip_norm=1.0 if differs and WAY == "setting" else None,
        comm=ProcessGroup(MPI.COMM_WORLD, timeout=2.0 if WAY == "stall" else 60.0),
    )
    epochs = 11 if differs and WAY == "epochs" else 10
    callbacks = [InStep20(CALLBACKS[WAY])] if WAY in CALLBACKS else []
    if WAY == "stream":
        history = trainer.fit(stream, epochs, steps_per_epoch=5)
    elif WAY == "retries":  # a process restores its weights when it diverges, and so do the others
        history = trainer.fit(images, epochs, retries=3, callbacks=[InStep20(write_nan)])
    else:
        history = trainer.fit(images, epochs, callbacks=callbacks)
    text = f"process {RANK}: {history.stopped}, {trainer.optimizer.t} updates, {history.lr_halvings} halvings\n"
    print(text, end="", flush=True)  # in a single write, so that mpiexec mixes no lines


if __name__ == "__main__":
    main()
