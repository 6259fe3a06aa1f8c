"""The interface of a contender, and the problem that all share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from measuring.machine import peak_MB

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


SIDE, CHANNELS, KERNEL = 28, (1, 32, 64), 4  # of the convolutions, with a stride of 2 and a border of 1
SMALL = SIDE // 4  # height and width after two convolutions
BATCHES = 8  # that the steps take in turn


@dataclass(frozen=True)
class Problem:
    """x (B, D) in [0, 1] → hidden ReLU → μ, log σ² (B, Z); z (B, Z) → hidden ReLU → logits (B, D); Adam; float32.

    With architecture "conv", two convolutions with ReLU stand before the linear layers, and two transposed ones after.
    """

    batch: int = 128
    hidden: int = 512
    width: int = 784
    latent: int = 20
    backend: str = "numpy"
    architecture: str = "mlp"

    @property
    def on_gpu(self):
        """True if the contenders compute on a GPU, where a call returns before its work is done."""
        return self.backend != "numpy"

    @cached_property
    def params(self):
        """The initial weights, by scratchvae's names."""
        rng = np.random.default_rng(0)
        params = {}
        for name, (shape, inputs, outputs) in self.shapes.items():
            params[f"{name}.W"] = rng.normal(0, inputs**-0.5, shape).astype(np.float32)
            params[f"{name}.b"] = np.zeros(outputs, np.float32)
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
    def batches(self):
        """Batches of grey pixels."""
        return np.random.default_rng(1).random((BATCHES, self.batch, self.width), np.float32)

    @property
    def x(self):
        """The first batch."""
        return self.batches[0]

    @cached_property
    def eps(self):
        """The noise at which the contenders' losses are compared."""
        return np.random.default_rng(2).standard_normal((self.batch, self.latent), np.float32)


class Unavailable(Exception):
    """Raised by a contender that cannot run here, with the reason."""


class Contender:
    """A framework's implementation: `step` trains on the next batch with new noise, `encode` computes μ.

    On a CPU both are done when they return. On a GPU they may still be running: `finish` waits for them.
    """

    turn = 0

    def __init__(self, problem):
        """Set up the problem; `batches` are its batches, as the framework takes them."""
        raise NotImplementedError

    def next_batch(self):
        """Another batch than that of the step before."""
        self.turn = (self.turn + 1) % len(self.batches)
        return self.batches[self.turn]

    def loss(self):
        """Return the loss at the problem's weights and noise, before any step: a float."""
        raise NotImplementedError

    def step(self):
        """Train for one step with new noise. On a CPU the loss is read, as for logging; on a GPU it is not."""
        raise NotImplementedError

    def encode(self, rows):
        """Compute μ of the first rows of the batch."""
        raise NotImplementedError

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
