"""The classical autoencoder, a baseline for the VAE."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.memory import BatchBuffers
from scratchvae.models.denoising import warn_unless_trained_with_noise
from scratchvae.models.locks import synchronized
from scratchvae.models.model import InputGradients, Model
from scratchvae.models.scores import reconstruction_error
from scratchvae.objectives import ELBO, ELBOTerms
from scratchvae.validation import suggest_arguments


class Autoencoder(Model):
    """A deterministic autoencoder. Rumelhart, Hinton and Williams 1986; Hinton and Salakhutdinov 2006.

        x (B, D) ─► encoder ─► z (B, Z) ─► decoder ─► parameters ─► log p(x | z) (B,)

    A VAE without noise and without a KL. Each x has one code, and no prior shapes the distribution of the codes, so
    there is no way to draw new samples. With likelihood="gaussian" it minimizes the squared error, as classical
    autoencoders do. Arguments and errors are those of `VAE`; beta and free_bits have no effect, and a custom posterior,
    prior or objective raises ConfigError.
    """

    def compose(self, custom: dict[str, Any]) -> dict[str, Any]:
        """The parts by name: those in `custom`, and defaults for the others. Raises ConfigError."""
        for name in ("posterior", "prior", "objective"):
            if name in custom:
                raise ConfigError(f"an Autoencoder has no {name}: leave it out, or use a VAE")
        likelihood = custom["likelihood"]
        return {
            "encoder": custom.get("encoder") or self.make_encoder(self.latent_dim),
            "decoder": custom.get("decoder") or self.make_decoder(likelihood),
            "likelihood": likelihood,
            "objective": ELBO(),
        }

    def bind(self, buffers: BatchBuffers) -> None:
        """Give every part its batch buffers."""
        self.encoder.bind(buffers, self.row_shape)
        if self.decoder is not None:
            self.decoder.bind(buffers, (self.latent_dim,))
            self.likelihood.bind(buffers, (self.input_dim,))
            self.objective.bind(buffers, (self.latent_dim,))
            self._no_kl = buffers.column()
            self._no_kl.fill(0.0)

    def forward(self, x: Array, eps: Array, corrupted: Array | None = None, kl_weight: float = 1.0) -> ELBOTerms:
        """log p(x | z) of each row of x (B, D), with a KL of 0; eps (B, 0) and kl_weight are not used.

        z is the code of x or, if that is not None, of `corrupted` (B, D).
        """
        self.ensure_capacity(len(x))
        z = self.encoder.forward(x if corrupted is None else corrupted)
        log_likelihood = self.likelihood.forward(self.decoder.forward(z), x)
        self.was_corrupted = corrupted is not None
        return self.objective.forward(log_likelihood, self._no_kl[: len(x)])  # type: ignore[no-any-return]

    # The lines of forward in reverse order.
    def backward(self, to_inputs: bool = False) -> InputGradients | None:
        """Set `dtheta` to the gradient of the last forward's loss; with `to_inputs`, return those of the inputs."""
        dlog_likelihood, _ = self.objective.backward()
        dz = self.decoder.backward(self.likelihood.backward(dlog_likelihood))
        if not to_inputs:
            self.encoder.backward_parameters(dz)
            return None
        dx, no_eps = self.likelihood.backward_data(dlog_likelihood), self.backend.xp.empty((len(dz), 0), self.dtype)
        return InputGradients.combine(dx, no_eps, self.encoder.backward(dz), self.was_corrupted)

    @synchronized
    def encode(self, x: Any, labels: Any = None) -> Array:
        """The code z (B, Z) of each row of x (B, D). Raises DTypeError, ShapeError or RangeError."""
        (codes,) = self._map_rows(lambda x: (self.encoder.forward(x),), x, labels)
        return codes

    @suggest_arguments
    def embed(self, x: Any, labels: Any = None) -> Array:
        """The code z (B, Z) of each row of x (B, D). Raises as `encode`."""
        return self.encode(x, labels)

    @suggest_arguments
    def denoise(self, x: Any, labels: Any = None) -> Array:
        """Denoised rows (B, D) of x (B, D): their reconstructions. See `VAE.denoise`."""
        denoised = self.reconstruct(x, labels)
        warn_unless_trained_with_noise(self)
        return denoised

    @synchronized
    def anomaly_score(self, x: Any, labels: Any = None) -> Array:
        """−log p(x | z) of each row of x (B, D) at its code z, in nats, (B,): high if badly reconstructed.

        Raises DTypeError, ShapeError or RangeError.
        """
        return reconstruction_error(self, x, labels)
