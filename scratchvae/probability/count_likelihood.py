"""The base class of the likelihoods of counts: the offset of a row, the backward, and draws."""

from __future__ import annotations

from math import log

import numpy as np

from scratchvae.backend import Array, backend_of, to_numpy
from scratchvae.errors import ConfigError
from scratchvae.kernels.log_gamma import Scratch, log_gamma
from scratchvae.memory import BatchBuffers
from scratchvae.probability.count_quantiles import count_quantiles
from scratchvae.probability.likelihood import Likelihood
from scratchvae.probability.support import Support
from scratchvae.validation import check_positive

MAX_LOG_RATE = 70.0  # beyond which a rate does not grow, so that no output of a decoder overflows in float32
MIN_MEAN = 1e-3  # of the initial output: a column of zeros has no finite log rate
MIN_TOTAL = 1e-30  # of a row, so that its logarithm is finite
COUNT_OUTPUT_SCALE = 0.1  # an output that varies by 1 changes a rate by a factor of e, more than most counts vary


class CountLikelihood(Likelihood):
    """Counts x = 0, 1, 2, … whose mean has the logarithm a, an output of the decoder.

    With a `library_size` L, row n has the offset o_n = log(T_n/L), T_n = Σ_d x_nd: its log mean is a + o_n. L is the
    total of a typical row, such as the median. `mean` and `draw` are those of a row of that total.

    A subclass implements `forward`, which sets `derivative` to ∂ log p/∂a, and `data_derivative`.
    """

    support = (0.0, float("inf"))
    output_scale = COUNT_OUTPUT_SCALE
    keeps_units = True
    derivative: Array
    log_mean: Array

    def __init__(self, library_size: float | None = None) -> None:
        self.library_size = None if library_size is None else check_positive("library_size", library_size)

    def masked(self) -> None:
        """None: each entry is masked. Raises ConfigError with a `library_size`, since totals need complete rows."""
        if self.library_size is not None:
            raise ConfigError(
                f"library_size={self.library_size:g} needs the total of each row, which is unknown if values are "
                "missing: leave library_size out, or missing=True"
            )

    def supports(self, input_dim: int) -> tuple[Support, ...]:
        """Whole numbers from 0."""
        return (Support(0, input_dim, *self.support, whole=True),)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate one number per row, the log mean, its derivative, the gradients and work arrays."""
        self._log_likelihood, self._total, self._offset = (buffers.column() for _ in range(3))
        self._log_mean, self._derivative, self._terms, self._dx = (buffers.matrix(self.input_width) for _ in range(4))
        self._dparameters = buffers.matrix(self.outputs(self.input_width))
        self._work = tuple(buffers.matrix(self.input_width) for _ in range(8))
        self._ones = buffers.vector(self.input_width, 1.0)

    # log μ = a + o,   o = log T − log L
    def write_log_mean(self, a: Array, x: Array) -> Array:
        """log μ (B, D), valid until the next forward, from a and x (B, D)."""
        self.x, self.log_mean = x, self._log_mean[: len(x)]
        if self.library_size is None:
            self.log_mean[...] = a
            return self.log_mean
        total, offset = self._total[: len(x)], self._offset[: len(x)]
        self.xp.matmul(x, self._ones, out=total)
        self.xp.maximum(total, MIN_TOTAL, out=total)
        self.xp.log(total, out=offset)
        offset -= log(self.library_size)
        self.xp.add(a, offset[:, None], out=self.log_mean)
        return self.log_mean

    def log_factorial(self, x: Array, out: Array, scratch: tuple[Array, ...]) -> Array:
        """Write log x! = log Γ(x + 1) (B, D) into `out`, and return it; `scratch` are five arrays."""
        successor, *rest = scratch
        self.xp.add(x, 1.0, out=successor)
        return log_gamma(self.xp, successor, out, Scratch(*rest))

    # ∂ log p/∂a is saved by forward         →  da = dlog_likelihood · ∂ log p/∂a
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        da = self._dparameters[:rows]
        self.xp.multiply(self.derivative, dlog_likelihood[:, None], out=da)
        return da

    # x reaches log p directly and, since ∂o_n/∂x_nd = 1/T_n, through the offset of its row, which is added to every a:
    #   →  dx_d = dlog_likelihood · (∂ log p/∂x_d + (1/T) Σ_j ∂ log p/∂a_j)
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        dx = self._dx[:rows]
        self.data_derivative(dx, tuple(array[:rows] for array in self._work))
        if self.library_size is not None:
            through_total = self._offset[:rows]
            self.xp.matmul(self.derivative, self._ones, out=through_total)
            through_total /= self._total[:rows]
            dx += through_total[:, None]
        dx *= dlog_likelihood[:, None]
        return dx

    def data_derivative(self, out: Array, scratch: tuple[Array, ...]) -> None:
        """Write ∂ log p/∂x (B, D) at fixed offsets into `out`; `scratch` are eight arrays."""
        raise NotImplementedError

    def mean(self, parameters: Array, out: Array) -> Array:
        """E x = exp(a) (B, D), written into `out`."""
        xp = self.check_outputs("parameters", parameters, out=out)
        xp.minimum(parameters[:, : out.shape[1]], MAX_LOG_RATE, out=out)
        xp.exp(out, out=out)
        return out

    # P(F(x − 1) < u ≤ F(x)) = p(x) for u = Φ(ε), which is uniform
    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """x (B, D) from parameters (B, kD) and standard normal noise (B, D): see `count_quantiles`."""
        self.check_outputs("parameters", parameters, out=out, noise=noise)
        D = out.shape[1]
        host, eps = (to_numpy(array).astype(np.float64) for array in (parameters, noise))
        log_r = None if self.outputs_per_dimension == 1 else self.host_log_dispersion(host[:, D:]).ravel()
        counts = count_quantiles(host[:, :D].ravel(), log_r, eps.ravel()).reshape(eps.shape)
        backend_of(out, "out").copy_from_host(out, counts.astype(out.dtype))
        return out

    def host_log_dispersion(self, rho: Array) -> Array:
        """log r of the decoder's outputs for it, on the host."""
        raise NotImplementedError

    # With an offset, the mean over the rows of x_d is exp(a_d) T̄/L, T̄ being the mean total: a_d = log(mean_d L/T̄).
    def output_bias(self, mean: Array) -> Array:
        """The log mean of each column, of at least 0.001; with a `library_size` L, for rows of the total L."""
        mean = np.maximum(self.check_mean(mean), MIN_MEAN)
        if self.library_size is not None:
            mean = mean * (self.library_size / mean.sum())
        bias: Array = np.log(mean)
        return np.concatenate([bias, *[np.zeros_like(bias)] * (self.outputs_per_dimension - 1)])
