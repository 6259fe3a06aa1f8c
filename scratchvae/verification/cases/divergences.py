"""Checked posteriors, priors and divergences, as functions of the encoder's output h and the noise eps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.probability import (
    DiagonalGaussian,
    Divergence,
    ExactKL,
    GaussianDrawKL,
    MonteCarloKL,
    Posterior,
    Prior,
    StandardNormal,
)
from scratchvae.verification.cases.custom_parts import TanhGaussian, TwoComponentMixture, tanh_gaussian_draw
from scratchvae.verification.cases.random_inputs import random_sizes
from scratchvae.verification.formulas import Draw, gaussian_draw
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, VerificationCase, module_gradient_problem


def _posterior_problem(
    rng: np.random.Generator, make: Callable[[], Any], formula: Callable[..., Any]
) -> GradientProblem:
    """Make the problem of a posterior at random h (B, 2Z) and eps (B, Z)."""
    rows, latent = random_sizes(rng, 2)
    return module_gradient_problem(
        make,
        lambda posterior, dy: posterior.gradients(dy),
        formula,
        h=rng.standard_normal((rows, 2 * latent)),
        eps=rng.standard_normal((rows, latent)),
    )


class _Draw(DiagonalGaussian):
    """z, with the gradient of z alone."""

    def gradients(self, dz: Array) -> list[Array]:
        """Return dh and deps."""
        return [self.backward(dz), self.backward_noise(dz)]


def _draw(rng: np.random.Generator) -> GradientProblem:
    return _posterior_problem(rng, _Draw, lambda oracle: lambda h, eps: gaussian_draw(oracle, {}, h, eps)[0])


class _LogProb(DiagonalGaussian):
    """log q(z | x) (B,) of the draw."""

    def forward(self, h: Array, eps: Array) -> Array:
        """Return log_q (B,)."""
        super().forward(h, eps)
        return self.log_prob()

    def gradients(self, dlog_q: Array) -> list[Array]:
        """Return dh and deps, with dz = 0."""
        dz = np.zeros_like(self.eps)
        return [self.backward(dz, dlog_q), self.backward_noise(dz, dlog_q)]


def _log_prob(rng: np.random.Generator) -> GradientProblem:
    return _posterior_problem(rng, _LogProb, lambda oracle: lambda h, eps: gaussian_draw(oracle, {}, h, eps)[1])


class _AllGradients(DiagonalGaussian):
    """Σ_j (z − 2 μ + 3 log σ²)_j + 4 log q(z | x) (B,): its gradient uses every argument of `backward`."""

    def forward(self, h: Array, eps: Array) -> Array:
        """Return the sum (B,)."""
        z = super().forward(h, eps)
        total: Array = (z - 2 * self.mu + 3 * self.logvar).sum(axis=1) + 4 * self.log_prob()
        return total

    def gradients(self, dtotal: Array) -> list[Array]:
        """Return dh and deps."""
        dz = np.repeat(dtotal[:, None], self.eps.shape[1], axis=1)
        return [self.backward(dz, 4 * dtotal, (-2 * dz, 3 * dz)), self.backward_noise(dz, 4 * dtotal)]


def _all_gradients(rng: np.random.Generator) -> GradientProblem:
    def formula(oracle: Oracle) -> Any:
        def total(h: Any, eps: Any) -> Any:
            (z, log_q, _), latent = gaussian_draw(oracle, {}, h, eps), eps.shape[1]
            return (z - 2 * h[:, :latent] + 3 * h[:, latent:]).sum(1) + 4 * log_q

        return total

    return _posterior_problem(rng, _AllGradients, formula)


def _prior(rng: np.random.Generator) -> GradientProblem:
    return module_gradient_problem(
        StandardNormal,
        lambda prior, dlog_p: [prior.backward(dlog_p)],
        lambda oracle: lambda z: oracle.gaussian(0 * z, 0 * z, z),
        z=rng.standard_normal(random_sizes(rng, 2)),
    )


class _DivergencePlusLinear:
    """The divergence between a posterior and a prior, plus Σ_j s_j z_j, which stands in for the decoder's use of z.

    Parameters of the prior are inputs, like h and eps.
    """

    def __init__(self, slope: Array, posterior: Posterior, prior: Prior, divergence: Divergence) -> None:
        self.slope, self.posterior, self.prior, self.divergence = slope, posterior, prior, divergence

    def forward(self, h: Array, eps: Array, *params: Array) -> Array:
        """Return the sum (B,)."""
        z = self.posterior.forward(h, eps)
        self.divergence.forward(z)  # the first call allocates the parameters
        for name, param in zip(self.prior.parameter_shapes(), params, strict=True):
            getattr(self.prior, name)[...] = param[: self.slope.size]
        total: Array = self.divergence.forward(z) + (z * self.slope.astype(z.dtype)).sum(axis=1)
        return total

    def gradients(self, dtotal: Array) -> list[Array]:
        """Return the gradients of h, of eps and of each parameter."""
        dq = self.divergence.backward(dtotal, dtotal[:, None] * self.slope.astype(dtotal.dtype))
        deps, dh = self.posterior.backward_noise(*dq[:2]), self.posterior.backward(*dq)
        return [dh, deps, *(getattr(self.prior, f"d{name}") for name in self.prior.parameter_shapes())]


def _divergence_problem(
    rng: np.random.Generator,
    make_parts: Callable[[int], tuple[Posterior, Prior]],
    make_divergence: Callable[[Posterior, Prior], Divergence],
    draw: Draw,
    closed_form: bool = False,
) -> GradientProblem:
    rows, latent = random_sizes(rng, 2)
    slope = rng.standard_normal(latent)
    shapes = make_parts(latent)[1].parameter_shapes()

    def formula(oracle: Oracle) -> Any:
        def total(h: Any, eps: Any, *arrays: Any) -> Any:
            params = {f"prior.{name}": array for name, array in zip(shapes, arrays, strict=True)}
            z, log_q, log_p = draw(oracle, params, h, eps)
            kl = oracle.gaussian_kl(h[:, :latent], h[:, latent:]) if closed_form else log_q - log_p
            return kl + (oracle.constant(slope) * z).sum(1)

        return total

    def make() -> _DivergencePlusLinear:
        posterior, prior = make_parts(latent)
        return _DivergencePlusLinear(slope, posterior, prior, make_divergence(posterior, prior))

    return module_gradient_problem(
        make,
        lambda module, dtotal: module.gradients(dtotal),
        formula,
        h=rng.standard_normal((rows, 2 * latent)),
        eps=rng.standard_normal((rows, latent)),
        **{name: rng.standard_normal(shape) for name, shape in shapes.items()},
    )


def _gaussians(latent: int) -> tuple[Posterior, Prior]:
    return DiagonalGaussian(), StandardNormal()


def _exact(rng: np.random.Generator) -> GradientProblem:
    return _divergence_problem(rng, _gaussians, lambda q, p: p.kl(q, exact=True), gaussian_draw, closed_form=True)


def _gaussian_draw(rng: np.random.Generator) -> GradientProblem:
    return _divergence_problem(rng, _gaussians, lambda q, p: p.kl(q, exact=False), gaussian_draw)


def _monte_carlo(rng: np.random.Generator) -> GradientProblem:
    return _divergence_problem(rng, _gaussians, MonteCarloKL, gaussian_draw)


def _custom_parts(rng: np.random.Generator) -> GradientProblem:
    return _divergence_problem(
        rng,
        lambda latent: (TanhGaussian(), TwoComponentMixture(latent)),
        lambda q, p: p.kl(q, exact=True),
        tanh_gaussian_draw,
    )


class _KLPerDimension:
    """The KL in closed form for each dimension (B, Z)."""

    def __init__(self) -> None:
        self.posterior = DiagonalGaussian()
        self.divergence = StandardNormal().kl(self.posterior, exact=True)

    def forward(self, h: Array, eps: Array) -> Array:
        """Return the KL (B, Z)."""
        self.divergence.forward(self.posterior.forward(h, eps))
        return self.divergence.per_dimension

    def gradients(self, dper_dimension: Array) -> list[Array]:
        """Return dh and deps."""
        dq = self.divergence.backward(dper_dimension, np.zeros_like(dper_dimension))
        return [self.posterior.backward(*dq), self.posterior.backward_noise(*dq[:2])]


def _kl_per_dimension(rng: np.random.Generator) -> GradientProblem:
    def formula(oracle: Oracle) -> Any:
        def kl(h: Any, eps: Any) -> Any:
            mu, logvar = h[:, : eps.shape[1]], h[:, eps.shape[1] :]
            return oracle.gaussian_kl(mu.reshape(-1, 1), logvar.reshape(-1, 1)).reshape(eps.shape)

        return kl

    return _posterior_problem(rng, _KLPerDimension, formula)


DIVERGENCES = (
    VerificationCase("DiagonalGaussian", (DiagonalGaussian,), _draw),
    VerificationCase("DiagonalGaussian, log q", (DiagonalGaussian,), _log_prob),
    VerificationCase("DiagonalGaussian, all gradients", (DiagonalGaussian,), _all_gradients),
    VerificationCase("StandardNormal", (StandardNormal,), _prior),
    VerificationCase("ExactKL", (ExactKL,), _exact),
    VerificationCase("ExactKL, per dimension", (ExactKL,), _kl_per_dimension),
    VerificationCase("MonteCarloKL", (MonteCarloKL,), _monte_carlo),
    VerificationCase("MonteCarloKL, custom parts", (MonteCarloKL, TanhGaussian, TwoComponentMixture), _custom_parts),
    VerificationCase("GaussianDrawKL", (GaussianDrawKL,), _gaussian_draw),
)
