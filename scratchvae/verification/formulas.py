"""Whole models as formulas, over any oracle."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.verification.oracles import Oracle


def perceptron(oracle: Oracle, params: dict[str, Any], part: str, x: Any, activation: str, targets: Any = None) -> Any:
    """The network whose weights are `part`.k.W and `part`.k.b: affine maps, with the activation between each two.

    A layer with `part`.k.V takes one-hot rows `targets` beside its input, and has no b.
    """
    steps = sorted({int(name.split(".")[1]) for name in params if name.startswith(part)})
    for k in steps:
        W, V, b = (params.get(f"{part}.{k}.{name}") for name in "WVb")
        x = oracle.affine(x, W, b) if V is None else labelled_affine(oracle, x, W, V, targets)
        if k != steps[-1]:
            x = getattr(oracle, activation)(x)
    return x


def labelled_affine(oracle: Oracle, x: Any, W: Any, V: Any, targets: Any) -> Any:
    """x W + c V, of rows x and one-hot rows c."""
    nothing = 0.0 * V[0]
    return oracle.affine(x, W, nothing) + oracle.affine(targets, V, nothing)


def log_likelihood(oracle: Oracle, params: dict[str, Any], outputs: Any, x: Any, config: dict[str, Any]) -> Any:
    """log p(x | outputs) of each row, (B,), under the likelihood that a model's settings name."""
    name = config["likelihood"]
    if name == "gaussian":
        return oracle.gaussian(outputs, oracle.constant(np.full(1, 2 * log(config["sigma"]))), x)
    if name == "gaussian_learnt":
        return oracle.gaussian(outputs, params["likelihood.logvar"], x)
    if name == "gaussian_decoded":
        return gaussian_decoded(oracle, outputs, x)
    return getattr(oracle, name)(outputs, x)


def observed_log_likelihood(
    oracle: Oracle, params: dict[str, Any], outputs: Any, x: Any, config: dict[str, Any], observed: Any
) -> Any:
    """log p(x_o | outputs) of each row, (B,): one by one the entries where `observed` (B, D) is 1; None: all."""
    if observed is None:
        return log_likelihood(oracle, params, outputs, x, config)
    D = x.shape[1]
    entries = (log_likelihood(oracle, params, outputs[:, j::D], x[:, j : j + 1], config) for j in range(D))
    return sum(observed[:, j] * entry for j, entry in enumerate(entries))


def gaussian_decoded(oracle: Oracle, outputs: Any, x: Any) -> Any:
    """log N(x; μ, σ²) of each row, (B,), from outputs [μ, r], with log σ² = −12 + softplus(r + 12)."""
    mu, r = outputs[:, : x.shape[1]], outputs[:, x.shape[1] :]
    return oracle.gaussian(mu, oracle.softplus(r + 12.0) - 12.0, x)


def autoencoded(
    oracle: Oracle, params: dict[str, Any], seen: Any, eps: Any, config: dict[str, Any], targets: Any = None
) -> tuple[Any, Any, Any]:
    """What the decoder puts out for z = μ + σ ε, and mu and logvar, of rows of which that was `seen`.

    Kingma and Welling 2013, eq. 10, L = 1. One-hot rows `targets` are what a conditional VAE is told.
    """
    code = perceptron(oracle, params, "encoder", seen, config["activation"], targets)
    mu, logvar = code[:, : eps.shape[1]], code[:, eps.shape[1] :]
    z = oracle.reparameterize(mu, logvar, eps)
    return perceptron(oracle, params, "decoder", z, config["activation"], targets), mu, logvar


def negative_elbo(
    oracle: Oracle,
    params: dict[str, Any],
    x: Any,
    eps: Any,
    config: dict[str, Any],
    beta: float,
    corrupted: Any = None,
    observed: Any = None,
    targets: Any = None,
) -> Any:
    """−(1/B) Σ_n (log p(x_n | z_n) − β KL_n), the ELBO with a β.

    With free bits, each dimension's mean KL counts as that many at least; μ and σ are those of `corrupted`, if given.
    Where `observed` (B, D) is given and 0, x_n is not scored, and the encoder sees 0.
    """
    seen = x if corrupted is None else corrupted
    told = seen if observed is None else seen * observed
    outputs, mu, logvar = autoencoded(oracle, params, told, eps, config, targets)
    reconstruction = observed_log_likelihood(oracle, params, outputs, x, config, observed)
    return beta * charged_kl(oracle, mu, logvar, config["free_bits"]) - reconstruction.sum() / len(x)


