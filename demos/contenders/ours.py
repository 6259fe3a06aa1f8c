"""scratchvae, through its public methods."""

import numpy as np

import scratchvae as sv
from contenders.contender import BETA1, BETA2, DRAWS, EPS, LR, SIDE, Contender, Unavailable
from contenders.products import blas_threads
from scratchvae.backend import get_backend
from scratchvae.errors import BackendError

IMPUTED_DRAWS = 50  # the length of the Markov chain


class Ours(Contender):
    jobs = (*Contender.jobs, "impute", "log_likelihood")

    def __init__(self, problem):
        self.problem = problem
        shape = {"image_shape": (SIDE, SIDE), "architecture": "conv"} if problem.architecture == "conv" else {}
        self.vae = sv.VAE(problem.width, problem.latent, (problem.hidden,), backend=self.choose_backend(), **shape)
        self.backend = self.vae.backend
        for name, view in self.vae.params.items():
            self.backend.copy_from_host(view, problem.params[name])
        optimizer = sv.optim.Adam(LR, BETA1, BETA2, EPS)
        self.trainer = sv.Trainer(self.vae, optimizer=optimizer, batch_size=problem.batch)

    def choose_backend(self):
        return self.problem.backend

    def upload(self, rows):
        return self.backend.upload(rows)

    def loss(self):
        x = self.upload(self.problem.first_rows(self.problem.batch))
        return self.vae.loss_and_grads(x, self.problem.eps)[0]

    def step(self, x):
        self.trainer.step(x)

    def encode(self, x):
        self.vae.encode(x)

    def embed(self, x):
        self.vae.embed(x)

    def impute(self, x):
        """Fill in the lower half of each image by a Markov chain."""
        observed = np.arange(x.size).reshape(x.shape) % self.problem.width < self.problem.width // 2
        self.vae.impute(x, observed, samples=IMPUTED_DRAWS)

    def log_likelihood(self, x):
        """Estimate log p(x) of each row by importance sampling."""
        return sv.evaluation.log_likelihood(self.vae, x, DRAWS).rows

    def threads(self):
        return blas_threads()

    def first_moments(self):
        return [self.trainer.optimizer.m]

    def weights(self):
        return self.vae.theta


class OursWithoutFlush(Ours):
    """With an optimizer that keeps its subnormal numbers."""

    def __init__(self, problem):
        super().__init__(problem)
        self.trainer.optimizer._flush.limits.clear()


class OursNative(Ours):
    """With kernels compiled by the C++ compiler of this machine."""

    def choose_backend(self):
        try:
            return get_backend("native")
        except BackendError as error:
            raise Unavailable(str(error)) from None
