"""The likelihood of the observed entries of rows with missing values."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.kernels.missing import nan_to_zero, observed_mask
from scratchvae.memory import BatchBuffers, Module
from scratchvae.probability.likelihood import Likelihood
from scratchvae.probability.support import Support
from scratchvae.validation import check_type, shorten


def mask(likelihood: Likelihood) -> Likelihood:
    """The likelihood of the observed part of rows, in which NaN marks missing values. Raises ConfigError."""
    return likelihood.masked() or MaskedLikelihood(likelihood)


class MaskedLikelihood(Likelihood):
    """log p(x_o | z) of the observed entries x_o of a row; NaN marks missing ones. Mattei and Frellsen 2019.

    shapes   parameters (B, kD) with k = `outputs_per_dimension`   x (B, D)   log_likelihood (B,)
    saves    the mask of observed entries, and what `inner`, the likelihood of complete rows, saves
    writes   log_likelihood | dparameters, dx, both 0 where x is missing

    On complete rows it equals `inner`.
    """

    # Given z the entries are independent, so the missing ones integrate to 1:
    #   log p(x_o | z) = log ∫ Π_d p(x_d | z) dx_m = Σ_d m_d log p(x_d | z),   m_d = 1 if x_d is observed, else 0
    # `inner` sums the terms of a row. It is therefore applied to each entry as a row of its own, (B·D, 1), and the
    # terms are summed here. A missing entry is replaced by 0, which is in every support, and its term is masked.

    def __init__(self, inner: Likelihood) -> None:
        self.inner = check_type("inner", inner, Likelihood, "a likelihood, such as Bernoulli() or Gaussian(0.1)")
        if inner.masked() is not None:
            kind = shorten(type(inner).__name__)
            raise ConfigError(f"inner is a {kind}, which leaves out missing entries itself: use its masked()")
        self.support = inner.support  # type: ignore[misc]
        self.noise = inner.noise  # type: ignore[misc]
        self.outputs_per_dimension = inner.outputs_per_dimension  # type: ignore[misc]
        self.output_scale = inner.output_scale  # type: ignore[misc]
        self.keeps_units = inner.keeps_units  # type: ignore[misc]

    def supports(self, input_dim: int) -> tuple[Support, ...]:
        """Those of `inner`."""
        return self.inner.supports(input_dim)

    def masked(self) -> Likelihood:
        """The likelihood itself."""
        return self

    def children(self) -> dict[str, Module]:
        """`inner`, without a prefix for the names of its parameters."""
        return {"": self.inner}

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the filled x, the mask and the terms, and bind `inner` to B·D rows of one entry."""
        self._log_likelihood = buffers.column()
        self._x_filled, self._observed, self._terms = (buffers.matrix(self.input_width) for _ in range(3))
        self._ones = buffers.vector(self.input_width, 1.0)
        if self.outputs_per_dimension > 1:
            self._by_entry, self._by_output = (
                buffers.matrix(self.input_width * self.outputs_per_dimension) for _ in range(2)
            )
        self.inner.bind(BatchBuffers(buffers.backend, buffers.dtype, buffers.rows * self.input_width), (1,))

    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x_o | parameters) (B,) from parameters (B, kD) and x (B, D)."""
        rows = self.check_inputs(x=x)
        self.check_width(self.input_width * self.outputs_per_dimension, parameters=parameters)
        x_o, self.observed, terms = self._x_filled[:rows], self._observed[:rows], self._terms[:rows]
        log_likelihood = self._log_likelihood[:rows]
        nan_to_zero(self.xp, x, out=x_o, scratch=terms)
        observed_mask(self.xp, x, out=self.observed)
        entry_terms = self.inner.forward(self._entries(parameters), x_o.reshape(-1, 1))
        self.xp.multiply(entry_terms.reshape(rows, self.input_width), self.observed, out=terms)
        self.xp.matmul(terms, self._ones, out=log_likelihood)
        return log_likelihood

    # ∂ log p(x_o)/∂(log p(x_nd)) = m_nd   →  the gradient of each entry is dlog_likelihood_n · m_nd
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, kD) from dlog_likelihood (B,)."""
        return self._as_rows(self.inner.backward(self._entry_gradients(dlog_likelihood)))

    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        gradients = self._entry_gradients(dlog_likelihood)
        return self.inner.backward_data(gradients).reshape(self._rows, self.input_width)

    def mean(self, parameters: Array, out: Array) -> Array:
        """E x (B, D) of all entries, observed or missing, written into `out`."""
        self.check_outputs("parameters", parameters, out=out)
        self.check_inputs(out=out)
        self.inner.mean(self._entries(parameters), out.reshape(-1, 1))
        return out

    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """x (B, D), a draw of all entries, observed or missing, written into `out`."""
        self.check_outputs("parameters", parameters, out=out, noise=noise)
        self.check_inputs(out=out)
        self.inner.draw(self._entries(parameters), noise.reshape(-1, 1), out.reshape(-1, 1))
        return out

    def output_bias(self, mean: Array) -> Array:
        """The output bias of `inner`."""
        return self.inner.output_bias(mean)

    def _entry_gradients(self, dlog_likelihood: Array) -> Array:
        rows = self.check_gradients(dlog_likelihood=dlog_likelihood)
        gradients = self._terms[:rows]
        self.xp.multiply(self.observed, dlog_likelihood[:, None], out=gradients)
        return gradients.reshape(-1)

    # The k parameters of an entry are D columns apart in the decoder's output; `inner` needs them as a row (B·D, k).
    def _entries(self, parameters: Array) -> Array:
        k, rows = self.outputs_per_dimension, len(parameters)
        if k == 1:
            return parameters.reshape(-1, 1)
        by_entry = self._by_entry[:rows].reshape(rows, self.input_width, k)
        for j in range(k):
            by_entry[:, :, j] = parameters[:, j * self.input_width : (j + 1) * self.input_width]
        return by_entry.reshape(-1, k)

    def _as_rows(self, dentries: Array) -> Array:
        """Return the gradients (B·D, k) of all entries as dparameters (B, kD)."""
        k, rows = self.outputs_per_dimension, self._rows
        if k == 1:
            return dentries.reshape(rows, self.input_width)
        by_output, by_entry = self._by_output[:rows], dentries.reshape(rows, self.input_width, k)
        for j in range(k):
            by_output[:, j * self.input_width : (j + 1) * self.input_width] = by_entry[:, :, j]
        return by_output
