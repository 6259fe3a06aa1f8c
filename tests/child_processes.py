"""What is done in other processes: a child that is spawned has to find it by the name of a module."""

import multiprocessing
import os
import sys
import traceback

import numpy as np

import scratchvae as sv

LIMIT = 120  # seconds, of a machine that is busy with other work
PYTHON = sys.executable
if sys.platform == "win32" and sys.prefix != sys.base_prefix:
    # There the interpreter of a virtual environment does no more than start another, which has another number, and
    # outlives it for a moment: children are started by that other one, told where the environment is.
    PYTHON = sys._base_executable
    os.environ["__PYVENV_LAUNCHER__"] = sys.executable


def in_child(method, work, *args):
    """What `work(*args)` returns in a child process, that "fork" or "spawn" starts; raises what it raises there."""
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=_send, args=(theirs, work, args), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(LIMIT):
            raise TimeoutError(f"a child that was started by {method} says nothing")
        answer, error = ours.recv()
    finally:
        process.kill()
        process.join(LIMIT)
    if error is not None:
        raise error
    return answer


def _send(connection, work, args):
    try:
        connection.send((work(*args), None))
    except BaseException as error:
        error.add_note(traceback.format_exc()) if hasattr(error, "add_note") else None
        connection.send((None, error))
    connection.recv()  # the parent ends it


def use(model, x):
    labels = {"labels": np.arange(len(x)) % model.classes} if model.classes else {}
    loss, grads = model.loss_and_grads(x, seed=1, **labels)
    return [model.embed(x, **labels), *model.terms(x, **labels), *grads.values(), np.array(loss)]


def train(model, x, seed):
    sv.Trainer(model, batch_size=8, seed=seed).fit(x, 2)
    return model.theta.copy()


def go_on(trainer, x):
    """The weights and losses after two more epochs."""
    losses = trainer.fit(x, 2).loss
    return trainer.model.theta.copy(), losses


def find_backend(name):
    return sv.get_backend(name).name
