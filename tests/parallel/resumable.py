"""A training with checkpoints in several processes, or in one, which is resumed if it was interrupted:

    mpiexec -n 2 python resumable.py FOLDER [--stop-after STEPS] [--report FOLDER]

The first process saves the weights, the moments and the history in FOLDER/result.npz. With --report, process k writes
its process id into the file k of that folder, and the first one prints each step, for a test that kills one of them.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.training import Callback, KLWarmUp, Masking

X = np.random.default_rng(0).uniform(0, 1, (103, 9))
VALIDATION = np.random.default_rng(1).uniform(0, 1, (13, 9))
EPOCHS, STEPS = 9, 54


class StopAfter(Callback):
    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, state):
        if state.updates == self.steps:
            state.stop()


class Report(Callback):
    def on_step_end(self, state):
        time.sleep(0.005)
        if state.is_root:
            print(f"{state.updates}\n", end="", flush=True)


def train(folder, comm, callbacks=()):
    """Train on, from the checkpoint in the folder if there is one."""
    model = sv.VAE(9, 4, (8,), dtype="float64", free_bits=0.09)
    settings = {"binarize": "dynamic", "corrupt": Masking(0.2), "kl_weight": KLWarmUp(30), "clip_norm": 1.0}
    trainer = sv.Trainer(model, batch_size=20, comm=comm, **settings)
    history = trainer.fit(
        X,
        EPOCHS,
        validation=VALIDATION,
        patience=5,
        checkpoint=Path(folder, "run.npz"),
        every=4,
        resume=True,
        callbacks=list(callbacks),
    )
    records = [[e.loss, e.reconstruction, e.kl, e.kl_weight, e.validation, *e.kl_per_dimension] for e in history.epochs]
    return {"theta": model.theta, **trainer.optimizer.state, "history": np.array(records)}


def main():
    from mpi4py import MPI

    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--stop-after", type=int)
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    callbacks = [StopAfter(args.stop_after)] if args.stop_after else []
    if args.report:
        (args.report / str(MPI.COMM_WORLD.rank)).write_text(str(os.getpid()))
        callbacks.append(Report())
    result = train(args.folder, MPI.COMM_WORLD, callbacks)
    if MPI.COMM_WORLD.rank == 0 and not args.stop_after:
        np.savez(Path(args.folder, "result.npz"), **result)


if __name__ == "__main__":
    main()
