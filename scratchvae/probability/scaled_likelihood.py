"""The likelihood of data in their own units, of which a model sees scaled rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend
from scratchvae.errors import ConfigError
from scratchvae.memory import BatchBuffers, Module
from scratchvae.probability.likelihood import Likelihood
from scratchvae.probability.support import Support
from scratchvae.validation import check_type, short_repr


class ScaledLikelihood(Likelihood):
    """log p(x | z) of x = m + s u, from the scaled rows u (B, D) and `inner`, the likelihood of u.

    shapes   parameters (B, kD) with k = `outputs_per_dimension`   u (B, D)   log_likelihood (B,)
    saves    what `inner` saves
    writes   log_likelihood | dparameters, du

    factor   s (D,), an array on the host; None: 1. `set_factor` changes it

    `mean` and `draw` are those of u.
    """

    # u = (x − m)/s is a change of variables, one for each entry. A density changes by the derivative du/dx = 1/s:
    #   p(x) = p(u) Π_d 1/s_d   →   log p(x) = log p(u) − Σ_d log s_d
    # A missing entry has no density, and its term is left out. s is a constant, so the gradients are those of `inner`.

    def __init__(self, inner: Likelihood, factor: Array | None = None) -> None:
        self.inner = check_type("inner", inner, Likelihood, "a likelihood, such as Gaussian()")
        self.support = inner.support  # type: ignore[misc]
        self.noise = inner.noise  # type: ignore[misc]
        self.outputs_per_dimension = inner.outputs_per_dimension  # type: ignore[misc]
        self.output_scale = inner.output_scale  # type: ignore[misc]
        self.keeps_units = inner.keeps_units  # type: ignore[misc]
        self.input_dim = inner.input_dim
        self.factor = _check_factor(factor)

    def outputs(self, input_dim: int) -> int:
        """Those of `inner`."""
        return self.inner.outputs(input_dim)

    def supports(self, input_dim: int) -> tuple[Support, ...]:
        """Those of `inner`, of u."""
        return self.inner.supports(input_dim)

    def children(self) -> dict[str, Module]:
        """`inner`, without a prefix for the names of its parameters."""
        return {"": self.inner}

    def set_factor(self, factor: Array | None) -> None:
        """Set s (D,), an array on the host; None: 1."""
        self.factor = _check_factor(factor)
        if self._buffers is not None:
            self._upload(self._buffers.backend)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate log s and the sum of its terms; bind `inner`."""
        self.inner.bind(buffers, (self.input_width,))
        self._log_s, self._log_volume = buffers.vector(self.input_width, 0.0), buffers.column()
        self._upload(buffers.backend)

    def _upload(self, backend: Backend) -> None:
        log_s = np.zeros(self.input_width) if self.factor is None else np.log(self.factor)
        backend.copy_from_host(self._log_s, log_s.astype(self._log_s.dtype))
        self._log_volume.fill(log_s.sum())

    def forward(self, parameters: Array, u: Array) -> Array:
        """log p(x | parameters) (B,) from parameters (B, kD) and u (B, D)."""
        rows = self.check_inputs(u=u)
        log_likelihood = self.inner.forward(parameters, u)
        log_volume = self._log_volume[:rows]  # Σ_d log s_d of all entries, or of the observed ones
        if self.inner.observed is not None:
            self.xp.matmul(self.inner.observed, self._log_s, out=log_volume)
        log_likelihood -= log_volume
        return log_likelihood

    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, kD) from dlog_likelihood (B,)."""
        return self.inner.backward(dlog_likelihood)

    def backward_data(self, dlog_likelihood: Array) -> Array:
        """du (B, D) from dlog_likelihood (B,)."""
        return self.inner.backward_data(dlog_likelihood)

    def mean(self, parameters: Array, out: Array) -> Array:
        """E u (B, D), written into `out`."""
        return self.inner.mean(parameters, out)

    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """u (B, D), a draw as a function of noise (B, D), written into `out`."""
        return self.inner.draw(parameters, noise, out)

    def output_bias(self, mean: Array) -> Array:
        """The output bias of `inner`, for the mean of u."""
        return self.inner.output_bias(mean)


def _check_factor(factor: Any) -> Array | None:
    if factor is None:
        return None
    try:
        array = np.asarray(factor, np.float64)
    except (TypeError, ValueError):
        array = np.empty(())
    if array.ndim != 1 or not (np.isfinite(array) & (array > 0)).all():
        raise ConfigError(f"factor={short_repr(factor)}: expected an array (D,) of positive numbers, or None")
    return array
