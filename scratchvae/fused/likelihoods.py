"""Fused likelihoods: log p of all rows in one launch, the gradient of the decoder's output in another."""

from __future__ import annotations

from math import log, nan
from typing import Any, ClassVar

from scratchvae.backend import Array
from scratchvae.fused import kernels as source
from scratchvae.fused.kernels import LikelihoodSource, fused_class, launch
from scratchvae.memory import BatchBuffers
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    GaussianDiagonal,
    GaussianHeteroscedastic,
    GaussianLearned,
    Likelihood,
    MaskedLikelihood,
    NegativeBinomial,
    Poisson,
    ScaledLikelihood,
)
from scratchvae.probability.count_likelihood import MIN_TOTAL, CountLikelihood


class FusedLikelihood(Likelihood):
    """A likelihood of independent dimensions, computed by the kernels of `sources`.

    saves     the decoder's output and x, by reference
    missing   log p of an entry that is NaN: NaN, or 0 if it counts as missing
    log_s     subtracted from log p of each observed entry: log s (D,) of a `ScaledLikelihood`, or 0
    """

    kernels: Any
    sources: ClassVar[LikelihoodSource]
    missing: float = nan
    log_s: Any = 0.0

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the buffers of the plain class, which `mean` and `draw` use, and the gradient of its parameters."""
        super().allocate(buffers)
        self._gradient = buffers.matrix(self.outputs(self.input_width))

    def settings(self, x: Array) -> tuple[Any, ...]:
        """The settings that the kernels read after x (B, D)."""
        return ()

    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x | parameters) (B,) from the decoder's output (B, outputs) and x (B, D)."""
        return self.evaluate(parameters, x)

    def evaluate(self, parameters: Array, x: Array) -> Array:
        """The same as `forward`, for a likelihood around this one."""
        rows = self.check_inputs(x=x)
        self.check_width(self.outputs(self.input_width), parameters=parameters)
        log_likelihood: Array = self._log_likelihood[:rows]
        self.arguments = (*self.by_parameter(parameters), x, *self.settings(x), self.log_s, self.missing)
        launch(self.kernels, self.sources.value, *self.arguments, log_likelihood)
        return log_likelihood

    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, outputs) from dlog_likelihood (B,)."""
        gradient = self._gradient[: self.check_gradients(dlog_likelihood=dlog_likelihood)]
        outputs = self.gradient_outputs(gradient)
        launch(self.kernels, self.sources.gradient, *self.arguments, dlog_likelihood[:, None], *outputs)
        return gradient

    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        dx: Array = self._dx[: self.check_gradients(dlog_likelihood=dlog_likelihood)]
        launch(self.kernels, self.sources.data_gradient, *self.arguments, dlog_likelihood[:, None], dx)
        return dx

    def by_parameter(self, outputs: Array) -> list[Array]:
        """The k parameters of each entry, (B, D) each: views of the decoder's output (B, kD)."""
        if self.outputs_per_dimension == 1:
            return [outputs]
        D = self.input_width
        return [outputs[:, j * D : (j + 1) * D] for j in range(self.outputs_per_dimension)]

    def gradient_outputs(self, gradient: Array) -> list[Array]:
        """The outputs of the kernel of the gradient (B, kD)."""
        return self.by_parameter(gradient)

    @property
    def observed(self) -> Array | None:  # type: ignore[override]
        """The mask (B, D) of the last forward, in a new array; None: no entry counts as missing."""
        if self.missing != 0.0:
            return None
        x = self.arguments[self.outputs_per_dimension]
        observed: Array = self.xp.empty(x.shape, x.dtype)
        launch(self.kernels, source.OBSERVED, x, observed)
        return observed


class FusedGaussian(FusedLikelihood, Gaussian):
    """Gaussian as a `FusedLikelihood`."""

    sources = source.GAUSSIAN

    def settings(self, x: Array) -> tuple[Any, ...]:
        """log σ² and 1/σ²."""
        return 2.0 * log(self.sigma), self.sigma**-2


class FusedGaussianLearned(FusedLikelihood, GaussianLearned):
    """GaussianLearned as a `FusedLikelihood`; dlogvar takes a sum over each row and a product more."""

    sources = source.GAUSSIAN_LEARNED

    def settings(self, x: Array) -> tuple[Any, ...]:
        """log σ² (1,)."""
        return (self.logvar,)

    def backward(self, dlog_likelihood: Array) -> Array:
        """dmu (B, D) from dlog_likelihood (B,); writes dlogvar."""
        gradient, excess = super().backward(dlog_likelihood), self._weight[: len(dlog_likelihood)]
        launch(self.kernels, source.GAUSSIAN_LEARNED_EXCESS, *self.arguments, excess)
        self.xp.matmul(dlog_likelihood, excess[:, None], out=self.dlogvar)
        return gradient


