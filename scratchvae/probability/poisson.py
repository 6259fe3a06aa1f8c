"""The Poisson likelihood, for counts."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.kernels.log_gamma import Scratch, digamma
from scratchvae.probability.count_likelihood import MAX_LOG_RATE, CountLikelihood


class Poisson(CountLikelihood):
    """Independent counts x = 0, 1, 2, … with log rates a: log p(x | a) in nats.

    shapes   log rates a, x (B, D)   log_likelihood (B,)
    saves    log λ and x − λ; x, by reference
    writes   log_likelihood | da, dx

    For events of which each is independent of the others: photons, clicks, words. The variance is the mean; counts that
    vary more have a `NegativeBinomial`.

    library_size   L, None or a number: the rate is then exp(a) T/L for a row with the total T = Σ_d x_d, as in Poisson
                   regression with an offset, so that z need not encode how much was counted. `mean` and `draw` are
                   those of a row of the total L. Lopez et al. 2018

    Raises ConfigError.
    """

    # With the log rate ℓ = a + o, and o = log(T/L) or 0:
    #   log p(x) = x ℓ − exp(ℓ) − log x!
    # Beyond m = 70, exp is continued by its tangent, exp(m) (1 + ℓ − m), whose slope is exp(m): no ℓ overflows.

    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x | a) (B,) from the log rates a, `parameters`, and x (B, D)."""
        rows = self.check_inputs(parameters=parameters, x=x)
        log_likelihood, terms, derivative = self._log_likelihood[:rows], self._terms[:rows], self._derivative[:rows]
        rate, m, *scratch = (array[:rows] for array in self._work)
        log_rate = self.write_log_mean(parameters, x)
        self.xp.minimum(log_rate, MAX_LOG_RATE, out=m)
        self.xp.exp(m, out=rate)
        self.xp.subtract(x, rate, out=derivative)
        self.xp.subtract(log_rate, m, out=terms)
        terms += 1.0
        rate *= terms
        self.xp.multiply(x, log_rate, out=terms)
        terms -= rate
        terms -= self.log_factorial(x, m, tuple(scratch[:5]))
        self.xp.matmul(terms, self._ones, out=log_likelihood)
        self.derivative = derivative
        return log_likelihood

    # ∂ log p/∂a = x − λ                     →  da = dlog_likelihood · (x − λ): see `CountLikelihood`
    # ∂ log p/∂x = ℓ − ψ(x + 1), at fixed o
    def data_derivative(self, out: Array, scratch: tuple[Array, ...]) -> None:
        """Write ∂ log p/∂x (B, D) at fixed offsets into `out`; `scratch` are eight arrays."""
        successor, psi, *rest = scratch
        self.xp.add(self.x, 1.0, out=successor)
        digamma(self.xp, successor, psi, Scratch(*rest[:4]))
        self.xp.subtract(self.log_mean, psi, out=out)
