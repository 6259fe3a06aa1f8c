"""An optimizer that diverges at too high a learning rate."""

from math import nan

from scratchvae.optim import SGD


class DivergingSGD(SGD):
    """SGD that sets a weight to NaN in update `at` if its learning rate is above `max_lr`."""

    def __init__(self, lr, at, max_lr):
        super().__init__(lr)
        self.at, self.max_lr = at, max_lr

    def step(self, dtheta):
        rate = self.schedule(self.t)
        super().step(dtheta)
        if self.t == self.at and rate > self.max_lr:
            self.theta[0] = nan
