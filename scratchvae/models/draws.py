"""Several draws of z for each row, computed as rows of a larger batch."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.layers import Repeat
from scratchvae.memory import BatchBuffers


class Draws:
    """Repeat each row of a batch K times, for an objective that uses K draws of z a row. K = 1 changes nothing."""

    def __init__(self, draws: int) -> None:
        self.draws = draws
        self.repeat_h, self.repeat_x, self.repeat_targets = (Repeat(draws) for _ in range(3))

    def bind(self, buffers: BatchBuffers, h_width: int, x_width: int, classes: int) -> None:
        """Allocate buffers for the repeated rows, and for one-hot rows if `classes` is not 0."""
        if self.draws > 1:
            if classes:
                self.repeat_targets.bind(buffers, (classes,))
            self.repeat_h.bind(buffers, (h_width,))
            self.repeat_x.bind(buffers, (x_width,))

    def forward(self, h: Array, x: Array, eps: Array) -> tuple[Array, Array, Array]:
        """h, x (B·K, ·) and eps (B·K, n), from h, x (B, ·) and eps (B, K·n)."""
        if self.draws == 1:
            return h, x, eps
        eps = eps.reshape(len(eps) * self.draws, eps.shape[1] // self.draws)
        return self.repeat_h.forward(h), self.repeat_x.forward(x), eps

    def repeat(self, targets: Array | None) -> Array | None:
        """One-hot rows (B·K, ·) from one-hot rows (B, ·)."""
        if self.draws == 1 or targets is None:
            return targets
        return self.repeat_targets.forward(targets)

    def backward(self, dh: Array) -> Array:
        """dh (B, ·) from dh (B·K, ·): the sum over the K copies of a row."""
        return dh if self.draws == 1 else self.repeat_h.backward(dh)

    def backward_inputs(self, dx: Array, deps: Array) -> tuple[Array, Array]:
        """dx (B, ·) and deps (B, K·n), from dx (B·K, ·) and deps (B·K, n)."""
        if self.draws == 1:
            return dx, deps
        return self.repeat_x.backward(dx), deps.reshape(len(deps) // self.draws, deps.shape[1] * self.draws)
