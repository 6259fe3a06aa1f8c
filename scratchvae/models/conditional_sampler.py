"""Missing values given the observed ones: draws from p(x_m | x_o), and the mean E[x_m | x_o]."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from scratchvae.backend import Array
from scratchvae.kernels.missing import nan_to_zero, observed_mask
from scratchvae.memory import BatchBuffers
from scratchvae.probability import LogDensityRatio

# Parameters (B, P) of p(x | z), for one draw of z for each row, and the log-weight (B,) of that draw.
WeightedSamples = Iterator[tuple[Array, Array]]


class ConditionalSampler:
    """Sampler of p(x_m | x_o) for a batch of rows x (B, D) on the model's device, with NaN for missing values.

    `noise(kind, *shape)` returns random numbers; see `NoiseSampler`.
    """

    def __init__(self, model: Any, x: Array, noise: Callable[..., Array]) -> None:
        self.model, self.xp, self.x, self.noise = model, model.backend.xp, x, noise
        self.likelihood, self.log_ratio = model.likelihood, LogDensityRatio()
        self.log_ratio.bind(BatchBuffers(model.backend, model.dtype, len(x)), (model.latent_dim,))
        self.observed_values, self.missing, self._scratch = (self.xp.empty(x.shape, model.dtype) for _ in range(3))
        nan_to_zero(self.xp, x, out=self.observed_values, scratch=self._scratch)
        counts = observed_mask(self.xp, x, out=self.missing).sum(axis=1)
        self.any_observed = self.xp.minimum(counts, 1.0)  # (B,), 0 for a row with nothing observed, else 1
        self.xp.subtract(1.0, self.missing, out=self.missing)

    def mean(self, method: str, samples: int) -> Iterator[Array]:
        """Yield E[x | x_o] (B, D) once: the mean of p(x | z), averaged over `samples` draws of z."""
        mean, weights = self.xp.zeros(self.x.shape, self.model.dtype), OnlineSoftmax(self.xp)
        for parameters, log_w in self._weighted_samples(method, samples):
            rescale, weight = weights.add(log_w)
            term = self.likelihood.mean(parameters, out=self._scratch)
            term *= weight[:, None]
            mean *= rescale[:, None]
            mean += term
        mean /= weights.total[:, None]
        yield mean

    def draw(self, method: str, samples: int, draws: int, noisy: bool) -> Iterator[Array]:
        """Yield `draws` independent draws of x (B, D) from p(x | x_o); unless `noisy`, means of p(x | z) instead."""
        states: Iterable[Array]
        if method == "encoder":
            states = (parameters for parameters, _ in self.encoder_samples(draws))
        elif method == "importance":
            states = self._resample(samples, draws)
        else:
            states = self._independent_chains(method, samples, draws)
        for parameters in states:
            rows = self.xp.empty(self.x.shape, self.model.dtype)
            yield self._draw(parameters, rows) if noisy else self.likelihood.mean(parameters, out=rows)

    def _weighted_samples(self, method: str, samples: int) -> WeightedSamples:
        if method in ("encoder", "importance"):
            return self.encoder_samples(samples, weighted=method == "importance")
        return self.gibbs(samples, method == "metropolis")

    def _independent_chains(self, method: str, samples: int, draws: int) -> Iterator[Array]:
        for _ in range(draws):
            for parameters, _ in self.gibbs(samples, method == "metropolis"):
                last = parameters
            yield last

    # The stationary distribution of the chain is p(z, x_m | x_o). Each step draws z given x = (x_o, x_m), then x_m
    # given z. The second draw is exact. For the first, propose z̃ ~ q(z | x) and accept it with probability min(1, ρ),
    #   ρ = p(x | z̃) p(z̃) q(z | x) / (p(x | z) p(z) q(z̃ | x)) = w(z̃) / w(z),   w(z) = p(x | z) p(z) / q(z | x)
    # which leaves p(z | x) ∝ p(x | z) p(z) invariant (Metropolis–Hastings). With E ~ Exp(1), P(E ≥ −log ρ) = min(1, ρ),
    # so z̃ is accepted where log w(z̃) − log w(z) + E ≥ 0. Mattei and Frellsen 2018, algorithm 1.
    # Pseudo-Gibbs (Rezende, Mohamed and Wierstra 2014, sec. 4.4) accepts every z̃.
    def gibbs(self, samples: int, metropolis: bool) -> WeightedSamples:
        """Yield the second half of a chain of `samples` states for each row, with log-weights of 0."""
        model, xp, rows = self.model, self.xp, len(self.x)
        draw = model.posterior.reparameterize
        x, zero_log_w = self.observed_values.copy(), xp.zeros(rows, model.dtype)
        for k in range(samples):
            mu, logvar = self.posterior(x)
            eps = self.noise("standard_normal", rows, model.latent_dim)
            proposed = draw.forward(mu, logvar, eps)
            outputs = model.decoder.forward(proposed)
            if k == 0 or not metropolis:
                z, parameters = proposed.copy(), outputs.copy()
            else:
                log_rho = self.log_weight(x, proposed, outputs, eps, logvar)
                log_rho -= self.log_weight(x, z, parameters, (z - mu) / draw.sigma, logvar)
                log_rho *= self.any_observed  # a draw from the prior is always accepted
                log_rho += self.noise("standard_exponential", rows)
                accepted = xp.greater_equal(log_rho, 0.0)[:, None]
                z, parameters = xp.where(accepted, proposed, z), xp.where(accepted, outputs, parameters)
            x = self._draw(parameters, x)
            x *= self.missing
            x += self.observed_values
            if k >= samples // 2:
                yield parameters, zero_log_w

    # With z_k ~ q(z | x_o) and w_k = p(x_o | z_k) p(z_k) / q(z_k | x_o), for any f
    #   E[f(z) | x_o] ≈ Σ_k w_k f(z_k) / Σ_k w_k
    # Mattei and Frellsen 2019, eq. 9 and 10.
    def encoder_samples(self, samples: int, weighted: bool = False) -> WeightedSamples:
        """Yield `samples` draws from q(z | x_o), with their log-weights log w_k if `weighted`, else with 0."""
        model, rows = self.model, len(self.x)
        mu, logvar = self.posterior(self.x)
        zero_log_w = self.xp.zeros(rows, model.dtype)
        for _ in range(samples):
            eps = self.noise("standard_normal", rows, model.latent_dim)
            z = model.posterior.reparameterize.forward(mu, logvar, eps)
            outputs = model.decoder.forward(z)
            yield outputs, self.log_weight(self.x, z, outputs, eps, logvar) if weighted else zero_log_w

    # Weighted reservoir sampling: sample k replaces the selected one with probability w_k / Σ_{j≤k} w_j. It then stays
    # selected with probability
    #   Π_{i>k} (1 − w_i / Σ_{j≤i} w_j) = Π_{i>k} Σ_{j<i} w_j / Σ_{j≤i} w_j = Σ_{j≤k} w_j / Σ_j w_j
    # so that it is the final selection with probability w_k / Σ_j w_j. Only the selected samples are in memory.
    def _resample(self, samples: int, draws: int) -> list[Array]:
        weights, selected = OnlineSoftmax(self.xp), list[Array]()
        for outputs, log_w in self.encoder_samples(samples, weighted=True):
            _, probability = weights.add(log_w)
            probability /= weights.total
            if not selected:
                selected = [outputs.copy() for _ in range(draws)]
                continue
            replace = (self.xp.less(self.noise("random", len(probability)), probability)[:, None] for _ in selected)
            selected = [self.xp.where(mask, outputs, state) for mask, state in zip(replace, selected, strict=True)]
        return selected

    # Without observed values the posterior is the prior, μ = log σ² = 0, whatever the encoder returns.
    def posterior(self, x: Array) -> tuple[Array, Array]:
        """mu and logvar (B, Z) of the distribution of z: q(z | x), or the prior for a row with nothing observed."""
        mu, logvar = self.model.posterior.parameters(self.model.encoder.forward(x))
        return mu * self.any_observed[:, None], logvar * self.any_observed[:, None]

    def log_weight(self, x: Array, z: Array, parameters: Array, eps: Array, logvar: Array) -> Array:
        """log p(x | z) + log p(z) − log q(z) (B,), over the values of x that are not NaN, with z = μ + σ ε under q."""
        log_w: Array = self.likelihood.forward(parameters, x) + self.log_ratio.forward(z, eps, logvar)
        return log_w

    def _draw(self, parameters: Array, out: Array) -> Array:
        drawn: Array = self.likelihood.draw(parameters, self.noise(self.likelihood.noise, *self.x.shape), out=out)
        return drawn


class OnlineSoftmax:
    """Softmax over a stream of log-weights: weights relative to the largest so far, so that none overflows."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.total: Any = None  # (B,), the sum of all weights so far
        self.maximum: Any = None  # (B,), the largest log-weight so far

    def add(self, log_w: Array) -> tuple[Array, Array]:
        """The factor by which to multiply all earlier weights, and the weight of log_w, (B,) each."""
        maximum = log_w.copy() if self.total is None else self.xp.maximum(self.maximum, log_w)
        rescale = self.xp.exp((maximum if self.total is None else self.maximum) - maximum)
        weight = self.xp.exp(log_w - maximum)
        self.total = weight.copy() if self.total is None else self.total * rescale + weight
        self.maximum = maximum
        return rescale, weight
