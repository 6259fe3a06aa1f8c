"""How often the device is called by a step of training, by `encode` and by `impute`: the table in budgets.txt.

A change must keep these numbers or lower them. To write the numbers of this version into the table:

    PYTHONPATH=tests python -m null_device.budgets
"""

import gc
from pathlib import Path

import numpy as np
from strategies import in_support

import null_device
import scratchvae as sv
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS

TABLE = Path(__file__).with_name("budgets.txt")
COLUMNS = ("calls", "copies", "allocations", "waits", "event waits")
ROWS = 8  # of a batch; the numbers are those of any batch of more than one row
FEWER, MORE = 8, 12  # batches of an epoch
SAMPLES = 4
HEADER = f"""\
What the device is called for by one step of training, one batch of encode, and one of impute with {SAMPLES} samples.

calls         kernels, products, fills, and launches of a graph
copies        between host and device, and on the device
allocations   from CuPy's memory pools
waits         of the host for all work before, as when it reads a number
event waits   of the host for the copy of an earlier batch
fit           a step that is launched kernel by kernel
graph         a step that is replayed as a CUDA graph

A change must keep these numbers or lower them. To write those of this version:
    PYTHONPATH=tests python -m null_device.budgets
"""
SMALL = {"input_dim": 64, "latent_dim": 5, "hidden": (16,)}


def cases():
    """The class, its settings, and further arguments of `fit`, for each name."""
    labels = np.arange(MORE * ROWS) % 3
    partial = np.where(np.arange(MORE * ROWS) % 2, labels, -1)
    pictures = {"architecture": "conv", "input_dim": 64, "image_shape": (8, 8), "latent_dim": 5, "hidden": (16,)}
    return {
        "reference network": (sv.VAE, {}, {}),
        **{f"activation {name}": (sv.VAE, {**SMALL, "activation": name}, {}) for name in ACTIVATIONS},
        **{f"likelihood {name}": (sv.VAE, {**SMALL, "likelihood": name}, {}) for name in LIKELIHOODS},
        "float64": (sv.VAE, {**SMALL, "dtype": "float64"}, {}),
        "missing values": (sv.VAE, {**SMALL, "missing": True}, {}),
        "free bits": (sv.VAE, {**SMALL, "free_bits": 0.1}, {}),
        "convolutions": (sv.VAE, pictures, {}),
        "Autoencoder": (sv.Autoencoder, SMALL, {}),
        "IWAE": (sv.IWAE, {**SMALL, "importance_samples": 5}, {}),
        "ConditionalVAE": (sv.ConditionalVAE, {**SMALL, "classes": 3}, {"labels": labels}),
        "SemiSupervisedVAE": (sv.SemiSupervisedVAE, {**SMALL, "classes": 3}, {"labels": partial}),
    }


def measure(kind, settings, labels):
    """The numbers of COLUMNS for what a case does: "fit", "graph", "encode" and "impute"."""

    def data(rows):
        fractions = np.random.default_rng(0).random((rows, settings.get("input_dim", 784))).astype(np.float32)
        return in_support(settings.get("likelihood"), fractions)

    def fit(batches, cuda_graph):
        model, rows = kind(**settings, backend="cupy"), data(batches * ROWS)
        some = {name: values[: len(rows)] for name, values in labels.items()}
        trainer = sv.Trainer(model, batch_size=ROWS, cuda_graph=cuda_graph)
        return count(lambda: trainer.fit(rows, 1, **some))

    numbers = {}
    for task, cuda_graph in (("fit", False), ("graph", True)):
        fit(FEWER, cuda_graph)
        difference = fit(MORE, cuda_graph) - fit(FEWER, cuda_graph)
        numbers[task] = -(-difference // (MORE - FEWER))
    model = kind(**settings, backend="cupy")
    x = data(ROWS)
    incomplete = np.where(np.arange(x.size).reshape(x.shape) % 3, x, np.nan)
    if kind is sv.ConditionalVAE:
        computations = {"encode": lambda: model.encode(x, labels["labels"][:ROWS])}
    else:
        computations = {"encode": lambda: model.embed(x) if kind is sv.Autoencoder else model.encode(x)}
    if kind in (sv.VAE, sv.IWAE):
        computations["impute"] = lambda: model.impute(incomplete, samples=SAMPLES)
    for task, compute in computations.items():
        compute()
        numbers[task] = count(compute)
    return numbers


def count(compute):
    """The numbers of COLUMNS of a computation."""
    device = null_device.device
    gc.disable()  # a HostToDeviceBuffer waits when it is collected
    try:
        device.reset()
        compute()
        n = device.counts()
    finally:
        gc.enable()
    calls = n["kernels"] + n["products"] + n["fills"] + n["graphs"]
    copies = n["uploads"] + n["downloads"] + n["device_copies"]
    return np.array([calls, copies, n["allocations"], n["waits"], n["event_waits"]])


def read_table():
    """The numbers of the table for each case and what it does."""
    lines = [line.split("|") for line in TABLE.read_text().splitlines() if "|" in line]
    return {(name.strip(), task.strip()): np.array(list(map(int, numbers))) for name, task, *numbers in lines[1:]}


def write_table():
    """Measure all cases and write the table."""
    lines = [HEADER, "|".join([f"{'case':36}", f"{'task':8}", *(f"{column:>12}" for column in COLUMNS)])]
    for name, case in cases().items():
        for task, numbers in measure(*case).items():
            lines.append("|".join([f"{name:36}", f"{task:8}", *(f"{number:12}" for number in numbers)]))
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    null_device.install("plain")
    write_table()
