"""The interface of a likelihood."""

from __future__ import annotations

from math import inf, prod
from typing import Any, ClassVar

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array, backend_of
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.memory import Module, Shape, check_writable, optional, required
from scratchvae.probability.support import Support
from scratchvae.validation import shorten

# With the usual initial weights the output of a decoder varies by about 1 with z: little for a logit, but more than
# pixels in [0, 1] vary, if it is the mean of a Gaussian. The encoder then does best to keep its codes close together,
# away from the extremes of the decoder, and the rest of the prior is never learned: on the 8×8 digits, with σ learned,
# the final ELBO is 17 nats lower.
GAUSSIAN_OUTPUT_SCALE = 0.1


class Likelihood(Module):
    """p(x | z), independent over the dimensions of x, with parameters that the decoder computes from z.

    support                 smallest and largest value of x; (−∞, ∞) for any finite value
    noise                   noise of `draw`: "random", uniform on [0, 1), or "standard_normal"
    outputs_per_dimension   k, outputs of the decoder for each dimension of x: all first ones, then all second ones
    output_scale            factor of the initial weights of the decoder's last layer, or an array, one for each output
    input_dim               D, if the likelihood is for rows of one width only, else None
    keeps_units             True if x must not be shifted or scaled, as counts must not
    observed                mask (B, D) of the last forward, 0 where x was missing; None: x has no missing entries
    """

    support: ClassVar[tuple[float, float]] = (-inf, inf)
    noise: ClassVar[str] = "standard_normal"
    outputs_per_dimension: ClassVar[int] = 1
    output_scale: ClassVar[Any] = 1.0
    input_dim: int | None = None
    keeps_units: ClassVar[bool] = False
    observed: Array | None = None

    def outputs(self, input_dim: int) -> int:
        """The number of outputs of the decoder for rows of `input_dim` numbers."""
        return self.outputs_per_dimension * input_dim

    def supports(self, input_dim: int) -> tuple[Support, ...]:
        """The support of each block of columns of a row, from left to right."""
        return (Support(0, input_dim, *self.support),)

    def masked(self) -> Likelihood | None:
        """The likelihood of the observed part of rows with NaN; None: a `MaskedLikelihood`, which masks each entry."""
        return None

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row. Raises ShapeError for rows of a width that it does not take."""
        if self.input_dim is not None and prod(input_shape) != self.input_dim:
            raise ShapeError(
                f"{self._class_name()} was given rows of {prod(input_shape)} numbers; expected {self.input_dim}"
            )
        return ()

    @required
    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x | parameters) (B,), in nats, from the decoder's output (B, outputs) and x (B, D)."""
        raise NotImplementedError

    @required
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, outputs) from dlog_likelihood (B,); also writes the gradients of its own parameters."""
        raise NotImplementedError

    @optional
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,); the caller may write into it."""
        raise self._missing("backward_data(dlog_likelihood)", "the gradient with respect to x")

    @required
    def mean(self, parameters: Array, out: Array) -> Array:
        """E x (B, D), written into `out`: the reconstruction."""
        raise NotImplementedError

    def check_outputs(self, name: str, parameters: Array, **data: Array) -> Any:
        """Check the arguments of `mean` or `draw`, and return their array module.

        The parameters (B, outputs), called `name` in messages, and the data (B, D), `out` and noise, must have one
        dtype and device. Raises DeviceError, DTypeError, ReadOnlyError or ShapeError.
        """
        backend = self._buffers.backend if self._buffers else backend_of(parameters, name)
        backend.check_array(parameters, name)
        if parameters.dtype.kind != "f" or (self._buffers and parameters.dtype != self._buffers.dtype):
            dtype = self._buffers.dtype if self._buffers else "float64"
            actual = shorten(parameters.dtype, 40)
            raise DTypeError(f"{name} has dtype {actual}; expected {dtype}: convert it with .astype('{dtype}')")
        columns = parameters.shape[-1] if parameters.ndim else 0
        input_dim = self.input_width if self._buffers else self.input_dim or columns // self.outputs(1)
        width = self.outputs(input_dim)
        if parameters.ndim != 2 or not parameters.size or columns != width:
            raise ShapeError(f"{name} has shape {shorten(parameters.shape)}; expected (B, {width or 'D'}), B ≥ 1")
        for other, array in data.items():
            backend.check_array(array, other)
            if array.dtype != parameters.dtype:
                raise DTypeError(
                    f"{other} has dtype {shorten(array.dtype, 40)} and {name} {parameters.dtype}; convert one of them"
                )
            if array.shape != (len(parameters), input_dim):
                expected = (len(parameters), input_dim)
                raise ShapeError(f"{other} has shape {shorten(array.shape)}; expected {expected}")
        check_writable(out=data["out"])
        return backend.xp

    @staticmethod
    def check_mean(mean: Array) -> Array:
        """Return mean (D,) in float64. Raises DTypeError or ShapeError."""
        row = as_real_array("mean", mean)
        if row.ndim != 1:
            raise ShapeError(f"mean has shape {shorten(row.shape)}; expected (D,), the mean of the rows")
        return row.astype(np.float64)

    @optional
    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """x (B, D), a draw from p(x | parameters) as a function of noise (B, D), written into `out`."""
        raise self._missing("draw(parameters, noise, out)", "drawing x")

    def output_bias(self, mean: Array) -> Array:
        """An initial bias (outputs,) of the decoder's last layer with which E x is `mean` (D,), in float64 on the host.

        0 by default.
        """
        return np.zeros(self.outputs(len(mean)))

    def _missing(self, method: str, purpose: str) -> ConfigError:
        name = shorten(type(self).__name__, 40)
        return ConfigError(f"{name} has no {method}, which {purpose} needs: write it in the class")
