"""Checked mixtures, flows and pathwise gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchvae import layers
from scratchvae.backend import NUMPY, Array
from scratchvae.flows import MADE, InverseAutoregressive
from scratchvae.layers import Linear, MaskedLinear, Sequential, Tanh
from scratchvae.memory import BatchBuffers, Module
from scratchvae.models.parts import modules_in
from scratchvae.probability import (
    DiagonalGaussian,
    GaussianMixture,
    MixturePrior,
    MonteCarloKL,
    PathwiseKL,
    StandardNormal,
    VampPrior,
)
from scratchvae.probability.vamp_prior import FixedMixture
from scratchvae.verification import draws
from scratchvae.verification.cases.random_inputs import random_sizes
from scratchvae.verification.formulas import gaussian_draw
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, VerificationCase, module_gradient_problem


class WithParameters(Module):
    """A module that takes the parameters of all modules inside it as inputs, after its own `inputs` inputs."""

    def __init__(self, module: Any, inputs: int = 1) -> None:
        self.module, self.inputs = module, inputs

    def forward(self, *arrays: Array) -> Any:
        """The module's output, from its inputs and all parameters in order."""
        inputs, parameters = arrays[: self.inputs], arrays[self.inputs :]
        if not self._arrays() or self._arrays()[0].dtype != arrays[0].dtype:
            self.module.forward(*inputs)  # allocates the parameters
        for array, parameter in zip(self._arrays(), parameters, strict=True):
            array[...] = parameter[: len(array)]
        return self.module.forward(*inputs)

    def gradients(self, *doutputs: Array) -> list[Array]:
        """The gradient of the one input, and those of all parameters."""
        return [self.module.backward(*doutputs), *self._arrays("d")]

    def _arrays(self, prefix: str = "") -> list[Array]:
        own = ((module, name) for _, module in modules_in(self.module, "") for name in module.own_parameters())
        return [getattr(module, f"{prefix}{name}") for module, name in own]


def _masked_linear(rng: np.random.Generator) -> GradientProblem:
    rows, inputs, outputs = random_sizes(rng, 3)
    strict = bool(rng.integers(2))
    i, o = ([int(degree) for degree in rng.integers(0, 4, size)] for size in (inputs, outputs))
    allowed = np.array([[a < b or (a == b and not strict) for b in o] for a in i], np.float64)

    def formula(oracle: Oracle) -> Any:
        return lambda x, W, b: oracle.affine(x, W * oracle.constant(allowed), b)

    return module_gradient_problem(
        lambda: WithParameters(MaskedLinear(i, o, strict)),
        lambda layer, dy: layer.gradients(dy),
        formula,
        x=rng.standard_normal((rows, inputs)),
        W=rng.standard_normal((inputs, outputs)),
        b=rng.standard_normal(outputs),
    )


def _random_made(rng: np.random.Generator) -> dict[str, Any]:
    inputs, outputs, depth = random_sizes(rng, 3)
    hidden = tuple(int(width) for width in rng.integers(1, 6, depth % 3))
    return {"inputs": inputs, "hidden": hidden, "outputs": min(outputs, 3), "context": int(rng.integers(3))}


def _made(rng: np.random.Generator) -> GradientProblem:
    settings, (rows,) = _random_made(rng), random_sizes(rng, 1)
    shapes, Z = MADE(**settings, activation=Tanh()).parameter_shapes(), settings["inputs"]
    described = {**settings, "activation": {"class": "Tanh", "config": {}}}

    def formula(oracle: Oracle) -> Any:
        def output(x: Any, *arrays: Any) -> Any:
            params = {f"made.{name}": array for name, array in zip(shapes, arrays, strict=True)}
            return draws.made(oracle, params, "made", x[:, :Z], x[:, Z:], described)

        return output

    return module_gradient_problem(
        lambda: WithParameters(MADE(**settings, activation=Tanh())),
        lambda layer, dy: layer.gradients(dy),
        formula,
        x=rng.standard_normal((rows, Z + settings["context"])),
        **{name: rng.standard_normal(shape) for name, shape in shapes.items()},
    )


