"""MADE, a network whose outputs for one input depend on the inputs before it alone."""

from __future__ import annotations

from collections.abc import Sequence

from scratchvae.layers import ELU, Layer, MaskedLinear, Sequential
from scratchvae.layers.layer import check_layer
from scratchvae.validation import check_int, check_ints, suggest_arguments


class MADE(Sequential):
    """Masked autoencoder: output d of [z, c] depends on z_1 … z_(d−1) and c. Germain et al. 2015, sec. 3.

    shapes   x = [z, c] (B, I + C)   y (B, P·I), the P outputs of each z_d: first all of one kind, then all of the next
    saves, writes   as `Sequential`

    inputs      I, the width of z
    hidden      widths of the hidden layers
    outputs     P
    context     C, the width of c, on which all outputs may depend
    activation  of the hidden layers; None: ELU()

    With the degrees d of z_d, 0 of c, and 1, 2, … I − 1, 1, 2, … of hidden units, a path leads from z_i to output d
    only if i < d. Raises ConfigError.
    """

    @suggest_arguments
    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int] = (64,),
        outputs: int = 1,
        context: int = 0,
        activation: Layer | None = None,
    ) -> None:
        self.inputs, self.outputs = check_int("inputs", inputs), check_int("outputs", outputs)
        self.hidden, self.context = check_ints("hidden", hidden), check_int("context", context, minimum=0)
        self.activation = check_layer("activation", ELU() if activation is None else activation)
        degrees = (*range(1, self.inputs + 1), *[0] * self.context)
        layers: list[Layer] = []
        for width in self.hidden:
            # with a single z_d, hidden units read the context alone
            inner = tuple(1 + k % (self.inputs - 1) if self.inputs > 1 else 0 for k in range(width))
            kind = type(self.activation)
            layers += [MaskedLinear(degrees, inner), kind.from_config(self.activation.config())]
            degrees = inner
        of_outputs = tuple(range(1, self.inputs + 1)) * self.outputs
        super().__init__(*layers, MaskedLinear(degrees, of_outputs, strict=True))
