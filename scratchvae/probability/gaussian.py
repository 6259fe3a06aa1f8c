"""How far the posterior is from the prior."""

from __future__ import annotations

from scratchvae.backend import Array
from scratchvae.errors import DTypeError, ShapeError
from scratchvae.memory import BatchBuffers, Unit, require_writable


class GaussianKL(Unit):
    """KL(N(μ, σ² I) ‖ N(0, I)) in nats, a row at a time. Kingma and Welling 2013, appendix B.

    shapes   mu, logvar (B, Z)   kl (B,)   per_dimension (B, Z)
    keeps    mu, borrowed until backward returns; σ² − 1, its own
    writes   kl, per_dimension | adds to dmu, dlogvar
    """

    # For one dimension, with q = N(μ, σ²) and p = N(0, 1), and ℓ = log σ²:
    #   KL = E_q[log q − log p] = E_q[−½ ℓ − (z − μ)²/(2σ²) + z²/2]
    #      = ½ (−ℓ − 1 + E_q z²) = ½ (μ² + σ² − 1 − ℓ)        since E_q z² = μ² + σ²
    # σ² − 1 is expm1(ℓ), which keeps its digits where the posterior is close to the prior.

    def allocate(self, buffers: BatchBuffers, width: int) -> int:
        """Room for the KL of every row and dimension."""
        self._kl = buffers.column()
        self._per_dimension = buffers.matrix(width)
        self._excess = buffers.matrix(width)
        self._scratch = buffers.matrix(width)
        self._ones = buffers.vector(width, 1.0)
        return 0

    def forward(self, mu: Array, logvar: Array) -> Array:
        """kl (B,) from mu and logvar (B, Z); leaves the KL of each dimension in `per_dimension`, on the same loan."""
        rows = self.admit(mu=mu, logvar=logvar)
        kl, per_dimension, excess = self._kl[:rows], self._per_dimension[:rows], self._excess[:rows]
        self.xp.expm1(logvar, out=excess)
        self.xp.multiply(mu, mu, out=per_dimension)
        per_dimension += excess
        per_dimension -= logvar
        per_dimension *= 0.5
        self.xp.matmul(per_dimension, self._ones, out=kl)
        self.mu, self.excess, self.per_dimension = mu, excess, per_dimension
        return kl

    def tally(self, sums: Array) -> None:
        """Add to sums (B, Z) the KL of each row and dimension of the last forward."""
        self.admit_sums(sums)
        sums += self.per_dimension

    def admit_sums(self, sums: Array) -> None:
        """Let in what the KL of the last forward can be added to. Raises DeviceError, DTypeError or ShapeError."""
        if self._buffers is None or not self._rows:
            raise ShapeError("GaussianKL.tally was called before forward; call forward first")
        self._buffers.backend.require(sums, "sums")
        if sums.dtype.kind != "f":
            raise DTypeError(f"sums has dtype {sums.dtype}; convert it with .astype('float64')")
        if sums.shape != (self._rows, self.width):
            raise ShapeError(f"sums has shape {sums.shape}; expected {(self._rows, self.width)}")

    # ∂KL/∂μ = μ                     →  dμ += dkl · μ
    # ∂KL/∂ℓ = ½ (σ² − 1)            →  dℓ += dkl · ½ (σ² − 1)
    def add_backward(self, dkl: Array, dmu: Array, dlogvar: Array) -> None:
        """Add to dmu and dlogvar (B, Z) what dkl (B,) asks for: z has sent a gradient to both already."""
        self.admit_gradient(dkl=dkl)
        self.admit_as(self.width, dmu=dmu, dlogvar=dlogvar)
        self._add(dkl[:, None], dmu, dlogvar)

    def add_backward_per_dimension(self, dper_dimension: Array, dmu: Array, dlogvar: Array) -> None:
        """As `add_backward`, from a gradient dper_dimension (B, Z) of `per_dimension`."""
        self.admit_gradient_per_dimension(dper_dimension)
        self.admit_as(self.width, dmu=dmu, dlogvar=dlogvar)
        self._add(dper_dimension, dmu, dlogvar)

    def admit_gradient_per_dimension(self, dper_dimension: Array) -> None:
        """As `admit_gradient`, for a gradient with the shape of the last `per_dimension`."""
        if self._buffers is None or not self._rows:
            raise ShapeError("GaussianKL.add_backward_per_dimension was called before forward; call forward first")
        self._check(self._buffers, {"dper_dimension": dper_dimension}, (self._rows, self.width))

    def _add(self, dkl: Array, dmu: Array, dlogvar: Array) -> None:
        require_writable(dmu=dmu, dlogvar=dlogvar)
        scratch = self._scratch[: self._rows]
        self.xp.multiply(self.mu, dkl, out=scratch)
        dmu += scratch
        self.xp.multiply(self.excess, dkl, out=scratch)
        scratch *= 0.5
        dlogvar += scratch