class _Draw(InverseAutoregressive):
    """Σ_j z_j + 2 log q(z | x) (B,), with the gradients of h, eps and all parameters."""

    def forward(self, h: Array, eps: Array) -> Array:
        """Return the sum (B,)."""
        total: Array = super().forward(h, eps).sum(axis=1) + 2 * self.log_prob()
        return total

    def backward(self, dtotal: Array) -> Array:  # type: ignore[override]
        """Return dh; `deps` is kept."""
        gradients = np.repeat(dtotal[:, None], self.latent_dim, axis=1), 2 * dtotal
        dh = super().backward(*gradients)
        self.last_deps = self.backward_noise(*gradients)
        return dh


def _flow(rng: np.random.Generator) -> GradientProblem:
    made, (rows, steps) = _random_made(rng), random_sizes(rng, 2)
    Z, context, steps = made["inputs"], made["context"], min(steps, 3)
    arguments = Z, steps, made["hidden"], context
    shapes = InverseAutoregressive(*arguments).parameter_shapes()
    config = {"hidden": made["hidden"], "steps": steps, "context": context}
    draw = draws.draw_of({"posterior": {"class": "InverseAutoregressive", "config": config}})
    assert draw is not None

    def formula(oracle: Oracle) -> Any:
        def total(h: Any, eps: Any, *arrays: Any) -> Any:
            params = {f"posterior.{name}": array for name, array in zip(shapes, arrays, strict=True)}
            z, log_q, _ = draw(oracle, params, h, eps)
            return z.sum(1) + 2 * log_q

        return total

    def gradients(module: WithParameters, dtotal: Array) -> list[Array]:
        dh, *others = module.gradients(dtotal)
        return [dh, module.module.last_deps, *others]

    return module_gradient_problem(
        lambda: WithParameters(_Draw(*arguments), inputs=2),
        gradients,
        formula,
        h=rng.standard_normal((rows, 2 * Z + context)),
        eps=rng.standard_normal((rows, Z)),
        **{name: rng.standard_normal(shape) for name, shape in shapes.items()},
    )


def _random_mixture(rng: np.random.Generator) -> tuple[int, dict[str, Array]]:
    components, latent = random_sizes(rng, 2)
    shape = components, latent
    return latent, {"mu": rng.standard_normal(shape), "logvar": rng.standard_normal(shape)}


class _Mixture(Module):
    """A `GaussianMixture` that takes the rows z, to which parameters are no rows, in front."""

    def __init__(self, components: int) -> None:
        self.components, self.mixture = components, GaussianMixture(components)

    def forward(self, z: Array, *parameters: Array) -> Array:
        """Return log_p (B,)."""
        return self.mixture.forward(z, *(array[: self.components] for array in parameters))


def _mixture(rng: np.random.Generator) -> GradientProblem:
    latent, parameters = _random_mixture(rng)
    components, (rows,) = len(parameters["mu"]), random_sizes(rng, 1)
    return module_gradient_problem(
        lambda: _Mixture(components),
        lambda module, dlog_p: module.mixture.backward(dlog_p),
        lambda oracle: lambda z, log_w, mu, logvar: draws.mixture(oracle, z, log_w, mu, logvar),
        z=rng.standard_normal((rows, latent)),
        log_w=rng.standard_normal(components),
        **parameters,
    )


def _mixture_prior(rng: np.random.Generator) -> GradientProblem:
    latent, parameters = _random_mixture(rng)
    components, (rows,) = len(parameters["mu"]), random_sizes(rng, 1)

    def formula(oracle: Oracle) -> Any:
        def log_p(z: Any, logits: Any, mu: Any, logvar: Any) -> Any:
            return draws.mixture(oracle, z, oracle.log_softmax(logits.reshape(1, -1))[0], mu, logvar)

        return log_p

    return module_gradient_problem(
        lambda: WithParameters(MixturePrior(components, latent)),
        lambda module, dlog_p: module.gradients(dlog_p),
        formula,
        z=rng.standard_normal((rows, latent)),
        logits=rng.standard_normal(components),
        **parameters,
    )


