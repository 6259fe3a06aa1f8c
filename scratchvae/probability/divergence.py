"""KL(q(z | x) ‖ p(z)) of each row, in closed form or estimated from the draw of z."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.memory import BatchBuffers, Module, Shape
from scratchvae.probability.gaussian import GaussianKL
from scratchvae.probability.log_density_ratio import LogDensityRatio
from scratchvae.validation import shorten


class Divergence(Module):
    """The KL term between a posterior q and a prior p.

    shapes   z (B, Z)   kl (B,)

    `backward(dkl, dz)` adds the gradient of the KL with respect to z to dz, and returns the arguments of
    `Posterior.backward`.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    def children(self) -> dict[str, Module]:
        """None, because the posterior and the prior are children of the model."""
        return {}

    def forward(self, z: Array) -> Array:
        """kl (B,) in nats, for the posterior's last draw z (B, Z)."""
        raise NotImplementedError

    def backward(self, dkl: Array, dz: Array) -> tuple[Any, ...]:
        """The arguments of `Posterior.backward`, from dkl (B,) and dz (B, Z)."""
        raise NotImplementedError

    def _check_drawn(self, posterior: Any, *attributes: str) -> None:
        """Raises ShapeError unless the posterior has these attributes, which its forward sets."""
        for name in attributes:
            if not hasattr(posterior, name):
                kind = shorten(type(posterior).__name__, 40)
                raise ShapeError(
                    f"{type(self).__name__} needs {kind}.{name}, which its forward sets; call {kind}.forward first"
                )

    has_per_dimension: ClassVar[bool] = False  # True if `per_dimension` and `accumulate` are implemented

    @property
    def per_dimension(self) -> Array:
        """The KL of each row and latent dimension (B, Z) of the last forward."""
        raise NotImplementedError

    def accumulate(self, sums: Array, draws: int) -> None:
        """Add the closed-form KL of each row and latent dimension to sums (B, Z); z has `draws` draws for each row."""
        raise NotImplementedError


# In closed form, the KL does not depend on z, and its gradients go directly to μ and log σ².
class ExactKL(Divergence):
    """The KL in closed form, `kl`, of a posterior with `mu` and `logvar`."""

    def __init__(self, posterior: Any, kl: GaussianKL) -> None:
        self.posterior, self.kl = posterior, kl

    def children(self) -> dict[str, Module]:
        """The closed form, without a prefix for the names of its parameters."""
        return {"": self.kl}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind the closed form."""
        self.kl.bind(buffers, self.input_shape)

    def forward(self, z: Array) -> Array:
        """kl (B,) of q. Raises ShapeError before the posterior's forward."""
        self._check_drawn(self.posterior, "mu", "logvar")
        return self.kl.forward(self.posterior.mu, self.posterior.logvar)

    def backward(self, dkl: Array, dz: Array) -> tuple[Any, ...]:
        """dz unchanged, no dlog_q, and the gradients of mu and logvar, from dkl (B,), or (B, Z) per dimension."""
        return dz, None, self.kl.backward(dkl)

    has_per_dimension: ClassVar[bool] = True

    @property
    def per_dimension(self) -> Array:
        """The KL of each row and latent dimension (B, Z)."""
        return self.kl.per_dimension

    def accumulate(self, sums: Array, draws: int) -> None:
        """Add the KL of each row and dimension of the last forward to sums (B, Z)."""
        self.kl.accumulate(sums)


