"""A user-defined posterior and prior: their KL has no closed form, and the prior has a parameter."""

from __future__ import annotations

from math import log, pi
from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers
from scratchvae.memory.flat import Shapes
from scratchvae.probability import Posterior, Prior
from scratchvae.verification.oracles import Oracle


class TanhGaussian(Posterior):
    """z = tanh(u), with u = μ + σ ε and h = [μ, log σ²]: codes in (−1, 1)."""

    outputs_per_latent: ClassVar[int] = 2

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate z and dh."""
        self._z, self._dh = buffers.matrix(self.output_shape(self.input_shape)[0]), buffers.matrix(self.input_width)

    def forward(self, h: Array, eps: Array) -> Array:
        """Return z (B, Z) from h (B, 2Z) and eps (B, Z)."""
        rows = self.check_inputs(h=h)
        mu, self.logvar = h[:, : eps.shape[1]], h[:, eps.shape[1] :]
        self.eps, self.sigma, self.z = eps, self.xp.exp(self.logvar / 2), self._z[:rows]
        self.u = mu + self.sigma * eps
        self.xp.tanh(self.u, out=self.z)
        return self.z

    # The density of u, divided by |dz/du| = 1 − z² = 1/cosh² u:  log q = Σ −½ (ε² + log σ² + log 2π) + 2 log cosh u
    def log_prob(self) -> Array:
        """Return log q(z | x) (B,) of the last draw."""
        log_cosh = self.xp.logaddexp(self.u, -self.u) - log(2)
        log_q: Array = (2 * log_cosh - (self.eps**2 + self.logvar + log(2 * pi)) / 2).sum(axis=1)
        return log_q

    # ∂z/∂u = 1 − z²,  ∂ log q/∂u = 2 z at fixed ε and σ,  and directly ∂ log q/∂ log σ² = −½,  ∂ log q/∂ε = −ε
    def backward(self, dz: Array, dlog_q: Array | None = None) -> Array:
        """Return dh (B, 2Z) from dz (B, Z) and dlog_q (B,)."""
        du, dh, latent = self._du(dz, dlog_q), self._dh[: len(dz)], dz.shape[1]
        dh[:, :latent] = du
        dh[:, latent:] = du * self.sigma * self.eps / 2
        if dlog_q is not None:
            dh[:, latent:] -= dlog_q[:, None] / 2
        return dh

    def backward_noise(self, dz: Array, dlog_q: Array | None = None) -> Array:
        """Return deps (B, Z) from the same gradients."""
        deps: Array = self._du(dz, dlog_q) * self.sigma
        if dlog_q is not None:
            deps -= dlog_q[:, None] * self.eps
        return deps

    def _du(self, dz: Array, dlog_q: Array | None) -> Array:
        du: Array = dz / self.xp.cosh(self.u) ** 2
        return du if dlog_q is None else du + dlog_q[:, None] * 2 * self.z


class TwoComponentMixture(Prior):
    """p(z) = Π_j ½ N(z_j; a_j, 1) + ½ N(z_j; −a_j, 1), with learned means ±a (Z,)."""

    noise_per_latent: ClassVar[int] = 2
    a: Array
    da: Array

    def __init__(self, latent_dim: int) -> None:
        self.latent_dim = latent_dim

    def parameter_shapes(self) -> Shapes:
        """a (Z,)."""
        return {"a": (self.latent_dim,)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """a = 1."""
        return {"a": np.ones(self.latent_dim)}

    # For one dimension:  log p = −½ (z² + a² + log 2π) + log cosh(a z)
    def forward(self, z: Array) -> Array:
        """Return log p(z) (B,) from z (B, Z)."""
        self.check_inputs(z=z)
        self.z, az = z, self.a * z
        log_cosh = self.xp.logaddexp(az, -az) - log(2)
        log_p: Array = (log_cosh - (z**2 + self.a**2 + log(2 * pi)) / 2).sum(axis=1)
        return log_p

    #   ∂/∂z = −z + a tanh(a z),  ∂/∂a = −a + z tanh(a z)
    def backward(self, dlog_p: Array) -> Array:
        """Return dz (B, Z) from dlog_p (B,); sets da."""
        self.check_gradients(dlog_p=dlog_p)
        tanh_az, d = self.xp.tanh(self.a * self.z), dlog_p[:, None]
        self.da[...] = (d * (self.z * tanh_az - self.a)).sum(axis=0)
        dz: Array = d * (self.a * tanh_az - self.z)
        return dz

    def draw(self, noise: Array) -> Array:
        """Return z (B, Z) from noise (B, 2Z): deviations in the first half; the signs of the second half select ±a."""
        z: Array = noise[:, : self.latent_dim] + self.a * self.xp.sign(noise[:, self.latent_dim :])
        return z


def tanh_gaussian_draw(oracle: Oracle, params: dict[str, Any], h: Any, eps: Any) -> tuple[Any, Any, Any]:
    """The formula of a `TanhGaussian` posterior and a `TwoComponentMixture` prior with parameter "prior.a"."""
    mu, logvar, a = h[:, : eps.shape[1]], h[:, eps.shape[1] :], params["prior.a"]
    u = oracle.reparameterize(mu, logvar, eps)
    z = oracle.tanh(u)
    log_cosh = oracle.softplus(2 * u) - u - log(2)  # the Jacobian is 1 − tanh² u = 1/cosh² u
    log_q = oracle.gaussian(mu, logvar, u) + 2 * log_cosh.sum(1)
    return z, log_q, mixture_log_prob(oracle, a, z)


def mixture_log_prob(oracle: Oracle, a: Any, z: Any) -> Any:
    """log p(z) (B,) of a `TwoComponentMixture`, by N(z; −a, 1) = N(z; a, 1) exp(−2 a z)."""
    zero = 0 * z
    return oracle.gaussian(zero + a, zero, z) + (oracle.softplus(-2 * a * z) - log(2)).sum(1)