class _Fixed:
    """log p(z) of a `FixedMixture`; its parameters are constants."""

    def __init__(self, log_w: Array, mu: Array, logvar: Array) -> None:
        self.arrays, self.mixture = (log_w, mu, logvar), GaussianMixture(len(mu))

    def forward(self, z: Array) -> Array:
        """Return log_p (B,)."""
        arrays = [array.astype(z.dtype) for array in self.arrays]
        self.mixture.forward(z, *arrays)
        return FixedMixture(*arrays).forward(z)


# It has no backward; the gradient is that of the mixture that computes it.
def _fixed_mixture(rng: np.random.Generator) -> GradientProblem:
    latent, parameters = _random_mixture(rng)
    (rows,), log_w = random_sizes(rng, 1), rng.standard_normal(len(parameters["mu"]))
    arrays = log_w, parameters["mu"], parameters["logvar"]
    return module_gradient_problem(
        lambda: _Fixed(*arrays),
        lambda module, dlog_p: module.mixture.backward(dlog_p)[:1],
        lambda oracle: lambda z: draws.mixture(oracle, z, *map(oracle.constant, arrays)),
        z=rng.standard_normal((rows, latent)),
    )


class _Vamp:
    """log p(z) of a `VampPrior` with an encoder x W + b, as a function of z, u, W and b."""

    def __init__(self, components: int, width: int, latent: int) -> None:
        self.encoder, self.prior = Sequential(Linear(width, 2 * latent)), VampPrior(np.zeros((components, width)))
        self.width, self.latent, self.dtype = width, latent, ""

    def forward(self, z: Array, u: Array, W: Array, b: Array) -> Array:
        """Return log_p (B,)."""
        if z.dtype.name != self.dtype:
            self.dtype = z.dtype.name
            self.encoder.bind(BatchBuffers(NUMPY, z.dtype, 1), (self.width,))
            linear = self.encoder.layers[0]
            params, grads = {"0.W": linear.W, "0.b": linear.b}, {"0.W": linear.dW, "0.b": linear.db}
            self.prior.share_encoder(self.encoder, DiagonalGaussian(), (self.width,), params, grads)
            self.prior.bind(BatchBuffers(NUMPY, z.dtype, 2 * len(z)), (self.latent,))
        linear = self.encoder.layers[0]
        for array, value in ((self.prior.u, u), (linear.W, W), (linear.b, b)):
            array[...] = value[: len(array)]
        return self.prior.forward(z)

    def gradients(self, dlog_p: Array) -> Sequence[Array]:
        """Return dz, du, dW and db, added to what the encoder has written."""
        linear = self.encoder.layers[0]
        linear.dW.fill(0.0)
        linear.db.fill(0.0)
        dz = self.prior.backward(dlog_p)
        self.prior.add_shared_gradients()
        return [dz, self.prior.du, linear.dW, linear.db]


def _vamp_prior(rng: np.random.Generator) -> GradientProblem:
    rows, components, width, latent = random_sizes(rng, 4)

    def formula(oracle: Oracle) -> Any:
        def log_p(z: Any, u: Any, W: Any, b: Any) -> Any:
            h, log_w = oracle.affine(u, W, b), oracle.constant(np.full(components, -np.log(components)))
            return draws.mixture(oracle, z, log_w, h[:, :latent], h[:, latent:])

        return log_p

    return module_gradient_problem(
        lambda: _Vamp(components, width, latent),
        lambda module, dlog_p: module.gradients(dlog_p),
        formula,
        z=rng.standard_normal((rows, latent)),
        u=rng.standard_normal((components, width)),
        W=rng.standard_normal((width, 2 * latent)) / np.sqrt(width),
        b=rng.standard_normal(2 * latent),
    )


