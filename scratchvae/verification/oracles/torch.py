"""The PyTorch oracle, on its functions, distributions and optimizers, except where their rounding exceeds 1e-12."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.distributions import ContinuousBernoulli, Normal, kl_divergence
from torch.nn import functional as F

from scratchvae.backend import Array
from scratchvae.verification.oracles.oracle import QUADRATURE_NODES, QUADRATURE_WEIGHTS, AdamSettings, Oracle


class _Torch(Oracle):
    name = "torch"

    relu = staticmethod(F.relu)
    leaky_relu = staticmethod(F.leaky_relu)
    tanh = staticmethod(torch.tanh)
    sigmoid = staticmethod(torch.sigmoid)
    softplus = staticmethod(lambda a: torch.logaddexp(a, torch.zeros_like(a)))  # F.softplus is linear above 20
    silu = staticmethod(F.silu)
    gelu = staticmethod(lambda a: a * torch.special.erfc(-a / 2**0.5) / 2)  # F.gelu's 1 + erf loses the left tail
    elu = staticmethod(F.elu)
    affine = staticmethod(lambda x, W, b: F.linear(x, W.T, b))
    reparameterize = staticmethod(lambda mu, logvar, eps: torch.addcmul(mu, torch.exp(logvar / 2), eps))
    softmax = staticmethod(lambda t: F.softmax(t, dim=1))
    log_softmax = staticmethod(lambda t: F.log_softmax(t, dim=1))
    exp = staticmethod(torch.exp)
    log = staticmethod(torch.log)
    log_gamma = staticmethod(torch.lgamma)

    @staticmethod
    def layer_norm(x: Any, gain: Any, bias: Any, eps: float) -> Any:
        return F.layer_norm(x, (x.shape[1],), gain, bias, eps)

    @staticmethod
    def convolve(x: Any, W: Any, stride: int, padding: int) -> Any:
        y = F.conv2d(x.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1).contiguous(), stride=stride, padding=padding)
        return y.permute(0, 2, 3, 1)

    @staticmethod
    def convolve_transpose(x: Any, W: Any, stride: int, padding: int, output_padding: tuple[int, int]) -> Any:
        x, W = x.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1).contiguous()
        return F.conv_transpose2d(x, W, None, stride, padding, output_padding).permute(0, 2, 3, 1)

    @staticmethod
    def gaussian_kl(mu: Any, logvar: Any) -> Any:
        prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
        return kl_divergence(Normal(mu, torch.exp(logvar / 2)), prior).sum(dim=1)

    @staticmethod
    def bernoulli(logits: Any, x: Any) -> Any:
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)

    # torch.distributions loses digits for logits near 0 and far from 0. There the integral is used, and log_prob is
    # computed at a logit of 1 and discarded.
    @staticmethod
    def continuous_bernoulli(logits: Any, x: Any) -> Any:
        accurate = (logits.abs() > 0.5) & (logits.abs() < 4)
        log_prob = ContinuousBernoulli(logits=torch.where(accurate, logits, 1.0), validate_args=False).log_prob(x)
        integral = torch.exp(logits[..., None] * torch.tensor(QUADRATURE_NODES)) @ torch.tensor(QUADRATURE_WEIGHTS)
        return torch.where(accurate, log_prob, x * logits - torch.log(integral)).sum(dim=1)

    @staticmethod
    def gaussian(mu: Any, logvar: Any, x: Any) -> Any:
        return Normal(mu, torch.exp(logvar / 2)).log_prob(x).sum(dim=1)

    def constant(self, x: Array) -> Any:
        return torch.tensor(x)

    def value(self, f: Callable[..., Any], *inputs: Array) -> Array:
        value: Array = f(*map(torch.tensor, inputs)).detach().numpy()
        return value

    def value_and_vjp(self, f: Callable[..., Any], dy: Array, *inputs: Array) -> tuple[Array, list[Array]]:
        leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
        y = f(*leaves)
        gradients = torch.autograd.grad(y, leaves, torch.tensor(dy), allow_unused=True, materialize_grads=True)
        return y.detach().numpy(), [gradient.numpy() for gradient in gradients]

    def sgd(self, gradients: Sequence[Array], theta: Array, lr: float, momentum: float) -> Array:
        return self._descend(torch.optim.SGD, gradients, theta, lr=lr, momentum=momentum)

    def adam(self, gradients: Sequence[Array], theta: Array, settings: AdamSettings) -> Array:
        lr, *betas, eps, decay = settings
        optimizer_class = torch.optim.AdamW if decay else torch.optim.Adam
        return self._descend(optimizer_class, gradients, theta, lr=lr, betas=tuple(betas), eps=eps, weight_decay=decay)

    @staticmethod
    def _descend(optimizer_class: Any, gradients: Sequence[Array], theta: Array, **settings: Any) -> Array:
        parameter = torch.tensor(theta, requires_grad=True)
        optimizer = optimizer_class([parameter], **settings)
        for gradient in gradients:
            parameter.grad = torch.tensor(gradient)
            optimizer.step()
        value: Array = parameter.detach().numpy()
        return value


ORACLE = _Torch()
