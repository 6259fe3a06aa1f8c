"""The bound of a row with a known class, or with its class summed out."""

from __future__ import annotations

from math import log

from scratchvae.backend import Array
from scratchvae.memory import BatchBuffers, Module, Shape

LOWEST_LOG_Q = -1e30  # in the range of float32, with room for the weight α


class MarginalBound(Module):
    """The two bounds of Kingma, Rezende, Mohamed and Welling 2014, eq. 6 to 9, in nats, with a uniform prior p(y).

    shapes   log_q, targets c (B, K)   log_likelihood, kl (K·B,), class after class   evidence, divergence (B,)
    saves    u q, w and log q; the other inputs, by reference
    writes   evidence, divergence | dlog_q, dlog_likelihood, dkl

    A row of `targets` is one-hot if the class is known, and 0 otherwise. For each row and class, log_likelihood is
    log p(x | y, z) and kl is KL(q(z | x, y) ‖ p(z)). The bound is evidence − divergence:

        class         evidence                              divergence
        known         log p(x | y, z) + α log q(y | x)      KL(q(z | x, y) ‖ p(z)) − log p(y)
        unknown       Σ_y q(y | x) log p(x | y, z)          KL(q(y, z | x) ‖ p(y) p(z))

    alpha is the weight of the classifier on rows of known class.
    """

    # With u = 1 − Σ_k c_k, which is 0 if the class is known and else 1, and w_k = c_k + u q_k, both cases are
    #   evidence   E = Σ_k w_k ℓ_k + α Σ_k c_k log q_k
    #   divergence D = Σ_k w_k KL_k + u Σ_k q_k log q_k + log K         since −log p(y) = log K
    # in which u (log K + Σ q log q) = u (log K − H(q)) is KL(q(y | x) ‖ p(y)) of a row without a class.
    #
    # q log q → 0 for q → 0, but 0 · (−∞) is NaN. log q is therefore at least LOWEST_LOG_Q, a finite number whose
    # exponential is 0: then q log q and c log q are 0 for an impossible class.

    def output_shape(self, input_shape: Shape) -> Shape:
        """(): one number per row."""
        return ()

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the outputs, the gradients and work arrays."""
        self._evidence, self._divergence, self._u = (buffers.column() for _ in range(3))
        self._q, self._w, self._terms, self._log_q = (buffers.matrix(self.input_width) for _ in range(4))
        self._dlog_q, self._dlog_likelihood, self._dkl = (buffers.matrix(self.input_width) for _ in range(3))
        self._ones = buffers.vector(self.input_width, 1.0)

    def forward(
        self, log_q: Array, targets: Array, log_likelihood: Array, kl: Array, alpha: float = 1.0
    ) -> tuple[Array, Array]:
        """evidence and divergence (B,)."""
        rows = self.check_inputs(log_q=log_q, targets=targets)
        assert self._buffers is not None
        self._check_arrays(self._buffers, {"log_likelihood": log_likelihood, "kl": kl}, (self.input_width * rows,))
        self.c, self.log_q, self.alpha = targets, self._log_q[:rows], alpha
        self.log_likelihood, self.kl = self._per_row(log_likelihood, rows), self._per_row(kl, rows)
        evidence, divergence, u = self._evidence[:rows], self._divergence[:rows], self._u[:rows]
        q, w, terms = self._q[:rows], self._w[:rows], self._terms[:rows]

        self.xp.matmul(targets, self._ones, out=u)
        self.xp.subtract(1.0, u, out=u)
        log_q = self.xp.maximum(log_q, LOWEST_LOG_Q, out=self.log_q)
        self.xp.exp(log_q, out=q)
        q *= u[:, None]
        self.xp.add(targets, q, out=w)

        self.xp.multiply(targets, alpha, out=terms)
        terms *= log_q
        self._add_product(w, self.log_likelihood, terms)
        self.xp.matmul(terms, self._ones, out=evidence)

        self.xp.multiply(q, log_q, out=terms)
        self._add_product(w, self.kl, terms)
        self.xp.matmul(terms, self._ones, out=divergence)
        divergence += log(self.input_width)
        self.uq, self.w = q, w
        return evidence, divergence

    # ∂E/∂ℓ_k = ∂D/∂KL_k = w_k       →  dℓ_k = dE · w_k,  dKL_k = dD · w_k
    # and through w_k = c_k + u q_k, with ∂q_k/∂log q_k = q_k,
    #   ∂E/∂log q_k = u q_k ℓ_k + α c_k
    #   ∂D/∂log q_k = u q_k (KL_k + log q_k + 1)
    #                                →  dlog q_k = u q_k (dE ℓ_k + dD (KL_k + log q_k + 1)) + dE α c_k
    # Here the log q_k are independent variables; that the q_k sum to 1 is taken into account by LogSoftmax.
    def backward(self, devidence: Array, ddivergence: Array) -> tuple[Array, Array, Array]:
        """dlog_q (B, K), dlog_likelihood and dkl (K·B,) from devidence and ddivergence (B,)."""
        rows = self.check_gradients(devidence=devidence, ddivergence=ddivergence)
        dE, dD = devidence[:, None], ddivergence[:, None]
        dlog_q, terms = self._dlog_q[:rows], self._terms[:rows]
        self.xp.add(self.log_q, 1.0, out=dlog_q)
        dlog_q += self.kl
        dlog_q *= dD
        self.xp.multiply(self.log_likelihood, dE, out=terms)
        dlog_q += terms
        dlog_q *= self.uq
        self.xp.multiply(self.c, self.alpha, out=terms)
        terms *= dE
        dlog_q += terms

        return dlog_q, self._times_w(dE, self._dlog_likelihood), self._times_w(dD, self._dkl)

    def _times_w(self, gradient: Array, buffer: Array) -> Array:
        """Write w · gradient (B, 1) of each row and class into `buffer`, and return it as (K·B,)."""
        by_class = buffer[: len(gradient)].reshape(len(gradient) * self.input_width)
        self.xp.multiply(self.w, gradient, out=self._per_row(by_class, len(gradient)))
        return by_class

    def _per_row(self, by_class: Array, rows: int) -> Array:
        """Return a view (B, K) of (K·B,), class after class."""
        return by_class.reshape(self.input_width, rows).T

    def _add_product(self, a: Array, b: Array, total: Array) -> None:
        scratch = self._dlog_q[: len(a)]
        self.xp.multiply(a, b, out=scratch)
        total += scratch
