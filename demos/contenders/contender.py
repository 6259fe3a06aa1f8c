"""The interface of a contender, and the problem that all share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from measuring.machine import peak_MB

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Problem:
    """x (B, D) in [0, 1] → hidden ReLU → μ, log σ² (B, Z); z (B, Z) → hidden ReLU → logits (B, D); Adam; float32."""

    batch: int = 128
    hidden: int = 512
    width: int = 784
    latent: int = 20
    backend: str = "numpy"

    @property
    def on_gpu(self):
        """True if the contenders compute on a GPU, where a call returns before its work is done."""
        return self.backend != "numpy"

    @cached_property
    def params(self):
        """The initial weights, by scratchvae's names."""
        rng = np.random.default_rng(0)
        shapes = {
            "encoder.0": (self.width, self.hidden),
            "encoder.2": (self.hidden, 2 * self.latent),
            "decoder.0": (self.latent, self.hidden),
            "decoder.2": (self.hidden, self.width),
        }
        params = {}
        for name, shape in shapes.items():
            params[f"{name}.W"] = rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32)
            params[f"{name}.b"] = np.zeros(shape[1], np.float32)
        return params

    @cached_property
    def x(self):
        """One batch of grey pixels."""
        return np.random.default_rng(1).random((self.batch, self.width), np.float32)

    @cached_property
    def eps(self):
        """The noise at which the contenders' losses are compared."""
        return np.random.default_rng(2).standard_normal((self.batch, self.latent), np.float32)


class Unavailable(Exception):
    """Raised by a contender that cannot run here, with the reason."""


class Contender:
    """A framework's implementation: `step` trains on the problem's batch with new noise, `encode` computes μ.

    On a CPU both are done when they return. On a GPU they may still be running: `finish` waits for them.
    """

    def __init__(self, problem):
        raise NotImplementedError

    def loss(self):
        """Return the loss at the problem's weights and noise, before any step: a float."""
        raise NotImplementedError

    def step(self):
        """Train for one step with new noise. On a CPU the loss is read, as for logging; on a GPU it is not."""
        raise NotImplementedError

    def encode(self, rows):
        """Compute μ of the first rows of the batch."""
        raise NotImplementedError

    def finish(self):
        """Wait until all calls are done."""

    def peak_MB(self):
        """Return the peak memory so far: of this process, or on a GPU of the framework's arrays."""
        return peak_MB()
