"""Quantiles of the Poisson and of the negative binomial distribution: a draw of a count from one number of noise.

Everything here is in float64 on the host: draws are no part of a training step.

The quantile of u is the smallest k with F(k) ≥ u, for the distribution function F. Up to `SMALL` it is found by adding
probabilities. Beyond, F is an integral. With b = k + 1, the gamma and the beta distribution have

    Poisson              1 − F(k) = P(G ≤ λ), G ~ Gamma(b)        density of w = log G:      ∝ exp(b w − e^w)
    negative binomial        F(k) = P(B ≤ p), B ~ Beta(r, b)      density of w = logit B:    ∝ exp(r w) (1 + e^w)^(−r−b)

where p = r/(r + μ). Both densities of w are log-concave. Let v be log λ or logit p, q the distance from v, and
exp(−H(q)) the density relative to that at v. On the side of v on which it falls, H is convex and increasing, and the
integral on that side is the density at v, which is λ f(k) or (r + k) (1 − p) f(k), times ∫ exp(−H(q)) dq over q > 0.
"""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.kernels.log_gamma import Scratch, log_gamma, log_gamma_ratio
from scratchvae.kernels.logistic import softplus
from scratchvae.kernels.normal import normal_cdf

SMALL = 32  # counts below which probabilities are added
LARGEST_LOG_MEAN = 27.0  # means are at most 5e11, so that rounding does not matter
NODES = 96  # of the integral
NEGLIGIBLE = 37.0  # nats below the largest value, at which the integrand is 0 to the last digit
STEPS = 200  # of the search; a few are needed


def count_quantiles(log_mean: Array, log_r: Array | None, eps: Array) -> Array:
    """The counts (n,) whose distribution function reaches Φ(eps) (n,); log_r = None: of Poisson distributions.

    Φ(eps) and 1 − Φ(eps) are both exact, so that draws are exact in both tails.
    """
    log_mean = np.minimum(log_mean, LARGEST_LOG_MEAN)
    counts, lower, upper = np.full(eps.shape, -1.0), _normal_cdf(eps), _normal_cdf(-eps)
    _add_probabilities(counts, log_mean, log_r, lower)
    left = np.flatnonzero(counts < 0)
    if left.size:
        r = None if log_r is None else log_r[left]
        counts[left] = _search(log_mean[left], r, eps[left], lower[left], upper[left])
    return counts


def _normal_cdf(x: Array) -> Array:
    return normal_cdf(np, x, out=np.empty_like(x), scratch=(np.empty_like(x), np.empty_like(x)))


# f(k + 1) = f(k) λ/(k + 1), or f(k) (1 − p) (r + k)/(k + 1)
def _add_probabilities(counts: Array, log_mean: Array, log_r: Array | None, lower: Array) -> None:
    """Write into `counts` (n,) the quantiles of `lower` below SMALL."""
    left = np.flatnonzero(log_mean < 5.0 if log_r is None else (log_mean < 5.0) | (log_r < 0.0))
    a, target = log_mean[left], lower[left]
    if log_r is None:
        factor, f = np.exp(a), np.exp(-np.exp(a))
    else:
        r = np.exp(log_r[left])
        factor, f = np.exp(-_softplus(log_r[left] - a)), np.exp(-r * _softplus(a - log_r[left]))
    total = f.copy()
    for k in range(SMALL):
        found = total >= target
        counts[left[found]] = k
        left, factor, f, total, target = (array[~found] for array in (left, factor, f, total, target))
        if log_r is None:
            f *= factor / (k + 1)
        else:
            r = r[~found]
            f *= factor * (r + k) / (k + 1)
        total += f


# Newton's method for the logarithm of the smaller one of F and 1 − F as a function of log(k + 1): in both tails of a
# Poisson distribution, and in the long tail of a negative binomial with a small r, it takes a few steps. Each aims a
# little beyond the root, so that the root is soon enclosed. Every fourth step is a bisection of the logarithms, so that
# the search ends in any case.
def _search(log_mean: Array, log_r: Array | None, eps: Array, lower: Array, upper: Array) -> Array:
    """The quantiles (n,), by a search."""
    mean = np.exp(log_mean)
    std = np.sqrt(mean if log_r is None else mean + mean * np.exp(log_mean - log_r))
    below, above = np.full(eps.shape, -1.0), np.full(eps.shape, np.inf)  # F(below) < u ≤ F(above)
    k = np.maximum(np.rint(mean + eps * std), 0.0)
    left = np.arange(eps.size)
    for step in range(STEPS):
        r = None if log_r is None else log_r[left]
        tail, is_lower, f = distribution_tails(k, log_mean[left], r)
        target = np.where(is_lower, lower[left], upper[left])
        reached = np.where(is_lower, tail >= target, tail <= target)
        above[left[reached]], below[left[~reached]] = k[reached], k[~reached]
        low, high = below[left], above[left]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if step % 4 < 3:
                change = np.where(is_lower, -1.0, 1.0) * (np.log(tail) - np.log(target)) * tail / (f * (k + 1.0))
                root = (k + 1.0) * np.exp(np.nan_to_num(np.clip(change, -3.0, 3.0))) - 1.0
                beyond = 0.6 + 0.1 * np.abs(root - k) + 1e-8 * k
                k = np.rint(root + np.where(reached, -beyond, beyond))
            else:
                k = np.floor(np.sqrt((low + 2.0) * (np.where(np.isinf(high), 64.0 * low + SMALL, high) + 1.0))) - 1.0
        k = np.maximum(np.minimum(k, high - 1.0), low + 1.0)
        more = high - low > np.maximum(1.0, 1e-15 * low)
        left, k = left[more], k[more]
        if not left.size:
            break
    return above


