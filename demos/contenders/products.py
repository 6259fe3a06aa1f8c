"""The matrix products of a step alone: a lower bound of the time of any implementation on NumPy or CuPy."""

import numpy as np

from contenders.contender import Contender, Unavailable
from scratchvae.backend import get_backend


class Products(Contender):
    def __init__(self, problem):
        if problem.architecture != "mlp":
            raise Unavailable("it has the products of linear layers alone")
        p = problem
        self.problem, self.backend = p, get_backend(p.backend)
        chain = [(p.width, p.hidden), (p.hidden, 2 * p.latent), (p.latent, p.hidden), (p.hidden, p.width)]
        rng = np.random.default_rng(0)
        self.forward, self.backward = [], []
        for k, (inputs, outputs) in enumerate(chain):
            x, W, y, dW, dx = (
                self.backend.upload(rng.random(shape, np.float32))
                for shape in (
                    (p.batch, inputs),
                    (inputs, outputs),
                    (p.batch, outputs),
                    (inputs, outputs),
                    (p.batch, inputs),
                )
            )
            self.forward.append((x, W, y))
            self.backward.append((x.T, y, dW))
            if k:
                self.backward.append((y, W.T, dx))

    def loss(self):
        return None

    def step(self):
        for a, b, out in (*self.forward, *self.backward):
            self.backend.xp.matmul(a, b, out=out)

    def encode(self, rows):
        for x, W, y in self.forward[:2]:
            self.backend.xp.matmul(x[:rows], W, out=y[:rows])
