"""Whole models as formulas, over any oracle."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from scratchvae.verification.oracles import Oracle


def perceptron(oracle: Oracle, params: dict[str, Any], part: str, x: Any, activation: str) -> Any:
    """The network whose weights are `part`.k.W and `part`.k.b: affine maps, with the activation between each two."""
    steps = sorted({int(name.split(".")[1]) for name in params if name.startswith(part)})
    for k in steps:
        x = oracle.affine(x, params[f"{part}.{k}.W"], params[f"{part}.{k}.b"])
        if k != steps[-1]:
            x = getattr(oracle, activation)(x)
    return x


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


def gaussian_decoded(oracle: Oracle, outputs: Any, x: Any) -> Any:
    """log N(x; μ, σ²) of each row, (B,), from outputs [μ, r], with log σ² = −12 + softplus(r + 12)."""
    mu, r = outputs[:, : x.shape[1]], outputs[:, x.shape[1] :]
    return oracle.gaussian(mu, oracle.softplus(r + 12.0) - 12.0, x)


def negative_elbo(
    oracle: Oracle,
    params: dict[str, Any],
    x: Any,
    eps: Any,
    config: dict[str, Any],
    beta: float,
    corrupted: Any = None,
) -> Any:
    """−(1/B) Σ_n (log p(x_n | z_n) − β KL_n) with z = μ + σ ε. Kingma and Welling 2013, eq. 10, L = 1, with a β.

    With free bits, each dimension's mean KL counts as that many at least; μ and σ are those of `corrupted`, if given.
    """
    code = perceptron(oracle, params, "encoder", x if corrupted is None else corrupted, config["activation"])
    mu, logvar = code[:, : eps.shape[1]], code[:, eps.shape[1] :]
    outputs = perceptron(oracle, params, "decoder", oracle.reparameterize(mu, logvar, eps), config["activation"])
    reconstruction = log_likelihood(oracle, params, outputs, x, config)
    return beta * charged_kl(oracle, mu, logvar, config["free_bits"]) - reconstruction.sum() / len(x)


def charged_kl(oracle: Oracle, mu: Any, logvar: Any, free: float) -> Any:
    """Σ_j max(λ, (1/B) Σ_n KL_nj): with max(λ, k) = λ + relu(k − λ)."""
    columns = [oracle.gaussian_kl(mu[:, j : j + 1], logvar[:, j : j + 1]) for j in range(mu.shape[1])]
    return sum(free + oracle.relu(column.sum() / len(mu) - free) for column in columns)


def negative_log_likelihood(oracle: Oracle, params: dict[str, Any], x: Any, config: dict[str, Any], seen: Any) -> Any:
    """−(1/B) Σ_n log p(x_n | z_n) with z the code of what was seen of x."""
    z = perceptron(oracle, params, "encoder", seen, config["activation"])
    outputs = perceptron(oracle, params, "decoder", z, config["activation"])
    return -log_likelihood(oracle, params, outputs, x, config).sum() / len(x)
