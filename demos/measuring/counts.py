"""What a training step does and holds, counted: operations and bytes, from nothing but the sizes."""

from dataclasses import dataclass
from itertools import pairwise

ADAM_PASSES = 10  # over a vector of P numbers: see `scratchvae.optim.Adam.step`
BYTES = 4  # of a float32


@dataclass(frozen=True)
class Sizes:
    """Batches of B rows of `inputs` pixels, and `depth` hidden layers of one width on either side.

    rows   of the data, which an epoch runs through once
    """

    batch: int = 128
    width: int = 512
    depth: int = 1
    latent: int = 20
    inputs: int = 784
    rows: int = 4096

    @property
    def steps(self):
        """Of an epoch."""
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
    # y = x W forward, dW = xᵀ dy and dx = dy Wᵀ backward; only the first map hands no dx to anyone. So there are
    # nearly 6·P·B operations. All else that is done to a number of the batch costs a few operations, not hundreds.
    @property
    def products(self):
        """Floating-point operations of the matrix products of one step."""
        weights = [inputs * outputs for inputs, outputs in self.maps]
        return self.batch * (6 * sum(weights) - 2 * weights[0])

    @property
    def adam(self):
        """Operations of Adam's step, whatever the batch."""
        return ADAM_PASSES * self.parameters

    @property
    def operations(self):
        """Of one step."""
        return self.products + self.adam

    # θ, dθ, and Adam's m, v and a vector to compute in. For each row of the batch: x; of each map y (O) and dx (I); of
    # each activation y and dx; a few numbers for each pixel's and each latent dimension's density.
    @property
    def memory(self):
        """Bytes that training holds: of the vectors and of the batch."""
        row = self.inputs + sum(inputs + outputs for inputs, outputs in self.maps) + 4 * self.width * self.depth
        row += 4 * self.inputs + 14 * self.latent
        return BYTES * (5 * self.parameters + self.batch * row)

    @property
    def data(self):
        """Bytes of the data."""
        return BYTES * self.rows * self.inputs
