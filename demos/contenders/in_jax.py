"""JAX: the whole step, Adam and noise included, as one compiled function."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from measuring.machine import cores

from contenders.contender import BETA1, BETA2, EPS, LR, SIDE, SMALL, Contender, Unavailable


def linear(params, name, x):
    return x @ params[f"{name}.W"] + params[f"{name}.b"]


def convolve(params, name, x):
    layout = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, params[f"{name}.W"], (2, 2), [(1, 1)] * 2, dimension_numbers=layout)
    return jax.nn.relu(y + params[f"{name}.b"])


def convolve_transpose(params, name, x):
    y = jax.lax.conv_transpose(
        x, params[f"{name}.W"], (2, 2), [(2, 2)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=True
    )
    return y + params[f"{name}.b"]


def is_convolutional(params):
    return params["encoder.0.W"].ndim == 4


def encode(params, x):
    if not is_convolutional(params):
        return jnp.split(linear(params, "encoder.2", jax.nn.relu(linear(params, "encoder.0", x))), 2, axis=1)
    h = convolve(params, "encoder.2", convolve(params, "encoder.0", x.reshape(-1, SIDE, SIDE, 1)))
    h = jax.nn.relu(linear(params, "encoder.5", h.reshape(len(x), -1)))
    return jnp.split(linear(params, "encoder.7", h), 2, axis=1)


def decode(params, z):
    h = linear(params, "decoder.2", jax.nn.relu(linear(params, "decoder.0", z)))
    if not is_convolutional(params):
        return h
    h = convolve_transpose(params, "decoder.5", jax.nn.relu(h).reshape(len(z), SMALL, SMALL, -1))
    return convolve_transpose(params, "decoder.7", jax.nn.relu(h)).reshape(len(z), -1)


def negative_elbo(params, x, eps):
    mu, logvar = encode(params, x)
    z = mu + jnp.exp(0.5 * logvar) * eps
    logits = decode(params, z)
    reconstruction = (jax.nn.softplus(logits) - x * logits).sum()
    return (reconstruction - 0.5 * (1 + logvar - mu**2 - jnp.exp(logvar)).sum()) / len(x)


def update(params, m, v, state, x, shape):
    key, t = state
    key, subkey = jax.random.split(key)
    t = t + 1
    loss, grads = jax.value_and_grad(negative_elbo)(params, x, jax.random.normal(subkey, shape))
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, grads)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, grads)
    c1, c2 = 1 - BETA1**t, 1 - BETA2**t
    params = jax.tree.map(lambda p, m, v: p - LR * (m / c1) / (jnp.sqrt(v / c2) + EPS), params, m, v)
    return params, m, v, (key, t), loss


def choose_device(on_gpu):
    if not on_gpu:
        jax.config.update("jax_platforms", "cpu")
        return
    try:
        jax.devices("gpu")
    except RuntimeError:
        raise Unavailable("this JAX finds no GPU") from None
    jax.config.update("jax_default_matmul_precision", "highest")  # its default on a GPU may be TF32


class Jax(Contender):
    """With donated buffers: each step writes the new state into the memory of the old one."""

    donated = (0, 1, 2, 3)  # params, m, v, state

    def __init__(self, problem):
        choose_device(problem.on_gpu)
        self.problem = problem
        self.params = {name: jnp.asarray(value) for name, value in problem.params.items()}
        self.m, self.v = (jax.tree.map(jnp.zeros_like, self.params) for _ in range(2))
        self.state = jax.random.key(0), jnp.zeros((), jnp.float32)
        shape = problem.batch, problem.latent
        self.update = jax.jit(partial(update, shape=shape), donate_argnums=self.donated)
        self.codes = jax.jit(encode)
        self.last = ()  # what the last call returned

    def upload(self, rows):
        return jax.block_until_ready(jnp.asarray(rows))

    def loss(self):
        x = self.upload(self.problem.first_rows(self.problem.batch))
        return float(jax.jit(negative_elbo)(self.params, x, self.problem.eps))

    def step(self, x):
        *new, self.last = self.update(self.params, self.m, self.v, self.state, x)
        self.params, self.m, self.v, self.state = new
        if not self.problem.on_gpu:
            float(self.last)

    def encode(self, x):
        self.last = self.codes(self.params, x)
        if not self.problem.on_gpu:
            jax.block_until_ready(self.last)

    def threads(self):
        return {"jax": cores()}  # the size of XLA's pool; JAX has no function that returns it

    def first_moments(self):
        return [np.asarray(m) for m in self.m.values()]

    def finish(self):
        if self.problem.on_gpu:
            jax.block_until_ready((self.params, self.last))

    def peak_MB(self):
        if not self.problem.on_gpu:
            return super().peak_MB()
        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20


class JaxUndonated(Jax):
    """Each step allocates its new state, as without `donate_argnums`."""

    jobs = ("step",)  # in the others it is as Jax
    donated = ()
