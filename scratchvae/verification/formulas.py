"""Formulas of whole models on the arrays of any oracle, built from the configuration of a model, not from its parts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import log
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.models.network import ACTIVATIONS
from scratchvae.verification.oracles import Oracle

_ACTIVATIONS = {kind.__name__: name for name, kind in ACTIVATIONS.items()}

# The formula of a posterior and a prior. Arguments: the oracle, the parameters by name, the encoder's output h (B, O)
# and noise eps (B, n). Results: z (B, Z) drawn from q(z | x), log q(z | x) (B,) and log p(z) (B,).
Draw = Callable[[Oracle, dict[str, Any], Any, Any], tuple[Any, Any, Any]]


def network_output(
    oracle: Oracle, params: dict[str, Any], network: str, x: Any, config: dict[str, Any], targets: Any
) -> Any:
    """Return the output of the network named `network` ("encoder", "decoder" or "classifier") for rows x.

    `targets` are one-hot rows for a model with labels, or None.
    """
    custom_network = config.get(network)
    if network != "decoder" and custom_network is None:
        x = log_of_counts(oracle, x, config["likelihood"])
    picture = None if network == "decoder" or config.get("image_shape") is None else config["image_shape"]
    if custom_network is None and config["architecture"] == "mlp":
        return mlp(oracle, params, network, x, config["activation"], targets)
    x = x if picture is None else x.reshape(-1, *(*picture, 1)[:3])
    if custom_network is None:
        return convolutional(oracle, params, network, x, config, targets)
    return flat(layer_output(oracle, params, network, x, custom_network, targets))


def log_of_counts(oracle: Oracle, x: Any, likelihood: Any) -> Any:
    """x (B, D) with log(1 + x) in the columns of counts of a likelihood, a name or a description."""
    name = likelihood["class"] if isinstance(likelihood, dict) else likelihood
    if name in ("poisson", "negative_binomial", "Poisson", "NegativeBinomial"):
        return oracle.log(1.0 + x)
    if name != "Mixed":
        return x
    counts = [part["class"] in ("Poisson", "NegativeBinomial") for part, _ in likelihood["config"]["parts"]]
    m = np.repeat(np.array(counts, np.float64), [width for _, width in likelihood["config"]["parts"]])
    return oracle.log(1.0 + x * oracle.constant(m)) + x * oracle.constant(1.0 - m)


def flat(x: Any) -> Any:
    """Pictures (B, H, W, C), or rows, as rows (B, D)."""
    return x.reshape(len(x), -1)


def layer_output(
    oracle: Oracle, params: dict[str, Any], prefix: str, x: Any, layer: dict[str, Any], targets: Any = None
) -> Any:
    """Return the output of a layer described as in a model file; its weights are `prefix`.W and so on.

    x is (B, D), or pictures (B, H, W, C) for the layers of pictures. Raises ConfigError for an unknown class.
    """
    name, settings = layer["class"], layer["config"]
    if name in ("Sequential", "ConditionalSequential"):
        for k, inner in enumerate(settings["layers"]):
            x = layer_output(oracle, params, f"{prefix}.{k}", x, inner, targets)
        return x
    if name == "Residual":
        y = layer_output(oracle, params, f"{prefix}.layer", x, settings["layer"])
        return x + y.reshape(x.shape)
    if name == "Linear":
        return oracle.affine(flat(x), params[f"{prefix}.W"], params[f"{prefix}.b"])
    if name == "ConditionalLinear":
        return conditional_affine(oracle, flat(x), params[f"{prefix}.W"], params[f"{prefix}.V"], targets)
    if name == "Conv2d":
        W, b = params[f"{prefix}.W"], params[f"{prefix}.b"]
        return oracle.convolve(x, W, settings["stride"], settings["padding"]) + b
    if name == "ConvTranspose2d":
        W, b, more = params[f"{prefix}.W"], params[f"{prefix}.b"], settings["output_padding"]
        more = (more, more) if isinstance(more, int) else tuple(more)
        return oracle.convolve_transpose(x, W, settings["stride"], settings["padding"], more) + b
    if name == "LayerNorm":
        gain, bias = params[f"{prefix}.gain"], params[f"{prefix}.bias"]
        return oracle.layer_norm(x.reshape(-1, settings["size"]), gain, bias, settings["eps"]).reshape(x.shape)
    return _without_parameters(oracle, prefix, x, name, settings)


def _without_parameters(oracle: Oracle, prefix: str, x: Any, name: str, settings: dict[str, Any]) -> Any:
    if name == "Flatten":
        return flat(x)
    if name == "Reshape":
        return x.reshape(len(x), *settings["shape"])
    if name == "Upsample":
        rows, height, width, channels = x.shape
        ones = oracle.constant(np.ones((1, 1, settings["scale"], 1, settings["scale"], 1)))
        repeated = x.reshape(rows, height, 1, width, 1, channels) * ones
        return repeated.reshape(rows, height * settings["scale"], width * settings["scale"], channels)
    if name == "SplitChannels":
        return split_channels(oracle, x, settings["groups"])
    if name == "Gated":
        half = x.shape[-1] // 2
        return x[..., :half] * oracle.sigmoid(x[..., half:])
    if name == "LeakyReLU":
        return oracle.relu(x) - settings["slope"] * oracle.relu(-x)
    if name == "ELU":
        return oracle.relu(x) - settings["alpha"] * oracle.relu(-oracle.elu(x))
    if name in _ACTIVATIONS:
        return getattr(oracle, _ACTIVATIONS[name])(x)
    raise ConfigError(
        f"{prefix} is of class {name}, which has no known formula: compare with finite differences instead"
    )


def split_channels(oracle: Oracle, x: Any, groups: int) -> Any:
    """The channels of pictures x (B, H, W, KC) in K groups, one after the other: (B, K·H·W·C)."""
    pixels = x.reshape(len(x), -1)
    order = np.arange(pixels.shape[1]).reshape(-1, groups, x.shape[-1] // groups).swapaxes(0, 1).reshape(-1)
    permutation = np.eye(len(order))[:, order]
    return oracle.affine(pixels, oracle.constant(permutation), oracle.constant(np.zeros(len(order))))


def activate(oracle: Oracle, activation: Any, x: Any) -> Any:
    """The activation of a configuration, a name or the description of a layer, of x."""
    if isinstance(activation, dict):
        return layer_output(oracle, {}, "activation", x, activation)
    return getattr(oracle, activation)(x)


def _indices(params: dict[str, Any], prefix: str) -> list[int]:
    return sorted({int(name.split(".")[1]) for name in params if name.startswith(f"{prefix}.")})


def convolutional(
    oracle: Oracle, params: dict[str, Any], network: str, x: Any, config: dict[str, Any], targets: Any = None
) -> Any:
    """The output of the default network of pictures, by its weights: those of a convolution have four axes.

    An encoder halves pictures x (B, H, W, C) and ends with affine maps. A decoder begins with them and doubles
    pictures, up to (H, W). The activation lies between consecutive layers.
    """
    indices = _indices(params, network)
    height, width, channels = (*config["image_shape"], 1)[:3]
    convolutions = sum(params[f"{network}.{k}.W"].ndim == 4 for k in indices)
    sizes = [(height // 2**k, width // 2**k) for k in range(convolutions, -1, -1)]
    for k in indices:
        W, V, b = params[f"{network}.{k}.W"], params.get(f"{network}.{k}.V"), params.get(f"{network}.{k}.b")
        if W.ndim == 2:
            x = oracle.affine(flat(x), W, b) if V is None else conditional_affine(oracle, flat(x), W, V, targets)
        elif network == "decoder":
            (rows, columns), (more_rows, more_columns) = sizes[0], sizes[1]
            x = x.reshape(len(x), rows, columns, W.shape[3])
            x = oracle.convolve_transpose(x, W, 2, 1, (more_rows - 2 * rows, more_columns - 2 * columns)) + b
            sizes = sizes[1:]
        else:
            x = oracle.convolve(x, W, 2, 1) + b
        if k != indices[-1]:
            x = activate(oracle, config["activation"], x)
    if network == "decoder" and x.shape[-1] > channels:
        return split_channels(oracle, x, x.shape[-1] // channels)
    return flat(x)


def mlp(oracle: Oracle, params: dict[str, Any], prefix: str, x: Any, activation: Any, targets: Any = None) -> Any:
    """Return the output of a multi-layer perceptron with weights `prefix`.k.W and biases `prefix`.k.b.

    The activation lies between consecutive layers. A layer with weights `prefix`.k.V is conditional: it takes one-hot
    rows `targets` in addition to its input, and has no bias.
    """
    indices = _indices(params, prefix)
    for k in indices:
        W, V, b = (params.get(f"{prefix}.{k}.{name}") for name in "WVb")
        x = oracle.affine(x, W, b) if V is None else conditional_affine(oracle, x, W, V, targets)
        if k != indices[-1]:
            x = activate(oracle, activation, x)
    return x


def conditional_affine(oracle: Oracle, x: Any, W: Any, V: Any, targets: Any) -> Any:
    """x W + c V for rows x and one-hot rows c = `targets`."""
    zero = 0.0 * V[0]
    return oracle.affine(x, W, zero) + oracle.affine(targets, V, zero)


def log_likelihood(oracle: Oracle, params: dict[str, Any], outputs: Any, x: Any, config: dict[str, Any]) -> Any:
    """log p(x | outputs) of each row, (B,), for the likelihood that the configuration names or describes."""
    name = config["likelihood"]
    if isinstance(name, dict):
        return described_log_likelihood(oracle, params, outputs, x, name, "likelihood")
    if name == "gaussian":
        return oracle.gaussian(outputs, oracle.constant(np.full(1, 2 * log(config["sigma"] or 1.0))), x)
    if name in COUNTS:
        return COUNTS[name](oracle, outputs, x)
    if name in ("gaussian_learned", "gaussian_diagonal"):
        return oracle.gaussian(outputs, params["likelihood.logvar"], x)
    if name == "gaussian_heteroscedastic":
        return gaussian_heteroscedastic(oracle, outputs, x)
    return getattr(oracle, name)(outputs, x)


def observed_log_likelihood(
    oracle: Oracle, params: dict[str, Any], outputs: Any, x: Any, config: dict[str, Any], observed: Any
) -> Any:
    """log p(x_o | outputs) of each row, (B,): the sum over the entries where `observed` (B, D) is 1; None means all."""
    if observed is None:
        return log_likelihood(oracle, params, outputs, x, config)
    if isinstance(config["likelihood"], dict):
        return described_log_likelihood(oracle, params, outputs, x, config["likelihood"], "likelihood", observed)
    total, D = 0.0, x.shape[1]
    for j in range(D):
        own = params
        if config["likelihood"] == "gaussian_diagonal":
            own = {"likelihood.logvar": params["likelihood.logvar"][j : j + 1]}
        total = total + observed[:, j] * log_likelihood(oracle, own, outputs[:, j::D], x[:, j : j + 1], config)
    return total


# The names of the configuration of the classes that have no arguments, or arguments of their own.
_NAMES = {
    "Bernoulli": "bernoulli",
    "ContinuousBernoulli": "continuous_bernoulli",
    "Gaussian": "gaussian",
    "GaussianDiagonal": "gaussian_diagonal",
    "GaussianHeteroscedastic": "gaussian_heteroscedastic",
    "GaussianLearned": "gaussian_learned",
}


def described_log_likelihood(
    oracle: Oracle,
    params: dict[str, Any],
    outputs: Any,
    x: Any,
    description: dict[str, Any],
    prefix: str,
    observed: Any = None,
) -> Any:
    """log p(x_o | outputs) of each row, (B,), for a likelihood described as in a model file.

    `prefix` is that of its parameters' names, and `observed` (B, D) is 0 at missing values; None means that there are
    none. Raises ConfigError for an unknown class.
    """
    name, settings = description["class"], description["config"]
    if name == "Mixed":
        total, column, output = 0.0 * outputs[:, 0], 0, 0
        for k, (part, width) in enumerate(settings["parts"]):
            wide = width * (2 if part["class"] in ("GaussianHeteroscedastic", "NegativeBinomial") else 1)
            rows, here = outputs[:, output : output + wide], slice(column, column + width)
            seen = None if observed is None else observed[:, here]
            log_p = described_log_likelihood(oracle, params, rows, x[:, here], part, f"{prefix}.{k}", seen)
            total, column, output = total + log_p, column + width, output + wide
        return total
    if name == "Categorical":
        return categorical(oracle, outputs, x if observed is None else x * observed, settings["levels"])
    if name in ("Poisson", "NegativeBinomial"):
        formula: Any = poisson if name == "Poisson" else negative_binomial
        if observed is None:
            return formula(oracle, outputs, x, settings["library_size"])
        D = x.shape[1]
        return sum(observed[:, j] * formula(oracle, outputs[:, j::D], x[:, j : j + 1]) for j in range(D))
    if name not in _NAMES:
        raise ConfigError(
            f"likelihood is of class {name}, which has no known formula: compare with finite differences instead"
        )
    config = {"likelihood": _NAMES[name], "sigma": settings.get("sigma")}
    own = {"likelihood.logvar": params[f"{prefix}.logvar"]} if name in ("GaussianLearned", "GaussianDiagonal") else {}
    return observed_log_likelihood(oracle, own, outputs, x, config, observed)


def poisson(oracle: Oracle, outputs: Any, x: Any, library_size: float | None = None) -> Any:
    """log p(x) of each row, (B,), of Poisson distributions with the log rates `outputs`, and an offset of the row."""
    log_rate = outputs + _offset(oracle, x, library_size)
    return (x * log_rate - oracle.exp(log_rate) - oracle.log_gamma(x + 1.0)).sum(1)


def negative_binomial(oracle: Oracle, outputs: Any, x: Any, library_size: float | None = None) -> Any:
    """log p(x) of each row, (B,), from [a, ρ]: x successes before r failures, with log r = −12 + softplus(ρ + 12)."""
    log_mean = outputs[:, : x.shape[1]] + _offset(oracle, x, library_size)
    log_r = oracle.softplus(outputs[:, x.shape[1] :] + 12.0) - 12.0
    r, t = oracle.exp(log_r), log_mean - log_r
    choose = oracle.log_gamma(x + r) - oracle.log_gamma(r) - oracle.log_gamma(x + 1.0)
    return (choose - r * oracle.softplus(t) - x * oracle.softplus(-t)).sum(1)


COUNTS: dict[str, Callable[..., Any]] = {"poisson": poisson, "negative_binomial": negative_binomial}


def _offset(oracle: Oracle, x: Any, library_size: float | None) -> Any:
    """log(T/L) of each row, (B, 1), with its total T; 0 without a library size."""
    return 0.0 if library_size is None else oracle.log(x.sum(1) / library_size).reshape(-1, 1)


def categorical(oracle: Oracle, outputs: Any, x: Any, levels: Any) -> Any:
    """Σ_groups Σ_k x_k log softmax(t)_k of each row, (B,)."""
    starts = np.cumsum([0, *levels]).tolist()
    groups = [slice(start, stop) for start, stop in pairwise(starts)]
    return sum((x[:, group] * oracle.log_softmax(outputs[:, group])).sum(1) for group in groups)


def gaussian_heteroscedastic(oracle: Oracle, outputs: Any, x: Any) -> Any:
    """log N(x; μ, σ²) of each row, (B,), from outputs [μ, r], with log σ² = −12 + softplus(r + 12)."""
    mu, r = outputs[:, : x.shape[1]], outputs[:, x.shape[1] :]
    return oracle.gaussian(mu, oracle.softplus(r + 12.0) - 12.0, x)


def gaussian_draw(oracle: Oracle, params: dict[str, Any], h: Any, eps: Any) -> tuple[Any, Any, Any]:
    """Return z = μ + σ ε for h = [μ, log σ²], log N(z; μ, σ²) and log N(z; 0, 1). Kingma and Welling 2013, eq. 10."""
    mu, logvar = h[:, : eps.shape[1]], h[:, eps.shape[1] :]
    z = oracle.reparameterize(mu, logvar, eps)
    return z, oracle.gaussian(mu, logvar, z), oracle.gaussian(0 * mu, 0 * mu, z)


def encode_and_decode(
    oracle: Oracle, params: dict[str, Any], encoder_x: Any, eps: Any, config: dict[str, Any], targets: Any = None
) -> tuple[Any, Any, Any]:
    """Encode the rows `encoder_x`, draw z = μ + σ ε and decode z; return the decoder's output, μ and log σ².

    Kingma and Welling 2013, eq. 10, L = 1. `targets` are the one-hot rows of a conditional VAE.
    """
    h = network_output(oracle, params, "encoder", encoder_x, config, targets)
    z, _, _ = gaussian_draw(oracle, params, h, eps)
    outputs = network_output(oracle, params, "decoder", z, config, targets)
    return outputs, h[:, : eps.shape[1]], h[:, eps.shape[1] :]


def encoder_input(x: Any, corrupted: Any, observed: Any = None) -> Any:
    """Return the input of the encoder (B, D): `corrupted` if given, else x, with 0 where `observed` is 0."""
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
    """−(1/B) Σ_n (log p(x_n | z_n) − β KL_n), the negative ELBO with a factor β.

    With free bits λ, the mean KL of each dimension is replaced by λ where it is smaller. The encoder reads `corrupted`
    if given. Entries where `observed` (B, D) is 0 do not count in the likelihood, and are 0 for the encoder.
    """
    encoder_x = encoder_input(x, corrupted, observed)
    outputs, mu, logvar = encode_and_decode(oracle, params, encoder_x, eps, config, targets)
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

    With K = 1, it is the ELBO with the KL estimated by the one draw. The arguments are those of `negative_elbo`.
    """
    encoder_x, K = encoder_input(x, corrupted, observed), config["importance_samples"]
    h = network_output(oracle, params, "encoder", encoder_x, config, targets)
    total: Any = None
    for k, columns in enumerate(np.split(np.arange(eps.shape[1]), K)):
        z, log_q, log_p = draw(oracle, params, h, eps[:, columns[0] : columns[-1] + 1])
        outputs = network_output(oracle, params, "decoder", z, config, targets)
        log_w = observed_log_likelihood(oracle, params, outputs, x, config, observed) + beta * (log_p - log_q)
        total = log_w if k == 0 else log_add(oracle, total, log_w)
    return log(K) - total.sum() / len(x)


