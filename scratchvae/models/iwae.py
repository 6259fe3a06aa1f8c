"""The importance-weighted autoencoder."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.layers import Repeat
from scratchvae.memory import BatchBuffers
from scratchvae.models.objective import Terms
from scratchvae.models.vae import VAE
from scratchvae.probability import ImportanceBound, LogRatio
from scratchvae.settings import whole


class IWAE(VAE):
    """A VAE that is trained by the tighter bound of K draws together. Burda, Grosse and Salakhutdinov 2016.

        μ, log σ² (B, Z) ─► K times each ─► z (B·K, Z) ─► decoder ─► log p(x | z_k)
                                               │                          │
                                               ▼                          ▼
                              log p(z_k) − log q(z_k | x) ─────────► log w_k (B, K) ─► log (1/K) Σ_k w_k (B,)

    The ELBO asks every draw to explain x, this bound that one of them does: q may be wider, and what is learnt of p(x)
    is less bent to what q can express. With missing=True, of data in which NaN marks what is missing, it is the MIWAE
    of Mattei and Frellsen 2019.

    importance_samples   K; with 1, the bound is an ELBO whose KL is that of the one draw
    The other settings are those of `VAE`, but for beta and free_bits: there is no KL to weigh.

    In what `elbo` returns, value is the bound, reconstruction the mean of log p(x | z_k) as the weights weigh it, and
    kl what lies between the two. eps is (B, K·Z).
    """

    def __init__(self, *settings: Any, importance_samples: int = 20, **named: Any) -> None:
        self.importance_samples = whole("importance_samples", importance_samples)
        super().__init__(*settings, **named)
        for name, without in (("beta", 1.0), ("free_bits", 0.0)):
            if self.config[name] != without:
                raise ConfigError(
                    f"{name}={self.config[name]}: the bound of an IWAE has no KL to weigh; leave {name} out"
                )
        self.config["importance_samples"] = self.importance_samples
        self.chunk_rows = max(1, VAE.chunk_rows // self.importance_samples)  # type: ignore[misc]

    @property
    def noise_dim(self) -> int:
        """K·Z."""
        return self.importance_samples * self.latent_dim

    def build_latent(self) -> None:
        """Also what repeats the posterior and the row, and what weighs the draws."""
        super().build_latent()
        self.repeat_mu, self.repeat_logvar, self.repeat_x = (Repeat(self.importance_samples) for _ in range(3))
        self.log_ratio, self.bound = LogRatio(), ImportanceBound()

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every piece its batch buffers: K times as tall from the draw on."""
        super().bind(buffers)
        for repeat, width in (
            (self.repeat_mu, self.latent_dim),
            (self.repeat_logvar, self.latent_dim),
            (self.repeat_x, self.input_dim),
        ):
            repeat.bind(buffers, width)
        self.bound.bind(buffers, self.importance_samples)
        tall = buffers.taller(buffers.rows * self.importance_samples)
        for piece in (self.reparameterize, self.log_ratio, self.decoder):
            piece.bind(tall, self.latent_dim)
        self.likelihood.bind(tall, self.input_dim)
        self._dratio = tall.column()
        self._log_w, self._reconstruction, self._kl = tall.column(), buffers.column(), buffers.column()

    # With z_k ~ q(z | x), E[p(x, z_k)/q(z_k | x)] = p(x), and so is that of the mean of K weights; log being concave,
    #   E log (1/K) Σ_k w_k ≤ log E (1/K) Σ_k w_k = log p(x),   log w_k = log p(x | z_k) + log p(z_k) − log q(z_k | x)
    def forward(self, x: Array, eps: Array, corrupted: Array | None = None, kl_weight: float = 1.0) -> Terms:
        """The bound of each row of x (B, D), with its K draws by eps (B, K·Z); on loan.

        Where `corrupted` (B, D) is given, z is drawn from its posterior. kl_weight multiplies the log-ratio of p to q.
        """
        self.reserve(len(x))
        xp, rows, K = self.backend.xp, len(x), self.importance_samples
        mu, logvar = self.posterior(x if corrupted is None else corrupted)
        self.kl.forward(mu, logvar)  # of each dimension, which the history tells
        mu_k, logvar_k = self.repeat_mu.forward(mu), self.repeat_logvar.forward(logvar)
        eps_k = eps.reshape(rows * K, self.latent_dim)
        z = self.reparameterize.forward(mu_k, logvar_k, eps_k)
        log_likelihood = self.likelihood.forward(self.decoder.forward(z), self.repeat_x.forward(x))
        log_w = self._log_w[: rows * K]
        xp.multiply(self.log_ratio.forward(z, eps_k, logvar_k), kl_weight, out=log_w)
        log_w += log_likelihood
        bound = self.bound.forward(log_w.reshape(rows, K))

        reconstruction, kl, weighed = (
            self._reconstruction[:rows],
            self._kl[:rows],
            self._log_w[: rows * K].reshape(rows, K),
        )
        xp.multiply(self.bound.share, log_likelihood.reshape(rows, K), out=weighed)
        xp.sum(weighed, axis=1, out=reconstruction)
        xp.subtract(reconstruction, bound, out=kl)
        self._kl_weight = kl_weight
        return self.objective.forward(reconstruction, kl)

    # value = reconstruction − kl is the bound itself, whatever the first two are, hence ∂L/∂bound = ∂L/∂value; and z_k
    # reaches the bound through log p(x | z_k) and through the ratio, which log σ² and ε reach by themselves too:
    #   dlog w_k = dbound · share_k, for both of its terms
    #   dz_k = ∂ log p(x | z_k)/∂z_k dlog w_k + ∂ ratio/∂z_k dlog w_k,   and Σ_k is what Repeat takes back
    def _backward_to_posterior(self) -> Array:
        dbound, _ = self.objective.backward()
        self._dlog_w = dlog_w = self.bound.backward(dbound).reshape(-1)
        dratio = self._dratio[: len(dlog_w)]
        self.backend.xp.multiply(dlog_w, self._kl_weight, out=dratio)
        dz, self._deps, dlogvar_ratio = self.log_ratio.backward(dratio)
        dz += self.decoder.backward(self.likelihood.backward(dlog_w))
        dmu_k, dlogvar_k = self.reparameterize.backward(dz)
        dlogvar_k += dlogvar_ratio
        self._dz = dz
        return self.split.backward(self.repeat_mu.backward(dmu_k), self.repeat_logvar.backward(dlogvar_k))

    def backward_to_both(self) -> tuple[Array, Array, Array]:
        """As `VAE.backward_to_both`, with deps (B, K·Z)."""
        dcorrupted = self.encoder.backward(self._backward_to_posterior())
        dx = self.repeat_x.backward(self.likelihood.backward_data(self._dlog_w))
        deps = self.reparameterize.backward_noise(self._dz)
        deps += self._deps
        return dcorrupted, dx, deps.reshape(len(dx), self.noise_dim)
