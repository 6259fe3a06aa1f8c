"""The density of a mixture of diagonal Gaussians."""

from __future__ import annotations

from math import log, pi

from scratchvae.backend import Array
from scratchvae.kernels.normal import normal_cdf
from scratchvae.memory import BatchBuffers, Module, Shape
from scratchvae.validation import check_int


class GaussianMixture(Module):
    """log p(z) = log Σ_k w_k N(z; μ_k, diag σ_k²) of each row z, in nats, for K components.

    shapes   z (B, Z)   log_w (K,)   mu, logvar (K, Z)   log_p (B,)
    saves    r (B, K), the probability of each component given z; z and mu, by reference; 1/σ² and μ/σ²
    writes   log_p | dz, dlog_w, dmu, dlogvar

    components   K

    The squares are multiplied out, (z − μ)² = z² − 2 z μ + μ², so that all work on B × K × Z numbers is done by matrix
    products. That loses digits of a component that is narrow and far from 0: the error of log p is about
    Σ_d (z_d² + μ_kd²)/σ_kd² times the rounding error of the dtype. Raises ConfigError.
    """

    # For one component, with ℓ = log σ²:
    #   a_k = log w_k + log N(z; μ_k, σ_k²) = log w_k − ½ Σ_d ((z_d − μ_kd)²/σ_kd² + ℓ_kd + log 2π)
    #       = Σ_d z_d² (−½/σ_kd²) + Σ_d z_d μ_kd/σ_kd² + c_k
    #   c_k = log w_k − ½ Σ_d (μ_kd²/σ_kd² + ℓ_kd + log 2π)
    # and log p = log Σ_k exp a_k, with the largest a_k taken out, so that no exponential overflows.

    def __init__(self, components: int) -> None:
        self.components = check_int("components", components)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate log p, rows of K and of Z numbers, and arrays of the shapes of mu and log_w."""
        width, of_components = self.input_width, buffers.resized(self.components)
        self._log_p, self._sum = buffers.column(), buffers.column()
        self._r, self._weighted = buffers.matrix(self.components), buffers.matrix(self.components)
        self._square, self._dz, self._scratch = (buffers.matrix(width) for _ in range(3))
        self._precision, self._scaled_mu, self._dmu, self._dlogvar, self._product = (
            of_components.matrix(width) for _ in range(5)
        )
        self._constant, self._dlog_w = of_components.column(), of_components.column()
        self._halves, self._ones = buffers.vector(width, -0.5), buffers.vector(self.components, 1.0)

    def forward(self, z: Array, log_w: Array, mu: Array, logvar: Array) -> Array:
        """log_p (B,) from z (B, Z), log_w (K,), mu and logvar (K, Z)."""
        rows, xp, shape = self.check_inputs(z=z), self.xp, (self.components, self.input_width)
        assert self._buffers is not None
        self._check_arrays(self._buffers, {"mu": mu, "logvar": logvar}, shape)
        self._check_arrays(self._buffers, {"log_w": log_w}, shape[:1])
        log_p, total, r, square = self._log_p[:rows], self._sum[:rows], self._r[:rows], self._square[:rows]
        precision, scaled_mu, constant, product = self._precision, self._scaled_mu, self._constant, self._product
        xp.negative(logvar, out=precision)
        xp.exp(precision, out=precision)
        xp.multiply(mu, precision, out=scaled_mu)
        xp.multiply(mu, scaled_mu, out=product)
        product += logvar
        xp.matmul(product, self._halves, out=constant)
        constant += log_w
        constant -= 0.5 * log(2.0 * pi) * self.input_width

        xp.multiply(z, z, out=square)
        xp.matmul(square, precision.T, out=self._weighted[:rows])
        xp.matmul(z, scaled_mu.T, out=r)
        self._weighted[:rows] *= 0.5
        r -= self._weighted[:rows]
        r += constant

        xp.max(r, axis=1, out=log_p)
        r -= log_p[:, None]
        xp.exp(r, out=r)
        xp.matmul(r, self._ones, out=total)
        r /= total[:, None]
        xp.log(total, out=total)
        log_p += total
        self.z, self.mu, self.r = z, mu, r
        return log_p

    # ∂ log p/∂a_k = exp a_k / Σ_j exp a_j = r_k, and
    #   ∂a_k/∂z_d    = (μ_kd − z_d)/σ_kd²                →  dz = (R 1/σ²) (−z) + R (μ/σ²)     with R_nk = dlog_p_n r_nk
    #   ∂a_k/∂log w_k = 1                                →  dlog_w_k = n_k                    with n_k = Σ_n R_nk
    #   ∂a_k/∂μ_kd   = (z_d − μ_kd)/σ_kd²                →  dμ = (Rᵀ z − n μ)/σ²
    #   ∂a_k/∂ℓ_kd   = ½ ((z_d − μ_kd)²/σ_kd² − 1)       →  dℓ = ½ ((Rᵀ z² − 2 μ Rᵀ z + n μ²)/σ² − n)
    def backward(self, dlog_p: Array) -> tuple[Array, Array, Array, Array]:
        """dz (B, Z), dlog_w (K,), dmu and dlogvar (K, Z) from dlog_p (B,)."""
        rows, xp = self.check_gradients(dlog_p=dlog_p), self.xp
        dz, scratch, weighted = self._dz[:rows], self._scratch[:rows], self._weighted[:rows]
        dlog_w, dmu, dlogvar, product = self._dlog_w, self._dmu, self._dlogvar, self._product
        xp.multiply(self.r, dlog_p[:, None], out=weighted)
        xp.matmul(weighted, self._precision, out=scratch)
        scratch *= self.z
        xp.matmul(weighted, self._scaled_mu, out=dz)
        dz -= scratch

        xp.sum(weighted, axis=0, out=dlog_w)
        n = dlog_w[:, None]
        xp.matmul(weighted.T, self.z, out=dmu)
        xp.matmul(weighted.T, self._square[:rows], out=dlogvar)
        xp.multiply(self.mu, n, out=product)  # n μ
        dmu -= product  # Rᵀ z − n μ
        product += dmu
        product += dmu  # 2 Rᵀ z − n μ
        product *= self.mu
        dlogvar -= product  # Rᵀ z² − 2 μ Rᵀ z + n μ²
        dlogvar *= self._precision
        dlogvar -= n
        dlogvar *= 0.5
        dmu *= self._precision
        return dz, dlog_w, dmu, dlogvar

    # A uniform number u = Φ(ε) chooses component k if w_1 + … + w_(k−1) ≤ u < w_1 + … + w_k.
    def draw(self, noise: Array, log_w: Array, mu: Array, logvar: Array) -> Array:
        """z (B, Z), a draw from the mixture as a function of standard normal noise (B, Z + 1), in a new array."""
        eps, u = noise[:, :-1], noise[:, -1]
        xp = self.xp
        u = normal_cdf(xp, u, xp.empty_like(u), (xp.empty_like(u), xp.empty_like(u)))
        k = (u[:, None] >= xp.exp(log_w).cumsum()[:-1]).sum(axis=1)
        z: Array = mu[k] + xp.exp(0.5 * logvar[k]) * eps
        return z