# H(q), with w = v − q on the left side and w = v + q on the right; e = e^q − 1 or, where −q occurs, e^−q − 1:
#   Poisson              left   b q + λ e                                        H′(0) = b − λ    H″(0) = λ
#                        right  λ e − b q                                        H′(0) = λ − b
#   negative binomial    left   (r + b) log(1 + p e) + r q, of −q                              H″(0) = (r + b) p (1 − p)
#                               (r + b) log(1 + (1 − p) e) − b q, the same function
#                        right  (r + b) log(1 + p e) − r q
#                               (r + b) log(1 + (1 − p) e) + b q, of −q, the same function
# where the form with the smaller one of p and 1 − p is precise. H is 1 at about q = s = min(1/H′(0), 1/√H″(0)), and
# large at the bound Q that follows from the formulas. Where q occurs with a minus, the integral is one over q; else
# over e = e^q − 1, with dq = de/(1 + e), because H may rise within a unit of q, and e covers that range evenly on a
# logarithmic scale. With the variable s exp(y − e^−y), the integral is a trapezoidal sum over y, whose error decreases
# exponentially with the number of nodes, since the integrand falls off at both ends (Takahasi and Mori 1974).
def distribution_tails(k: Array, log_mean: Array, log_r: Array | None) -> tuple[Array, Array, Array]:
    """F(k) (n,) where it is the smaller one, elsewhere 1 − F(k); the mask of the former; and the probability of k."""
    b, mean = k + 1.0, np.exp(log_mean)
    if log_r is None:
        f = np.exp(k * log_mean - mean - _log_gamma(b))
        density, on_left = f * mean, b >= mean
        is_lower, slope, curvature = ~on_left, np.abs(b - mean), mean
        end = np.where(on_left, (NEGLIGIBLE + mean) / b, np.sqrt(2.0 * NEGLIGIBLE / mean))
        minus, coefficient, rate = on_left, mean, b
    else:
        r, log_p, log_1_p = np.exp(log_r), -_softplus(log_mean - log_r), -_softplus(log_r - log_mean)
        f = np.exp(_log_negative_binomial(k, log_mean, log_r))
        density, on_left = f * (r + k) * np.exp(log_1_p), b <= mean
        is_lower, n = on_left, r + b
        slope = np.abs(r * np.exp(log_1_p) - b * np.exp(log_p))
        curvature = n * np.exp(log_p + log_1_p)
        end = np.where(on_left, (NEGLIGIBLE - n * log_1_p) / r, (NEGLIGIBLE - n * log_p) / b)
        p_is_small = log_p <= log_1_p
        minus = on_left == p_is_small
        coefficient, rate = np.exp(np.where(p_is_small, log_p, log_1_p)), np.where(p_is_small, r, b)
    scale = 1.0 / np.maximum(slope, np.sqrt(curvature))
    end = np.where(minus, end, np.expm1(np.minimum(end, 300.0)))
    first = -3.65  # exp(y − e^−y) is 1e-18
    step = (np.log(np.maximum(end / scale, 8.0)) + 0.1 - first) / (NODES - 1)
    integral = np.zeros(k.shape)
    for node in range(NODES):
        y = first + node * step
        inner = np.exp(-y)
        variable = scale * np.exp(y - inner)
        e = np.where(minus, np.expm1(-variable), variable)
        signed_q = np.where(minus, -variable, np.log1p(variable))
        H = (coefficient * e if log_r is None else n * np.log1p(coefficient * e)) - rate * signed_q
        integral += np.exp(-H) * variable * (1.0 + inner) / np.where(minus, 1.0, 1.0 + variable)
    return np.minimum(density * integral * step, 1.0), is_lower, f


# For r < k, Γ(k + r)/Γ(k + 1) is a ratio of large numbers that differ by little, and log p(k) has no other large terms:
#   log p(k) = log Γ(k + 1 + (r − 1)) − log Γ(k + 1) − log Γ(r) + r log p + k log(1 − p)
def _log_negative_binomial(k: Array, log_mean: Array, log_r: Array) -> Array:
    r = np.exp(log_r)
    base, change = np.where(r < k, k + 1.0, r), np.where(r < k, r - 1.0, k)
    out, derivative, scratch = np.empty_like(k), np.empty_like(k), tuple(np.empty((8, *k.shape)))
    ratio = log_gamma_ratio(np, base, change, out, derivative, scratch)
    log_p, log_1_p = -_softplus(log_mean - log_r), -_softplus(log_r - log_mean)
    small_r = ratio + (r - 1.0) * np.log(k + 1.0) - _log_gamma(r) + r * log_p + k * log_1_p
    large_r = ratio - _log_gamma(k + 1.0) + k * log_mean + (r + k) * log_p
    log_p_k: Array = np.where(r < k, small_r, large_r)
    return log_p_k


def _log_gamma(x: Array) -> Array:
    return log_gamma(np, x, np.empty_like(x), Scratch(*np.empty((4, *x.shape))))


def _softplus(x: Array) -> Array:
    return softplus(np, x, np.empty_like(x), np.empty_like(x))
