"""The posterior q(z | x): its parameters, from the output of the encoder, and draws of z."""

from __future__ import annotations

from math import log, pi, prod
from typing import ClassVar

from scratchvae.backend import Array
from scratchvae.errors import ConfigError, ShapeError
from scratchvae.memory import BatchBuffers, Module, Shape, optional, required
from scratchvae.probability.reparameterize import Reparameterize
from scratchvae.probability.split import SplitHalves
from scratchvae.validation import short_repr


class Posterior(Module):
    """q(z | x), with parameters from the output h (B, O) of the encoder.

    outputs_per_latent   outputs of the encoder for each latent dimension
    noise_per_latent     standard normal numbers that a draw needs for each latent dimension

    A subclass implements `forward` and `backward`, and `log_prob` unless the prior has a closed form of the KL. z and
    log q are functions of h and eps; `backward` differentiates both with respect to h, at fixed eps.
    """

    outputs_per_latent: ClassVar[int] = 2
    noise_per_latent: ClassVar[int] = 1

    def outputs(self, latent_dim: int) -> int:
        """O, the number of columns of h for `latent_dim` dimensions."""
        return self.outputs_per_latent * latent_dim

    def noise(self, latent_dim: int) -> int:
        """The number of columns of eps for `latent_dim` dimensions."""
        return self.noise_per_latent * latent_dim

    def output_shape(self, input_shape: Shape) -> Shape:
        """(Z,), the shape of a code. Raises ShapeError."""
        width, per_latent = prod(input_shape), self.outputs_per_latent
        if width % per_latent:
            raise ShapeError(
                f"{self._class_name()} was given rows of width {short_repr(width)}; expected {per_latent} numbers for "
                "each latent dimension"
            )
        return (width // per_latent,)

    @required
    def forward(self, h: Array, eps: Array) -> Array:
        """z (B, Z) from the encoder's output h (B, O) and noise eps (B, noise)."""
        raise NotImplementedError

    @required
    def backward(self, dz: Array, dlog_q: Array | None = None) -> Array:
        """dh (B, O) from dz (B, Z) and, if `log_prob` was used, dlog_q (B,)."""
        raise NotImplementedError

    @optional
    def log_prob(self) -> Array:
        """log q(z | x) (B,) in nats, at the draw of the last forward."""
        raise ConfigError(
            f"{self._class_name()} has no log_prob(), and no closed form of its KL is known: write it in the class"
        )

    @optional
    def backward_noise(self, dz: Array, dlog_q: Array | None = None) -> Array:
        """deps (B, noise) from the same gradients as `backward`."""
        raise ConfigError(f"{self._class_name()} has no backward_noise(dz, dlog_q): write it in the class")

    @optional
    def backward_density(self, dlog_q: Array) -> Array:
        """dz (B, Z) from dlog_q (B,), through log q(z) at fixed parameters of q, for the z of the last forward."""
        raise ConfigError(
            f"{self._class_name()} has no backward_density(dlog_q), which this objective needs: write it in the class"
        )

    def _check_dlog_q(self, dlog_q: Array) -> int:
        assert self._buffers is not None
        self._check_arrays(self._buffers, {"dlog_q": dlog_q}, (self._rows,))
        return self._rows

    def mean(self, h: Array) -> Array:
        """The code (B, Z) of a row: by default, the draw with noise 0."""
        noise = self.noise(self.output_shape((h.shape[1],))[0])
        return self.forward(h, self.xp.zeros((len(h), noise), h.dtype))

    def parameters(self, h: Array) -> tuple[Array, ...]:
        """The parameters of q that `encode` returns: by default, h."""
        return (h,)

    def draw(self, parameters: tuple[Array, ...], eps: Array) -> Array:
        """z (B, Z) from the result of `parameters` and noise eps (B, noise)."""
        (h,) = parameters
        return self.forward(h, eps)


class DiagonalGaussian(Posterior):
    """q(z | x) = N(μ, σ² I), with h = [μ, log σ²]. Kingma and Welling 2013, sec. 2.4 and appendix C.2.

    shapes   h (B, 2Z)   eps, z (B, Z)   log_q (B,)
    saves    σ, mu and logvar; eps, by reference
    writes   z, log_q | dh, deps
    """

    def __init__(self) -> None:
        self.split, self.reparameterize = SplitHalves(), Reparameterize()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind both children; allocate log q and work arrays."""
        latent = self.split.bind(buffers, self.input_shape)
        self.reparameterize.bind(buffers, latent)
        self._log_q, self._half = buffers.column(), buffers.column()
        self._scratch = buffers.matrix(latent[0])
        self._minus_halves = buffers.vector(latent[0], -0.5)

    def forward(self, h: Array, eps: Array) -> Array:
        """z = μ + σ ⊙ ε (B, Z) from h (B, 2Z) and eps (B, Z); see `Reparameterize`."""
        self.check_inputs(h=h)
        self.mu, self.logvar = self.split.forward(h)
        self.eps = eps
        return self.reparameterize.forward(self.mu, self.logvar, eps)

    def parameters(self, h: Array) -> tuple[Array, ...]:
        """mu and logvar (B, Z)."""
        self.mu, self.logvar = self.split.forward(h)
        return self.mu, self.logvar

    def mean(self, h: Array) -> Array:
        """μ (B, Z), a view of h (B, 2Z)."""
        self.check_inputs(h=h)
        return h[:, : self.input_width // 2]

    def draw(self, parameters: tuple[Array, ...], eps: Array) -> Array:
        """μ + σ ⊙ ε (B, Z), in a new array."""
        mu, logvar = parameters
        z: Array = mu + self.xp.exp(logvar * 0.5) * eps
        return z

    # For one dimension, with (z − μ)/σ = ε and ℓ = log σ²:  log q = −½ (ε² + ℓ + log 2π)
    def log_prob(self) -> Array:
        """log q(z | x) (B,) of the last draw. Raises ShapeError."""
        if not hasattr(self, "eps"):
            raise ShapeError("DiagonalGaussian.log_prob was called before forward; call forward first")
        log_q, terms = self._log_q[: len(self.eps)], self._scratch[: len(self.eps)]
        self.xp.multiply(self.eps, self.eps, out=terms)
        terms += self.logvar
        self.xp.matmul(terms, self._minus_halves, out=log_q)
        log_q -= 0.5 * log(2.0 * pi) * terms.shape[1]
        return log_q

    # h reaches the loss through z, through log q, and through μ and ℓ in a closed-form KL:
    #   dμ = ∂L/∂z ∂z/∂μ + ∂L/∂μ,   likewise for ℓ, plus dlog_q ∂ log q/∂ℓ with ∂ log q/∂ℓ = −½
    # (At fixed ε, log q depends on ε and ℓ only.)
    def backward(self, dz: Array, dlog_q: Array | None = None, dparameters: tuple[Array, Array] | None = None) -> Array:
        """dh (B, 2Z) from dz (B, Z), dlog_q (B,) and dparameters, the gradients of mu and logvar (B, Z)."""
        return self.split.backward(*self.backward_parameters(dz, dlog_q, dparameters))

    def backward_parameters(
        self, dz: Array, dlog_q: Array | None = None, dparameters: tuple[Array, Array] | None = None
    ) -> tuple[Array, Array]:
        """dmu and dlogvar (B, Z) from the same gradients."""
        dmu, dlogvar = self.reparameterize.backward(dz)
        if dparameters is not None:
            dmu += dparameters[0]
            dlogvar += dparameters[1]
        if dlog_q is not None:
            half = self._half[: self._check_dlog_q(dlog_q)]
            self.xp.multiply(dlog_q, -0.5, out=half)
            dlogvar += half[:, None]
        return dmu, dlogvar

    #   ∂ log q/∂ε = −ε                →  dε = dz · σ − dlog_q · ε
    def backward_noise(self, dz: Array, dlog_q: Array | None = None) -> Array:
        """deps (B, Z) from the same gradients."""
        deps = self.reparameterize.backward_noise(dz)
        if dlog_q is not None:
            scratch = self._scratch[: self._check_dlog_q(dlog_q)]
            self.xp.multiply(self.eps, dlog_q[:, None], out=scratch)
            deps -= scratch
        return deps

    # At fixed μ and σ, ∂ log q/∂z = −(z − μ)/σ² = −ε/σ    →  dz = −dlog_q · ε/σ
    def backward_density(self, dlog_q: Array) -> Array:
        """dz (B, Z) from dlog_q (B,), at fixed μ and σ, for the last draw."""
        dz = self._scratch[: self._check_dlog_q(dlog_q)]
        self.xp.divide(self.eps, self.reparameterize.sigma, out=dz)
        dz *= dlog_q[:, None]
        self.xp.negative(dz, out=dz)
        return dz
