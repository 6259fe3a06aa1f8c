"""The KL divergence of a diagonal Gaussian from the standard normal."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.memory import BatchBuffers, Module, Shape, check_writable
from scratchvae.validation import shorten


class GaussianKL(Module):
    """KL(N(μ, σ² I) ‖ N(0, I)) of each row, in nats. Kingma and Welling 2013, appendix B.

    shapes   mu, logvar (B, Z)   kl (B,)   per_dimension (B, Z)
    saves    mu, by reference; σ² − 1
    writes   kl, per_dimension | dmu, dlogvar
    """

    # For one dimension, with q = N(μ, σ²) and p = N(0, 1), and ℓ = log σ²:
    #   KL = E_q[log q − log p] = E_q[−½ ℓ − (z − μ)²/(2σ²) + z²/2]
    #      = ½ (−ℓ − 1 + E_q z²) = ½ (μ² + σ² − 1 − ℓ)        since E_q z² = μ² + σ²
    # σ² − 1 is computed as expm1(ℓ), which is accurate where the posterior is close to the prior.

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the KL per row, and per row and dimension, σ² − 1 and both gradients."""
        self._kl = buffers.column()
        self._per_dimension = buffers.matrix(self.input_width)
        self._excess = buffers.matrix(self.input_width)
        self._dmu = buffers.matrix(self.input_width)
        self._dlogvar = buffers.matrix(self.input_width)
        self._ones = buffers.vector(self.input_width, 1.0)

    def forward(self, mu: Array, logvar: Array) -> Array:
        """kl (B,) from mu and logvar (B, Z); sets `per_dimension` (B, Z)."""
        rows = self.check_inputs(mu=mu, logvar=logvar)
        kl, per_dimension, excess = self._kl[:rows], self._per_dimension[:rows], self._excess[:rows]
        self.xp.expm1(logvar, out=excess)
        self.xp.multiply(mu, mu, out=per_dimension)
        per_dimension += excess
        per_dimension -= logvar
        per_dimension *= 0.5
        self.xp.matmul(per_dimension, self._ones, out=kl)
        self.mu, self.excess, self.per_dimension = mu, excess, per_dimension
        return kl

    def accumulate(self, sums: Array) -> None:
        """Add the KL of each row and dimension of the last forward to sums (B, Z)."""
        self.check_sums(sums)
        sums += self.per_dimension

    def check_sums(self, sums: Array) -> None:
        """Check the argument of `accumulate`. Raises DeviceError, DTypeError, ShapeError or ReadOnlyError."""
        if self._buffers is None or not self._rows:
            raise ShapeError("GaussianKL.accumulate was called before forward; call forward first")
        self._buffers.backend.check_array(sums, "sums")
        if sums.dtype.kind != "f":
            raise DTypeError(
                f"sums has dtype {shorten(sums.dtype, 40)}; expected floats: convert it with .astype('float64')"
            )
        if sums.shape != (self._rows, self.input_width):
            raise ShapeError(f"sums has shape {shorten(sums.shape)}; expected {(self._rows, self.input_width)}")
        check_writable(sums=sums)

    # ∂KL/∂μ = μ                     →  dμ = dkl · μ
    # ∂KL/∂ℓ = ½ (σ² − 1)            →  dℓ = dkl · ½ (σ² − 1)
    def backward(self, dkl: Array) -> tuple[Array, Array]:
        """dmu and dlogvar (B, Z) from dkl: (B,), or (B, Z) with respect to `per_dimension`."""
        dkl, rows = self.check_dkl(dkl), self._rows
        dmu, dlogvar = self._dmu[:rows], self._dlogvar[:rows]
        self.xp.multiply(self.mu, dkl, out=dmu)
        self.xp.multiply(self.excess, dkl, out=dlogvar)
        dlogvar *= 0.5
        return dmu, dlogvar

    def check_dkl(self, dkl: Array) -> Array:
        """Return dkl as (B, 1) or (B, Z). Raises DeviceError, DTypeError or ShapeError if it does not fit."""
        if getattr(dkl, "ndim", 1) == 2 and self._rows:
            self.check_width(self.input_width, dkl=dkl)
            return dkl
        self.check_gradients(dkl=dkl)
        return dkl[:, None]
