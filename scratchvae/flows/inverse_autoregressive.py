"""The inverse autoregressive flow."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi, prod

from scratchvae.backend import Array
from scratchvae.errors import ShapeError
from scratchvae.flows.made import MADE
from scratchvae.kernels.logistic import sigmoid, softplus
from scratchvae.memory import BatchBuffers, Shape
from scratchvae.probability import Posterior, Reparameterize
from scratchvae.validation import check_int, check_ints, short_repr, suggest_arguments


class InverseAutoregressive(Posterior):
    """q(z | x) by an inverse autoregressive flow. Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling 2016.

        h = [μ, log σ², c],   z_0 = μ + σ ⊙ ε,   z_t = s_t ⊙ z_(t−1) + (1 − s_t) ⊙ m_t,   z = z_T

    shapes   h (B, 2Z + C)   eps, z (B, Z)   log_q (B,)
    saves    log σ², the inputs of the networks, s_t, z_(t−1) − m_t and Σ_t Σ_d log s_td; eps, by reference
    writes   z, log_q | dh, deps, and the gradients of the networks

    latent_dim   Z
    steps        T
    hidden       widths of the hidden layers of each network
    context      C, the width of c, which the encoder passes to the networks; None: Z

    m_t and s_t = sigmoid(a_t + 2) are outputs of a `MADE` of [z_(t−1), c], eq. 13 to 15. From step to step the order of
    the dimensions is reversed. At first a is about 0, so that s is 0.88, and q is nearly Gaussian. Raises ConfigError.
    """

    # m_t and s_t of dimension d depend on the dimensions before d of z_(t−1) alone, so that ∂z_t/∂z_(t−1) is
    # triangular, with s_t on its diagonal; reversing the order of the dimensions has a determinant of ±1. Hence
    #   log q(z) = log N(ε; 0, I) − log |det ∂z/∂ε| = −½ Σ_d (ε_d² + log 2π + log σ_d²) − Σ_t Σ_d log s_td

    @suggest_arguments
    def __init__(
        self, latent_dim: int, steps: int = 2, hidden: Sequence[int] = (320,), context: int | None = None
    ) -> None:
        self.latent_dim, self.steps = check_int("latent_dim", latent_dim), check_int("steps", steps)
        self.hidden = check_ints("hidden", hidden)
        self.context = self.latent_dim if context is None else check_int("context", context, minimum=0)
        self.reparameterize = Reparameterize()
        self.networks = [MADE(self.latent_dim, self.hidden, 2, self.context) for _ in range(self.steps)]

    def outputs(self, latent_dim: int) -> int:
        """O = 2Z + C."""
        return 2 * latent_dim + self.context

    def output_shape(self, input_shape: Shape) -> Shape:
        """(Z,), from (2Z + C,). Raises ShapeError."""
        expected = self.outputs(self.latent_dim)
        if prod(input_shape) != expected:
            raise ShapeError(
                f"InverseAutoregressive({self.latent_dim}) was given rows of width {short_repr(prod(input_shape))}; "
                f"expected {expected}: means, log-variances and a context of {self.context} numbers"
            )
        return (self.latent_dim,)

    def allocate(self, buffers: BatchBuffers) -> None:
        """Bind the networks; allocate, for each step, its input and s, and rows of Z numbers for the gradients."""
        Z, steps = self.latent_dim, range(self.steps)
        self.reparameterize.bind(buffers, (Z,))
        for network in self.networks:
            network.bind(buffers, (Z + self.context,))
        self._inputs = [buffers.matrix(Z + self.context) for _ in steps]
        self._s, self._difference = ([buffers.matrix(Z) for _ in steps] for _ in range(2))
        self._mu, self._logvar, self._z, self._dz, self._scratch = (buffers.matrix(Z) for _ in range(5))
        self._dcontext, self._dnetwork = buffers.matrix(self.context), buffers.matrix(2 * Z)
        self._dh, self._deps = buffers.matrix(self.input_width), buffers.matrix(Z)
        self._gradients: tuple[Array | None, Array | None] = None, None
        self._log_q, self._log_det, self._column = (buffers.column() for _ in range(3))
        self._minus_halves, self._minus_ones = buffers.vector(Z, -0.5), buffers.vector(Z, -1.0)

    def forward(self, h: Array, eps: Array) -> Array:
        """z (B, Z) from h (B, 2Z + C) and eps (B, Z)."""
        rows, Z, xp = self.check_inputs(h=h), self.latent_dim, self.xp
        self.check_width(Z, eps=eps)
        mu, logvar, z = self._mu[:rows], self._logvar[:rows], self._z[:rows]
        mu[...] = h[:, :Z]
        logvar[...] = h[:, Z : 2 * Z]
        self._gradients = None, None  # those of the last backward, to another draw
        self.eps, self.logvar, scratch, column = eps, logvar, self._scratch[:rows], self._column[:rows]
        log_det = self._log_det[:rows]
        log_det.fill(0.0)
        z[...] = self.reparameterize.forward(mu, logvar, eps)
        for t, network in enumerate(self.networks):
            x, s, difference = self._inputs[t][:rows], self._s[t][:rows], self._difference[t][:rows]
            x[:, :Z] = z[:, ::-1]
            x[:, Z:] = h[:, 2 * Z :]
            output = network.forward(x)
            xp.add(output[:, Z:], 2.0, out=z)
            sigmoid(xp, z, out=s)
            xp.negative(z, out=z)
            softplus(xp, z, out=difference, scratch=scratch)  # log s = −log(1 + exp(−(a + 2)))
            xp.matmul(difference, self._minus_ones, out=column)
            log_det += column
            xp.subtract(x[:, :Z], output[:, :Z], out=difference)  # z_(t−1) − m
            xp.multiply(s, difference, out=z)
            z += output[:, :Z]  # m + s (z_(t−1) − m)
        return z

    def log_prob(self) -> Array:
        """log q(z | x) (B,) of the last draw. Raises ShapeError."""
        if not hasattr(self, "eps"):
            raise ShapeError("InverseAutoregressive.log_prob was called before forward; call forward first")
        rows, xp = len(self.eps), self.xp
        log_q, terms = self._log_q[:rows], self._scratch[:rows]
        xp.multiply(self.eps, self.eps, out=terms)
        terms += self.logvar
        terms += log(2.0 * pi)
        xp.matmul(terms, self._minus_halves, out=log_q)
        log_q -= self._log_det[:rows]
        return log_q

    # For one step, with z′ = m + s (z − m) and s = sigmoid(a + 2):
    #   ∂z′/∂m = 1 − s                      →  dm = (1 − s) dz′
    #   ∂z′/∂s = z − m,  ∂ log q/∂s = −1/s,  ∂s/∂a = s (1 − s)
    #                                       →  da = (1 − s) (s (z − m) dz′ − dlog_q)
    #   ∂z′/∂z = s                          →  dz = s dz′ + what comes through the network's input
    # and for z_0 as in `DiagonalGaussian`, with ∂ log q/∂ log σ² = −½ and ∂ log q/∂ε = −ε at fixed z_0.
    def backward(self, dz: Array, dlog_q: Array | None = None) -> Array:
        """dh (B, 2Z + C) and the gradients of the networks, from dz (B, Z) and dlog_q (B,)."""
        rows, Z, xp = self.check_gradients(dz=dz), self.latent_dim, self.xp
        if dlog_q is not None:
            self._check_dlog_q(dlog_q)
        d, scratch, dcontext, dh = self._dz[:rows], self._scratch[:rows], self._dcontext[:rows], self._dh[:rows]
        d[...] = dz
        dcontext.fill(0.0)
        for t in reversed(range(self.steps)):
            s, dnetwork = self._s[t][:rows], self._dnetwork[:rows]
            dm, da = dnetwork[:, :Z], dnetwork[:, Z:]
            xp.multiply(s, self._difference[t][:rows], out=scratch)
            xp.multiply(scratch, d, out=da)
            if dlog_q is not None:
                da -= dlog_q[:, None]
            xp.subtract(1.0, s, out=scratch)
            da *= scratch
            xp.multiply(scratch, d, out=dm)
            dx = self.networks[t].backward(dnetwork)
            d *= s
            d += dx[:, :Z]
            dcontext += dx[:, Z:]
            scratch[...] = d[:, ::-1]
            d[...] = scratch
        self._dz_0, self._gradients = d, (dz, dlog_q)
        dh[:, :Z], dh[:, Z : 2 * Z] = self.reparameterize.backward(d)
        dh[:, 2 * Z :] = dcontext
        if dlog_q is not None:
            half = self._column[:rows]
            xp.multiply(dlog_q, 0.5, out=half)
            dh[:, Z : 2 * Z] -= half[:, None]
        return dh

    #   →  dε = dz_0 · σ − dlog_q · ε
    def backward_noise(self, dz: Array, dlog_q: Array | None = None) -> Array:
        """deps (B, Z) from the same gradients; if the last `backward` had others, it is done again."""
        if any(given is not last for given, last in zip((dz, dlog_q), self._gradients, strict=True)):
            self.backward(dz, dlog_q)
        deps, scratch = self._deps[: len(self.eps)], self._scratch[: len(self.eps)]
        deps[...] = self.reparameterize.backward_noise(self._dz_0)
        if dlog_q is not None:
            self.xp.multiply(self.eps, dlog_q[:, None], out=scratch)
            deps -= scratch
        return deps
