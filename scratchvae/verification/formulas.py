"""Whole models as formulas, over any oracle."""

from __future__ import annotations

from typing import Any

from scratchvae.verification.oracles import Oracle


def perceptron(oracle: Oracle, params: dict[str, Any], part: str, x: Any, activation: str) -> Any:
    """The network whose weights are `part`.k.W and `part`.k.b: affine maps, with the activation between each two."""
    steps = sorted({int(name.split(".")[1]) for name in params if name.startswith(part)})
    for k in steps:
        x = oracle.affine(x, params[f"{part}.{k}.W"], params[f"{part}.{k}.b"])
        if k != steps[-1]:
            x = getattr(oracle, activation)(x)
    return x


def negative_elbo(
    oracle: Oracle,
    params: dict[str, Any],
    x: Any,
    eps: Any,
    activation: str,
    beta: float,
    free: float = 0.0,
    corrupted: Any = None,
) -> Any:
    """−(1/B) Σ_n (log p(x_n | z_n) − β KL_n) with z = μ + σ ε. Kingma and Welling 2013, eq. 10, L = 1, with a β.

    With free bits, each dimension's mean KL counts as `free` at least; μ and σ are those of `corrupted`, if given.
    """
    code = perceptron(oracle, params, "encoder", x if corrupted is None else corrupted, activation)
    mu, logvar = code[:, : eps.shape[1]], code[:, eps.shape[1] :]
    logits = perceptron(oracle, params, "decoder", oracle.reparameterize(mu, logvar, eps), activation)
    return beta * charged_kl(oracle, mu, logvar, free) - oracle.bernoulli(logits, x).sum() / len(x)


def charged_kl(oracle: Oracle, mu: Any, logvar: Any, free: float) -> Any:
    """Σ_j max(λ, (1/B) Σ_n KL_nj): with max(λ, k) = λ + relu(k − λ)."""
    columns = [oracle.gaussian_kl(mu[:, j : j + 1], logvar[:, j : j + 1]) for j in range(mu.shape[1])]
    return sum(free + oracle.relu(column.sum() / len(mu) - free) for column in columns)


def negative_log_likelihood(oracle: Oracle, params: dict[str, Any], x: Any, activation: str, seen: Any) -> Any:
    """−(1/B) Σ_n log p(x_n | z_n) with z the code of what was seen of x."""
    z = perceptron(oracle, params, "encoder", seen, activation)
    return -oracle.bernoulli(perceptron(oracle, params, "decoder", z, activation), x).sum() / len(x)
