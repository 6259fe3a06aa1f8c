"""scratchvae, through its public methods."""

import scratchvae as sv
from contenders.contender import BETA1, BETA2, EPS, LR, SIDE, Contender, Unavailable
from scratchvae.backend import get_backend
from scratchvae.errors import BackendError


class Ours(Contender):
    def __init__(self, problem):
        self.problem = problem
        shape = {"image_shape": (SIDE, SIDE), "architecture": "conv"} if problem.architecture == "conv" else {}
        self.vae = sv.VAE(problem.width, problem.latent, (problem.hidden,), backend=self.choose_backend(), **shape)
        self.backend = self.vae.backend
        for name, view in self.vae.params.items():
            self.backend.copy_from_host(view, problem.params[name])
        self.batches = [self.backend.upload(batch) for batch in problem.batches]
        self.x = self.batches[0]
        optimizer = sv.optim.Adam(LR, BETA1, BETA2, EPS)
        self.trainer = sv.Trainer(self.vae, optimizer=optimizer, batch_size=problem.batch)

    def choose_backend(self):
        return self.problem.backend

    def loss(self):
        return self.vae.loss_and_grads(self.x, self.problem.eps)[0]

    def step(self):
        self.trainer.step(self.next_batch())

    def encode(self, rows):
        self.vae.encode(self.x[:rows])

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
