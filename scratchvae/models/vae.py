"""The variational autoencoder. Kingma and Welling 2013, Auto-Encoding Variational Bayes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, cast

import numpy as np

from scratchvae.backend import Array, translate_device_errors
from scratchvae.errors import ConfigError
from scratchvae.fused import fused
from scratchvae.memory import BatchBuffers
from scratchvae.models.configuration import CHECKS
from scratchvae.models.denoising import warn_unless_trained_with_noise
from scratchvae.models.draws import Draws
from scratchvae.models.imputation import impute
from scratchvae.models.locks import synchronized
from scratchvae.models.model import InputGradients, Model
from scratchvae.models.parts import custom_classes
from scratchvae.models.scores import anomaly_score, decode_values, posterior_predictive, posterior_sample, score_samples
from scratchvae.objectives import ELBO, ELBOTerms
from scratchvae.probability import DiagonalGaussian, PathwiseKL, StandardNormal
from scratchvae.rng import fill_random, generator
from scratchvae.validation import check_int, shorten, suggest_arguments


class VAE(Model):
    """A variational autoencoder for rows x (B, D), with latent codes z (B, Z).

        x (B, D) ─► encoder ─► h = [μ, log σ²] ─► posterior ─► z (B, Z) ─► decoder ─► parameters ─► likelihood
                                      │               ▲                                                 │
                                      ▼               │                                                 ▼
                                   KL (B,)        ε (B, Z)                                     log p(x | z) (B,)

    The defaults give the reference network: encoder 784 → 512 ReLU → 2·20, decoder 20 → 512 ReLU → 784 → sigmoid.

    input_dim     D; None: that of `image_shape`, or of a custom encoder or decoder, or else 784
    latent_dim    Z
    hidden        widths of the encoder's hidden layers, first to last; () for none. None: (512,), or (128,) after
                  convolutions
    decoder_hidden
                  widths of the decoder's hidden layers; None: those of the encoder in reverse order
    architecture  "mlp": linear layers. "conv": convolutions that halve a picture of `image_shape` until it is small,
                  then linear layers; the decoder is their mirror image. See `scratchvae.models.network`
    activation    "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu", "gelu" or "elu"; or a layer or its class,
                  such as LeakyReLU(0.2), of which each place gets a copy
    likelihood    p(x | z): a `Likelihood`, or one of these names
                  "bernoulli": x in [0, 1], ideally 0 or 1; the mean is the sigmoid of the decoder's output
                  "continuous_bernoulli": x in [0, 1]; Bernoulli normalized to be a density of grey values
                  "gaussian": any real x; fixed σ, so that the loss is the squared error over 2 σ² plus a constant
                  "gaussian_learned": any real x; one σ, shared by all dimensions and learned
                  "gaussian_diagonal": any real x; a σ of each dimension, learned
                  "gaussian_heteroscedastic": real x scaled to a std of about 1; the decoder predicts a σ per number
                  "poisson": counts 0, 1, 2, …; the mean is exp of the decoder's output
                  "negative_binomial": counts that vary more; the decoder also predicts their dispersion
                  Categories have `probability.Categorical`, and tables of several kinds `probability.Mixed`
    sigma         σ of "gaussian", or the initial σ of "gaussian_learned" and "gaussian_diagonal", in the units of the
                  data; None: 1, after the scale
    beta          weight β of the KL; 1 gives the ELBO
    free_bits     KL per latent dimension that is not penalized in training, in nats, batch mean: see `FreeBits`
    seed          seed of the initial weights, which are the same on every backend
    dtype         "float32", "float64" or, on NumPy, "longdouble", which is slow and serves as a reference
    backend       "numpy", "native", "cupy" or "auto" (a GPU if one works, else NumPy)
    init          "he_normal", "he_uniform", "glorot_normal" or "glorot_uniform" for all weights; None: see `mlp`
    missing       True for training data in which NaN marks a missing value. The encoder then reads 0 in its place, and
                  the likelihood covers only the observed part x_o of a row, so that the ELBO bounds log p(x_o). With a
                  mask of observed values, pass np.where(mask, x, np.nan). Without it the model can still `impute`
    image_shape   (height, width) or (height, width, channels) of a row, if rows are pictures
    scale         units of the data, learned when training begins and applied ever after: what methods take and return
                  is in the units of the data. See `Scale`
                  "auto": bytes are divided by 255 and 16-bit integers by 65535, unless they are 0 or 1; with a Gaussian
                  likelihood, no `sigma` and no `image_shape`, other columns are standardized
                  "none", "standardize", "common" (each column less its mean, and one factor for all), "minmax",
                  "255", "65535"

    encoder, decoder, posterior, prior, objective
                  custom parts that replace the defaults: subclasses of `Layer`, `Posterior`, `Prior` or `Objective`.
                  If a `Sequential` encoder or decoder ends with a layer that has no width of its own, such as an
                  activation, a `Linear` to the width that is needed is appended. The model initializes the parameters
                  of parts, from the part's own `seed` or from the model's. To load a model with custom parts, pass
                  their classes: load(path, classes=[…])

    Methods accept NumPy arrays, the backend's arrays, and tables of pandas, polars or PyArrow, and return the backend's
    arrays. A model that was trained on named columns finds those of later tables by their names: see `schema`. Columns
    of results are in the order of the schema. Methods are thread-safe: see `scratchvae.models.locks`. Raises
    ConfigError or BackendError.
    """

    posterior: Any
    prior: Any

    def compose(self, custom: dict[str, Any]) -> dict[str, Any]:
        """The parts by name: those in `custom`, and defaults for the others."""
        config, likelihood = self.config, custom["likelihood"]
        posterior = custom.get("posterior") or DiagonalGaussian()
        return {
            "encoder": custom.get("encoder") or self.make_encoder(posterior.outputs(self.latent_dim), self.classes),
            "decoder": custom.get("decoder") or self.make_decoder(likelihood, self.classes),
            "likelihood": likelihood,
            "posterior": posterior,
            "prior": custom.get("prior") or StandardNormal(),
            "objective": custom.get("objective") or ELBO(config["beta"], config["free_bits"]),
        }

    def connect(self) -> None:
        """Make the KL of this posterior and prior, and the repetition of rows for objectives of several draws."""
        if self.prior is not None:
            if self.prior.shares_encoder:
                views = self._params.with_prefix("encoder"), self._grads.with_prefix("encoder")
                self.prior.share_encoder(self.encoder, self.posterior, self.row_shape, *views)
            self.kl = fused(self.prior.kl(self.posterior, self.objective.exact_kl), self.backend)
            if self.objective.pathwise:
                self.kl = PathwiseKL(self.posterior, self.kl, self.objective.dz_factors)
            self.draws = Draws(self.objective.draws)
            exact = self.objective.exact_kl and self.kl.has_per_dimension
            if self.objective.kl_per_dimension and not exact:
                raise ConfigError(
                    "free_bits need the KL of each latent dimension in closed form; this posterior and prior have none "
                    "or the objective does not use it (exact_kl = False): leave free_bits out"
                )

    def bind(self, buffers: BatchBuffers) -> None:
        """Give every part its batch buffers: B rows before z is drawn, B·K after it, for K draws a row."""
        h = self.encoder.bind(buffers, self.row_shape)
        if self.prior is None:  # an `Encoder`, which has no decoder
            self.posterior.bind(buffers, h)
            return
        repeated = buffers.resized(buffers.rows * self.objective.draws)
        self.draws.bind(buffers, prod(h), self.input_dim, self.classes)
        self.posterior.bind(repeated, h)
        self.prior.bind(repeated, (self.latent_dim,))
        self.kl.bind(repeated, (self.latent_dim,))
        self.decoder.bind(repeated, (self.latent_dim,))
        self.likelihood.bind(repeated, (self.input_dim,))
        self.objective.bind(buffers, (self.latent_dim,))

    @property
    def noise_dim(self) -> int:
        """The number of columns of eps: K · Z, where K is the number of draws that the objective uses."""
        noise: int = self.objective.draws * self.posterior.noise(self.latent_dim)
        return noise

    # The posterior p(z | x) = p(x | z) p(z) / p(x) is intractable, because p(x) is an integral over z. For any q(z | x)
    #   log p(x) = E_q[log p(x | z)] − KL(q(z | x) ‖ p(z)) + KL(q(z | x) ‖ p(z | x))
    # The last term is not negative, so the first two are a lower bound of log p(x): the ELBO. The left side does not
    # depend on q. With the decoder fixed, raising the ELBO therefore brings q(z | x) closer to the posterior. Raising
    # it through the decoder raises log p(x) or tightens the bound. One draw of z estimates the expectation.
    #
    # Denoising (Vincent et al. 2008; Im et al. 2017) draws z from q(z | x̃), x̃ being a corrupted copy of x, and scores
    # the clean x. The bound still holds, because it holds for any distribution q of z.
    def forward(
        self,
        x: Array,
        eps: Array,
        corrupted: Array | None = None,
        kl_weight: float = 1.0,
        *,
        batch_mean: Callable[[Array], None] | None = None,
    ) -> ELBOTerms:
        """ELBO, log p(x | z) and KL of each row of x (B, D), with z drawn by means of the noise eps (B, noise_dim).

        With `corrupted` (B, D), the encoder reads `corrupted` and the likelihood scores x. In `value`, as in the loss,
        the KL has the weight kl_weight · beta and, with free bits, is the penalized KL of `FreeBits`. `kl` is the KL.
        `batch_mean` is that of `FreeBits.forward`, for one process of several.
        """
        self.ensure_capacity(len(x))
        h = self.encoder.forward(x if corrupted is None else corrupted)
        h, x, eps = self.draws.forward(h, x, eps)
        z = self.posterior.forward(h, eps)
        kl = self.kl.forward(z)  # the posterior has stored the parameters of q
        log_likelihood = self.likelihood.forward(self.decoder.forward(z), x)
        self.was_corrupted = corrupted is not None
        per_dimension = self.kl.per_dimension if self.objective.kl_per_dimension else None
        further = {} if batch_mean is None else {"batch_mean": batch_mean}  # a custom objective may lack it
        return self.objective.forward(log_likelihood, kl, kl_weight, per_dimension, **further)  # type: ignore[no-any-return]

    # The lines of forward in reverse order. The parameters of q reach the loss in two ways, through z and through the
    # KL, and the two gradients add up:
    #   ∂L/∂μ = ∂L/∂z ∂z/∂μ + ∂L/∂KL ∂KL/∂μ,   likewise for log σ²
    def backward(self, to_inputs: bool = False) -> InputGradients | None:
        """Set `dtheta` to the gradient of the last forward's loss; with `to_inputs`, return those of the inputs."""
        dlog_likelihood, dkl = self.objective.backward()
        dz = self.decoder.backward(self.likelihood.backward(dlog_likelihood))
        dz, *dq = self.kl.backward(dkl, dz)  # dq: the gradients of log q(z | x), or of μ and log σ²
        dh = self.draws.backward(self.posterior.backward(dz, *dq))
        dencoder_input = self.encoder.backward(dh) if to_inputs else self.encoder.backward_parameters(dh)
        self.prior.add_shared_gradients()
        if not to_inputs:
            return None
        dx, deps = self.draws.backward_inputs(
            self.likelihood.backward_data(dlog_likelihood), self.posterior.backward_noise(dz, *dq[:1])
        )
        return InputGradients.combine(dx, deps, dencoder_input, self.was_corrupted)

    def backward_to_inputs(self) -> InputGradients:
        """Do `backward`, and return the gradient with respect to x, eps and corrupted."""
        return cast(InputGradients, self.backward(to_inputs=True))

    @synchronized
    def encode(self, x: Any, labels: Any = None) -> tuple[Array, ...]:
        """The parameters of q(z | x), mu and logvar (B, Z) each, for the rows of x (B, D). Deterministic.

        For a custom posterior, these are its `parameters`. labels (B,), or a single label for all rows, are for
        class-conditional models. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        return self._map_rows(
            lambda x, *targets: self.posterior.parameters(self.encoder.forward(x, *targets)), x, labels
        )

    @synchronized
    def embed(self, x: Any, labels: Any = None) -> Array:
        """The posterior mean μ (B, Z) of each row of x (B, D). Arguments and errors are those of `encode`."""
        (codes,) = self._map_rows(
            lambda x, *targets: (self.posterior.mean(self.encoder.forward(x, *targets)),), x, labels
        )
        return codes

    @synchronized
    def elbo(self, x: Any, eps: Any = None, seed: int = 0, labels: Any = None, draws: int = 1) -> ELBOTerms:
        """`value` = `reconstruction` − beta · `kl` of each row of x (B, D): arrays (B,), in nats.

        z is drawn once for each row, with the noise eps (B, noise_dim) or, if that is None, with noise from `seed`. The
        noise of a row follows that of the rows above it, so that the result for a row depends on its place in x:
        elbo(x[5:])[0] and elbo(x)[5] have other draws of z. With draws > 1, the terms are means over this many draws of
        z for each row, of which the first is that of draws=1; eps, a single draw, must then be None.

        Free bits change the loss in training, and nothing here. Raises ConfigError, DTypeError, ShapeError or
        RangeError.
        """
        if check_int("draws", draws) == 1:
            return self.terms(x, eps, seed, labels=labels)
        if eps is not None:
            raise ConfigError(f"eps is a single draw, and draws={draws}; leave eps out, or call elbo for each draw")
        x, draw = self.check_data(x, lazy=True), generator(seed, "noise").standard_normal
        sums = ELBOTerms(*(self.backend.xp.zeros(len(x), np.promote_types(self.dtype, np.float64)) for _ in range(3)))
        for _ in range(draws):
            noise = fill_random(np.empty((len(x), self.noise_dim), self.dtype), draw)
            for total, term in zip(sums, self.terms(x, noise, labels=labels), strict=True):
                total += term
        return ELBOTerms(*((total / draws).astype(self.dtype) for total in sums))

    @synchronized
    def denoise(self, x: Any, draws: int = 0, seed: int = 0, labels: Any = None) -> Array:
        """Denoised rows (B, D) of x (B, D): the mean of p(x | z) at the posterior mean of z.

        With `draws` > 0, the average of that mean over this many draws of z from q(z | x). If q(z | x) were the true
        posterior, the average would be E[clean | x], the estimate of least squared error. The model removes the kind of
        noise that it was trained with (`corrupt` of the `Trainer`). Without such training, this is a reconstruction,
        which drops whatever the model cannot represent, noise included, and a DenoiseWarning is issued.
        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        x = self.check_data(x, scored=False)
        labels = self.encoder_labels(x, labels)
        if not check_int("draws", draws, minimum=0):
            warn_unless_trained_with_noise(self)
            return self.reconstruct(x, labels)
        parameters, noise = self.encode(x, labels), generator(seed, "noise")
        warn_unless_trained_with_noise(self)
        total = self.backend.xp.zeros((len(x), self.input_dim), self.dtype)
        for _ in range(draws):
            eps = np.empty((len(x), self.posterior.noise(self.latent_dim)), self.dtype)
            eps = self.backend.upload(fill_random(eps, noise.standard_normal))
            total += self.decode(self.posterior.draw(parameters, eps), labels)
        total /= draws
        return total  # type: ignore[no-any-return]

    @synchronized
    def score_samples(self, x: Any, samples: int = 64, seed: int = 0, labels: Any = None) -> Array:
        """log p(x) of each row of x (B, D), in nats, (B,) in float64, on the host.

        The estimate log (1/S) Σ_s w_s of S = `samples` importance-weighted draws of z from q(z | x). On average it is
        at most log p(x), and rises to it with S: see `scratchvae.models.scores`. The noise of a row is drawn from its
        contents and `seed`, so that a row has the same score, to the last bit, wherever it stands. It is −∞ for a row
        so far from the training data that its numbers overflow.

        For a conditional model, log p(x | y) with y in `labels`; for a semi-supervised one without labels, log p(x)
        with each class equally probable. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        return score_samples(self, x, samples, seed, labels)

    @synchronized
    def anomaly_score(
        self, x: Any, method: str = "log_likelihood", samples: int = 64, seed: int = 0, labels: Any = None
    ) -> Array:
        """How unusual each row of x (B, D) is, in nats, (B,): the higher, the less like the training data.

        method   "log_likelihood": −log p(x), the negative of `score_samples`
                 "elbo": the negative ELBO (beta 1), the mean over `samples` draws
                 "reconstruction": −log p(x | z) at the code of `embed`. It does not tell how usual that code is

        The likelihood of pixels depends on how smooth a picture is more than on what it shows (Nalisnick et al. 2019),
        so compare methods on labelled anomalies if there are any. Raises as `score_samples`.
        """
        return anomaly_score(self, x, method, samples, seed, labels)

    @synchronized
    def posterior_sample(self, x: Any, draws: int = 1, seed: int = 0, labels: Any = None) -> Array:
        """Draws (draws, B, Z) of z from q(z | x), for each row of x (B, D). Raises as `encode`."""
        return posterior_sample(self, x, draws, seed, labels)

    @synchronized
    def posterior_predictive(
        self, x: Any, draws: int = 1, values: str = "drawn", seed: int = 0, labels: Any = None
    ) -> Array:
        """Draws (draws, B, D) of new rows from p(x′ | z) with z ~ q(z | x), for each row of x (B, D).

        values   "drawn" from p(x′ | z), or the "mean" of p(x′ | z). Raises as `encode`.
        """
        return posterior_predictive(self, x, draws, values, seed, labels)

    def scored_classes(self, labels: Any, rows: int) -> list[Array | None]:
        """The classes (rows,) by which each row is scored, one array for each class that a row may have."""
        return [self.check_labels(labels, rows)]

    @suggest_arguments
    @translate_device_errors()
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
        """Fill in the missing values of x (N, D); return (N, D), with the observed values unchanged, bit for bit.

        A value is missing if it is NaN or, with `observed` (N, D), a boolean mask, if the mask is False there; x may
        then hold anything in its place. Write x_o for the observed part of a row and x_m for the missing part.

        draws     None: x_m becomes its conditional mean E[x_m | x_o], the estimate of least squared error.
                  An integer: return (draws, N, D), each a draw from p(x_m | x_o). The differences between such multiple
                  imputations show the uncertainty.
        method    "metropolis": a Markov chain that draws x_m and z in turn, with p(x_m | x_o) as its stationary
                  distribution. Mattei and Frellsen 2018, algorithm 1.
                  "pseudo-gibbs": the same chain, with every proposal from the encoder accepted, as if the encoder were
                  the exact posterior. Rezende, Mohamed and Wierstra 2014, sec. 4.4.
                  "importance": draws from the encoder, importance-weighted. For a model trained with missing=True,
                  whose encoder was trained on such rows. Mattei and Frellsen 2019, sec. 3.
                  "encoder": draws from the encoder, unweighted. For a model that was trained to restore values replaced
                  by 0 (`corrupt` of the `Trainer`).
        samples   draws of z for each row. For a Markov chain its length; the first half is burn-in. Each of `draws` has
                  a chain of its own
        values    with draws: "drawn" from p(x_m | z), or the "mean" of p(x_m | z), which shows images without pixel
                  noise
        seed      seed of all random draws

        For a row with nothing observed, z is drawn from the prior, not from the encoder. The result has the common
        dtype of x and the model. Raises ConfigError, DTypeError, ShapeError, RangeError, or DivergedError if draws
        become infinite.
        """
        return impute(self, x, observed, method, draws, samples, values, seed)

    @synchronized
    def for_imputation(self) -> VAE:
        """A VAE with the same weights, missing=True and an objective of one draw a row.

        Raises ConfigError unless the posterior is a DiagonalGaussian and the prior a StandardNormal.
        """
        if not (isinstance(self.posterior, DiagonalGaussian) and isinstance(self.prior, StandardNormal)):
            raise ConfigError(
                "impute needs a DiagonalGaussian posterior and a StandardNormal prior; this model has "
                f"{shorten(type(self.posterior).__name__, 40)} and {shorten(type(self.prior).__name__, 40)}"
            )
        if type(self) is VAE and self.config["missing"] and self.objective.draws == 1:
            return self
        config = {name: value for name, value in self.to_config().items() if name in (*CHECKS, *VAE.part_names)}
        config.pop("objective", None)
        vae = VAE.from_config({**config, "missing": True}, self.backend, custom_classes(self.custom_parts))
        vae.theta[...] = self.theta
        vae.schema = self.schema
        return vae

    @synchronized
    def sample(self, count: int, seed: int = 0, labels: Any = None, values: str = "mean") -> Array:
        """New samples (count, D), for `count` draws of z from the prior. Raises ConfigError.

        values   "mean": the means of p(x | z), which show pictures without pixel noise. "drawn": draws from p(x | z),
                 for rows that vary as the data do, such as counts
        """
        z = self.draw_codes(count, generator(seed, "prior"))
        return decode_values(self, z, labels, values, generator(seed, "predicted rows"))

    def draw_codes(self, count: int, rng: np.random.Generator) -> Array:
        """`count` draws (count, Z) from the prior, made from noise that `rng` draws on the host."""
        noise = np.empty((check_int("count", count), self.prior.noise(self.latent_dim)), self.dtype)
        codes: Array = self.prior.draw(self.backend.upload(fill_random(noise, rng.standard_normal)))
        return codes
