"""Whole models as formulas, over any oracle: of what a model's configuration says, and not of its parts."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.models.network import ACTIVATIONS
from scratchvae.verification.oracles import Oracle

_ACTIVATIONS = {kind.__name__: name for name, kind in ACTIVATIONS.items()}

# From the oracle, the parameters by name, the encoder's output h (B, O) and noise eps (B, n): z (B, Z), drawn from
# q(z | x), and log q(z | x) and log p(z) (B,).
Draw = Callable[[Oracle, dict[str, Any], Any, Any], tuple[Any, Any, Any]]


def network(oracle: Oracle, params: dict[str, Any], part: str, x: Any, config: dict[str, Any], targets: Any) -> Any:
    """What the network of that name, "encoder" or "decoder", makes of x and of one-hot rows `targets`, or None."""
    own = config.get(part)
    if own is None:
        return mlp(oracle, params, part, x, config["activation"], targets)
    return described(oracle, params, part, x, own, targets)


def described(
    oracle: Oracle, params: dict[str, Any], part: str, x: Any, layer: dict[str, Any], targets: Any = None
) -> Any:
    """What a layer makes of x, as a model's file describes it, its weights being `part`.W and so on.

    Raises ConfigError for a class that is not known.
    """
    name, settings = layer["class"], layer["config"]
    if name in ("Sequential", "ConditionalSequential"):
        for k, inner in enumerate(settings["layers"]):
            x = described(oracle, params, f"{part}.{k}", x, inner, targets)
        return x
    if name == "Linear":
        return oracle.affine(x, params[f"{part}.W"], params[f"{part}.b"])
    if name == "ConditionalLinear":
        return conditional_affine(oracle, x, params[f"{part}.W"], params[f"{part}.V"], targets)
    if name == "LeakyReLU":
        return oracle.relu(x) - settings["slope"] * oracle.relu(-x)
    if name in _ACTIVATIONS:
        return getattr(oracle, _ACTIVATIONS[name])(x)
    raise ConfigError(f"no formula of {part}, a {name}, is known: hold it against finite differences alone")


def mlp(oracle: Oracle, params: dict[str, Any], part: str, x: Any, activation: str, targets: Any = None) -> Any:
    """The network whose weights are `part`.k.W and `part`.k.b: affine maps, with the activation between each two.

    A layer with `part`.k.V takes one-hot rows `targets` beside its input, and has no b.
    """
    steps = sorted({int(name.split(".")[1]) for name in params if name.startswith(part)})
    for k in steps:
        W, V, b = (params.get(f"{part}.{k}.{name}") for name in "WVb")
        x = oracle.affine(x, W, b) if V is None else conditional_affine(oracle, x, W, V, targets)
        if k != steps[-1]:
            x = getattr(oracle, activation)(x)
    return x


def conditional_affine(oracle: Oracle, x: Any, W: Any, V: Any, targets: Any) -> Any:
    """x W + c V, of rows x and one-hot rows c."""
    nothing = 0.0 * V[0]
    return oracle.affine(x, W, nothing) + oracle.affine(targets, V, nothing)


def log_likelihood(oracle: Oracle, params: dict[str, Any], outputs: Any, x: Any, config: dict[str, Any]) -> Any:
    """log p(x | outputs) of each row, (B,), under the likelihood that a model's settings name."""
    name = config["likelihood"]
    if name == "gaussian":
        return oracle.gaussian(outputs, oracle.constant(np.full(1, 2 * log(config["sigma"]))), x)
    if name == "gaussian_learned":
        return oracle.gaussian(outputs, params["likelihood.logvar"], x)
    if name == "gaussian_heteroscedastic":
        return gaussian_heteroscedastic(oracle, outputs, x)
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


def gaussian_heteroscedastic(oracle: Oracle, outputs: Any, x: Any) -> Any:
    """log N(x; μ, σ²) of each row, (B,), from outputs [μ, r], with log σ² = −12 + softplus(r + 12)."""
    mu, r = outputs[:, : x.shape[1]], outputs[:, x.shape[1] :]
    return oracle.gaussian(mu, oracle.softplus(r + 12.0) - 12.0, x)


def gaussian_draw(oracle: Oracle, params: dict[str, Any], h: Any, eps: Any) -> tuple[Any, Any, Any]:
    """z = μ + σ ε with h = [μ, log σ²], and log N(z; μ, σ²) and log N(z; 0, 1). Kingma and Welling 2013, eq. 10."""
    mu, logvar = h[:, : eps.shape[1]], h[:, eps.shape[1] :]
    z = oracle.reparameterize(mu, logvar, eps)
    return z, oracle.gaussian(mu, logvar, z), oracle.gaussian(0 * mu, 0 * mu, z)