def negative_marginal_bound(
    oracle: Oracle,
    params: dict[str, Any],
    x: Any,
    eps: Any,
    config: dict[str, Any],
    beta: float,
    corrupted: Any,
    targets: Array,
    alpha: float,
) -> Any:
    """−(1/B) Σ_n of the bound of M2, class by class. Kingma et al. 2014, eq. 6 to 9, with a β on all that diverges.

    Zeros in a row of `targets` stand for a class that is not known.
    """
    seen = x if corrupted is None else corrupted
    logits = perceptron(oracle, params, "classifier", seen, config["activation"])
    every, terms = np.eye(targets.shape[1]), []
    for k in range(len(every)):
        told = oracle.constant(every[[k] * len(targets)])
        outputs, mu, logvar = autoencoded(oracle, params, seen, eps, config, told)
        terms.append((log_likelihood(oracle, params, outputs, x, config), oracle.gaussian_kl(mu, logvar)))
    q, log_q = oracle.softmax(logits), oracle.log_softmax(logits)
    return -marginal_bound(oracle, q, log_q, targets, terms, beta, alpha).sum() / len(x)


def marginal_bound(
    oracle: Oracle, q: Any, log_q: Any, targets: Array, terms: list[tuple[Any, Any]], beta: float, alpha: float
) -> Any:
    """The bound of each row, from q(y | x) (B, K) and from log p(x | y, z) and KL (B,) of each class."""
    unknown = oracle.constant(1.0 - targets.sum(axis=1))
    bound = -beta * float(np.log(len(terms)))
    for k, (of_class, kl) in enumerate(terms):
        known, guessed = oracle.constant(targets[:, k].copy()), unknown * q[:, k]
        bound = bound + (known + guessed) * (of_class - beta * kl)
        bound = bound + (alpha * known - beta * guessed) * log_q[:, k]
    return bound


def charged_kl(oracle: Oracle, mu: Any, logvar: Any, free: float) -> Any:
    """Σ_j max(λ, (1/B) Σ_n KL_nj): with max(λ, k) = λ + relu(k − λ)."""
    columns = [oracle.gaussian_kl(mu[:, j : j + 1], logvar[:, j : j + 1]) for j in range(mu.shape[1])]
    return sum(free + oracle.relu(column.sum() / len(mu) - free) for column in columns)


def negative_importance_bound(
    oracle: Oracle,
    params: dict[str, Any],
    x: Any,
    eps: Any,
    config: dict[str, Any],
    beta: float,
    corrupted: Any = None,
    observed: Any = None,
) -> Any:
    """−(1/B) Σ_n log (1/K) Σ_k p(x_n | z_nk) (p(z_nk) / q(z_nk | x_n))^β. Mattei and Frellsen 2019, eq. 4, with a β.

    `corrupted` and `observed` are as in `negative_elbo`.
    """
    seen, Z = x if corrupted is None else corrupted, config["latent_dim"]
    code = perceptron(oracle, params, "encoder", seen if observed is None else seen * observed, config["activation"])
    mu, logvar = code[:, :Z], code[:, Z:]
    total: Any = None
    for k in range(config["importance_samples"]):
        z = oracle.reparameterize(mu, logvar, eps[:, k * Z : (k + 1) * Z])
        outputs = perceptron(oracle, params, "decoder", z, config["activation"])
        log_w = observed_log_likelihood(oracle, params, outputs, x, config, observed)
        log_w = log_w + beta * (oracle.gaussian(0 * mu, 0 * mu, z) - oracle.gaussian(mu, logvar, z))
        total = log_w if total is None else total + oracle.softplus(log_w - total)  # log(eᵃ + eᵇ)
    return log(config["importance_samples"]) - total.sum() / len(x)


def negative_log_likelihood(oracle: Oracle, params: dict[str, Any], x: Any, config: dict[str, Any], seen: Any) -> Any:
    """−(1/B) Σ_n log p(x_n | z_n) with z the code of what was seen of x."""
    z = perceptron(oracle, params, "encoder", seen, config["activation"])
    outputs = perceptron(oracle, params, "decoder", z, config["activation"])
    return -log_likelihood(oracle, params, outputs, x, config).sum() / len(x)
