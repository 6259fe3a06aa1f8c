"""The VAE written from its formulas in HIPS autograd, which differentiates them by itself."""

import autograd.numpy as anp
from autograd import grad
from autograd.scipy.special import erf

ACTIVATIONS = {
    "relu": lambda a: anp.where(a > 0, a, 0.0),
    "leaky_relu": lambda a: anp.where(a > 0, a, 0.01 * a),
    "tanh": anp.tanh,
    "sigmoid": lambda a: 1 / (1 + anp.exp(-a)),
    "softplus": lambda a: anp.log(1 + anp.exp(a)),
    "silu": lambda a: a / (1 + anp.exp(-a)),
    "gelu": lambda a: a * (1 + erf(a / anp.sqrt(2.0))) / 2,
}


def perceptron(params, part, x, activation):
    numbers = sorted({int(name.split(".")[1]) for name in params if name.startswith(part)})
    for k in numbers:
        x = anp.dot(x, params[f"{part}.{k}.W"]) + params[f"{part}.{k}.b"]
        if k != numbers[-1]:
            x = ACTIVATIONS[activation](x)
    return x


def bernoulli(logits, x):
    log_p, log_1_minus_p = -anp.logaddexp(0.0, -logits), -anp.logaddexp(0.0, logits)
    return anp.sum(x * log_p + (1 - x) * log_1_minus_p, axis=1)


def gaussian_kl(mu, logvar):
    return -0.5 * anp.sum(1 + logvar - mu**2 - anp.exp(logvar), axis=1)


def negative_elbo(params, x, eps, activation, beta):
    code = perceptron(params, "encoder", x, activation)
    latent = eps.shape[1]
    mu, logvar = code[:, :latent], code[:, latent:]
    z = mu + anp.sqrt(anp.exp(logvar)) * eps
    logits = perceptron(params, "decoder", z, activation)
    return -anp.mean(bernoulli(logits, x) - beta * gaussian_kl(mu, logvar))


def negative_log_likelihood(params, x, activation):
    logits = perceptron(params, "decoder", perceptron(params, "encoder", x, activation), activation)
    return -anp.mean(bernoulli(logits, x))


def gradient(f, argument, *args):
    return grad(f, argument)(*args)


def vjp(f, dy, *inputs):
    """∂⟨dy, f(inputs)⟩/∂input for each input."""
    return [grad(lambda *xs: anp.sum(dy * f(*xs)), k)(*inputs) for k in range(len(inputs))]
