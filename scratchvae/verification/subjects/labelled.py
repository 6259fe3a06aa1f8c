"""What is told classes, or finds them: the layer, the softmax, the bounds, and whole models."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.layers import LabelledLinear
from scratchvae.models import ConditionalVAE, SemiSupervisedVAE
from scratchvae.models.labels import one_hot
from scratchvae.models.likelihoods import LIKELIHOODS
from scratchvae.models.network import ACTIVATIONS
from scratchvae.probability import LogSoftmax, MarginalBound
from scratchvae.verification import formulas
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, Subject, of_unit
from scratchvae.verification.subjects.draws import sizes
from scratchvae.verification.subjects.models import of_model


def _labels(rng: np.random.Generator, rows: int, classes: int, some: bool) -> Array:
    """One-hot rows (rows, classes), of which `some` may be zeros."""
    return one_hot(rng.integers(-1 if some else 0, classes, rows), np.empty((rows, classes)))


class _Labelled(LabelledLinear):
    """The layer, whose parameters are inputs like x, and rows of `told`, or, for None, each class."""

    def __init__(self, told: Array | None, inputs: int, classes: int, outputs: int) -> None:
        super().__init__(inputs, classes, outputs)
        self.told = told

    def forward(self, x: Array, W: Array, V: Array) -> Array:  # type: ignore[override]
        """y from x, W and V."""
        shape = self.inputs, self.outputs
        self.targets = None if self.told is None else np.resize(self.told, (len(x), self.classes)).astype(x.dtype)
        super().forward(x)  # binds at first use
        self.W[...], self.V[...] = W[: shape[0]], V[: self.classes]
        return super().forward(x)


def _labelled_linear(rng: np.random.Generator, each: bool) -> GradientProblem:
    rows, inputs, classes, outputs = sizes(rng, 4)
    told = None if each else _labels(rng, rows, classes, some=True)
    every = np.eye(classes)

    def formula(oracle: Oracle) -> Any:
        def y(x: Any, W: Any, V: Any) -> Any:
            if told is not None:
                return formulas.labelled_affine(oracle, x, W, V, oracle.constant(told))
            # row after row of x, each with each class, put in order by a product
            repeated = oracle.constant(np.tile(np.eye(rows), (classes, 1))) @ x
            return formulas.labelled_affine(oracle, repeated, W, V, oracle.constant(np.repeat(every, rows, axis=0)))

        return y

    return of_unit(
        lambda: _Labelled(told, inputs, classes, outputs),
        lambda layer, dy: [layer.backward(dy), layer.dW, layer.dV],
        formula,
        x=rng.standard_normal((rows, inputs)),
        W=rng.standard_normal((inputs, outputs)),
        V=rng.standard_normal((classes, outputs)),
    )


def _log_softmax(rng: np.random.Generator) -> GradientProblem:
    rows, classes = sizes(rng, 2)
    return of_unit(
        LogSoftmax,
        lambda unit, dlog_q: [unit.backward(dlog_q)],
        lambda oracle: oracle.log_softmax,
        logits=3 * rng.standard_normal((rows, 1 + classes)),  # of a single class there is no gradient
    )


class _Weighed(MarginalBound):
    """Evidence − β · divergence of rows of `targets`: both outputs in one."""

    def __init__(self, targets: Array, beta: float, alpha: float) -> None:
        self.targets, self.beta, self.alpha = targets, beta, alpha

    def forward(self, log_q: Array, log_likelihood: Array, kl: Array) -> Array:  # type: ignore[override]
        """The bound (B,)."""
        targets = np.resize(self.targets, log_q.shape).astype(log_q.dtype)
        evidence, divergence = super().forward(log_q, targets, log_likelihood, kl)
        bound: Array = evidence - self.beta * divergence
        return bound

    def gradients(self, dbound: Array) -> list[Array]:
        """Of log_q, log_likelihood and kl."""
        return [*self.backward(dbound, -self.beta * dbound)]


def _marginal_bound(rng: np.random.Generator) -> GradientProblem:
    rows, classes = sizes(rng, 2)
    targets = _labels(rng, rows, classes, some=True)
    beta, alpha = float(rng.choice([0.5, 1.0, 4.0])), float(rng.choice([0.0, 0.5, 20.0]))

    def formula(oracle: Oracle) -> Any:
        def bound(log_q: Any, log_likelihood: Any, kl: Any) -> Any:
            of_class = [slice(k * rows, (k + 1) * rows) for k in range(classes)]
            terms = [(log_likelihood[part], kl[part]) for part in of_class]
            return formulas.marginal_bound(oracle, np.e**log_q, log_q, targets, terms, beta, alpha)

        return bound

    return of_unit(
        lambda: _Weighed(targets, beta, alpha),
        lambda unit, dbound: unit.gradients(dbound),
        formula,
        log_q=-2 * rng.random((rows, classes)),
        log_likelihood=-5 * rng.random(rows * classes),
        kl=5 * rng.random(rows * classes),
    )


def _model(rng: np.random.Generator, kind: type[ConditionalVAE], **settings: Any) -> GradientProblem:
    batch, width, latent, depth = sizes(rng, 4)
    classes = 2 + int(rng.integers(3))
    model: Any = kind(
        input_dim=width,
        latent_dim=latent,
        hidden=sizes(rng, depth % 3),
        activation=str(rng.choice(list(ACTIVATIONS))),
        likelihood=str(rng.choice(list(LIKELIHOODS))),
        beta=float(rng.choice([0.5, 1.0, 4.0])),
        seed=int(rng.integers(1000)),
        dtype="float64",
        classes=classes,
        **settings,
    )
    model.theta[...] += 0.1 * rng.standard_normal(model.theta.size)  # biases too are away from zero
    some = kind is SemiSupervisedVAE
    model.loss_and_grads(rng.random((2 * batch, width)), labels=rng.integers(classes, size=2 * batch))
    targets = _labels(rng, batch, classes, some)
    x, eps = rng.random((batch, width)), rng.standard_normal((batch, latent))
    corrupted = rng.random((batch, width)) if rng.random() < 0.5 else None
    return of_model(model, x, eps, corrupted, float(rng.choice([0.25, 1.0])), targets=targets)


LABELLED = (
    Subject("LabelledLinear", (LabelledLinear,), lambda rng: _labelled_linear(rng, each=False)),
    Subject("LabelledLinear, each class", (LabelledLinear,), lambda rng: _labelled_linear(rng, each=True)),
    Subject("LogSoftmax", (LogSoftmax,), _log_softmax),
    Subject("MarginalBound", (MarginalBound,), _marginal_bound),
    Subject("ConditionalVAE", (ConditionalVAE,), lambda rng: _model(rng, ConditionalVAE)),
    Subject("SemiSupervisedVAE", (SemiSupervisedVAE,), lambda rng: _model(rng, SemiSupervisedVAE, alpha=0.7)),
)
