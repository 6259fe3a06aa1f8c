"""The variational autoencoder. Kingma and Welling 2013, Auto-Encoding Variational Bayes."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from scratchvae.backend import Array, guarded
from scratchvae.errors import ConfigError
from scratchvae.fused import fused
from scratchvae.memory import BatchBuffers
from scratchvae.models.configuration import CHECKS
from scratchvae.models.draws import Draws
from scratchvae.models.imputation import impute
from scratchvae.models.locks import synchronized
from scratchvae.models.model import InputGradients, Model
from scratchvae.models.parts import classes_in
from scratchvae.objectives import ELBO, ELBOTerms
from scratchvae.probability import DiagonalGaussian, StandardNormal
from scratchvae.rng import fill_random, generator
from scratchvae.validation import check_int


class VAE(Model):
    """A variational autoencoder on rows x (B, D), with codes z (B, Z).

        x (B, D) ─► encoder ─► h = [μ, log σ²] ─► posterior ─► z (B, Z) ─► decoder ─► parameters ─► likelihood
                                      │               ▲                                                 │
                                      ▼               │                                                 ▼
                                   KL (B,)        ε (B, Z)                                     log p(x | z) (B,)

    Without arguments it is the reference network: 784 → 512 ReLU → 2·20, and 20 → 512 ReLU → 784 → sigmoid.

    input_dim, latent_dim   D and Z; D is 784, or what an encoder of your own takes
    hidden        widths of the encoder's hidden layers, first to last; the decoder mirrors them; () for none
    activation    "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu" or "gelu"
    likelihood    of x, given the decoder's output: a `Likelihood`, or the name of one of `scratchvae.probability`
                  "bernoulli": data in [0, 1], best 0 or 1
                  "continuous_bernoulli": grey values in [0, 1]
                  "gaussian": any numbers; squared error over 2 σ²
                  "gaussian_learned": any numbers; one σ for all, learnt
                  "gaussian_heteroscedastic": any numbers, spread by about 1; a σ for each, put out by the decoder
    sigma         σ of "gaussian", and what that of "gaussian_learned" begins with; 1 without it
    beta          weight of the KL; 1 gives the ELBO
    free_bits     nats of KL that each latent dimension has for nothing in training, on the mean of a batch: `FreeBits`
    seed          of the weights: the same network on every backend
    dtype         "float32", "float64", or, on NumPy, "longdouble": slow, for whoever checks the others
    backend       "numpy", "native", "cupy" or "auto" (a GPU if one works, else NumPy)
    init          "he_normal", "he_uniform", "glorot_normal" or "glorot_uniform" for all weights; None: see `mlp`
    missing       True for data in which NaN marks what is missing: the encoder sees 0 there, and the likelihood is that
                  of what is there, p(x_o | z), so that the ELBO bounds log p(x_o). Where a mask says what is there,
                  pass np.where(mask, x, np.nan). Without it a model completes such rows, but does not learn from them
    image_shape   (height, width), for whoever draws a row as a picture

    encoder, decoder, posterior, prior, objective
                  parts of your own in the place of the usual ones, each a subclass of `Layer`, `Posterior`, `Prior` or
                  `Objective`. Their parameters are drawn anew, by a `seed` of their own or by the model's; a
                  model that has one is loaded by load(path, classes=[…])

    Methods take NumPy arrays or the backend's own, and return the backend's own; several threads may call them, see
    `scratchvae.models.locks`. Raises ConfigError or BackendError.
    """

    posterior: Any
    prior: Any

    def compose(self, own: dict[str, Any]) -> dict[str, Any]:
        """The parts: the usual ones, where none of the user's own is given."""
        config, likelihood = self.config, own["likelihood"]
        posterior = own.get("posterior") or DiagonalGaussian()
        hidden, outputs = config["hidden"], likelihood.outputs_per_dimension * self.input_dim
        return {
            "encoder": own.get("encoder") or self.network(self.input_dim, hidden, posterior.outputs(self.latent_dim)),
            "decoder": own.get("decoder") or self.network(self.latent_dim, hidden[::-1], outputs),
            "likelihood": likelihood,
            "posterior": posterior,
            "prior": own.get("prior") or StandardNormal(),
            "objective": own.get("objective") or ELBO(config["beta"], config["free_bits"]),
        }

    def connect(self) -> None:
        """The KL between the posterior and the prior, as the objective takes it, and the rows of its draws."""
        if self.prior is not None:
            self.kl = fused(self.prior.kl(self.posterior, self.objective.exact_kl), self.backend)
            self.draws = Draws(self.objective.draws)
            self.chunk_rows = max(1, type(self).chunk_rows // self.objective.draws)
            exact = self.objective.exact_kl and self.kl.by_dimension
            if self.objective.kl_per_dimension and not exact:
                raise ConfigError(
                    "free bits need the KL of each latent dimension, and of this posterior and prior no closed form is "
                    "known, or the objective (exact_kl = False) asks for none: leave them out"
                )

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every part its batch buffers, K times as tall from the draw on."""
        h = self.encoder.bind(buffers, (self.input_dim,))
        if self.prior is None:  # of an encoder alone
            self.posterior.bind(buffers, h)
            return
        tall = buffers.resized(buffers.rows * self.objective.draws)
        self.draws.bind(buffers, h[0], self.input_dim, self.classes)
        self.posterior.bind(tall, h)
        self.prior.bind(tall, (self.latent_dim,))
        self.kl.bind(tall, (self.latent_dim,))
        self.decoder.bind(tall, (self.latent_dim,))
        self.likelihood.bind(tall, (self.input_dim,))
        self.objective.bind(buffers, (self.latent_dim,))

    @property
    def noise_dim(self) -> int:
        """The number of columns of eps: K · Z, K being the draws that the objective asks for."""
        noise: int = self.objective.draws * self.posterior.noise(self.latent_dim)
        return noise

    # What is wanted is the posterior p(z | x) = p(x | z) p(z) / p(x), and p(x) is out of reach. For any q(z | x)
    #   log p(x) = E_q[log p(x | z)] − KL(q(z | x) ‖ p(z)) + KL(q(z | x) ‖ p(z | x))
    # The last term is not negative, so the first two are a lower bound of log p(x), the ELBO. The left side does not
    # depend on q: with the decoder held fixed, raising the ELBO brings q(z | x) closer to the posterior; through the
    # decoder, it raises log p(x) or tightens the bound. One draw of z estimates the expectation.
    #
    # Denoising (Vincent et al. 2008; Im et al. 2017) asks q(z | x̃) of a corrupted x̃ to explain the clean x: any
    # q(z) bounds log p(x) as above.
    def forward(self, x: Array, eps: Array, corrupted: Array | None = None, kl_weight: float = 1.0) -> ELBOTerms:
        """ELBO, log p(x | z) and KL of each row of x (B, D), with z drawn by eps (B, noise_dim).

        Where `corrupted` (B, D) is given, z is drawn from its posterior; x is scored. In the loss the KL counts
        kl_weight · beta times, and with free bits as they charge it: so it does in `value`, while `kl` is the KL.
        """
        self.ensure_capacity(len(x))
        h = self.encoder.forward(x if corrupted is None else corrupted)
        h, x, eps = self.draws.forward(h, x, eps)
        z = self.posterior.forward(h, eps)
        kl = self.kl.forward(z)  # of q, whose parameters the posterior keeps
        log_likelihood = self.likelihood.forward(self.decoder.forward(z), x)
        self.was_corrupted = corrupted is not None
        per_dimension = self.kl.per_dimension if self.objective.kl_per_dimension else None
        return self.objective.forward(log_likelihood, kl, kl_weight, per_dimension)  # type: ignore[no-any-return]

    # Each line of forward, last to first. The parameters of q reach the loss in two ways, through z and through the KL:
    #   ∂L/∂μ = ∂L/∂z ∂z/∂μ + ∂L/∂KL ∂KL/∂μ,   and so for log σ²
    def backward(self, to_inputs: bool = False) -> InputGradients | None:
        """Set `dtheta` to the gradient of the last forward's loss; return that of its inputs, if it is asked for."""
        dlog_likelihood, dkl = self.objective.backward()
        dz = self.decoder.backward(self.likelihood.backward(dlog_likelihood))
        dq = self.kl.backward(dkl, dz)  # what z and the KL ask of q: the arguments of the posterior's backward
        dh = self.draws.backward(self.posterior.backward(*dq))
        if not to_inputs:
            self.encoder.backward_parameters(dh)
            return None
        dx, deps = self.draws.backward_inputs(
            self.likelihood.backward_data(dlog_likelihood), self.posterior.backward_noise(*dq[:2])
        )
        return InputGradients.of(dx, deps, self.encoder.backward(dh), self.was_corrupted)

    def backward_to_inputs(self) -> InputGradients:
        """As `backward`, and the gradient with respect to x, eps and corrupted."""
        return cast(InputGradients, self.backward(to_inputs=True))

    @synchronized
    def encode(self, x: Any, labels: Any = None) -> tuple[Array, ...]:
        """mu and logvar, (B, Z) each, of q(z | x) for each row of x (B, D): deterministic.

        Of a posterior of your own, its `parameters`. labels (B,), or one for all, are for a model that takes them.
        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        x = self.check_data(x)
        labels = self.encoder_labels(x, labels)
        encoded: tuple[Array, ...] = ()
        for part, x_part, targets in self.chunks(x, labels):
            parameters = self.posterior.parameters(self.encoder.forward(x_part, *targets))
            if not encoded:
                encoded = tuple(self.backend.xp.empty((len(x), p.shape[1]), self.dtype) for p in parameters)
            for to, parameter in zip(encoded, parameters, strict=True):
                to[part] = parameter
        return encoded

    @synchronized
    def embed(self, x: Any, labels: Any = None) -> Array:
        """The posterior mean μ (B, Z) of each row of x (B, D). Takes and raises as `encode`."""
        x = self.check_data(x)
        labels = self.encoder_labels(x, labels)
        codes = self.backend.xp.empty((len(x), self.latent_dim), self.dtype)
        for part, x_part, targets in self.chunks(x, labels):
            codes[part] = self.posterior.mean(self.encoder.forward(x_part, *targets))
        return codes  # type: ignore[no-any-return]

    def elbo(self, x: Any, eps: Any = None, seed: int = 0, labels: Any = None) -> ELBOTerms:
        """For each row of x (B, D): `value` = `reconstruction` − beta · `kl`, (B,) each, in nats.

        One draw of z a row, with the noise eps (B, noise_dim); where that is None, it is drawn from `seed`. Free bits
        are of training alone: they change the loss, and nothing here. Raises ConfigError, DTypeError, ShapeError or
        RangeError.
        """
        return self.terms(x, eps, seed, labels=labels)

    @synchronized
    def denoise(self, x: Any, draws: int = 0, seed: int = 0, labels: Any = None) -> Array:
        """Each row of x (B, D) without its noise, (B, D): the mean of p(x | z) at the posterior mean of z.

        Or its average over so many `draws` of z from q(z | x): were that the posterior, this would be E[clean | x], the
        guess of least squared error. What noise is taken away is what the training put in (`Trainer`'s `corrupt`);
        without that it is a reconstruction, which loses what the model cannot express, noise among it.
        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        x = self.check_data(x)
        labels = self.encoder_labels(x, labels)
        if not check_int("draws", draws, least=0):
            return self.reconstruct(x, labels)
        parameters, noise = self.encode(x, labels), generator(seed, "noise")
        total = self.backend.xp.zeros((len(x), self.input_dim), self.dtype)
        for _ in range(draws):
            eps = np.empty((len(x), self.posterior.noise(self.latent_dim)), self.dtype)
            eps = self.backend.upload(fill_random(eps, noise.standard_normal))
            total += self.decode(self.posterior.draw(parameters, eps), labels)
        total /= draws
        return total  # type: ignore[no-any-return]

    @guarded
    def impute(
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
        return impute(self, x, observed, method, draws, samples, values, seed)

    @synchronized
    def for_imputation(self) -> VAE:
        """A VAE of the same weights that takes NaN for what is missing, one draw of z a row at a time.

        Raises ConfigError for a posterior or a prior that is no Gaussian.
        """
        if not (isinstance(self.posterior, DiagonalGaussian) and isinstance(self.prior, StandardNormal)):
            raise ConfigError(
                "impute weighs draws by a DiagonalGaussian posterior and a StandardNormal prior, and this model has "
                f"{type(self.posterior).__name__} and {type(self.prior).__name__}"
            )
        if type(self) is VAE and self.config["missing"] and self.objective.draws == 1:
            return self
        own = {name: part for name, part in self.to_config().items() if name in (*CHECKS, *VAE.part_names)}
        own.pop("objective", None)
        vae = VAE.from_config({**own, "missing": True}, self.backend, classes_in(self.own_parts))
        vae.theta[...] = self.theta
        return vae

    @synchronized
    def sample(self, count: int, seed: int = 0, labels: Any = None) -> Array:
        """Means of p(x | z), (count, D), for `count` draws z from the prior. Raises ConfigError."""
        z = self.draw_codes(count, generator(seed, "prior"))
        return self.decode(z, labels)

    def draw_codes(self, count: int, rng: np.random.Generator) -> Array:
        """`count` draws (count, Z) from the prior, by noise that `rng` draws on the host."""
        noise = np.empty((check_int("count", count), self.prior.noise(self.latent_dim)), self.dtype)
        codes: Array = self.prior.draw(self.backend.upload(fill_random(noise, rng.standard_normal)))
        return codes
