"""The matrix products alone: a lower bound of the time of any implementation on NumPy or CuPy."""

import numpy as np

from contenders.contender import Contender, Unavailable
from scratchvae.backend import get_backend
from scratchvae.backend.openblas import find_openblas


class Products(Contender):
    """Products of the right sizes, each of which writes into the same memory in every call."""

    def __init__(self, problem):
        if problem.architecture != "mlp":
            raise Unavailable("it has the products of linear layers alone")
        p = problem
        self.problem, self.backend = p, get_backend(p.backend)
        chain = [(p.width, p.hidden), (p.hidden, 2 * p.latent), (p.latent, p.hidden), (p.hidden, p.width)]
        self.W = [self.random(inputs, outputs) for inputs, outputs in chain]
        self.dW = [self.random(inputs, outputs) for inputs, outputs in chain]
        self.inputs = [self.random(p.batch, inputs) for inputs, _ in chain[1:]]  # of all layers but the first
        self.dx = [self.random(*x.shape) for x in self.inputs]
        self.outputs = [self.random(p.batch, outputs) for _, outputs in chain]
        self.codes = {}

    def random(self, *shape):
        return self.backend.upload(np.random.default_rng(0).random(shape, np.float32))

    def upload(self, rows):
        return self.backend.upload(rows)

    def loss(self):
        return None

    def step(self, x):
        matmul = self.backend.xp.matmul
        inputs = [x, *self.inputs]
        for x, W, y in zip(inputs, self.W, self.outputs, strict=True):
            matmul(x, W, out=y)
        for x, dy, dW in zip(inputs, self.outputs, self.dW, strict=True):
            matmul(x.T, dy, out=dW)
        for dy, W, dx in zip(self.outputs[1:], self.W[1:], self.dx, strict=True):
            matmul(dy, W.T, out=dx)

    def encode(self, x):
        if len(x) not in self.codes:
            self.codes[len(x)] = [self.random(len(x), W.shape[1]) for W in self.W[:2]]
        hidden, codes = self.codes[len(x)]
        self.backend.xp.matmul(x, self.W[0], out=hidden)
        self.backend.xp.matmul(hidden, self.W[1], out=codes)

    def threads(self):
        return blas_threads()


def blas_threads():
    """The number of threads of NumPy's OpenBLAS, if it is known."""
    library = find_openblas()
    return {"BLAS of numpy": library.get_num_threads()} if library else {}
