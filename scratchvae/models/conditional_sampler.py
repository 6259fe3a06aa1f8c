"""What is missing of a row, given what is observed of it: draws from p(x_m | x_o), and their mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from scratchvae.backend import Array
from scratchvae.kernels.missing import nan_to_zero, observed_mask
from scratchvae.memory import BatchBuffers
from scratchvae.probability import LogDensityRatio

# The parameters (B, P) of p(x | z), for a z that each row has come to, and its log-weight (B,).
Visits = Iterator[tuple[Array, Array]]


class ConditionalSampler:
    """Rows x (B, D) of a batch, NaN where something is missing, and what a model of such rows says of the rest.

    `noise(kind, *shape)` gives noise: "standard_normal", "standard_exponential", or "random", uniform on [0, 1).
    """

    def __init__(self, model: Any, x: Array, noise: Callable[..., Array]) -> None:
        self.model, self.xp, self.x, self.noise = model, model.backend.xp, x, noise
        self.likelihood, self.log_ratio = model.likelihood, LogDensityRatio()
        self.log_ratio.bind(BatchBuffers(model.backend, model.dtype, len(x)), (model.latent_dim,))
        self.there, self.missing, self._scratch = (self.xp.empty(x.shape, model.dtype) for _ in range(3))
        nan_to_zero(self.xp, x, out=self.there, scratch=self._scratch)
        known = observed_mask(self.xp, x, out=self.missing).sum(axis=1)
        self.seen = self.xp.minimum(known, 1.0)  # (B,), 0 for a row with nothing observed
        self.xp.subtract(1.0, self.missing, out=self.missing)

    def mean(self, method: str, samples: int) -> Iterator[Array]:
        """The one E[x | x_o] (B, D): p(x | z)'s mean, averaged over so many z."""
        mean, weights = self.xp.zeros(self.x.shape, self.model.dtype), RunningWeights(self.xp)
        for parameters, log_w in self._visits(method, samples):
            shrink, weight = weights.add(log_w)
            picture = self.likelihood.mean(parameters, out=self._scratch)
            picture *= weight[:, None]
            mean *= shrink[:, None]
            mean += picture
        mean /= weights.total[:, None]
        yield mean

    def draw(self, method: str, samples: int, draws: int, noisy: bool) -> Iterator[Array]:
        """Independent draws of x (B, D) from p(x | x_o); not `noisy`, the means of p(x | z) at draws of z."""
        states: Iterable[Array]
        if method == "encoder":
            states = (parameters for parameters, _ in self.encoded(draws))
        elif method == "importance":
            states = self._resampled(samples, draws)
        else:
            states = self._chains(method, samples, draws)
        for parameters in states:
            picture = self.xp.empty(self.x.shape, self.model.dtype)
            yield self._draw(parameters, picture) if noisy else self.likelihood.mean(parameters, out=picture)

    def _visits(self, method: str, samples: int) -> Visits:
        if method in ("encoder", "importance"):
            return self.encoded(samples, weighed=method == "importance")
        return self.gibbs(samples, method == "metropolis")

    def _chains(self, method: str, samples: int, draws: int) -> Iterator[Array]:
        for _ in range(draws):
            for parameters, _ in self.gibbs(samples, method == "metropolis"):
                last = parameters
            yield last

    # The chain's aim is p(z, x_m | x_o). Each round draws z given all of x, then x_m given z, from p(x_m | z) itself.
    # Of z it can only propose z̃ ~ q(z | x), and p(z | x) ∝ p(x | z) p(z) is kept if z̃ is taken with probability
    # min(1, ρ),
    #   ρ = p(x | z̃) p(z̃) q(z | x) / (p(x | z) p(z) q(z̃ | x)) = w(z̃) / w(z),   w(z) = p(x | z) p(z) / q(z | x)
    # that is, where log w(z̃) − log w(z) + E ≥ 0 with E ~ Exp(1), for P(E ≥ −log ρ) = min(1, ρ).
    # Mattei and Frellsen 2018, algorithm 1. Pseudo-Gibbs (Rezende, Mohamed and Wierstra 2014, sec. 4.4) takes every z̃.
    def gibbs(self, samples: int, metropolis: bool) -> Visits:
        """The second half of so many states of a chain a row, all of weight 1."""
        model, xp, rows = self.model, self.xp, len(self.x)
        draw = model.posterior.reparameterize
        x, even = self.there.copy(), xp.zeros(rows, model.dtype)
        for k in range(samples):
            mu, logvar = self.posterior(x)
            eps = self.noise("standard_normal", rows, model.latent_dim)
            proposed = draw.forward(mu, logvar, eps)
            outputs = model.decoder.forward(proposed)
            if k == 0 or not metropolis:
                z, parameters = proposed.copy(), outputs.copy()
            else:
                gain = self.log_weight(x, proposed, outputs, eps, logvar)
                gain -= self.log_weight(x, z, parameters, (z - mu) / draw.sigma, logvar)
                gain *= self.seen  # draws from the prior are all taken
                gain += self.noise("standard_exponential", rows)
                taken = xp.greater_equal(gain, 0.0)[:, None]
                z, parameters = xp.where(taken, proposed, z), xp.where(taken, outputs, parameters)
            x = self._draw(parameters, x)
            x *= self.missing
            x += self.there
            if k >= samples // 2:
                yield parameters, even

    # With z_k ~ q(z | x_o) and w_k = p(x_o | z_k) p(z_k) / q(z_k | x_o), for any f
    #   E[f(z) | x_o] ≈ Σ_k w_k f(z_k) / Σ_k w_k
    # Mattei and Frellsen 2019, eq. 9 and 10.
    def encoded(self, samples: int, weighed: bool = False) -> Visits:
        """So many draws from q(z | x_o), with their log-weights, which are 0 unless they are `weighed`."""
        model, rows = self.model, len(self.x)
        mu, logvar = self.posterior(self.x)
        even = self.xp.zeros(rows, model.dtype)
        for _ in range(samples):
            eps = self.noise("standard_normal", rows, model.latent_dim)
            z = model.posterior.reparameterize.forward(mu, logvar, eps)
            outputs = model.decoder.forward(z)
            yield outputs, self.log_weight(self.x, z, outputs, eps, logvar) if weighed else even

    # z_k takes the place of whatever is held with probability w_k / Σ_{j≤k} w_j. It stays with probability
    #   Π_{i>k} (1 − w_i / Σ_{j≤i} w_j) = Π_{i>k} Σ_{j<i} w_j / Σ_{j≤i} w_j = Σ_{j≤k} w_j / Σ_j w_j
    # so that it is held in the end with probability w_k / Σ_j w_j, and none but the held ones need be kept.
    def _resampled(self, samples: int, draws: int) -> list[Array]:
        weights, held = RunningWeights(self.xp), list[Array]()
        for outputs, log_w in self.encoded(samples, weighed=True):
            _, share = weights.add(log_w)
            share /= weights.total
            if not held:
                held = [outputs.copy() for _ in range(draws)]
                continue
            taken = (self.xp.less(self.noise("random", len(share)), share)[:, None] for _ in held)
            held = [self.xp.where(of, outputs, state) for of, state in zip(taken, held, strict=True)]
        return held

    # Of a row with nothing observed the posterior is the prior, whatever an encoder would say: μ = log σ² = 0.
    def posterior(self, x: Array) -> tuple[Array, Array]:
        """mu and logvar (B, Z) of what z is drawn from: q(z | x), or the prior, for a row with nothing observed."""
        mu, logvar = self.model.posterior.parameters(self.model.encoder.forward(x))
        return mu * self.seen[:, None], logvar * self.seen[:, None]

    def log_weight(self, x: Array, z: Array, parameters: Array, eps: Array, logvar: Array) -> Array:
        """log p(x | z) + log p(z) − log q(z) (B,), of what is there of x, with z = μ + σ ε under q."""
        log_w: Array = self.likelihood.forward(parameters, x) + self.log_ratio.forward(z, eps, logvar)
        return log_w

    def _draw(self, parameters: Array, out: Array) -> Array:
        drawn: Array = self.likelihood.draw(parameters, self.noise(self.likelihood.noise, *self.x.shape), out=out)
        return drawn


class RunningWeights:
    """Weights given by their logarithms, round by round, over the largest so far, lest any overflow."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.total: Any = None  # (B,), of all weights so far
        self.top: Any = None

    def add(self, log_w: Array) -> tuple[Array, Array]:
        """By how much all that went before shrinks, and the new weight, (B,) each."""
        top = log_w.copy() if self.total is None else self.xp.maximum(self.top, log_w)
        shrink = self.xp.exp((top if self.total is None else self.top) - top)
        weight = self.xp.exp(log_w - top)
        self.total = weight.copy() if self.total is None else self.total * shrink + weight
        self.top = top
        return shrink, weight
