"""The VampPrior: a mixture of the posteriors of learned pseudo-inputs."""

from __future__ import annotations

from collections.abc import Mapping
from math import log, prod
from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array, backend_of
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.memory import BatchBuffers, FlatVector, Module, Shape
from scratchvae.memory.flat import Shapes
from scratchvae.probability.gaussian_mixture import GaussianMixture
from scratchvae.probability.posterior import DiagonalGaussian, Posterior
from scratchvae.probability.prior import Prior
from scratchvae.probability.split import SplitHalves
from scratchvae.validation import shorten


class VampPrior(Prior):
    """p(z) = (1/K) Σ_k q(z | u_k), with learned pseudo-inputs u_k. Tomczak and Welling 2018, eq. 9.

    shapes   z (B, Z)   log_p (B,)   u (K, D)
    saves    as `GaussianMixture`, and what the encoder saves for u
    writes   log_p | dz, du, and the encoder's gradient of log p, until `add_shared_gradients`

    pseudo_inputs   the initial u (K, D), such as some training rows, in the units of the encoder: if the model has a
                    scale, that of the scaled rows. They are learned like weights, and need not remain in the range of
                    the data

    The prior that maximizes the ELBO, for a given q, is the mean of q(z | x) over the data: the KL is then what z says
    about which x it is. K pseudo-inputs stand in for the data. q is the model's own posterior, a `DiagonalGaussian`, so
    that the weights of the encoder have two gradients: through the draw and through the prior. The KL has no closed
    form, and is estimated from the draw of z.

    Raises ConfigError, DTypeError or ShapeError.
    """

    u: Array
    du: Array
    shares_encoder: ClassVar[bool] = True

    def __init__(self, pseudo_inputs: Any) -> None:
        initial = np.asarray(pseudo_inputs)
        if initial.dtype.kind != "f":
            raise DTypeError(
                f"pseudo_inputs have dtype {shorten(initial.dtype, 40)}; expected floats in the units of the encoder: "
                "bytes are divided by 255"
            )
        if initial.ndim != 2 or not initial.size:
            raise ShapeError(
                f"pseudo_inputs have shape {shorten(initial.shape)}; expected (K, D): at least one row like those of "
                "the data, such as x_train[:500]"
            )
        if not np.isfinite(initial).all():
            raise ConfigError("pseudo_inputs have numbers that are not finite; expected rows without missing values")
        self.initial = initial.astype(np.float64)
        self.components, self.width = initial.shape
        self.mixture, self.split = GaussianMixture(self.components), SplitHalves()
        self._encoder: Any = None

    def config(self) -> dict[str, Any]:
        """K and D. The pseudo-inputs are parameters."""
        return {"components": self.components, "width": self.width}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> VampPrior:
        """Construct one with pseudo-inputs of zeros, to be overwritten."""
        return cls(np.zeros((config["components"], config["width"])))

    def noise(self, latent_dim: int) -> int:
        """Z + 1: one more number chooses the component."""
        return latent_dim + 1

    def children(self) -> dict[str, Module]:
        """The mixture and the split. The encoder is a part of the model."""
        return {"mixture": self.mixture, "split": self.split}

    def parameter_shapes(self) -> Shapes:
        """u (K, D)."""
        return {"u": (self.components, self.width)}

    def initial_values(self, rng: np.random.Generator) -> dict[str, Array]:
        """u = pseudo_inputs."""
        return {"u": self.initial}

    # u and x are rows of the same encoder, but of different batches: what it saves for the backward of x must remain.
    # So u passes through a second encoder of the same weights, with buffers and gradients of its own.
    def share_encoder(
        self,
        encoder: Module,
        posterior: Posterior,
        row_shape: Shape,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
    ) -> None:
        """Use this encoder of rows of `row_shape`, whose parameters and gradients are the views params and grads.

        Raises ConfigError.
        """
        if not isinstance(posterior, DiagonalGaussian):
            raise ConfigError(
                f"VampPrior needs the density of a DiagonalGaussian at any z, and the posterior is a "
                f"{shorten(type(posterior).__name__, 40)}: use another prior, such as MixturePrior"
            )
        if self.width != prod(row_shape):
            raise ConfigError(
                f"the pseudo_inputs of VampPrior have {self.width} numbers, and the rows of the model "
                f"{prod(row_shape)}: make them equal"
            )
        weight = next(iter(params.values()))
        xp = backend_of(weight, "the encoder").xp
        self._row_shape, self._encoder_grads = row_shape, grads
        self._own_grads = FlatVector(xp, encoder.all_parameter_shapes(), weight.dtype).views
        self._encoder = encoder.unbound_copy()
        self._encoder.bind_parameters(params, self._own_grads)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind the mixture for rows z, and the second encoder for the pseudo-inputs. Raises ConfigError."""
        if self._encoder is None:
            raise ConfigError("VampPrior needs the encoder of a model: pass it as VAE(prior=VampPrior(…))")
        self.mixture.bind(buffers, self.input_shape)
        of_inputs = buffers.resized(self.components)
        self.split.bind(of_inputs, self._encoder.bind(of_inputs, self._row_shape))
        self._log_w = buffers.vector(self.components, -log(self.components))

    def forward(self, z: Array) -> Array:
        """log p(z) (B,) from z (B, Z)."""
        self.check_inputs(z=z)
        return self.mixture.forward(z, self._log_w, *self._posteriors())

    # p depends on u and on the encoder through μ_k and log σ_k²:  du, dW, … = the encoder's backward of dμ, d log σ²
    def backward(self, dlog_p: Array) -> Array:
        """dz (B, Z) and du from dlog_p (B,)."""
        dz, _, dmu, dlogvar = self.mixture.backward(dlog_p)
        self.du[...] = self._encoder.backward(self.split.backward(dmu, dlogvar))
        return dz

    def add_shared_gradients(self) -> None:
        """Add the gradients of the last backward to those of the model's encoder, which has written its own."""
        for name, gradient in self._own_grads.items():
            self._encoder_grads[name] += gradient

    def draw(self, noise: Array) -> Array:
        """z (B, Z), a draw from p(z), as a function of standard normal noise (B, Z + 1)."""
        return self.mixture.draw(noise, self._log_w, *self._posteriors())

    def at_fixed_weights(self) -> Prior:
        """The mixture alone, whose components are encoded once."""
        return FixedMixture(self._log_w.copy(), *(array.copy() for array in self._posteriors()))

    def _posteriors(self) -> tuple[Array, Array]:
        """μ and log σ² (K, Z) of q(z | u_k)."""
        return self.split.forward(self._encoder.forward(self.u))


class FixedMixture(Prior):
    """log p(z) of a mixture of Gaussians that is not learned."""

    def __init__(self, log_w: Array, mu: Array, logvar: Array) -> None:
        self.arrays, self.mixture = (log_w, mu, logvar), GaussianMixture(len(mu))

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind the mixture."""
        self.mixture.bind(buffers, self.input_shape)

    def forward(self, z: Array) -> Array:
        """log p(z) (B,) from z (B, Z)."""
        self.check_inputs(z=z)
        return self.mixture.forward(z, *self.arrays)
