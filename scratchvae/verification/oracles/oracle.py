"""The interface of all oracles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array


class AdamSettings(NamedTuple):
    """The settings of Adam, or of AdamW if weight_decay is not 0."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float = 0.0


# Gauss-Legendre quadrature on [0, 1]: the integral of exp(x t) over x is exact to the last digit for |t| < 100.
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(64)
QUADRATURE_NODES, QUADRATURE_WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2


class Oracle:
    """Formulas on the arrays of a library, and their derivatives by that library.

    Activations map (B, I) to (B, I). `affine` maps x (B, I), W (I, O) and b (O,) to (B, O). `layer_norm` maps
    x (N, D), gain and bias (D,) to (N, D), with a number ε. `convolve` maps pictures (B, H, W, I) and W (k, k, I, O)
    to (B, P, Q, O), and `convolve_transpose` pictures (B, P, Q, I) and W (k, k, O, I) to (B, H, W, O). `bernoulli` and
    `continuous_bernoulli` are log p(x | logits), `gaussian` is log N(x; μ, σ²) and `gaussian_kl` is
    KL(N(μ, σ²) ‖ N(0, 1)), each summed over the dimensions of a row, (B,). `softmax` and `log_softmax` map logits
    (B, K) to (B, K). `exp`, `log` and `log_gamma` are elementwise.
    """

    name: str

    relu: Callable[[Any], Any]
    leaky_relu: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    softplus: Callable[[Any], Any]
    silu: Callable[[Any], Any]
    gelu: Callable[[Any], Any]
    elu: Callable[[Any], Any]
    affine: Callable[[Any, Any, Any], Any]
    layer_norm: Callable[[Any, Any, Any, float], Any]
    convolve: Callable[[Any, Any, int, int], Any]  # arguments: x, W, stride, padding
    convolve_transpose: Callable[[Any, Any, int, int, tuple[int, int]], Any]  # the same, and output_padding
    reparameterize: Callable[[Any, Any, Any], Any]
    gaussian_kl: Callable[[Any, Any], Any]
    bernoulli: Callable[[Any, Any], Any]
    continuous_bernoulli: Callable[[Any, Any], Any]
    gaussian: Callable[[Any, Any, Any], Any]  # arguments: mu, logvar, x
    softmax: Callable[[Any], Any]
    log_softmax: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    log_gamma: Callable[[Any], Any]

    def constant(self, x: Array) -> Any:
        """Return x as an array of the library, without a gradient."""
        return x

    def value(self, f: Callable[..., Any], *inputs: Array) -> Array:
        """Return f(*inputs), in float64."""
        raise NotImplementedError

    def value_and_vjp(self, f: Callable[..., Any], dy: Array, *inputs: Array) -> tuple[Array, list[Array]]:
        """Return f(*inputs), and ∂⟨dy, f(*inputs)⟩/∂input for each input, in float64."""
        raise NotImplementedError

    def vjp(self, f: Callable[..., Any], dy: Array, *inputs: Array) -> list[Array]:
        """Return ∂⟨dy, f(*inputs)⟩/∂input for each input, in float64."""
        return self.value_and_vjp(f, dy, *inputs)[1]

    # The published algorithms, in the arithmetic of the library. A library with its own optimizers overrides them.

    def sgd(self, gradients: Sequence[Array], theta: Array, lr: float, momentum: float) -> Array:
        """Return θ after one step for each gradient. Sutskever et al. 2013, eq. 1 and 2."""

        def descend(theta: Any, *gradients: Any) -> Any:
            v = 0.0
            for g in gradients:
                v = momentum * v - lr * g
                theta = theta + v
            return theta

        return self.value(descend, theta, *gradients)

    def adam(self, gradients: Sequence[Array], theta: Array, settings: AdamSettings) -> Array:
        """Return θ after one step for each gradient. Kingma and Ba 2015, alg. 1; Loshchilov and Hutter 2019, alg. 2."""

        lr, beta1, beta2, eps, weight_decay = settings

        def descend(theta: Any, *gradients: Any) -> Any:
            m = v = 0.0
            for t, g in enumerate(gradients, start=1):
                m = beta1 * m + (1 - beta1) * g
                v = beta2 * v + (1 - beta2) * g**2
                m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
                theta = theta - lr * (m_hat / (v_hat**0.5 + eps) + weight_decay * theta)
            return theta

        return self.value(descend, theta, *gradients)