def autoencoded(
    oracle: Oracle, params: dict[str, Any], encoder_x: Any, eps: Any, config: dict[str, Any], targets: Any = None
) -> tuple[Any, Any, Any]:
    """What the decoder puts out for z = μ + σ ε, and mu and logvar, of rows of which that was `encoder_x`.

    Kingma and Welling 2013, eq. 10, L = 1. One-hot rows `targets` are what a conditional VAE is given.
    """
    h = network(oracle, params, "encoder", encoder_x, config, targets)
    z, _, _ = gaussian_draw(oracle, params, h, eps)
    outputs = network(oracle, params, "decoder", z, config, targets)
    return outputs, h[:, : eps.shape[1]], h[:, eps.shape[1] :]


def encoder_input(x: Any, corrupted: Any, observed: Any = None) -> Any:
    """The rows that the encoder sees (B, D): `corrupted` in place of x, if given, and 0 where `observed` is 0."""
    encoder_x = x if corrupted is None else corrupted
    return encoder_x if observed is None else encoder_x * observed


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
    encoder_x = encoder_input(x, corrupted, observed)
    outputs, mu, logvar = autoencoded(oracle, params, encoder_x, eps, config, targets)
    reconstruction = observed_log_likelihood(oracle, params, outputs, x, config, observed)
    return beta * penalized_kl(oracle, mu, logvar, config["free_bits"]) - reconstruction.sum() / len(x)


def negative_importance_bound(
    oracle: Oracle,
    params: dict[str, Any],
    x: Any,
    eps: Any,
    config: dict[str, Any],
    beta: float,
    corrupted: Any = None,
    observed: Any = None,
    targets: Any = None,
    draw: Draw = gaussian_draw,
) -> Any:
    """−(1/B) Σ_n log (1/K) Σ_k p(x_n | z_nk) (p(z_nk) / q(z_nk | x_n))^β. Mattei and Frellsen 2019, eq. 4, with a β.

    With K = 1 it is the ELBO whose KL is that of the one draw. The others are as in `negative_elbo`.
    """
    encoder_x, K = encoder_input(x, corrupted, observed), config["importance_samples"]
    h = network(oracle, params, "encoder", encoder_x, config, targets)
    total: Any = None
    for k, columns in enumerate(np.split(np.arange(eps.shape[1]), K)):
        z, log_q, log_p = draw(oracle, params, h, eps[:, columns[0] : columns[-1] + 1])
        outputs = network(oracle, params, "decoder", z, config, targets)
        log_w = observed_log_likelihood(oracle, params, outputs, x, config, observed) + beta * (log_p - log_q)
        total = log_w if k == 0 else log_add(oracle, total, log_w)
    return log(K) - total.sum() / len(x)


def log_add(oracle: Oracle, a: Any, b: Any) -> Any:
    """log(eᵃ + eᵇ) = max(a, b) + softplus(−|a − b|), where no share is 1 less another."""
    above, below = oracle.relu(b - a), oracle.relu(a - b)
    return a + above + oracle.softplus(-(above + below))


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
    draw: Draw | None = None,
) -> Any:
    """−(1/B) Σ_n of the bound of M2, class by class. Kingma et al. 2014, eq. 6 to 9, with a β on all that diverges.

    Zeros in a row of `targets` stand for a class that is not known. With `draw`, the KL is that of the one draw.
    """
    encoder_x = encoder_input(x, corrupted)
    logits = network(oracle, params, "classifier", encoder_x, config, None)
    every, terms = np.eye(targets.shape[1]), []
    for k in range(len(every)):
        told = oracle.constant(every[[k] * len(targets)])
        if draw is None:
            outputs, mu, logvar = autoencoded(oracle, params, encoder_x, eps, config, told)
            kl = oracle.gaussian_kl(mu, logvar)
        else:
            z, log_q, log_p = draw(oracle, params, network(oracle, params, "encoder", encoder_x, config, told), eps)
            outputs, kl = network(oracle, params, "decoder", z, config, told), log_q - log_p
        terms.append((log_likelihood(oracle, params, outputs, x, config), kl))
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


def penalized_kl(oracle: Oracle, mu: Any, logvar: Any, free: float) -> Any:
    """Σ_j max(λ, (1/B) Σ_n KL_nj): with max(λ, k) = λ + relu(k − λ)."""
    columns = [oracle.gaussian_kl(mu[:, j : j + 1], logvar[:, j : j + 1]) for j in range(mu.shape[1])]
    return sum(free + oracle.relu(column.sum() / len(mu) - free) for column in columns)


def negative_log_likelihood(
    oracle: Oracle, params: dict[str, Any], x: Any, config: dict[str, Any], encoder_x: Any
) -> Any:
    """−(1/B) Σ_n log p(x_n | z_n) with z the code of what was seen of x."""
    z = network(oracle, params, "encoder", encoder_x, config, None)
    outputs = network(oracle, params, "decoder", z, config, None)
    return -log_likelihood(oracle, params, outputs, x, config).sum() / len(x)
