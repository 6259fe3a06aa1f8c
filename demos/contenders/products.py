"""The matrix products of a step, and nothing else: what no implementation on NumPy can be faster than."""

import numpy as np

from contenders.contender import Contender


class Products(Contender):
    def __init__(self, problem):
        p = problem
        chain = [(p.width, p.hidden), (p.hidden, 2 * p.latent), (p.latent, p.hidden), (p.hidden, p.width)]
        rng = np.random.default_rng(0)
        self.forward, self.backward = [], []
        for k, (inputs, outputs) in enumerate(chain):
            x, W, y, dW, dx = (
                rng.random(shape, np.float32)
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
            np.matmul(a, b, out=out)

    def encode(self, rows):
        for x, W, y in self.forward[:2]:
            np.matmul(x[:rows], W, out=y[:rows])