# With h₀ the value of h, T(h) = log q(z; h₀) − log p(z) + Σ_j s_j z_j has the pathwise gradient, and
# f T(h) + (1 − f) T(h₀) has f times as much.
class _Pathwise:
    """The estimated KL plus Σ_j s_j z_j, as the function of h and eps whose gradient a `PathwiseKL` returns."""

    def __init__(self, h: Array, eps: Array, slope: Array, factors: Array | None, general: bool) -> None:
        self.h, self.eps, self.slope, self.factors = h, eps, slope, factors
        self.posterior, prior = DiagonalGaussian(), StandardNormal()
        estimate = MonteCarloKL(self.posterior, prior) if general else prior.kl(self.posterior, exact=False)
        self.divergence = PathwiseKL(self.posterior, estimate, self.factors_in_dtype)

    def factors_in_dtype(self) -> Array | None:
        """The factors of the rows of the last forward."""
        return None if self.factors is None else self.factors.astype(self.posterior.eps.dtype)

    def forward(self, h: Array, eps: Array) -> Array:
        """Return the function (B,)."""
        rows = slice(len(self.h))  # the first call has twice as many
        z = self.posterior.forward(h, eps)
        self.divergence.forward(z)
        value = self._at(z[rows])
        if self.factors is None:
            return value
        mu, logvar = np.split(self.h, 2, axis=1)
        fixed = self._at((mu + np.exp(logvar / 2) * self.eps).astype(h.dtype))
        result: Array = fixed + self.factors.astype(h.dtype) * (value - fixed)
        return result

    def _at(self, z: Array) -> Array:
        mu, logvar = (half.astype(z.dtype) for half in np.split(self.h, 2, axis=1))
        terms = (z**2 - (z - mu) ** 2 * np.exp(-logvar) - logvar) / 2 + self.slope.astype(z.dtype) * z
        total: Array = terms.sum(axis=1)
        return total

    def gradients(self, dtotal: Array) -> Sequence[Array]:
        """Return dh and deps."""
        dz, dlog_q = self.divergence.backward(dtotal, dtotal[:, None] * self.slope.astype(dtotal.dtype))
        assert dlog_q is None
        return [self.posterior.backward(dz), self.posterior.backward_noise(dz)]


def _pathwise(rng: np.random.Generator) -> GradientProblem:
    rows, latent = random_sizes(rng, 2)
    slope, factors = rng.standard_normal(latent), rng.random(rows) if rng.integers(2) else None
    h, eps = rng.standard_normal((rows, 2 * latent)), rng.standard_normal((rows, latent))
    general, f = bool(rng.integers(2)), np.ones(rows) if factors is None else factors

    def formula(oracle: Oracle) -> Any:
        fixed, fixed_eps = oracle.constant(h), oracle.constant(eps)

        def at(h: Any, eps: Any) -> Any:
            z, _, log_p = gaussian_draw(oracle, {}, h, eps)
            log_q = oracle.gaussian(fixed[:, :latent], fixed[:, latent:], z)
            return log_q - log_p + (oracle.constant(slope) * z).sum(1)

        return lambda h, eps: oracle.constant(f) * at(h, eps) + oracle.constant(1.0 - f) * at(fixed, fixed_eps)

    return module_gradient_problem(
        lambda: _Pathwise(h, eps, slope, factors, general),
        lambda module, dtotal: module.gradients(dtotal),
        formula,
        h=h,
        eps=eps,
    )


FLOWS = (
    VerificationCase("MaskedLinear", (layers.MaskedLinear,), _masked_linear),
    VerificationCase("MADE", (MADE,), _made),
    VerificationCase("InverseAutoregressive", (InverseAutoregressive,), _flow),
    VerificationCase("GaussianMixture", (GaussianMixture,), _mixture),
    VerificationCase("MixturePrior", (MixturePrior,), _mixture_prior),
    VerificationCase("VampPrior", (VampPrior,), _vamp_prior),
    VerificationCase("FixedMixture", (FixedMixture,), _fixed_mixture),
    VerificationCase("PathwiseKL", (PathwiseKL, DiagonalGaussian), _pathwise),
)
