"""What a contender must be able to do, and the problem that all share."""

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
        """Whether to compute on a GPU, where a step is put in a queue and not waited for."""
        return self.backend != "numpy"

    @cached_property
    def params(self):
        """The weights that everyone begins with, by scratchvae's names."""
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
    """A contender that cannot run here; says why."""


class Contender:
    """Made for a problem; then `step` trains on its batch with noise of its own, `encode` gives μ of its first rows.

    On a CPU both are done when they return. On a GPU they need only be on their way: `finish` waits for them.
    """

    def __init__(self, problem):
        raise NotImplementedError

    def loss(self):
        """The loss at the problem's weights and noise, before any step: a float."""
        raise NotImplementedError

    def step(self):
        """One training step with fresh noise. On a CPU its loss is read, as one does to log it; on a GPU it is not."""
        raise NotImplementedError

    def encode(self, rows):
        """μ of the first rows of the batch."""
        raise NotImplementedError

    def finish(self):
        """Return once all that was begun is done."""

    def peak_MB(self):
        """The most memory held so far: by this process; or on a GPU, by the framework's arrays there."""
        return peak_MB()
