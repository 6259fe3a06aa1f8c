"""The evidence lower bound."""

from __future__ import annotations

from collections.abc import Callable

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.memory import BatchBuffers
from scratchvae.objectives.objective import ELBOTerms, Objective
from scratchvae.probability import FreeBits
from scratchvae.validation import check_float


class ELBO(Objective):
    """The negative ELBO, L = −(1/B) Σ_n (ℓ_n − w β KL_n). Kingma and Welling 2013; with β, Higgins et al. 2017.

    shapes   log_likelihood ℓ, kl, value (B,)   kl_per_dimension (B, Z)
    saves    nothing
    writes   value | dlog_likelihood, dkl

    beta        β; 1 gives the ELBO
    free_bits   nats of KL per latent dimension that are not penalized, on the batch mean: KL_n in L and in `value` is
                then the output of `FreeBits`; `kl` in the terms stays the KL
    w is the weight of the KL in training, which may be annealed from 0. Raises ConfigError.
    """

    def __init__(self, beta: float = 1.0, free_bits: float = 0.0) -> None:
        self.beta = check_float("beta", beta)
        self.free_bits = check_float("free_bits", free_bits)
        self.free = FreeBits(self.free_bits) if self.free_bits else None
        self.kl_per_dimension = self.free is not None

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the value and both gradients."""
        super().allocate(buffers)
        self._dlog_likelihood, self._dkl = buffers.column(), buffers.column()
        self._filled_for: tuple[int, float] | None = None  # rows and factor of the gradients in the buffers
        if self.free is not None and self.input_shape:
            self.free.bind(buffers, self.input_shape)

    @property
    def factor(self) -> float:
        """w β of the last forward."""
        return self.weight * self.beta

    def forward(
        self,
        log_likelihood: Array,
        kl: Array,
        kl_weight: float = 1.0,
        kl_per_dimension: Array | None = None,
        batch_mean: Callable[[Array], None] | None = None,
    ) -> ELBOTerms:
        """The terms of each row (B,); `batch_mean` is that of `FreeBits.forward`.

        Raises ConfigError for free bits without kl_per_dimension.
        """
        if self.free is not None and kl_per_dimension is None:
            raise ConfigError(
                f"an ELBO with free_bits={self.free_bits:g} needs kl_per_dimension, the KL of each latent dimension "
                "(B, Z): pass it, or leave free_bits out"
            )
        self.rows, self.weight = self.check_inputs(log_likelihood=log_likelihood, kl=kl), kl_weight
        penalized_kl = kl
        if self.free is not None and kl_per_dimension is not None:
            penalized_kl = self.free.forward(kl_per_dimension, batch_mean)
        value = self._value[: self.rows]
        self.add_kl(log_likelihood, penalized_kl, value)
        return ELBOTerms(value, log_likelihood, kl)

    def add_kl(self, log_likelihood: Array, penalized_kl: Array, value: Array) -> None:
        """Write ℓ − w β KL into `value` (B,)."""
        self.xp.multiply(penalized_kl, -self.factor, out=value)
        value += log_likelihood

    def with_unweighted_kl(self, terms: ELBOTerms) -> ELBOTerms:
        """The terms with value ℓ − β KL, overwritten in place: with w = 1 and without free bits."""
        self.xp.multiply(terms.kl, -self.beta, out=terms.value)
        self.xp.add(terms.value, terms.reconstruction, out=terms.value)
        return terms

    # L = −(1/B) Σ_n (ℓ_n − w β KL_n), hence for every row
    #   ∂L/∂ℓ_n  = −1/B
    #   ∂L/∂KL_n = w β/B
    def backward(self) -> tuple[Array, Array]:
        """dlog_likelihood (B,), and dkl (B,) or, with free bits, (B, Z)."""
        rows = self.check_forward()
        dlog_likelihood, dkl = self._dlog_likelihood[:rows], self._dkl[:rows]
        if self._filled_for != (rows, self.factor):  # they are constants, rewritten only when they change
            self._filled_for = rows, self.factor
            dlog_likelihood.fill(-1.0 / rows)
            dkl.fill(self.factor / rows)
        return dlog_likelihood, dkl if self.free is None else self.free.backward(dkl)
