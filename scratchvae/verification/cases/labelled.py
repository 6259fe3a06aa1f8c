"""Checked layers, bounds and models that use class labels, and the softmax of a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.layers import ConditionalLinear, ConditionalSequential
from scratchvae.models.network import ACTIVATIONS, mlp, network
from scratchvae.probability import LogSoftmax, MarginalBound
from scratchvae.verification import formulas
from scratchvae.verification.cases.layers import SMOOTH
from scratchvae.verification.cases.random_inputs import random_one_hot, random_sizes
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import GradientProblem, VerificationCase, module_gradient_problem


class _ConditionalLinear(ConditionalLinear):
    """The layer with fixed one-hot rows `targets`; None applies all classes. Its parameters are inputs, like x."""

    def __init__(self, targets: Array | None, inputs: int, classes: int, outputs: int) -> None:
        super().__init__(inputs, classes, outputs)
        self.targets = targets

    def forward(self, x: Array, W: Array, V: Array) -> Array:  # type: ignore[override]
        """Return y from x, W and V."""
        targets = _matching_targets(self.targets, x)
        super().forward(x, targets)  # the first call allocates the parameters
        self.W[...], self.V[...] = W[: self.inputs], V[: self.classes]
        return super().forward(x, targets)


def _matching_targets(targets: Array | None, x: Array) -> Array | None:
    """Return `targets`, repeated to the number of rows of x, in the dtype of x."""
    return None if targets is None else np.resize(targets, (len(x), targets.shape[1])).astype(x.dtype)


def _with_all_classes(oracle: Oracle, x: Any, rows: int, classes: int) -> tuple[Any, Any]:
    """Return the rows of x once for each class, repeated by a matrix product, and the one-hot rows of the classes."""
    repeated = oracle.constant(np.tile(np.eye(rows), (classes, 1))) @ x
    return repeated, oracle.constant(np.repeat(np.eye(classes), rows, axis=0))


def _conditional_linear(rng: np.random.Generator, all_classes: bool) -> GradientProblem:
    rows, inputs, classes, outputs = random_sizes(rng, 4)
    targets = None if all_classes else random_one_hot(rng, rows, classes, unlabelled=True)

    def formula(oracle: Oracle) -> Any:
        def y(x: Any, W: Any, V: Any) -> Any:
            if targets is None:
                x, c = _with_all_classes(oracle, x, rows, classes)
            else:
                c = oracle.constant(targets)
            return formulas.conditional_affine(oracle, x, W, V, c)

        return y

    return module_gradient_problem(
        lambda: _ConditionalLinear(targets, inputs, classes, outputs),
        lambda layer, dy: [layer.backward(dy), layer.dW, layer.dV],
        formula,
        x=rng.standard_normal((rows, inputs)),
        W=rng.standard_normal((inputs, outputs)),
        V=rng.standard_normal((classes, outputs)),
    )


class _ConditionalNetwork(ConditionalSequential):
    """The network with fixed one-hot rows `targets`; None applies all classes. Its parameters are inputs, like x."""

    def __init__(self, targets: Array | None, *layers: Any) -> None:
        super().__init__(*layers)
        self.targets = targets

    def forward(self, x: Array, *params: Array) -> Array:  # type: ignore[override]
        """Return y from x and from each parameter, in order."""
        targets = _matching_targets(self.targets, x)
        super().forward(x, targets)  # the first call allocates the parameters
        for array, param in zip(self._arrays(""), params, strict=True):
            array[...] = param[: len(array)]
        return super().forward(x, targets)

    def gradients(self, dy: Array) -> list[Array]:
        """Return dx and the gradient of each parameter."""
        return [self.backward(dy), *self._arrays("d")]

    def _arrays(self, prefix: str) -> list[Array]:
        names = [name.split(".") for name in self.parameter_shapes()]
        return [getattr(self.layers[int(k)], prefix + name) for k, name in names]


def _conditional_sequential(rng: np.random.Generator, all_classes: bool) -> GradientProblem:
    rows, classes, *widths = random_sizes(rng, 6)
    activation = str(rng.choice(SMOOTH))
    targets = None if all_classes else random_one_hot(rng, rows, classes, unlabelled=True)
    shapes = network(mlp(widths, ACTIVATIONS[activation]), classes).parameter_shapes()

    def formula(oracle: Oracle) -> Any:
        def y(x: Any, *weights: Any) -> Any:
            params = {f"net.{name}": weight for name, weight in zip(shapes, weights, strict=True)}
            if targets is None:
                x, c = _with_all_classes(oracle, x, rows, classes)
            else:
                c = oracle.constant(targets)
            return formulas.mlp(oracle, params, "net", x, activation, c)

        return y

    return module_gradient_problem(
        lambda: _ConditionalNetwork(targets, *network(mlp(widths, ACTIVATIONS[activation]), classes).layers),
        lambda network, dy: network.gradients(dy),
        formula,
        x=rng.standard_normal((rows, widths[0])),
        **{name: rng.standard_normal(shape) for name, shape in shapes.items()},
    )


def _log_softmax(rng: np.random.Generator) -> GradientProblem:
    rows, classes = random_sizes(rng, 2)
    return module_gradient_problem(
        LogSoftmax,
        lambda module, dlog_q: [module.backward(dlog_q)],
        lambda oracle: oracle.log_softmax,
        logits=3 * rng.standard_normal((rows, 1 + classes)),  # at least two classes: with one, the gradient is 0
    )


class _MarginalBound(MarginalBound):
    """Evidence − β · divergence with fixed `targets`: both outputs combined into one."""

    def __init__(self, targets: Array, beta: float, alpha: float) -> None:
        self.targets, self.beta, self.alpha = targets, beta, alpha

    def forward(self, log_q: Array, log_likelihood: Array, kl: Array) -> Array:  # type: ignore[override]
        """Return the bound (B,)."""
        targets = np.resize(self.targets, log_q.shape).astype(log_q.dtype)
        evidence, divergence = super().forward(log_q, targets, log_likelihood, kl, self.alpha)
        bound: Array = evidence - self.beta * divergence
        return bound

    def gradients(self, dbound: Array) -> list[Array]:
        """Return the gradients of log_q, log_likelihood and kl."""
        return [*self.backward(dbound, -self.beta * dbound)]


def _marginal_bound(rng: np.random.Generator) -> GradientProblem:
    rows, classes = random_sizes(rng, 2)
    targets = random_one_hot(rng, rows, classes, unlabelled=True)
    beta, alpha = float(rng.choice([0.5, 1.0, 4.0])), float(rng.choice([0.0, 0.5, 20.0]))

    def formula(oracle: Oracle) -> Any:
        def bound(log_q: Any, log_likelihood: Any, kl: Any) -> Any:
            class_rows = [slice(k * rows, (k + 1) * rows) for k in range(classes)]
            terms = [(log_likelihood[s], kl[s]) for s in class_rows]
            return formulas.marginal_bound(oracle, np.e**log_q, log_q, targets, terms, beta, alpha)

        return bound

    return module_gradient_problem(
        lambda: _MarginalBound(targets, beta, alpha),
        lambda module, dbound: module.gradients(dbound),
        formula,
        log_q=-2 * rng.random((rows, classes)),
        log_likelihood=-5 * rng.random(rows * classes),
        kl=5 * rng.random(rows * classes),
    )


LABELLED = (
    VerificationCase(
        "ConditionalLinear", (ConditionalLinear,), lambda rng: _conditional_linear(rng, all_classes=False)
    ),
    VerificationCase(
        "ConditionalLinear, all classes", (ConditionalLinear,), lambda rng: _conditional_linear(rng, all_classes=True)
    ),
    VerificationCase(
        "ConditionalSequential", (ConditionalSequential,), lambda rng: _conditional_sequential(rng, all_classes=False)
    ),
    VerificationCase(
        "ConditionalSequential, all classes",
        (ConditionalSequential,),
        lambda rng: _conditional_sequential(rng, all_classes=True),
    ),
    VerificationCase("LogSoftmax", (LogSoftmax,), _log_softmax),
    VerificationCase("MarginalBound", (MarginalBound,), _marginal_bound),
)
