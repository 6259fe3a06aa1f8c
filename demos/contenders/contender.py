"""The interface of a contender, and the problem that all share."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from measuring.machine import peak_MB

from scratchvae import datasets
from scratchvae.errors import DataError

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


SIDE, CHANNELS, KERNEL = 28, (1, 32, 64), 4  # of the convolutions, with a stride of 2 and a border of 1
SMALL = SIDE // 4  # height and width after two convolutions
DRAWS = 500  # of z, for the log-likelihood of a row


@dataclass(frozen=True)
class Problem:
    """x (B, D), 0 or 1 → hidden ReLU → μ, log σ² (B, Z); z (B, Z) → hidden ReLU → logits (B, D); Adam; float32.

    With architecture "conv", two convolutions with ReLU stand before the linear layers, and two transposed ones after.

    data   a named data set of images, of at most D pixels
    rows   of its training rows, the first ones that are used; None: all
    file   a .npy file of these rows, written by `save`; "": the data set is loaded. In a contender's process the file
           is read, because loading the data set would take more memory than some contenders take for training
    """

    batch: int = 128
    hidden: int = 512
    width: int = SIDE**2
    latent: int = 20
    backend: str = "numpy"
    architecture: str = "mlp"
    data: str = "digits"
    rows: int | None = None
    file: str = ""

    @property
    def on_gpu(self):
        """True if the contenders compute on a GPU, where a call returns before its work is done."""
        return self.backend != "numpy"

    @cached_property
    def params(self):
        """The initial weights, by scratchvae's names. The decoder's last bias is set as `Trainer` sets it."""
        rng = np.random.default_rng(0)
        params = {}
        for name, (shape, inputs, outputs) in self.shapes.items():
            params[f"{name}.W"] = rng.normal(0, inputs**-0.5, shape).astype(np.float32)
            params[f"{name}.b"] = np.zeros(outputs, np.float32)
        last, count = params[f"{name}.b"], len(self.packed)
        ones = sum(self.unpack(slice(start, start + 1000)).sum(axis=0, dtype=float) for start in range(0, count, 1000))
        if self.architecture == "conv":
            ones = ones.mean()  # a channel has one bias
        last[:] = np.log((ones + 1) / (count - ones + 1))
        return params

    @property
    def shapes(self):
        """The shape of each W, the number of terms in each of its outputs, and the length of its b."""
        hidden, latent, width = self.hidden, self.latent, self.width
        if self.architecture == "mlp":
            sizes = {
                "encoder.0": (width, hidden),
                "encoder.2": (hidden, 2 * latent),
                "decoder.0": (latent, hidden),
                "decoder.2": (hidden, width),
            }
            return {name: ((i, o), i, o) for name, (i, o) in sizes.items()}
        grey, few, many = CHANNELS
        k, flat = KERNEL, SMALL**2 * many
        return {
            "encoder.0": ((k, k, grey, few), k * k * grey, few),
            "encoder.2": ((k, k, few, many), k * k * few, many),
            "encoder.5": ((flat, hidden), flat, hidden),
            "encoder.7": ((hidden, 2 * latent), hidden, 2 * latent),
            "decoder.0": ((latent, hidden), latent, hidden),
            "decoder.2": ((hidden, flat), hidden, flat),
            "decoder.5": ((k, k, few, many), k * k * many // 4, few),
            "decoder.7": ((k, k, grey, few), k * k * few // 4, grey),
        }

    @cached_property
    def packed(self):
        """The rows, eight pixels in a byte (N, ⌈D / 8⌉): 1 where a pixel is at least 0.5. Raises DataError."""
        if self.file:
            return np.load(self.file)
        images = datasets.load(self.data).train.images[: self.rows]
        if images.shape[1] > self.width:
            raise DataError(f"{self.data} has {images.shape[1]} pixels; the network takes {self.width}")
        return np.packbits(np.pad(images >= 0.5, ((0, 0), (0, self.width - images.shape[1]))), axis=1)

    def unpack(self, rows):
        """These rows as float32 (…, D)."""
        return np.unpackbits(self.packed[rows], axis=1, count=self.width).astype(np.float32)

    def save(self, folder):
        """Write the rows to a file in this folder; return the problem with that file."""
        file = Path(folder) / "rows.npy"
        np.save(file, self.packed)
        return replace(self, file=str(file))

    @property
    def steps_per_epoch(self):
        return max(1, len(self.packed) // self.batch)

    def batches(self):
        """Yield batches (B, D) without end: every row once per epoch, and the epochs in different orders.

        The rows that fill no batch are left out. A batch larger than the data has rows several times.
        """
        rng = np.random.default_rng(1)
        while True:
            order = np.resize(rng.permutation(len(self.packed)), max(self.batch, len(self.packed)))
            for step in range(self.steps_per_epoch):
                yield self.unpack(order[step * self.batch : (step + 1) * self.batch])

    def first_rows(self, count):
        """The first rows (count, D) of the data, which is repeated if it has fewer."""
        return self.unpack(np.arange(count) % len(self.packed))

    @cached_property
    def eps(self):
        """The noise at which the contenders' losses are compared."""
        return np.random.default_rng(2).standard_normal((self.batch, self.latent), np.float32)


class Unavailable(Exception):
    """Raised by a contender that cannot run here, with the reason."""


class Contender:
    """A framework's implementation. Its x are the arrays that `upload` returns.

    On a CPU a call is done when it returns. On a GPU it may still be running: `finish` waits for it.

    jobs   the methods that are timed; "encode-one" is `encode` of one row
    """

    jobs = ("step", "encode", "encode-one", "embed")

    def __init__(self, problem):
        """Set up the problem, which becomes an attribute."""
        raise NotImplementedError

    def upload(self, rows):
        """Return rows (B, D) as an array of the framework, on its device."""
        raise NotImplementedError

    def loss(self):
        """Return the loss of the data's first rows at the present weights and the problem's noise: a float."""
        raise NotImplementedError

    def step(self, x):
        """Train on the batch x, with new noise. On a CPU the loss is read, as for logging; on a GPU it is not."""
        raise NotImplementedError

    def encode(self, x):
        """Compute μ and log σ² of the rows x."""
        raise NotImplementedError

    def embed(self, x):
        """Compute μ of the rows x, which may be many."""
        return self.encode(x)

    def threads(self):
        """Return the number of threads of each library that computes, by its name."""
        return {}

    def first_moments(self):
        """Return Adam's m of all parameters: NumPy arrays."""
        raise NotImplementedError

    def weights(self):
        """Return all weights, where their bits can be compared: a NumPy array; else None."""

    def finish(self):
        """Wait until all calls are done."""

    def peak_MB(self):
        """Return the peak memory so far: of this process, or on a GPU of the framework's arrays."""
        return peak_MB()