class FusedGaussianDiagonal(FusedLikelihood, GaussianDiagonal):
    """GaussianDiagonal as a `FusedLikelihood`, whose gradient also writes ∂ log p/∂(log σ²) of each entry."""

    sources = source.GAUSSIAN_DIAGONAL
    missing = 0.0

    def settings(self, x: Array) -> tuple[Any, ...]:
        """log σ² (D,)."""
        return (self.logvar,)

    def gradient_outputs(self, gradient: Array) -> list[Array]:
        """The gradient of the means, and ∂ log p/∂(log σ²) of each entry, both (B, D)."""
        return [gradient, self._square[: len(gradient)]]

    def backward(self, dlog_likelihood: Array) -> Array:
        """dmu (B, D) from dlog_likelihood (B,); writes dlogvar."""
        gradient = super().backward(dlog_likelihood)
        self.xp.matmul(dlog_likelihood, self._square[: len(gradient)], out=self.dlogvar)
        return gradient


class FusedCountLikelihood(FusedLikelihood, CountLikelihood):
    """Counts as a `FusedLikelihood`; with a `library_size`, the totals of the rows take two launches more."""

    def settings(self, x: Array) -> tuple[Any, ...]:
        """The total of each row (B, 1) and the log library size; without a library size, 1 and 0."""
        if self.library_size is None:
            return 1.0, 0.0
        total = self._total[: len(x)]
        launch(self.kernels, source.ROW_TOTAL, x, total)
        self.xp.maximum(total, MIN_TOTAL, out=total)
        return total[:, None], log(self.library_size)

    # x reaches the offset of its row through the total: see `CountLikelihood.backward_data`
    #   →  dx_d = dlog_likelihood · ∂ log p/∂x_d + (1/T) Σ_j da_j
    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        dx = super().backward_data(dlog_likelihood)
        if self.library_size is not None:
            through_total = self._offset[: len(dx)]
            da = self.by_parameter(self.backward(dlog_likelihood))[0]
            launch(self.kernels, source.ROW_TOTAL, da, through_total)
            through_total /= self._total[: len(dx)]
            dx += through_total[:, None]
        return dx


class FusedMaskedLikelihood(MaskedLikelihood):
    """MaskedLikelihood of a `FusedLikelihood`, which leaves out missing entries by itself."""

    inner: FusedLikelihood
    kernels: Any

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Construct it, not bound, from a `config()`; for another likelihood, the plain class."""
        if not isinstance(config["inner"], FusedLikelihood):
            return MaskedLikelihood.from_config(config)
        config["inner"].missing = 0.0
        return super().from_config(config)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind `inner` to the rows."""
        self.inner.bind(buffers, self.input_shape)

    @property
    def observed(self) -> Array | None:  # type: ignore[override]
        """The mask (B, D) of the last forward, in a new array."""
        return self.inner.observed

    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x_o | parameters) (B,) from parameters (B, kD) and x (B, D)."""
        self.check_inputs(x=x)
        return self.inner.evaluate(parameters, x)

    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, kD) from dlog_likelihood (B,)."""
        return self.inner.backward(dlog_likelihood)

    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        return self.inner.backward_data(dlog_likelihood)

    def mean(self, parameters: Array, out: Array) -> Array:
        """E x (B, D) of all entries, observed or missing, written into `out`."""
        return self.inner.mean(parameters, out)

    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """x (B, D), a draw of all entries, observed or missing, written into `out`."""
        return self.inner.draw(parameters, noise, out)


class FusedScaledLikelihood(ScaledLikelihood):
    """ScaledLikelihood of a `FusedLikelihood`, masked or not, which subtracts log s by itself."""

    kernels: Any

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Construct it, not bound, from a `config()`; for another likelihood, the plain class."""
        fused = isinstance(config["inner"], FusedLikelihood | FusedMaskedLikelihood)
        return super().from_config(config) if fused else ScaledLikelihood.from_config(config)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate log s, which `inner` reads, and bind `inner`."""
        super().allocate(buffers)
        inner = self.inner.inner if isinstance(self.inner, FusedMaskedLikelihood) else self.inner
        inner.log_s = self._log_s  # type: ignore[attr-defined]

    def forward(self, parameters: Array, u: Array) -> Array:
        """log p(x | parameters) (B,) from parameters (B, kD) and u (B, D)."""
        self.check_inputs(u=u)
        return self.inner.forward(parameters, u)


FUSED_LIKELIHOODS: dict[type[Any], type[Any]] = {
    Bernoulli: fused_class(FusedLikelihood, Bernoulli, source.BERNOULLI),
    ContinuousBernoulli: fused_class(FusedLikelihood, ContinuousBernoulli, source.CONTINUOUS_BERNOULLI),
    Gaussian: FusedGaussian,
    GaussianLearned: FusedGaussianLearned,
    GaussianDiagonal: FusedGaussianDiagonal,
    GaussianHeteroscedastic: fused_class(FusedLikelihood, GaussianHeteroscedastic, source.GAUSSIAN_HETEROSCEDASTIC),
    Poisson: fused_class(FusedCountLikelihood, Poisson, source.POISSON),
    NegativeBinomial: fused_class(FusedCountLikelihood, NegativeBinomial, source.NEGATIVE_BINOMIAL),
    MaskedLikelihood: FusedMaskedLikelihood,
    ScaledLikelihood: FusedScaledLikelihood,
}
