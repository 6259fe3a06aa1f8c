"""A run of training of which much could be lost, and all that is left of it at its end, to be compared bit by bit."""

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
    """(name, learning, validating): of MNIST where it lies in $SCRATCHVAE_DATA, else of the digits in the package."""
    folder = os.environ.get("SCRATCHVAE_DATA")
    name = name or ("mnist" if folder and (Path(folder) / "mnist").is_dir() else "digits")
    images = sv.datasets.load(name).train.images[: LEARNING + VALIDATING]
    return name, images[:LEARNING], images[LEARNING:]


def make_trainer(rows):
    model = sv.VAE(rows.shape[1], 8, (32,), seed=1)
    steps = EPOCHS * (len(rows) // BATCH)
    rate = WarmUp(3 * steps // 4, Cosine(0.1, steps))  # so high in the end that an earlier epoch is the best
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
    """Train to the end, or go on; returns the trainer."""
    trainer = make_trainer(learning)
    trainer.fit(learning, EPOCHS, validating, patience=2, **checkpoints)
    return trainer


def outcome(trainer, rows):
    """All of a trainer by name, as text that is equal only if every bit is; the last is what a further step gives."""
    told = {"theta": trainer.model.theta.tobytes()}
    told |= {name: moment.tobytes() for name, moment in trainer.optimizer.state.items()}
    told = {name: hashlib.sha256(content).hexdigest() for name, content in told.items()}
    history = trainer.history
    told |= {"updates": str(trainer.optimizer.t), "stopped": f"{history.stopped}, best epoch {history.best_epoch}"}
    told["history"] = str([epoch._replace(seconds=0) for epoch in history.epochs])
    told["next step"] = trainer.step(rows[:BATCH]).hex()
    return told


def content(path):
    """All of a checkpoint but for the seconds, likewise. Raises FileError where it cannot be read, or only in part."""
    sv.load(path)
    with open_archive(path) as archive:
        arrays = {name: archive.read(name) for name in archive.headers}
        run = {name: value for name, value in archive.header["run"].items() if name != "seconds"}
        told = {name: str(archive.header[name]) for name in ("model", "config", "settings", "callbacks", "stopped")}
    arrays["history/epochs"][:, -2] = 0  # seconds
    told |= {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
    return {**told, "run": str(run)}


def updates_of(path):
    """How many updates a checkpoint has behind it."""
    with open_archive(path) as archive:
        return archive.header["run"]["updates"]


def differences(one, other):
    """The names of what is not the same."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def save_rows(path, learning, validating):
    np.savez(path, learning=learning, validating=validating)


def load_rows(path):
    with np.load(path) as file:
        return file["learning"], file["validating"]
