"""scratchvae, and the products alone, on a GPU through CuPy."""

import numpy as np

from contenders.ours import Ours
from contenders.products import Products
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.rng import fill_random, generator


class OnGPU:
    """The waiting and the memory of CuPy."""

    def finish(self):
        self.backend.xp.cuda.Device().synchronize()

    def peak_MB(self):
        return self.backend.xp.get_default_memory_pool().total_bytes() / 2**20  # the pool never shrinks by itself


class OursOnGPU(OnGPU, Ours):
    """scratchvae with the step of `Trainer.fit`, which does not wait for the GPU.

    `Trainer.step` checks its batch and reads its loss, and waits for both. `VAE.encode` checks its rows too.
    """

    def __init__(self, problem):
        super().__init__(problem)
        self.noise, self.to_device_buffer = generator(0, "training noise"), HostToDeviceBuffer(self.backend)
        self.eps = np.empty((problem.batch, self.vae.noise_dim), self.vae.dtype)

    def step(self, x):
        self.vae.forward(x, self.to_device_buffer.to_device(fill_random(self.eps, self.noise.standard_normal)))
        self.vae.backward()
        self.trainer.optimizer.step(self.vae.dtheta)


class ProductsOnGPU(OnGPU, Products):
    pass
