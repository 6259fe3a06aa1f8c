"""The likelihood of the entries that are observed."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.missing import nan_to_zero, observed_mask
from scratchvae.memory import BatchBuffers, Module
from scratchvae.probability.likelihood import Likelihood
from scratchvae.validation import check_type


class MaskedLikelihood(Likelihood):
    """log p(x_o | z), of the entries x_o of a row that are observed; NaN marks the others. Mattei and Frellsen 2019.

    shapes   parameters (B, kD) with k = `outputs_per_dimension`   x (B, D)   log_likelihood (B,)
    keeps    what `inner`, the likelihood of whole rows, keeps; where x is there, its own
    writes   log_likelihood | dparameters, dx, both 0 where x is missing

    With nothing missing it is `inner`.
    """

    # Given z the entries are independent, so that those which are missing integrate to 1, whatever else is observed:
    #   log p(x_o | z) = log ∫ Π_d p(x_d | z) dx_m = Σ_d m_d log p(x_d | z),   m_d = 1 where x_d is there, else 0
    # `inner` sums the terms of a row. Given each entry as a row of its own, (B·D, 1), it leaves them apart, to be
    # summed here; at a missing entry it is asked about 0, which every support holds, and its answer is not used.

    def __init__(self, inner: Likelihood) -> None:
        self.inner = check_type("inner", inner, Likelihood, "a likelihood, such as Bernoulli() or Gaussian(0.1)")
        self.support = inner.support  # type: ignore[misc]
        self.noise = inner.noise  # type: ignore[misc]
        self.outputs_per_dimension = inner.outputs_per_dimension  # type: ignore[misc]

    def children(self) -> dict[str, Module]:
        """`inner`, whose parameters keep their names."""
        return {"": self.inner}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Room for x and for each entry's weight and term, and what `inner` needs for so many rows of one entry."""
        self._log_likelihood = buffers.column()
        self._filled, self._observed, self._terms = (buffers.matrix(self.input_width) for _ in range(3))
        self._ones = buffers.vector(self.input_width, 1.0)
        if self.outputs_per_dimension > 1:
            self._apart, self._together = (
                buffers.matrix(self.input_width * self.outputs_per_dimension) for _ in range(2)
            )
        self.inner.bind(BatchBuffers(buffers.backend, buffers.dtype, buffers.rows * self.input_width), (1,))

    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x_o | parameters) (B,) from parameters (B, kD) and x (B, D)."""
        rows = self.check_inputs(x=x)
        self.check_width(self.input_width * self.outputs_per_dimension, parameters=parameters)
        x_o, self.observed, terms = self._filled[:rows], self._observed[:rows], self._terms[:rows]
        log_likelihood = self._log_likelihood[:rows]
        nan_to_zero(self.xp, x, out=x_o, scratch=terms)
        observed_mask(self.xp, x, out=self.observed)
        by_entry = self.inner.forward(self._entries(parameters), x_o.reshape(-1, 1))
        self.xp.multiply(by_entry.reshape(rows, self.input_width), self.observed, out=terms)
        self.xp.matmul(terms, self._ones, out=log_likelihood)
        return log_likelihood

    # ∂ log p(x_o)/∂(log p(x_nd)) = m_nd   →  of each entry, dlog_likelihood_n · m_nd
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, kD) from dlog_likelihood (B,)."""
        return self._rows_of(self.inner.backward(self._weights(dlog_likelihood)))

    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        weights = self._weights(dlog_likelihood)
        return self.inner.backward_data(weights).reshape(self._rows, self.input_width)

    def mean(self, parameters: Array, out: Array) -> Array:
        """E x (B, D), of all entries, whether there or not."""
        self.check_outputs("parameters", parameters, out=out)
        self.check_inputs(out=out)
        self.inner.mean(self._entries(parameters), out.reshape(-1, 1))
        return out

    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """x (B, D), of all entries, whether there or not."""
        self.check_outputs("parameters", parameters, out=out, noise=noise)
        self.check_inputs(out=out)
        self.inner.draw(self._entries(parameters), noise.reshape(-1, 1), out.reshape(-1, 1))
        return out

    def output_bias(self, mean: Array) -> Array:
        """That of `inner`."""
        return self.inner.output_bias(mean)

    def _weights(self, dlog_likelihood: Array) -> Array:
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        weights = self._terms[:rows]
        self.xp.multiply(self.observed, dlog_likelihood[:, None], out=weights)
        return weights.reshape(-1)

    # The decoder puts out all first numbers before all second: those of an entry lie D apart, and `inner` wants them
    # together.
    def _entries(self, parameters: Array) -> Array:
        k, rows = self.outputs_per_dimension, len(parameters)
        if k == 1:
            return parameters.reshape(-1, 1)
        apart = self._apart[:rows].reshape(rows, self.input_width, k)
        for j in range(k):
            apart[:, :, j] = parameters[:, j * self.input_width : (j + 1) * self.input_width]
        return apart.reshape(-1, k)

    def _rows_of(self, dentries: Array) -> Array:
        k, rows = self.outputs_per_dimension, self._rows
        if k == 1:
            return dentries.reshape(rows, self.input_width)
        together, dapart = self._together[:rows], dentries.reshape(rows, self.input_width, k)
        for j in range(k):
            together[:, j * self.input_width : (j + 1) * self.input_width] = dapart[:, :, j]
        return together
