"""Functions that tests run in child processes; a spawned child imports them from this module."""

import multiprocessing
import os
import sys
import traceback

import numpy as np

import scratchvae as sv

TIMEOUT = 120  # seconds, on a busy machine
PYTHON = sys.executable
if sys.platform == "win32" and sys.prefix != sys.base_prefix:
    # On Windows, the interpreter of a virtual environment only starts the base interpreter, which has another process
    # id and may outlive it. Start children with the base interpreter, and pass it the location of the environment.
    PYTHON = sys._base_executable
    os.environ["__PYVENV_LAUNCHER__"] = sys.executable


def in_child(method, work, *args):
    """Return or raise the result of `work(*args)` in a child process, started by "fork" or "spawn"."""
    context = multiprocessing.get_context(method)
    parent_end, child_end = context.Pipe()
    process = context.Process(target=_send, args=(child_end, work, args), daemon=True)
    process.start()
    child_end.close()
    try:
        if not parent_end.poll(TIMEOUT):
            raise TimeoutError(f"a child started by {method} sent no result")
        result, error = parent_end.recv()
    finally:
        process.kill()
        process.join(TIMEOUT)
    if error is not None:
        raise error
    return result


def _send(connection, work, args):
    try:
        connection.send((work(*args), None))
    except BaseException as error:
        error.add_note(traceback.format_exc()) if hasattr(error, "add_note") else None
        connection.send((None, error))
    connection.recv()  # wait until the parent kills this process


def compute_outputs(model, x):
    labels = {"labels": np.arange(len(x)) % model.classes} if model.classes else {}
    loss, grads = model.loss_and_grads(x, seed=1, **labels)
    return [model.embed(x, **labels), *model.terms(x, **labels), *grads.values(), np.array(loss)]


def train(model, x, seed):
    sv.Trainer(model, batch_size=8, seed=seed).fit(x, 2)
    return model.theta.copy()


def continue_training(trainer, x):
    """Train for two more epochs; return the weights and the losses."""
    losses = trainer.fit(x, 2).loss
    return trainer.model.theta.copy(), losses


def find_backend(name):
    return sv.get_backend(name).name
