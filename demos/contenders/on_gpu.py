"""scratchvae, and the products alone, on a GPU through CuPy."""

from contenders.ours import Ours
from contenders.products import Products


class OnGPU:
    """What CuPy is asked by whoever does not wait."""

    def finish(self):
        self.backend.xp.cuda.Device().synchronize()

    def peak_MB(self):
        return self.backend.xp.get_default_memory_pool().total_bytes() / 2**20  # it gives nothing back by itself


class OursOnGPU(OnGPU, Ours):
    """`Trainer.step` looks at its batch and reads its loss, and waits for both; a step of `fit` does neither.

    `VAE.encode` looks at its rows too, and is taken as it is.
    """

    def step(self):
        self.trainer.steps.update(self.x)


class ProductsOnGPU(OnGPU, Products):
    pass
