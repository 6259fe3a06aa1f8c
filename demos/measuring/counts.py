"""The operations and the memory of a training step, computed from the sizes."""

from dataclasses import dataclass
from itertools import pairwise

ADAM_PASSES = 10  # operations per parameter: see `scratchvae.optim.Adam.step`
BYTES = 4  # of a float32


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network with `depth` hidden layers of one width in encoder and decoder, and of its data.

    batch    rows per batch, B
    inputs   numbers per row
    rows     rows of the data, each used once per epoch
    """

    batch: int = 128
    width: int = 512
    depth: int = 1
    latent: int = 20
    inputs: int = 784
    rows: int = 4096

    @property
    def steps(self):
        """Steps per epoch."""
        return self.rows / self.batch

    @property
    def hidden(self):
        return (self.width,) * self.depth

    @property
    def maps(self):
        """(I, O) of every linear map, encoder first."""
        encoder = (self.inputs, *self.hidden, 2 * self.latent)
        decoder = (self.latent, *self.hidden, self.inputs)
        return [*pairwise(encoder), *pairwise(decoder)]

    @property
    def parameters(self):
        """P: W (I, O) and b (O,) of every map."""
        return sum((inputs + 1) * outputs for inputs, outputs in self.maps)

    # A product of (B, I) with (I, O) is B·I·O multiplications and as many additions. Each map needs three of that size:
    # y = x W forward, dW = xᵀ dy and dx = dy Wᵀ backward; the first map needs no dx. So there are nearly 6·P·B
    # operations. All other work on a number of the batch costs a few operations, not hundreds.
    @property
    def products(self):
        """Floating-point operations of the matrix products of one step."""
        weights = [inputs * outputs for inputs, outputs in self.maps]
        return self.batch * (6 * sum(weights) - 2 * weights[0])

    @property
    def adam(self):
        """Operations of Adam's step; they do not depend on the batch."""
        return ADAM_PASSES * self.parameters

    @property
    def operations(self):
        """Operations of one step."""
        return self.products + self.adam

    # θ, dθ, Adam's m and v, and its scratch vector. For each row of the batch: x; y (O) and dx (I) of each map; y and
    # dx of each activation; a few numbers per pixel and per latent dimension for the densities.
    @property
    def memory(self):
        """Bytes of memory during training: the vectors and the batch."""
        row = self.inputs + sum(inputs + outputs for inputs, outputs in self.maps) + 4 * self.width * self.depth
        row += 4 * self.inputs + 14 * self.latent
        return BYTES * (5 * self.parameters + self.batch * row)

    @property
    def data(self):
        """Bytes of the data."""
        return BYTES * self.rows * self.inputs
