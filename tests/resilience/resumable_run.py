"""A training run with many kinds of state, and its complete result for comparison bit by bit."""

import hashlib
import os
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.io import open_archive
from scratchvae.optim import Adam, Cosine, WarmUp
from scratchvae.training import KLWarmUp, Masking

EPOCHS, BATCH, EVERY, KEEP = 8, 20, 7, 2
LEARNING, VALIDATING = 1000, 200  # rows


def real_rows(name=None):
    """(name, learning, validating): MNIST if it is in $SCRATCHVAE_DATA, otherwise the digits of the package."""
    folder = os.environ.get("SCRATCHVAE_DATA")
    name = name or ("mnist" if folder and (Path(folder) / "mnist").is_dir() else "digits")
    images = sv.datasets.load(name).train.images[: LEARNING + VALIDATING]
    return name, images[:LEARNING], images[LEARNING:]


def make_trainer(rows):
    model = sv.VAE(rows.shape[1], 8, (32,), seed=1)
    steps = EPOCHS * (len(rows) // BATCH)
    rate = WarmUp(3 * steps // 4, Cosine(0.1, steps))  # high at the end, so that an earlier epoch is the best
    return sv.Trainer(
        model,
        batch_size=BATCH,
        seed=3,
        optimizer=Adam(rate),
        clip_norm=5.0,
        binarize="dynamic",
        kl_weight=KLWarmUp(40),
        corrupt=Masking(0.2),
    )


def fit(learning, validating, **checkpoints):
    """Train to the end, or resume; return the trainer."""
    trainer = make_trainer(learning)
    trainer.fit(learning, EPOCHS, validating, patience=2, **checkpoints)
    return trainer


def outcome(trainer, rows):
    """The state of a trainer as {name: text}, equal only if every bit is; includes the loss of one further step."""
    state = {"theta": trainer.model.theta.tobytes()}
    state |= {name: moment.tobytes() for name, moment in trainer.optimizer.state.items()}
    state = {name: hashlib.sha256(content).hexdigest() for name, content in state.items()}
    history = trainer.history
    state |= {"updates": str(trainer.optimizer.t), "stopped": f"{history.stopped}, best epoch {history.best_epoch}"}
    state["history"] = str([epoch._replace(seconds=0) for epoch in history.epochs])
    state["next step"] = trainer.step(rows[:BATCH]).hex()
    return state


def content(path):
    """The content of a checkpoint without seconds, as {name: text}. Raises FileError if any part is unreadable."""
    sv.load(path)
    with open_archive(path) as archive:
        arrays = {name: archive.read(name) for name in archive.headers}
        run = {name: value for name, value in archive.header["run"].items() if name != "seconds"}
        texts = {name: str(archive.header[name]) for name in ("model", "config", "settings", "callbacks", "stopped")}
    arrays["history/epochs"][:, -2] = 0  # seconds
    texts |= {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
    return {**texts, "run": str(run)}


def updates_of(path):
    """The number of updates of a checkpoint."""
    with open_archive(path) as archive:
        return archive.header["run"]["updates"]


def differences(first, second):
    """The names of differing entries."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def save_rows(path, learning, validating):
    np.savez(path, learning=learning, validating=validating)


def load_rows(path):
    with np.load(path) as file:
        return file["learning"], file["validating"]
