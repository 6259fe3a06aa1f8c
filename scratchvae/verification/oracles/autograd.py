"""The HIPS autograd oracle: every formula is written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as np
import numpy
from autograd import make_vjp
from autograd.scipy.special import erfc

from scratchvae.backend import Array
from scratchvae.verification.oracles.oracle import QUADRATURE_NODES, QUADRATURE_WEIGHTS, Oracle


# log Σ exp t, one class after another, so that no exponential overflows.
def _log_softmax(t: Any) -> Any:
    total = t[:, :1]
    for k in range(1, t.shape[1]):
        total = np.logaddexp(total, t[:, k : k + 1])
    return t - total


class _Autograd(Oracle):
    name = "autograd"

    relu = staticmethod(lambda a: np.where(a > 0, a, 0.0))
    leaky_relu = staticmethod(lambda a: np.where(a > 0, a, 0.01 * a))
    tanh = staticmethod(lambda a: np.sinh(a) / np.cosh(a))
    sigmoid = staticmethod(lambda a: 1 / (1 + np.exp(-a)))
    softplus = staticmethod(lambda a: np.logaddexp(0.0, a))
    silu = staticmethod(lambda a: a / (1 + np.exp(-a)))
    gelu = staticmethod(lambda a: a * erfc(-a / np.sqrt(2.0)) / 2)
    affine = staticmethod(lambda x, W, b: np.dot(x, W) + b)
    reparameterize = staticmethod(lambda mu, logvar, eps: mu + np.sqrt(np.exp(logvar)) * eps)
    softmax = staticmethod(lambda t: np.exp(_log_softmax(t)))
    log_softmax = staticmethod(_log_softmax)

    @staticmethod
    def gaussian_kl(mu: Any, logvar: Any) -> Any:
        return -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar), axis=1)

    @staticmethod
    def bernoulli(logits: Any, x: Any) -> Any:
        log_p, log_1_minus_p = -np.logaddexp(0.0, -logits), -np.logaddexp(0.0, logits)
        return np.sum(x * log_p + (1 - x) * log_1_minus_p, axis=1)

    @staticmethod
    def continuous_bernoulli(logits: Any, x: Any) -> Any:
        integral = np.dot(np.exp(logits[..., None] * QUADRATURE_NODES), QUADRATURE_WEIGHTS)
        return np.sum(x * logits - np.log(integral), axis=1)

    @staticmethod
    def gaussian(mu: Any, logvar: Any, x: Any) -> Any:
        return -0.5 * np.sum((x - mu) ** 2 / np.exp(logvar) + logvar + np.log(2 * np.pi), axis=1)

    def value(self, f: Callable[..., Any], *inputs: Array) -> Array:
        return numpy.asarray(f(*inputs))

    def value_and_vjp(self, f: Callable[..., Any], dy: Array, *inputs: Array) -> tuple[Array, list[Array]]:
        pull_back, y = make_vjp(lambda all_inputs: f(*all_inputs))(tuple(inputs))
        return numpy.asarray(y), [numpy.asarray(gradient) for gradient in pull_back(dy)]


ORACLE = _Autograd()
