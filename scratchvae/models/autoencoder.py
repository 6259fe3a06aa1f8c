"""The classical autoencoder, to hold the VAE against."""

from __future__ import annotations

from typing import Any, ClassVar

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers
from scratchvae.models.model import Model
from scratchvae.models.objective import Terms
from scratchvae.models.synchronized import synchronized


class Autoencoder(Model):
    """A deterministic autoencoder. Rumelhart, Hinton and Williams 1986; Hinton and Salakhutdinov 2006.

        x (B, D) ─► encoder ─► z (B, Z) ─► decoder ─► parameters ─► log p(x | z) (B,)

    A VAE without its noise and without its KL: each x has one code, nothing asks the codes to fill the latent space,
    and so there is nothing to draw new samples from. With likelihood="gaussian" it is trained by squared error, as the
    classical one. Arguments and errors are those of `VAE`; beta and free_bits have no effect.
    """

    outputs_per_latent: ClassVar[int] = 1
    noise_per_latent: ClassVar[int] = 0

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every piece its batch buffers."""
        super().bind(buffers)
        self._no_kl = buffers.column()
        self._no_kl.fill(0.0)

    def forward(self, x: Array, eps: Array, corrupted: Array | None = None, kl_weight: float = 1.0) -> Terms:
        """log p(x | z) of each row of x (B, D), with a KL of 0; eps (B, 0) and kl_weight are not used; on loan.

        z is the code of x or, where it is given, of `corrupted` (B, D).
        """
        self.reserve(len(x))
        parameters = self.decoder.forward(self.encoder.forward(x if corrupted is None else corrupted))
        log_likelihood = self.likelihood.forward(parameters, x)
        return self.objective.forward(log_likelihood, self._no_kl[: len(x)])

    # Each line of forward, last to first.
    def backward(self) -> None:
        """Set `dtheta` to the gradient of the last forward's loss."""
        dlog_likelihood, _ = self.objective.backward()
        dparameters = self.likelihood.backward(dlog_likelihood)
        dz = self.decoder.backward(dparameters)
        self.encoder.backward_parameters(dz)

    @synchronized
    def encode(self, x: Any) -> Array:
        """The code z (B, Z) of each row of x (B, D). Raises DTypeError, ShapeError or RangeError."""
        x = self.admit_data(x)
        codes = self.backend.xp.empty((len(x), self.latent_dim), self.dtype)
        for part, x_part in self.chunks(x):
            codes[part] = self.encoder.forward(x_part)
        return codes  # type: ignore[no-any-return]

    def embed(self, x: Any) -> Array:
        """The code z (B, Z) of each row of x (B, D). Raises as `encode`."""
        return self.encode(x)

    def denoise(self, x: Any) -> Array:
        """Each row of x (B, D) without its noise, (B, D): its reconstruction. See `VAE.denoise`."""
        return self.reconstruct(x)