def log_add(oracle: Oracle, a: Any, b: Any) -> Any:
    """log(eᵃ + eᵇ) = max(a, b) + softplus(−|a − b|), without cancellation."""
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
    """−(1/B) Σ_n of the bound of M2, as a sum over classes. Kingma et al. 2014, eq. 6 to 9, with a β.

    The factor β applies to all divergences. A row of `targets` that is all zeros is unlabelled. With `draw`, the KL is
    estimated by the one draw.
    """
    encoder_x = encoder_input(x, corrupted)
    logits = network_output(oracle, params, "classifier", encoder_x, config, None)
    one_hot, terms = np.eye(targets.shape[1]), []
    for k in range(len(one_hot)):
        class_k = oracle.constant(one_hot[[k] * len(targets)])
        if draw is None:
            outputs, mu, logvar = encode_and_decode(oracle, params, encoder_x, eps, config, class_k)
            kl = oracle.gaussian_kl(mu, logvar)
        else:
            h = network_output(oracle, params, "encoder", encoder_x, config, class_k)
            z, log_q, log_p = draw(oracle, params, h, eps)
            outputs, kl = network_output(oracle, params, "decoder", z, config, class_k), log_q - log_p
        terms.append((log_likelihood(oracle, params, outputs, x, config), kl))
    q, log_q = oracle.softmax(logits), oracle.log_softmax(logits)
    return -marginal_bound(oracle, q, log_q, targets, terms, beta, alpha).sum() / len(x)


