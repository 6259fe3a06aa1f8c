"""Formulas of the posteriors and priors of the package: a draw z, and log q(z | x) and log p(z) at it."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from scratchvae.verification.formulas import Draw, activate, gaussian_draw, log_add, network_output
from scratchvae.verification.oracles import Oracle


def draw_of(config: dict[str, Any]) -> Draw | None:
    """The formula for the posterior and the prior of a model's configuration; None if one of them has none.

    Both are descriptions as in a model file, or None for N(μ, σ² I) and N(0, I).
    """
    posterior, prior = (config.get(name) or {"class": kind} for name, kind in DEFAULTS.items())
    if posterior["class"] not in POSTERIORS or prior["class"] not in PRIORS:
        return None

    def draw(oracle: Oracle, params: dict[str, Any], h: Any, eps: Any) -> tuple[Any, Any, Any]:
        z, log_q = POSTERIORS[posterior["class"]](oracle, params, h, eps, posterior)
        return z, log_q, PRIORS[prior["class"]](oracle, params, z, config)

    return draw


def _gaussian(oracle: Oracle, params: dict[str, Any], h: Any, eps: Any, _: dict[str, Any]) -> tuple[Any, Any]:
    return gaussian_draw(oracle, params, h, eps)[:2]


# The density of z_0, divided by the product of all |∂z_td/∂z_(t−1)d| = s_td
def _inverse_autoregressive(
    oracle: Oracle, params: dict[str, Any], h: Any, eps: Any, description: dict[str, Any]
) -> tuple[Any, Any]:
    settings, Z = description["config"], eps.shape[1]
    z, log_q = _gaussian(oracle, params, h[:, : 2 * Z], eps, description)
    context, reversal = h[:, 2 * Z :], np.eye(Z)[::-1].copy()
    network = {"inputs": Z, "hidden": settings["hidden"], "outputs": 2, "context": settings["context"]}
    for t in range(settings["steps"]):
        before = oracle.affine(z, oracle.constant(reversal), oracle.constant(np.zeros(Z)))
        outputs = made(oracle, params, f"posterior.networks.{t}", before, context, network)
        m, a = outputs[:, :Z], outputs[:, Z:] + 2.0
        z = oracle.sigmoid(a) * before + oracle.sigmoid(-a) * m
        log_q = log_q + oracle.softplus(-a).sum(1)
    return z, log_q


def made(oracle: Oracle, params: dict[str, Any], prefix: str, z: Any, context: Any, settings: dict[str, Any]) -> Any:
    """The output of a `MADE` of [z, context]: the first layer is applied to z and to the context, and both added."""
    Z, C, widths = settings["inputs"], settings["context"], settings["hidden"]
    activation = settings.get("activation") or {"class": "ELU", "config": {"alpha": 1.0}}
    order = np.arange(1, Z + 1)
    before, y = np.concatenate([order, np.zeros(C, int)]), None
    for k, width in enumerate([*widths, Z * settings["outputs"]]):
        last = k == len(widths)
        degrees = (
            np.tile(order, settings["outputs"]) if last else np.array([_hidden_degree(Z, j) for j in range(width)])
        )
        allowed = before[:, None] < degrees[None] + (not last)
        W, b = params[f"{prefix}.{2 * k}.W"], params[f"{prefix}.{2 * k}.b"]
        W = W * oracle.constant(allowed.astype(np.float64))
        if y is None:
            y = oracle.affine(z, W[:Z], b) + (oracle.affine(context, W[Z:], 0 * b) if C else 0.0)
        else:
            y = oracle.affine(activate(oracle, activation, y), W, b)
        before = degrees
    return y


def _hidden_degree(inputs: int, unit: int) -> int:
    return 0 if inputs == 1 else unit % (inputs - 1) + 1


def _standard_normal(oracle: Oracle, params: dict[str, Any], z: Any, config: dict[str, Any]) -> Any:
    return oracle.gaussian(0 * z, 0 * z, z)


def _mixture(oracle: Oracle, params: dict[str, Any], z: Any, config: dict[str, Any]) -> Any:
    log_w = oracle.log_softmax(params["prior.logits"].reshape(1, -1))[0]
    return mixture(oracle, z, log_w, params["prior.mu"], params["prior.logvar"])


def _vamp(oracle: Oracle, params: dict[str, Any], z: Any, config: dict[str, Any]) -> Any:
    u, Z = params["prior.u"], z.shape[1]
    h = network_output(oracle, params, "encoder", u, config, None)
    log_w = oracle.constant(np.full(len(u), -log(len(u))))
    return mixture(oracle, z, log_w, h[:, :Z], h[:, Z:])


def mixture(oracle: Oracle, z: Any, log_w: Any, mu: Any, logvar: Any) -> Any:
    """log Σ_k w_k N(z; μ_k, σ_k²) of each row of z (B, Z), one component after another."""
    total: Any = None
    for k in range(len(log_w)):
        component = log_w[k] + oracle.gaussian(0 * z + mu[k : k + 1], 0 * z + logvar[k : k + 1], z)
        total = component if k == 0 else log_add(oracle, total, component)
    return total


DEFAULTS = {"posterior": "DiagonalGaussian", "prior": "StandardNormal"}
POSTERIORS = {"DiagonalGaussian": _gaussian, "InverseAutoregressive": _inverse_autoregressive}
PRIORS = {"StandardNormal": _standard_normal, "MixturePrior": _mixture, "VampPrior": _vamp}