# KL = E_q[log q(z | x) − log p(z)], of which one draw z ~ q is an unbiased estimate. It depends on z, and on the
# parameters of q through log q:
#   →  dlog_q = dkl,  dlog_p = −dkl,  dz += ∂ log p/∂z · dlog_p
class MonteCarloKL(Divergence):
    """The estimate log q(z | x) − log p(z) at the draw, for any posterior with `log_prob` and any prior."""

    def __init__(self, posterior: Any, prior: Any) -> None:
        self.posterior, self.prior = posterior, prior

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate two numbers per row."""
        self._kl, self._dlog_p = buffers.column(), buffers.column()

    def forward(self, z: Array) -> Array:
        """The estimate (B,)."""
        rows = self.check_inputs(z=z)
        kl = self._kl[:rows]
        self.xp.subtract(self.posterior.log_prob(), self.prior.forward(z), out=kl)
        return kl

    def backward(self, dkl: Array, dz: Array) -> tuple[Any, ...]:
        """dz with the gradient of −log p added, and dlog_q."""
        rows = self.check_gradients(dkl=dkl)
        dlog_p = self._dlog_p[:rows]
        self.xp.negative(dkl, out=dlog_p)
        dz += self.prior.backward(dlog_p)
        return dz, dkl


class GaussianDrawKL(Divergence):
    """`MonteCarloKL` of a diagonal Gaussian and N(0, I), by `LogDensityRatio`, in which the constants cancel."""

    has_per_dimension: ClassVar[bool] = True

    def __init__(self, posterior: Any) -> None:
        self.posterior, self.log_ratio, self.exact = posterior, LogDensityRatio(), GaussianKL()

    def children(self) -> dict[str, Module]:
        """The log-ratio, and the closed form for the KL per dimension."""
        return {"log_ratio": self.log_ratio, "exact": self.exact}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind both children; allocate one number per row and the gradient that is added to dz."""
        self.log_ratio.bind(buffers, self.input_shape)
        self.exact.bind(buffers, self.input_shape)
        self._kl, self._scratch = buffers.column(), buffers.matrix(self.input_width)

    def forward(self, z: Array) -> Array:
        """The estimate (B,). Raises ShapeError before the posterior's forward."""
        rows = self.check_inputs(z=z)
        self._check_drawn(self.posterior, "eps", "logvar")
        kl, self.z = self._kl[:rows], z
        self.xp.negative(self.log_ratio.forward(z, self.posterior.eps, self.posterior.logvar), out=kl)
        return kl

    # −log p(z) = ½ z² + …           →  dz += dkl · z
    def backward(self, dkl: Array, dz: Array) -> tuple[Any, ...]:
        """dz with the gradient of −log p added, and dlog_q."""
        rows = self.check_gradients(dkl=dkl)
        scratch = self._scratch[:rows]
        self.xp.multiply(self.z, dkl[:, None], out=scratch)
        dz += scratch
        return dz, dkl

    def accumulate(self, sums: Array, draws: int) -> None:
        """Add the closed-form KL of each row and dimension to sums (B, Z); z has `draws` draws for each row."""
        self.exact.forward(self.posterior.mu[::draws], self.posterior.logvar[::draws])
        self.exact.accumulate(sums)


# The gradient of log q(z | x) with respect to the parameters φ of q has two parts, through z and at fixed z. The mean
# of the second over z ~ q is 0, because q integrates to 1 for any φ: ∫ q ∂ log q/∂φ dz = ∂/∂φ ∫ q dz = 0. So leaving
# it out changes no mean. What remains vanishes where q is the true posterior, whatever z is drawn, because the
# log-ratio of p(x, z) and q is then the same for all z (Roeder, Wu and Duvenaud 2017).
#   →  dz += dlog_q ∂ log q/∂z,  no dlog_q,  and each row of dz times the factor of the objective
class PathwiseKL(Divergence):
    """An estimate of the KL at the draw, whose gradient reaches the parameters of q through z alone.

    estimate     a `MonteCarloKL` or `GaussianDrawKL` of the posterior
    dz_factors   a function without arguments that returns the factor of the gradient of each draw of z, (B,), or None
    """

    def __init__(self, posterior: Any, estimate: Any, dz_factors: Callable[[], Array | None]) -> None:
        self.posterior, self.estimate, self.dz_factors = posterior, estimate, dz_factors
        self.has_per_dimension = estimate.has_per_dimension  # type: ignore[misc]

    def children(self) -> dict[str, Module]:
        """The estimate, without a prefix for the names of its parameters."""
        return {"": self.estimate}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind the estimate."""
        self.estimate.bind(buffers, self.input_shape)

    def forward(self, z: Array) -> Array:
        """The estimate (B,)."""
        kl: Array = self.estimate.forward(z)
        return kl

    def backward(self, dkl: Array, dz: Array) -> tuple[Any, ...]:
        """dz with all gradients through z, times the factors, and no dlog_q."""
        dz, dlog_q = self.estimate.backward(dkl, dz)
        dz += self.posterior.backward_density(dlog_q)
        factors = self.dz_factors()
        if factors is not None:
            dz *= factors[:, None]
        return dz, None

    def accumulate(self, sums: Array, draws: int) -> None:
        """Add the closed-form KL of each row and dimension to sums (B, Z); z has `draws` draws for each row."""
        self.estimate.accumulate(sums, draws)
