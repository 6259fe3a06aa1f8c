"""The HIPS autograd oracle: every formula is written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as np
import numpy
from autograd import make_vjp
from autograd.scipy.special import erfc, gammaln

from scratchvae.backend import Array
from scratchvae.verification.oracles.oracle import QUADRATURE_NODES, QUADRATURE_WEIGHTS, Oracle


# Each offset of the kernel is a choice of rows and columns: with C[i, h] = [h = s i + a − p] for the rows and D for the
# columns, y = Σ_ab C x Dᵀ W[a, b], and the transpose has Cᵀ and D.
def _choices(size: int, kernel: int, stride: int, padding: int) -> list[Any]:
    places = numpy.arange((size + 2 * padding - kernel) // stride + 1)[:, None]
    return [(numpy.arange(size) == stride * places + a - padding) * 1.0 for a in range(kernel)]


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
    elu = staticmethod(lambda a: np.where(a > 0, a, np.exp(np.where(a > 0, 0.0, a)) - 1))
    affine = staticmethod(lambda x, W, b: np.dot(x, W) + b)
    reparameterize = staticmethod(lambda mu, logvar, eps: mu + np.sqrt(np.exp(logvar)) * eps)
    softmax = staticmethod(lambda t: np.exp(_log_softmax(t)))
    log_softmax = staticmethod(_log_softmax)
    exp = staticmethod(np.exp)
    log = staticmethod(np.log)
    log_gamma = staticmethod(gammaln)

    @staticmethod
    def layer_norm(x: Any, gain: Any, bias: Any, eps: float) -> Any:
        centred = x - np.mean(x, axis=1, keepdims=True)
        return centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + eps) * gain + bias

    @staticmethod
    def convolve(x: Any, W: Any, stride: int, padding: int) -> Any:
        k = len(W)
        rows, columns = (_choices(size, k, stride, padding) for size in x.shape[1:3])
        chosen = ((a, b, np.einsum("ph,qw,nhwi->npqi", rows[a], columns[b], x)) for a in range(k) for b in range(k))
        return sum(np.dot(pixels, W[a, b]) for a, b, pixels in chosen)

    @staticmethod
    def convolve_transpose(x: Any, W: Any, stride: int, padding: int, output_padding: tuple[int, int]) -> Any:
        k = len(W)
        added_sizes = zip(x.shape[1:3], output_padding, strict=True)
        sizes = [stride * (places - 1) + k - 2 * padding + more for places, more in added_sizes]
        rows, columns = (_choices(size, k, stride, padding) for size in sizes)
        added = ((a, b, np.dot(x, W[a, b].T)) for a in range(k) for b in range(k))
        return sum(np.einsum("ph,qw,npqo->nhwo", rows[a], columns[b], pixels) for a, b, pixels in added)

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
