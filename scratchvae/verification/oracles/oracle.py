"""What every oracle answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array


class AdamSettings(NamedTuple):
    """The numbers of Adam, and of AdamW if the weights decay."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float = 0.0


# exp(x t) integrated over x from 0 to 1 by Gauss and Legendre's rule, which is exact to the last digit for |t| < 100.
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(64)
UNIT_POINTS, UNIT_WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2


class Oracle:
    """Formulas over a library's own arrays, and that library's derivative of them.

    Activations take a (B, I); `affine` x (B, I), W (I, O), b (O,); `bernoulli` and `continuous_bernoulli` give
    log p(x | logits), `gaussian` log N(x; μ, σ²) and `gaussian_kl` KL(N(μ, σ²) ‖ N(0, 1)), each (B,), summed over the
    dimensions of a row. `softmax` and its logarithm take logits (B, K) and give (B, K).
    """

    name: str

    relu: Callable[[Any], Any]
    leaky_relu: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    softplus: Callable[[Any], Any]
    silu: Callable[[Any], Any]
    gelu: Callable[[Any], Any]
    affine: Callable[[Any, Any, Any], Any]
    reparameterize: Callable[[Any, Any, Any], Any]
    gaussian_kl: Callable[[Any, Any], Any]
    bernoulli: Callable[[Any, Any], Any]
    continuous_bernoulli: Callable[[Any, Any], Any]
    gaussian: Callable[[Any, Any, Any], Any]  # of mu, logvar, x
    softmax: Callable[[Any], Any]
    log_softmax: Callable[[Any], Any]

    def constant(self, x: Array) -> Any:
        """x as an array of the library, not differentiated."""
        return x

    def value(self, f: Callable[..., Any], *inputs: Array) -> Array:
        """f(*inputs), in float64."""
        raise NotImplementedError

    def vjp(self, f: Callable[..., Any], dy: Array, *inputs: Array) -> list[Array]:
        """∂⟨dy, f(*inputs)⟩/∂input for each input, in float64."""
        raise NotImplementedError

    # The algorithms as published, on the library's arithmetic; a library that has its own puts it in their place.

    def sgd(self, gradients: Sequence[Array], theta: Array, lr: float, momentum: float) -> Array:
        """θ after one step for each gradient. Sutskever et al. 2013, eq. 1 and 2."""

        def descend(theta: Any, *gradients: Any) -> Any:
            v = 0.0
            for g in gradients:
                v = momentum * v - lr * g
                theta = theta + v
            return theta

        return self.value(descend, theta, *gradients)

    def adam(self, gradients: Sequence[Array], theta: Array, settings: AdamSettings) -> Array:
        """θ after one step for each gradient. Kingma and Ba 2015, alg. 1; Loshchilov and Hutter 2019, alg. 2."""

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
