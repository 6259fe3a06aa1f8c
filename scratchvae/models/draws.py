"""Several draws of a row, as rows of their own."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.layers import Repeat
from scratchvae.memory import BatchBuffers


class Draws:
    """K draws of each row, where an objective asks for them: all that belongs to a row is repeated K times.

    With K = 1 everything passes as it is.
    """

    def __init__(self, draws: int) -> None:
        self.draws = draws
        self.repeat_h, self.repeat_x, self.repeat_targets = (Repeat(draws) for _ in range(3))

    def bind(self, buffers: BatchBuffers, h_width: int, x_width: int, classes: int) -> None:
        """Receive room for the copies; of one-hot classes, where there are any."""
        if self.draws > 1:
            if classes:
                self.repeat_targets.bind(buffers, (classes,))
            self.repeat_h.bind(buffers, (h_width,))
            self.repeat_x.bind(buffers, (x_width,))

    def forward(self, h: Array, x: Array, eps: Array) -> tuple[Array, Array, Array]:
        """h and x of B·K rows, and eps (B·K, n), from h and x of B rows and eps (B, K·n)."""
        if self.draws == 1:
            return h, x, eps
        eps = eps.reshape(len(eps) * self.draws, eps.shape[1] // self.draws)
        return self.repeat_h.forward(h), self.repeat_x.forward(x), eps

    def repeat(self, targets: Array | None) -> Array | None:
        """The classes (B·K, ·) of the rows, from those of B rows."""
        if self.draws == 1 or targets is None:
            return targets
        return self.repeat_targets.forward(targets)

    def backward(self, dh: Array) -> Array:
        """dh of B rows from dh of B·K rows."""
        return dh if self.draws == 1 else self.repeat_h.backward(dh)

    def backward_inputs(self, dx: Array, deps: Array) -> tuple[Array, Array]:
        """dx of B rows and deps (B, K·n) from those of B·K rows."""
        if self.draws == 1:
            return dx, deps
        return self.repeat_x.backward(dx), deps.reshape(len(deps) // self.draws, deps.shape[1] * self.draws)
