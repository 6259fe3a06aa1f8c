"""The negative binomial likelihood, for counts that vary more than those of a Poisson distribution."""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array
from scratchvae.kernels.bounded import bounded_logvar
from scratchvae.kernels.log_gamma import Scratch, digamma, log_gamma_ratio
from scratchvae.kernels.logistic import sigmoid, softplus
from scratchvae.memory import BatchBuffers
from scratchvae.probability.count_likelihood import CountLikelihood

MIN_LOG_DISPERSION = -12.0  # lower bound of log r: r > 6e-6
MAX_LOG_DISPERSION = 30.0  # r < 1e13, where the distribution is that of Poisson for any count that is practical


class NegativeBinomial(CountLikelihood):
    """Independent counts x = 0, 1, 2, … of mean μ and variance μ + μ²/r: log p(x | z) in nats. Lopez et al. 2018.

    shapes   parameters [a, ρ] (B, 2D)   x (B, D)   log_likelihood (B,)
    saves    log μ, log r, r, and ∂ log p/∂a and ∂ log p/∂ρ; x, by reference
    writes   log_likelihood | dparameters, dx

    A Poisson distribution whose rate varies, with a gamma distribution of shape r: counts that come in bursts, such as
    the molecules of a gene in a cell. a = log μ, and ρ is close to log r, where log r = L + softplus(ρ − L) with
    L = −12: r > 6e-6, and the derivative is positive everywhere, so that a collapsed r can grow again. For large r the
    distribution is that of `Poisson`; r ends at 1e13, beyond which ρ has no effect.

    Where r is small, most counts are 0 whatever μ is, so that a model that overfits may have huge means there.

    library_size   L, None or a number: μ is then exp(a) T/L for a row with the total T = Σ_d x_d: see `Poisson`

    Raises ConfigError.
    """

    outputs_per_dimension = 2

    # Gamma(r, r/μ) is the distribution of the rate λ. Integrated over λ:
    #   p(x) = Γ(x + r)/(Γ(r) x!) (r/(r + μ))ʳ (μ/(r + μ))ˣ
    # With t = log μ − log r,  log(1 + μ/r) = softplus(t)  and  D(x, r) = log Γ(x + r) − log Γ(r) − x log r:
    #   log p(x) = x log μ − (x + r) softplus(t) + D(x, r) − log x!
    # where no term but D is a difference of large numbers: see `log_gamma_ratio`. For r → ∞, D is 0 and r softplus(t)
    # is μ, which is the Poisson distribution.

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the buffers of the base class, and those of the dispersion."""
        super().allocate(buffers)
        self._log_r, self._r, self._rho_derivative, self._more = (buffers.matrix(self.input_width) for _ in range(4))

    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x | z) (B,) from parameters (B, 2D) and x (B, D)."""
        rows, D = self.check_inputs(x=x), self.input_width
        self.check_width(2 * D, parameters=parameters)
        log_likelihood, terms, derivative = self._log_likelihood[:rows], self._terms[:rows], self._derivative[:rows]
        log_r, r, rho_derivative = self._log_r[:rows], self._r[:rows], self._rho_derivative[:rows]
        work, dlog_r = tuple(array[:rows] for array in self._work), self._more[:rows]
        log_mean = self.write_log_mean(parameters[:, :D], x)
        self.write_log_dispersion(parameters[:, D:], log_r, rho_derivative, (r, work[0]))
        self.xp.exp(log_r, out=r)
        log_gamma_ratio(self.xp, r, x, terms, dlog_r, work)
        terms -= self.log_factorial(x, derivative, work[:5])

        t, growth, size, p, q = work[:5]
        self.xp.subtract(log_mean, log_r, out=t)
        softplus(self.xp, t, out=growth, scratch=size)
        self.xp.add(x, r, out=size)
        sigmoid(self.xp, t, out=p)
        self.xp.negative(t, out=t)
        sigmoid(self.xp, t, out=q)
        self.xp.multiply(x, log_mean, out=derivative)
        terms += derivative
        self.xp.multiply(size, growth, out=derivative)
        terms -= derivative
        self.xp.matmul(terms, self._ones, out=log_likelihood)

        self.xp.multiply(size, p, out=derivative)
        dlog_r += derivative
        growth *= r
        dlog_r -= growth
        rho_derivative *= dlog_r
        self.xp.multiply(x, q, out=derivative)
        p *= r
        derivative -= p
        self.derivative, self.rho_derivative = derivative, rho_derivative
        self.log_r, self.r = log_r, r
        return log_likelihood

    # log r = min(L + softplus(ρ − L), 30)
    def write_log_dispersion(self, rho: Array, log_r: Array, derivative: Array, scratch: tuple[Array, Array]) -> None:
        """Write log r into `log_r` and d log r/dρ into `derivative`."""
        below = scratch[0]
        bounded_logvar(self.xp, rho, MIN_LOG_DISPERSION, log_r, below, derivative, scratch[1])
        self.xp.less(log_r, MAX_LOG_DISPERSION, out=below)
        derivative *= below
        self.xp.minimum(log_r, MAX_LOG_DISPERSION, out=log_r)

    # With p = σ(t) = μ/(r + μ) and 1 − p = σ(−t), two derivatives that forward saves:
    # ∂ log p/∂a = x − (x + r) p = x (1 − p) − r p                          →  da = dlog_likelihood · ∂ log p/∂a
    # ∂ log p/∂log r = (x + r) p − r softplus(t) + r (ψ(x + r) − ψ(r)) − x
    # ∂ log p/∂ρ = ∂ log p/∂log r · d log r/dρ                              →  dρ = dlog_likelihood · ∂ log p/∂ρ
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, 2D) from dlog_likelihood (B,)."""
        rows, D = self.check_gradients(dlog_likelihood=dlog_likelihood), self.input_width
        dparameters, half = self._dparameters[:rows], self._terms[:rows]
        for derivative, columns in ((self.derivative, slice(None, D)), (self.rho_derivative, slice(D, None))):
            self.xp.multiply(derivative, dlog_likelihood[:, None], out=half)
            dparameters[:, columns] = half  # with out=dparameters[:, columns], NumPy would allocate a temporary array
        return dparameters

    # ∂ log p/∂x = log μ − softplus(t) + ψ(x + r) − log r − ψ(x + 1) = −softplus(−t) + ψ(x + r) − ψ(x + 1), at fixed o
    def data_derivative(self, out: Array, scratch: tuple[Array, ...]) -> None:
        """Write ∂ log p/∂x (B, D) at fixed offsets into `out`; `scratch` are eight arrays."""
        argument, psi, *rest = scratch
        self.xp.subtract(self.log_r, self.log_mean, out=argument)
        softplus(self.xp, argument, out=out, scratch=psi)
        self.xp.negative(out, out=out)
        self.xp.add(self.x, self.r, out=argument)
        out += digamma(self.xp, argument, psi, Scratch(*rest[:4]))
        self.xp.add(self.x, 1.0, out=argument)
        out -= digamma(self.xp, argument, psi, Scratch(*rest[:4]))

    def host_log_dispersion(self, rho: Array) -> Array:
        """log r of the decoder's outputs for it, on the host."""
        log_r: Array = MIN_LOG_DISPERSION + np.logaddexp(0.0, rho - MIN_LOG_DISPERSION)
        return np.minimum(log_r, MAX_LOG_DISPERSION)
