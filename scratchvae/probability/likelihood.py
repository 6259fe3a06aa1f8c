"""What every likelihood promises."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

import numpy as np

from scratchvae.arrays import as_real_array
from scratchvae.backend import Array, backend_of
from scratchvae.errors import ConfigError, DTypeError, ShapeError
from scratchvae.memory import Module, Shape, check_writable, required

# Weights as they are drawn let the output vary by about 1 with z: little for a logit, but as the mean of a Gaussian
# more than pixels in [0, 1] do. An encoder then does best to keep its codes together, away from where the decoder is
# wild, and what else the prior holds is never learnt: on the 8×8 digits, with σ learnt, the ELBO ends 17 nats lower.
GAUSSIAN_OUTPUT_SCALE = 0.1


class Likelihood(Module):
    """p(x | z), independent from dimension to dimension, given by the numbers that a decoder puts out for z.

    support                 the least and the largest number that x may hold; −∞ to ∞ for any that is finite
    noise                   of what kind `draw` wants it: "random", uniform on [0, 1), or "standard_normal"
    outputs_per_dimension   numbers that the decoder puts out for each dimension of x, all first ones before all second
    output_scale            what the decoder's last weights begin with, over what their initialiser draws
    """

    support: ClassVar[tuple[float, float]] = (-inf, inf)
    noise: ClassVar[str] = "standard_normal"
    outputs_per_dimension: ClassVar[int] = 1
    output_scale: ClassVar[float] = 1.0

    def output_shape(self, input_shape: Shape) -> Shape:
        """One number a row."""
        return ()

    @required
    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x | parameters) (B,), in nats, from the decoder's output and x (B, D)."""
        raise NotImplementedError

    @required
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters from dlog_likelihood (B,); sets the gradients of its own parameters too."""
        raise NotImplementedError

    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,); belongs to the caller."""
        raise self._lacks("backward_data(dlog_likelihood)", "the gradient with respect to x")

    @required
    def mean(self, parameters: Array, out: Array) -> Array:
        """E x (B, D), the picture that a decoder shows."""
        raise NotImplementedError

    def check_outputs(self, name: str, given: Array, **pictures: Array) -> Any:
        """The array module of what `mean` or `draw` was given, once it is known to fit.

        That is parameters (B, kD), by their `name`, and `out` and noise (B, D), all of one dtype and on one device.
        Raises DeviceError, DTypeError, ReadOnlyError or ShapeError.
        """
        backend = self._buffers.backend if self._buffers else backend_of(given, name)
        backend.check_array(given, name)
        if given.dtype.kind != "f" or (self._buffers and given.dtype != self._buffers.dtype):
            wanted = self._buffers.dtype if self._buffers else "float64"
            raise DTypeError(f"{name} has dtype {given.dtype}; convert it with .astype('{wanted}')")
        k = self.outputs_per_dimension
        width = k * self.input_width if self._buffers else given.shape[-1] if given.ndim else 0
        if given.ndim != 2 or not given.size or given.shape[1] != width or width % k:
            raise ShapeError(f"{name} has shape {given.shape}; expected (B, {width or 'D'}), B ≥ 1")
        for other, array in pictures.items():
            backend.check_array(array, other)
            if array.dtype != given.dtype:
                raise DTypeError(f"{other} has dtype {array.dtype} and {name} {given.dtype}; convert one of them")
            if array.shape != (len(given), width // k):
                raise ShapeError(f"{other} has shape {array.shape}; expected {(len(given), width // k)}")
        check_writable(out=pictures["out"])
        return backend.xp

    @staticmethod
    def check_mean(mean: Array) -> Array:
        """mean (D,) in float64. Raises DTypeError or ShapeError."""
        row = as_real_array("mean", mean)
        if row.ndim != 1:
            raise ShapeError(f"mean has shape {row.shape}; expected (D,), the mean of the rows")
        return row.astype(np.float64)

    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """A draw of x (B, D) from p(x | parameters), a function of its noise (B, D)."""
        raise self._lacks("draw(parameters, noise, out)", "drawing x")

    def output_bias(self, mean: Array) -> Array:
        """The bias that a decoder's last layer may begin with, in float64 on the host, so that E x is `mean` (D,).

        0, unless the subclass says otherwise.
        """
        return np.zeros(self.outputs_per_dimension * len(mean))

    def _lacks(self, method: str, what: str) -> ConfigError:
        return ConfigError(f"{type(self).__name__} has no {method}, which {what} needs: write it in the class")
