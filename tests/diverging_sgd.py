"""An optimizer that diverges at too high a learning rate."""

from math import nan

from scratchvae.optim import SGD


class DivergingSGD(SGD):
    """Makes a weight NaN in its update number `at`, if its learning rate is above `bearable`."""

    def __init__(self, lr, at, bearable):
        super().__init__(lr)
        self.at, self.bearable = at, bearable

    def step(self, dtheta):
        rate = self.schedule(self.t)
        super().step(dtheta)
        if self.t == self.at and rate > self.bearable:
            self.theta[0] = nan
