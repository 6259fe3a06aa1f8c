"""The ELBO with a gradient that has no noise where the posterior is exact."""

from __future__ import annotations

from typing import ClassVar

from scratchvae.objectives.elbo import ELBO


class StickingTheLanding(ELBO):
    """The negative ELBO with the KL estimated from the draw, and its pathwise gradient. Roeder, Wu and Duvenaud 2017.

    shapes, saves, writes   as `ELBO`

    beta   β; 1 gives the ELBO

    The loss is that of `ELBO`, apart from the noise of the estimated KL. The gradient of the parameters of q leaves out
    the part whose mean is 0, see `PathwiseKL`: it has the same mean, and less variance where q is close to the true
    posterior. The posterior must have `backward_density`, as `DiagonalGaussian` has. Raises ConfigError.
    """

    exact_kl: ClassVar[bool] = False
    pathwise: ClassVar[bool] = True

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__(beta)
