"""Trainings of at least 50 steps, each of which ends in the same weights in any number of processes.

As a program in several processes, it runs all of them, and the first process saves the results:

    mpiexec -n 2 python trainings.py FILE.npz
"""

import pickle
import sys
import tempfile
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.flows import InverseAutoregressive
from scratchvae.objectives import ImportanceWeighted, StickingTheLanding
from scratchvae.probability import FreeBits, VampPrior
from scratchvae.training import GaussianNoise, KLWarmUp, Masking, ReduceLROnPlateau

ROWS, BATCH, EPOCHS = 101, 20, 9  # the last batch of an epoch has a single row, and most processes none
RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, (ROWS, 9))
VALIDATION = RNG.uniform(0, 1, (13, 9))
LABELS = RNG.integers(0, 3, ROWS)
SOME_LABELS = np.where(RNG.random(ROWS) < 0.3, LABELS, -1)
WITH_MISSING = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
FREE_BITS = 0.09  # near the KL of most dimensions, so that the mean over a part of the rows would decide otherwise


def train(comm, model, images=X, trainer=None, **fit):
    """Train a model; return what must be the same: the change of the weights, the moments, and the history."""
    start = model.theta.copy()
    trainer = sv.Trainer(model, batch_size=BATCH, comm=comm, **{"lr": 3e-3, **(trainer or {})})
    history = trainer.fit(images, EPOCHS, **fit)
    return result(trainer, start, history)


def result(trainer, start, history):
    model = trainer.model
    return {
        "change of the weights": sv.to_numpy(model.theta - start),
        **{name: sv.to_numpy(state).copy() for name, state in trainer.optimizer.state.items()},
        "updates": np.array(float(trainer.optimizer.t)),
        "history": np.array([[e.loss, e.reconstruction, e.kl, e.kl_weight, e.validation or 0] for e in history.epochs]),
        "KL per dimension": np.array([e.kl_per_dimension for e in history.epochs]),
        "best epoch": np.array(float(history.best_epoch or 0)),
    }


def vae(kind=sv.VAE, **settings):
    return kind(9, 4, (8,), dtype="float64", **settings)


def by_steps(comm):
    """Trainings by `step`, with batches of 1 to 7 rows."""
    model = vae()
    start, trainer = model.theta.copy(), sv.Trainer(model, comm=comm, corrupt=Masking(0.2))
    losses = [trainer.step(X[k : k + 1 + k % 7]) for k in range(60)]
    return {"change of the weights": model.theta - start, "losses": np.array(losses)}


def stream_of_batches(epoch):
    order = np.random.default_rng(epoch).permutation(ROWS)
    yield from (X[order[start : start + BATCH]] for start in range(0, ROWS, BATCH))


def shards(comm):
    with tempfile.TemporaryDirectory() as folder:
        for k, part in enumerate(np.array_split(X, 3)):
            np.save(Path(folder, f"{k}.npy"), part)
        return train(comm, vae(), folder)


def memory_map(comm):
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "rows.npy"), X)
        return train(comm, vae(), np.load(Path(folder, "rows.npy"), mmap_mode="r"))


def sparse(comm):
    from scipy.sparse import csr_matrix

    return train(comm, vae(), csr_matrix(np.where(X > 0.5, X, 0.0)))


def estimator(comm):
    """An estimator with weights, a seed that only the first process draws, and early stopping."""
    first = comm is None or comm.rank == 0
    settings = {"n_components": 3, "hidden_layer_sizes": (8,), "max_iter": 60, "dtype": "float64"}
    fitted = sv.VAEEmbedding(**settings, batch_size=BATCH, early_stopping=True, random_state=5 if first else None)
    fitted.fit(X, sample_weight=1 + np.arange(ROWS) % 3, comm=comm)
    pickle.dumps(fitted)
    return {"codes": fitted.transform(X), "losses": np.array(fitted.loss_curve_)}


