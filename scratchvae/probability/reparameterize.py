"""The reparameterization trick: a draw from the posterior that is differentiable in its parameters."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Module, Shape


class Reparameterize(Module):
    """A draw z ~ N(μ, σ² I) as a function of its noise, z = μ + σ ⊙ ε. Kingma and Welling 2013, sec. 2.4.

    shapes   mu, logvar, eps, z (B, Z)
    saves    σ; eps, by reference
    writes   z | dmu, dlogvar, deps

    The network outputs log σ², so σ = exp(½ log σ²). The noise is an argument: with ε ~ N(0, I), one row for each row
    of x, z has mean μ and standard deviation σ; at fixed ε, z is a differentiable function of μ and log σ².
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return input_shape

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate z, σ and three gradients."""
        self._z = buffers.matrix(self.input_width)
        self._sigma = buffers.matrix(self.input_width)
        self._dmu = buffers.matrix(self.input_width)
        self._dlogvar = buffers.matrix(self.input_width)
        self._deps = buffers.matrix(self.input_width)

    def forward(self, mu: Array, logvar: Array, eps: Array) -> Array:
        """z (B, Z) from mu, logvar and eps (B, Z)."""
        rows = self.check_inputs(mu=mu, logvar=logvar, eps=eps)
        z, sigma = self._z[:rows], self._sigma[:rows]
        self.xp.multiply(logvar, 0.5, out=sigma)
        self.xp.exp(sigma, out=sigma)
        self.xp.multiply(sigma, eps, out=z)
        z += mu
        self.sigma, self.eps = sigma, eps
        return z

    # z = μ + σ ε with σ = exp(½ ℓ), ℓ = log σ², hence
    #   ∂z/∂μ = 1                    →  dμ = dz
    #   ∂z/∂σ = ε,  ∂σ/∂ℓ = ½ σ      →  dℓ = dz · ½ σ ε
    def backward(self, dz: Array) -> tuple[Array, Array]:
        """dmu and dlogvar (B, Z) from dz (B, Z)."""
        rows = self.check_gradients(dz=dz)
        dmu, dlogvar = self._dmu[:rows], self._dlogvar[:rows]
        dmu[...] = dz
        self.xp.multiply(self.sigma, self.eps, out=dlogvar)
        dlogvar *= 0.5
        dlogvar *= dz
        return dmu, dlogvar

    # ∂z/∂ε = σ                      →  dε = dz · σ
    def backward_noise(self, dz: Array) -> Array:
        """deps (B, Z) from dz (B, Z)."""
        rows = self.check_gradients(dz=dz)
        deps = self._deps[:rows]
        self.xp.multiply(self.sigma, dz, out=deps)
        return deps
