"""The variational autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array, guarded
from scratchvae.layers import Split
from scratchvae.memory import BatchBuffers
from scratchvae.models.model import Model
from scratchvae.models.objective import Terms
from scratchvae.probability import GaussianKL, Reparameterize
from scratchvae.settings import whole
from scratchvae.streams import fill, stream


class VAE(Model):
    """A variational autoencoder. Kingma and Welling 2013.

        x (B, D) ─► encoder ─► h (B, 2Z) ─► split ─► μ, log σ² ─► reparameterize ─► z (B, Z) ─► decoder ─► t (B, D)
                                                        │              ▲                                    │
                                                        ▼              │                                    ▼
                                                     KL (B,)        ε (B, Z)                       log p(x | z) (B,)

    Without arguments it is the reference network: 784 → 512 ReLU → 2·20, and 20 → 512 ReLU → 784 → sigmoid.

    input_dim, latent_dim   D and Z
    hidden        widths of the encoder's hidden layers, first to last; the decoder mirrors them; () for none
    activation    "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu" or "gelu"
    likelihood    "bernoulli": data in [0, 1]
    beta          weight of the KL; 1 gives the ELBO
    seed          of the weights: the same network on every backend
    dtype         "float32", "float64", or, on NumPy, "longdouble": slow, for whoever checks the others
    backend       "numpy", "cupy" or "auto" (a GPU if one works, else NumPy)
    init          "he_normal", "he_uniform", "glorot_normal" or "glorot_uniform" for all weights; None: see `perceptron`
    image_shape   (height, width), for whoever draws a row as a picture

    Methods take NumPy arrays or the backend's own, and return the backend's own. Raises ConfigError or BackendError.
    """

    outputs_per_latent: ClassVar[int] = 2  # μ and log σ²
    noise_per_latent: ClassVar[int] = 1  # ε

    def build_latent(self) -> None:
        """The posterior's two halves, the draw from it, and its distance from the prior."""
        self.split = Split()
        self.reparameterize = Reparameterize()
        self.kl = GaussianKL()

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every piece its batch buffers."""
        super().bind(buffers)
        self.split.bind(buffers, 2 * self.latent_dim)
        self.reparameterize.bind(buffers, self.latent_dim)
        self.kl.bind(buffers, self.latent_dim)

    # What is wanted is the posterior p(z | x) = p(x | z) p(z) / p(x), and p(x) is out of reach. For any q(z | x)
    #   log p(x) = E_q[log p(x | z)] − KL(q(z | x) ‖ p(z)) + KL(q(z | x) ‖ p(z | x))
    # The last term is not negative, so the first two are a lower bound of log p(x), the ELBO. The left side does not
    # depend on q: with the decoder held fixed, raising the ELBO brings q(z | x) closer to the posterior; through the
    # decoder, it raises log p(x) or tightens the bound. One draw of z estimates the expectation.
    def forward(self, x: Array, eps: Array) -> Terms:
        """ELBO, log p(x | z) and KL of each row of x (B, D), with z drawn by eps (B, Z); on loan."""
        self.reserve(len(x))
        mu, logvar = self.posterior(x)
        kl = self.kl.forward(mu, logvar)
        z = self.reparameterize.forward(mu, logvar, eps)
        logits = self.decoder.forward(z)
        log_likelihood = self.likelihood.forward(logits, x)
        return self.objective.forward(log_likelihood, kl)

    def posterior(self, x: Array) -> tuple[Array, Array]:
        """mu and logvar (B, Z) of q(z | x) = N(μ, σ² I), on loan."""
        mu, logvar = self.split.forward(self.encoder.forward(x))
        return mu, logvar

    # Each line of forward, last to first. μ and log σ² reach the loss in two ways, through z and through the KL:
    #   ∂L/∂μ = ∂L/∂z ∂z/∂μ + ∂L/∂KL ∂KL/∂μ,   and so for log σ²
    def backward(self) -> None:
        """Set `dtheta` to the gradient of the last forward's loss."""
        self.encoder.backward_parameters(self._backward_to_posterior())

    def backward_to_inputs(self) -> tuple[Array, Array]:
        """As `backward`, and on to what came in: dx (B, D) and deps (B, Z)."""
        dx = self.encoder.backward(self._backward_to_posterior())
        dx += self.likelihood.backward_data(self._dlog_likelihood)
        return dx, self.reparameterize.backward_noise(self._dz)

    def _backward_to_posterior(self) -> Array:
        dlog_likelihood, dkl = self.objective.backward()
        dlogits = self.likelihood.backward(dlog_likelihood)
        dz = self.decoder.backward(dlogits)
        dmu, dlogvar = self.reparameterize.backward(dz, into=(self.split.dleft, self.split.dright))
        self.kl.add_backward(dkl, dmu, dlogvar)
        self._dlog_likelihood, self._dz = dlog_likelihood, dz
        return self.split.backward(dmu, dlogvar)

    @guarded
    def encode(self, x: Any) -> tuple[Array, Array]:
        """mu and logvar, (B, Z) each, of q(z | x) for each row of x (B, D): deterministic.

        Raises DTypeError, ShapeError or RangeError.
        """
        x = self.admit_data(x)
        mu, logvar = (self.backend.xp.empty((len(x), self.latent_dim), self.dtype) for _ in range(2))
        for part, x_part in self.chunks(x):
            mu[part], logvar[part] = self.posterior(x_part)
        return mu, logvar

    def embed(self, x: Any) -> Array:
        """The posterior mean μ (B, Z) of each row of x (B, D). Raises as `encode`."""
        return self.encode(x)[0]

    def elbo(self, x: Any, eps: Any = None, seed: int = 0) -> Terms:
        """For each row of x (B, D): `value` = `reconstruction` − beta · `kl`, (B,) each, in nats.

        One draw of z a row, with the noise eps (B, Z); where that is None, it is drawn from `seed`.
        Raises DTypeError, ShapeError or RangeError.
        """
        return self.terms(x, eps, seed)

    def sample(self, count: int, seed: int = 0) -> Array:
        """Means of p(x | z), (count, D) in [0, 1], for `count` draws z ~ N(0, I). Raises ConfigError."""
        z = np.empty((whole("count", count), self.latent_dim), self.dtype)
        return self.decode(fill(z, stream(seed, "prior").standard_normal))