def marginal_bound(
    oracle: Oracle, q: Any, log_q: Any, targets: Array, terms: list[tuple[Any, Any]], beta: float, alpha: float
) -> Any:
    """Return the bound of each row (B,), from q(y | x) (B, K), and log p(x | y, z) and KL (B,) of each class."""
    unlabelled = oracle.constant(1.0 - targets.sum(axis=1))
    bound = -beta * float(np.log(len(terms)))
    for k, (log_p, kl) in enumerate(terms):
        labelled, inferred = oracle.constant(targets[:, k].copy()), unlabelled * q[:, k]
        bound = bound + (labelled + inferred) * (log_p - beta * kl)
        bound = bound + (alpha * labelled - beta * inferred) * log_q[:, k]
    return bound


def penalized_kl(oracle: Oracle, mu: Any, logvar: Any, free_bits: float) -> Any:
    """Σ_j max(λ, (1/B) Σ_n KL_nj) with λ = `free_bits`, computed as max(λ, k) = λ + relu(k − λ)."""
    per_dimension = [oracle.gaussian_kl(mu[:, j : j + 1], logvar[:, j : j + 1]) for j in range(mu.shape[1])]
    return sum(free_bits + oracle.relu(kl.sum() / len(mu) - free_bits) for kl in per_dimension)


def negative_log_likelihood(
    oracle: Oracle, params: dict[str, Any], x: Any, config: dict[str, Any], corrupted: Any = None, observed: Any = None
) -> Any:
    """−(1/B) Σ_n log p(x_n | z_n), the loss of an autoencoder; z_n is the code of row n of `corrupted`, or of x."""
    encoder_x = encoder_input(x, corrupted, observed)
    z = network_output(oracle, params, "encoder", encoder_x, config, None)
    outputs = network_output(oracle, params, "decoder", z, config, None)
    return -observed_log_likelihood(oracle, params, outputs, x, config, observed).sum() / len(x)
