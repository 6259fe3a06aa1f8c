"""The variational autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array, guarded
from scratchvae.layers import Split
from scratchvae.memory import BatchBuffers
from scratchvae.models.completion import complete
from scratchvae.models.model import Model
from scratchvae.models.objective import Terms
from scratchvae.models.synchronized import synchronized
from scratchvae.probability import FreeBits, GaussianKL, Reparameterize
from scratchvae.settings import whole
from scratchvae.streams import fill, stream


class VAE(Model):
    """A variational autoencoder. Kingma and Welling 2013.

        x (B, D) ─► encoder ─► h (B, 2Z) ─► split ─► μ, log σ² ─► reparameterize ─► z (B, Z) ─► decoder ─► parameters
                                                        │              ▲                                    │
                                                        ▼              │                                    ▼
                                                     KL (B,)        ε (B, Z)                       log p(x | z) (B,)

    Without arguments it is the reference network: 784 → 512 ReLU → 2·20, and 20 → 512 ReLU → 784 → sigmoid.

    input_dim, latent_dim   D and Z
    hidden        widths of the encoder's hidden layers, first to last; the decoder mirrors them; () for none
    activation    "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu" or "gelu"
    likelihood    of x, given the decoder's output; each one's class in `scratchvae.probability` says more
                  "bernoulli": data in [0, 1], best 0 or 1
                  "continuous_bernoulli": grey values in [0, 1]
                  "gaussian": any numbers; squared error over 2 σ²
                  "gaussian_learnt": any numbers; one σ for all, learnt
                  "gaussian_decoded": any numbers, spread by about 1; a σ for each, put out by the decoder
    sigma         σ of "gaussian", and what that of "gaussian_learnt" begins with; 1 without it
    beta          weight of the KL; 1 gives the ELBO
    free_bits     nats of KL that each latent dimension has for nothing in training, on the mean of a batch: `FreeBits`
    seed          of the weights: the same network on every backend
    dtype         "float32", "float64", or, on NumPy, "longdouble": slow, for whoever checks the others
    backend       "numpy", "cupy" or "auto" (a GPU if one works, else NumPy)
    init          "he_normal", "he_uniform", "glorot_normal" or "glorot_uniform" for all weights; None: see `perceptron`
    missing       True for data in which NaN marks what is missing: the encoder sees 0 there, and the likelihood is that
                  of what is there, p(x_o | z), so that the ELBO bounds log p(x_o). Where a mask says what is there,
                  pass np.where(mask, x, np.nan). Without it a model completes such rows, but does not learn from them
    image_shape   (height, width), for whoever draws a row as a picture

    Methods take NumPy arrays or the backend's own, and return the backend's own; several threads may call them, see
    `scratchvae.models.synchronized`. Raises ConfigError or BackendError.
    """

    outputs_per_latent: ClassVar[int] = 2  # μ and log σ²
    noise_per_latent: ClassVar[int] = 1  # ε
    kl_by_row: ClassVar[bool] = True  # whether `kl` has one row for each row of a batch

    def build_latent(self) -> None:
        """The posterior's two halves, the draw from it, and its distance from the prior."""
        self.split = Split()
        self.reparameterize = Reparameterize()
        self.kl = GaussianKL()
        self.free_bits = FreeBits(self.config["free_bits"]) if self.config["free_bits"] else None

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every piece its batch buffers."""
        super().bind(buffers)
        self.split.bind(buffers, 2 * self.latent_dim)
        self.reparameterize.bind(buffers, self.latent_dim)
        self.kl.bind(buffers, self.latent_dim)
        if self.free_bits:
            self.free_bits.bind(buffers, self.latent_dim)

    # What is wanted is the posterior p(z | x) = p(x | z) p(z) / p(x), and p(x) is out of reach. For any q(z | x)
    #   log p(x) = E_q[log p(x | z)] − KL(q(z | x) ‖ p(z)) + KL(q(z | x) ‖ p(z | x))
    # The last term is not negative, so the first two are a lower bound of log p(x), the ELBO. The left side does not
    # depend on q: with the decoder held fixed, raising the ELBO brings q(z | x) closer to the posterior; through the
    # decoder, it raises log p(x) or tightens the bound. One draw of z estimates the expectation.
    #
    # Denoising (Vincent et al. 2008; Im et al. 2017) asks q(z | x̃) of a corrupted x̃ to explain the clean x: any
    # q(z) bounds log p(x) as above.
    def forward(self, x: Array, eps: Array, corrupted: Array | None = None, kl_weight: float = 1.0) -> Terms:
        """ELBO, log p(x | z) and KL of each row of x (B, D), with z drawn by eps (B, Z); on loan.

        Where `corrupted` (B, D) is given, z is drawn from its posterior; x is scored. In the loss the KL counts
        kl_weight · beta times, and with free bits as they charge it: so it does in `value`, while `kl` is the KL.
        """
        self.reserve(len(x))
        mu, logvar = self.posterior(x if corrupted is None else corrupted)
        kl = self.kl.forward(mu, logvar)
        charged = self.free_bits.forward(self.kl.per_dimension) if self.free_bits else None
        z = self.reparameterize.forward(mu, logvar, eps)
        parameters = self.decoder.forward(z)
        log_likelihood = self.likelihood.forward(parameters, x)
        return self.objective.forward(log_likelihood, kl, charged, kl_weight)

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
        dcorrupted, dx, deps = self.backward_to_both()
        dx += dcorrupted
        return dx, deps

    def backward_to_both(self) -> tuple[Array, Array, Array]:
        """As `backward_to_inputs`, with dcorrupted (B, D), of what the encoder saw, apart from dx, of the target."""
        dcorrupted = self.encoder.backward(self._backward_to_posterior())
        dx = self.likelihood.backward_data(self._dlog_likelihood)
        return dcorrupted, dx, self.reparameterize.backward_noise(self._dz)

    def _backward_to_posterior(self) -> Array:
        dlog_likelihood, dcharged = self.objective.backward()
        dparameters = self.likelihood.backward(dlog_likelihood)
        dz = self.decoder.backward(dparameters)
        dmu, dlogvar = self.reparameterize.backward(dz, into=(self.split.dleft, self.split.dright))
        if self.free_bits:
            self.kl.add_backward_per_dimension(self.free_bits.backward(dcharged), dmu, dlogvar)
        else:
            self.kl.add_backward(dcharged, dmu, dlogvar)
        self._dlog_likelihood, self._dz = dlog_likelihood, dz
        return self.split.backward(dmu, dlogvar)

    @synchronized
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

        One draw of z a row, with the noise eps (B, Z); where that is None, it is drawn from `seed`. Free bits are of
        training alone: they change the loss, and nothing here.
        Raises DTypeError, ShapeError or RangeError.
        """
        return self.terms(x, eps, seed)

    @synchronized
    def denoise(self, x: Any, draws: int = 0, seed: int = 0) -> Array:
        """Each row of x (B, D) without its noise, (B, D): the mean of p(x | z) at the posterior mean of z.

        Or its average over so many `draws` of z from q(z | x): were that the posterior, this would be E[clean | x], the
        guess of least squared error. What noise is taken away is what the training put in (`Trainer`'s `corrupt`);
        without that it is a reconstruction, which loses what the model cannot express, noise among it.
        Raises DTypeError, ShapeError, RangeError or ConfigError.
        """
        if not whole("draws", draws, least=0):
            return self.reconstruct(x)
        mu, logvar = self.encode(x)
        sigma, noise = self.backend.xp.exp(logvar * 0.5), stream(seed, "noise")
        total = self.backend.xp.zeros((len(mu), self.input_dim), self.dtype)
        for _ in range(draws):
            eps = fill(np.empty(mu.shape, self.dtype), noise.standard_normal)
            total += self.decode(mu + sigma * self.backend.upload(eps))
        total /= draws
        return total  # type: ignore[no-any-return]

    @guarded
    def complete(
        self,
        x: Any,
        observed: Any = None,
        method: str = "metropolis",
        draws: int | None = None,
        samples: int = 500,
        values: str = "drawn",
        seed: int = 0,
    ) -> Array:
        """Rows x (N, D) with what is missing of them filled in, (N, D); what is observed stays, bit for bit.

        Missing is what is NaN in x or, where that is given, False in `observed` (N, D), of booleans; then x may hold
        anything there. It becomes its mean given what is observed, E[x_m | x_o], of least squared error; or, in each of
        `draws` answers (draws, N, D), a draw from p(x_m | x_o): multiple imputation, whose spread tells what is not
        known. A row with nothing observed is drawn from the prior: its z are, whatever the encoder says of such a row.

        method    "metropolis": a Markov chain that takes turns to draw x_m and z, whose aim is p(x_m | x_o) itself.
                  Mattei and Frellsen 2018, algorithm 1.
                  "pseudo-gibbs": the same, with every draw from the encoder taken, as if that were exact. Rezende,
                  Mohamed and Wierstra 2014, sec. 4.4.
                  "importance": draws from the encoder, weighed; for a model of missing data, whose encoder has met rows
                  such as these. Mattei and Frellsen 2019, sec. 3.
                  "encoder": draws from the encoder as they are; for a model that was trained to restore rows of which
                  such parts were hidden (`Trainer`'s `corrupt`), with 0 in their place.
        samples   draws of z a row: for the chains the length of one, whose first half is forgotten; each of `draws`
                  has a chain of its own
        values    with draws: "drawn" from p(x_m | z), or its "mean", which shows pictures without their noise
        seed      of all that is drawn

        The answer's dtype holds the numbers of x and of the model. Raises ConfigError, DTypeError, ShapeError,
        RangeError, or DivergedError for draws that went to infinity.
        """
        return complete(self, x, observed, method, draws, samples, values, seed)

    @synchronized
    def for_completion(self) -> VAE:
        """A VAE of the same weights that takes NaN for what is missing, one draw of z a row at a time."""
        if type(self) is VAE and self.config["missing"]:
            return self
        settings = {name: value for name, value in self.config.items() if name != "importance_samples"}
        vae = VAE(**{**settings, "missing": True}, backend=self.backend)
        vae.theta[...] = self.theta
        return vae

    def sample(self, count: int, seed: int = 0) -> Array:
        """Means of p(x | z), (count, D), for `count` draws z ~ N(0, I). Raises ConfigError."""
        z = np.empty((whole("count", count), self.latent_dim), self.dtype)
        return self.decode(fill(z, stream(seed, "prior").standard_normal))
