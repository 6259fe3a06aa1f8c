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


def negative_elbo(oracle: Oracle, params: dict[str, Any], x: Any, eps: Any, activation: str, beta: float) -> Any:
    """−(1/B) Σ_n (log p(x_n | z_n) − β KL_n) with z = μ + σ ε. Kingma and Welling 2013, eq. 10, L = 1, with a β."""
    code = perceptron(oracle, params, "encoder", x, activation)
    mu, logvar = code[:, : eps.shape[1]], code[:, eps.shape[1] :]
    logits = perceptron(oracle, params, "decoder", oracle.reparameterize(mu, logvar, eps), activation)
    return (beta * oracle.gaussian_kl(mu, logvar) - oracle.bernoulli(logits, x)).sum() / len(x)


def negative_log_likelihood(oracle: Oracle, params: dict[str, Any], x: Any, activation: str) -> Any:
    """−(1/B) Σ_n log p(x_n | z_n) with z the code of x."""
    z = perceptron(oracle, params, "encoder", x, activation)
    return -oracle.bernoulli(perceptron(oracle, params, "decoder", z, activation), x).sum() / len(x)
