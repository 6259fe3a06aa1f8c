"""The log-ratio of the prior and the posterior at a draw."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Module, Shape


class LogDensityRatio(Module):
    """log p(z) − log q(z | x) of each row in nats, at z = μ + σ ε, with p = N(0, I) and q = N(μ, σ² I).

    shapes   z, eps, logvar (B, Z)   log_ratio (B,)
    saves    z and eps, by reference
    writes   log_ratio | dz, deps, dlogvar

    Its mean over ε is −KL. The importance weight of a draw is p(x | z) p(z) / q(z | x).
    """

    # For one dimension, with ℓ = log σ² and (z − μ)/σ = ε, and ½ log 2π in both:
    #   log p − log q = −½ z² + ½ (ε² + ℓ)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the log-ratio, the terms of each dimension, and three gradients."""
        self._log_ratio = buffers.column()
        self._terms, self._dz, self._deps, self._dlogvar = (buffers.matrix(self.input_width) for _ in range(4))
        self._halves = buffers.vector(self.input_width, 0.5)

    def forward(self, z: Array, eps: Array, logvar: Array) -> Array:
        """log_ratio (B,) from z, eps and logvar (B, Z)."""
        rows = self.check_inputs(z=z, eps=eps, logvar=logvar)
        log_ratio, terms, scratch = self._log_ratio[:rows], self._terms[:rows], self._dz[:rows]
        self.xp.multiply(eps, eps, out=terms)
        self.xp.multiply(z, z, out=scratch)
        terms -= scratch
        terms += logvar
        self.xp.matmul(terms, self._halves, out=log_ratio)
        self.z, self.eps = z, eps
        return log_ratio

    # z, ε and ℓ are independent variables here; the dependence of z on μ, ℓ and ε belongs to `Reparameterize`
    #   ∂/∂z = −z                    →  dz = −dlog_ratio · z
    #   ∂/∂ε = ε                     →  dε = dlog_ratio · ε
    #   ∂/∂ℓ = ½                     →  dℓ = ½ dlog_ratio
    def backward(self, dlog_ratio: Array) -> tuple[Array, Array, Array]:
        """dz, deps and dlogvar (B, Z) from dlog_ratio (B,)."""
        rows = self.check_gradients(dlog_ratio=dlog_ratio)
        dz, deps, dlogvar = self._dz[:rows], self._deps[:rows], self._dlogvar[:rows]
        d = dlog_ratio[:, None]
        self.xp.multiply(self.z, d, out=dz)
        self.xp.negative(dz, out=dz)
        self.xp.multiply(self.eps, d, out=deps)
        dlogvar[...] = d
        dlogvar *= 0.5
        return dz, deps, dlogvar