def on_a_device(comm):
    model = vae(backend="fake-cupy", free_bits=FREE_BITS)
    return train(comm, model, trainer={"clip_norm": 1.0, "binarize": "dynamic"}, validation=VALIDATION)


TRAININGS = {
    "VAE": lambda comm: train(comm, vae()),
    "IWAE": lambda comm: train(comm, vae(sv.IWAE, importance_samples=3), trainer={"kl_weight": KLWarmUp(30)}),
    "ConditionalVAE": lambda comm: train(comm, vae(sv.ConditionalVAE, classes=3), labels=LABELS),
    "ConditionalVAE, free bits": lambda comm: train(
        comm, vae(sv.ConditionalVAE, classes=3, free_bits=FREE_BITS), labels=LABELS
    ),
    "input_std": lambda comm: train(
        comm, vae(sv.ConditionalVAE, classes=3, likelihood="gaussian"), labels=LABELS, input_std=0.1 * X
    ),
    "SemiSupervisedVAE": lambda comm: train(
        comm,
        vae(sv.SemiSupervisedVAE, classes=3),
        labels=SOME_LABELS,
        labelled_share=0.5,
        validation=VALIDATION,
        validation_labels=np.arange(13) % 3,
    ),
    "Autoencoder": lambda comm: train(comm, vae(sv.Autoencoder), trainer={"corrupt": GaussianNoise(0.1)}),
    "missing values": lambda comm: train(
        comm, vae(missing=True), WITH_MISSING, trainer={"binarize": "dynamic"}, validation=VALIDATION
    ),
    "learned sigma": lambda comm: train(comm, vae(likelihood="gaussian_learned"), 5 * X),
    "free bits": lambda comm: train(comm, vae(free_bits=FREE_BITS), trainer={"kl_weight": KLWarmUp(30)}),
    "clip_norm, SGD": lambda comm: train(
        comm, vae(), trainer={"clip_norm": 0.5, "optimizer": sv.optim.SGD(0.05, momentum=0.9), "lr": None}
    ),
    "binarize and corrupt": lambda comm: train(
        comm, vae(), trainer={"binarize": "dynamic", "corrupt": Masking(0.3)}, validation=VALIDATION
    ),
    "plateau": lambda comm: train(
        comm, vae(), trainer={"lr": 0.05}, validation=VALIDATION, callbacks=[ReduceLROnPlateau(patience=1)]
    ),
    "early stopping": lambda comm: train(comm, vae(), trainer={"lr": 0.2}, validation=VALIDATION, patience=2),
    "VampPrior": lambda comm: train(comm, vae(prior=VampPrior(X[:5]))),
    "flow, several draws": lambda comm: train(
        comm, vae(posterior=InverseAutoregressive(4), objective=ImportanceWeighted(3))
    ),
    "StickingTheLanding": lambda comm: train(
        comm, vae(objective=StickingTheLanding()), trainer={"kl_weight": KLWarmUp(9)}
    ),
    "stream": lambda comm: train(comm, vae(), stream_of_batches, steps_per_epoch=6),
    "shards": shards,
    "memory map": memory_map,
    "CSR matrix": sparse,
    "steps": by_steps,
    "estimator": estimator,
    "stand-in for a GPU": on_a_device,
}


def free_bits_of_each_process(comm):
    """The wrong training, in which each process compares the mean over its own rows with the free bits."""
    forward = FreeBits.forward
    FreeBits.forward = lambda self, per_dimension, batch_mean=None: forward(self, per_dimension)
    try:
        return TRAININGS["free bits"](comm)
    finally:
        FreeBits.forward = forward


def main():
    from mpi4py import MPI

    from scratchvae.parallel import ProcessGroup

    group = ProcessGroup(MPI.COMM_WORLD, timeout=60)
    group.use_device("fake-cupy")
    results = {}
    for name, run in {**TRAININGS, "wrong free bits": free_bits_of_each_process}.items():
        results |= {f"{name}/{part}": value for part, value in run(group).items()}
    if group.is_root:
        np.savez(sys.argv[1], **results)


if __name__ == "__main__":
    main()
