"""scratchvae, and the products alone, on a GPU through CuPy."""

import numpy as np

from contenders.ours import Ours
from contenders.products import Products
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.rng import fill_random, generator
from scratchvae.training.cuda_graph import make_graphs


class OnGPU:
    """The waiting and the memory of CuPy."""

    def finish(self):
        self.backend.xp.cuda.Device().synchronize()

    def peak_MB(self):
        return self.backend.xp.get_default_memory_pool().total_bytes() / 2**20  # the pool never shrinks by itself


class OursOnGPU(OnGPU, Ours):
    """scratchvae with the step of `Trainer.fit`, recorded as a CUDA graph, which does not wait for the GPU.

    `Trainer.step` checks its batch and reads its loss, and waits for both. `VAE.encode` checks its rows too.
    """

    def __init__(self, problem):
        super().__init__(problem)
        self.noise, self.to_device_buffer = generator(0, "training noise"), HostToDeviceBuffer(self.backend)
        self.eps = np.empty((problem.batch, self.vae.noise_dim), self.vae.dtype)
        self.x_buffer = self.backend.xp.empty((problem.batch, problem.width), self.vae.dtype)
        self.graphs = make_graphs(self.vae, self.compute, {}, None)

    def step(self, x):
        self.x_buffer[...] = x
        eps = self.to_device_buffer.to_device(fill_random(self.eps, self.noise.standard_normal))
        self.compute(self.x_buffer, eps) if self.graphs is None else self.graphs(self.x_buffer, eps, (), {})
        self.trainer.optimizer.step(self.vae.dtheta)

    def compute(self, x, eps):
        terms = self.vae.forward(x, eps)
        self.vae.backward()
        return terms


class ProductsOnGPU(OnGPU, Products):
    pass
