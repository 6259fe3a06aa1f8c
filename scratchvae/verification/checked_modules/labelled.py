"""What is given classes, or finds them: the layers, the softmax, the bounds, and whole models."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.layers import ConditionalLinear, ConditionalSequential
from scratchvae.models import ConditionalVAE, SemiSupervisedVAE
from scratchvae.models.network import conditional_mlp
from scratchvae.probability import LogSoftmax, MarginalBound
from scratchvae.verification import formulas
from scratchvae.verification.checked_modules.layers import SMOOTH
from scratchvae.verification.checked_modules.models import random_model
from scratchvae.verification.checked_modules.random_inputs import random_one_hot, random_sizes
from scratchvae.verification.model_problem import model_gradient_problem
from scratchvae.verification.oracles import Oracle
from scratchvae.verification.problem import CheckedModule, GradientProblem, module_gradient_problem


class _Conditional(ConditionalLinear):
    """The layer, whose parameters are inputs like x, and rows of `told`, or, for None, each class."""

    def __init__(self, told: Array | None, inputs: int, classes: int, outputs: int) -> None:
        super().__init__(inputs, classes, outputs)
        self.told = told

    def forward(self, x: Array, W: Array, V: Array) -> Array:  # type: ignore[override]
        """y from x, W and V."""
        targets = _as_tall(self.told, x)
        super().forward(x, targets)  # binds at first use
        self.W[...], self.V[...] = W[: self.inputs], V[: self.classes]
        return super().forward(x, targets)


def _as_tall(told: Array | None, x: Array) -> Array | None:
    """Rows of `told`, as many as x has, in its dtype."""
    return None if told is None else np.resize(told, (len(x), told.shape[1])).astype(x.dtype)


def _with_each_class(oracle: Oracle, x: Any, rows: int, classes: int) -> tuple[Any, Any]:
    """Row after row of x, for each class, put in order by a product; and the one-hot rows of those classes."""
    repeated = oracle.constant(np.tile(np.eye(rows), (classes, 1))) @ x
    return repeated, oracle.constant(np.repeat(np.eye(classes), rows, axis=0))


def _conditional_linear(rng: np.random.Generator, each: bool) -> GradientProblem:
    rows, inputs, classes, outputs = random_sizes(rng, 4)
    told = None if each else random_one_hot(rng, rows, classes, some=True)

    def formula(oracle: Oracle) -> Any:
        def y(x: Any, W: Any, V: Any) -> Any:
            x, c = _with_each_class(oracle, x, rows, classes) if told is None else (x, oracle.constant(told))
            return formulas.conditional_affine(oracle, x, W, V, c)

        return y

    return module_gradient_problem(
        lambda: _Conditional(told, inputs, classes, outputs),
        lambda layer, dy: [layer.backward(dy), layer.dW, layer.dV],
        formula,
        x=rng.standard_normal((rows, inputs)),
        W=rng.standard_normal((inputs, outputs)),
        V=rng.standard_normal((classes, outputs)),
    )


class _ConditionalChain(ConditionalSequential):
    """The network, whose parameters are inputs like x, and rows of `told`, or, for None, each class."""

    def __init__(self, told: Array | None, *layers: Any) -> None:
        super().__init__(*layers)
        self.told = told

    def forward(self, x: Array, *params: Array) -> Array:  # type: ignore[override]
        """y from x and from each parameter, in order."""
        targets = _as_tall(self.told, x)
        super().forward(x, targets)  # binds at first use
        for array, param in zip(self._each(""), params, strict=True):
            array[...] = param[: len(array)]
        return super().forward(x, targets)

    def gradients(self, dy: Array) -> list[Array]:
        """dx, and the gradient of each parameter."""
        return [self.backward(dy), *self._each("d")]

    def _each(self, d: str) -> list[Array]:
        names = [name.split(".") for name in self.parameter_shapes()]
        return [getattr(self.layers[int(k)], d + name) for k, name in names]


def _conditional_sequential(rng: np.random.Generator, each: bool) -> GradientProblem:
    rows, classes, *widths = random_sizes(rng, 6)
    activation, told = str(rng.choice(SMOOTH)), None if each else random_one_hot(rng, rows, classes, some=True)
    shapes = conditional_mlp(tuple(widths), classes, activation).parameter_shapes()

    def formula(oracle: Oracle) -> Any:
        def y(x: Any, *weights: Any) -> Any:
            named = {f"net.{name}": weight for name, weight in zip(shapes, weights, strict=True)}
            x, c = _with_each_class(oracle, x, rows, classes) if told is None else (x, oracle.constant(told))
            return formulas.mlp(oracle, named, "net", x, activation, c)

        return y

    return module_gradient_problem(
        lambda: _ConditionalChain(told, *conditional_mlp(tuple(widths), classes, activation).layers),
        lambda chain, dy: chain.gradients(dy),
        formula,
        x=rng.standard_normal((rows, widths[0])),
        **{name: rng.standard_normal(shape) for name, shape in shapes.items()},
    )


def _log_softmax(rng: np.random.Generator) -> GradientProblem:
    rows, classes = random_sizes(rng, 2)
    return module_gradient_problem(
        LogSoftmax,
        lambda unit, dlog_q: [unit.backward(dlog_q)],
        lambda oracle: oracle.log_softmax,
        logits=3 * rng.standard_normal((rows, 1 + classes)),  # of a single class there is no gradient
    )


class _Weighed(MarginalBound):
    """Evidence − β · divergence of rows of `targets`: both outputs in one."""

    def __init__(self, targets: Array, beta: float, alpha: float) -> None:
        self.targets, self.beta, self.weight = targets, beta, alpha

    def forward(self, log_q: Array, log_likelihood: Array, kl: Array) -> Array:  # type: ignore[override]
        """The bound (B,)."""
        targets = np.resize(self.targets, log_q.shape).astype(log_q.dtype)
        evidence, divergence = super().forward(log_q, targets, log_likelihood, kl, self.weight)
        bound: Array = evidence - self.beta * divergence
        return bound

    def gradients(self, dbound: Array) -> list[Array]:
        """Of log_q, log_likelihood and kl."""
        return [*self.backward(dbound, -self.beta * dbound)]


def _marginal_bound(rng: np.random.Generator) -> GradientProblem:
    rows, classes = random_sizes(rng, 2)
    targets = random_one_hot(rng, rows, classes, some=True)
    beta, alpha = float(rng.choice([0.5, 1.0, 4.0])), float(rng.choice([0.0, 0.5, 20.0]))

    def formula(oracle: Oracle) -> Any:
        def bound(log_q: Any, log_likelihood: Any, kl: Any) -> Any:
            of_class = [slice(k * rows, (k + 1) * rows) for k in range(classes)]
            terms = [(log_likelihood[part], kl[part]) for part in of_class]
            return formulas.marginal_bound(oracle, np.e**log_q, log_q, targets, terms, beta, alpha)

        return bound

    return module_gradient_problem(
        lambda: _Weighed(targets, beta, alpha),
        lambda unit, dbound: unit.gradients(dbound),
        formula,
        log_q=-2 * rng.random((rows, classes)),
        log_likelihood=-5 * rng.random(rows * classes),
        kl=5 * rng.random(rows * classes),
    )


def _model(rng: np.random.Generator, kind: type[ConditionalVAE], **settings: Any) -> GradientProblem:
    model, x, eps = random_model(rng, kind, classes=2 + int(rng.integers(3)), **settings)
    targets = random_one_hot(rng, len(x), model.classes, some=kind is SemiSupervisedVAE)
    corrupted = np.where(rng.random(x.shape) < 0.3, 0.0, x) if rng.random() < 0.5 else None
    return model_gradient_problem(model, x, eps, corrupted, float(rng.choice([0.25, 1.0])), targets=targets)


LABELLED = (
    CheckedModule("ConditionalLinear", (ConditionalLinear,), lambda rng: _conditional_linear(rng, each=False)),
    CheckedModule(
        "ConditionalLinear, all classes", (ConditionalLinear,), lambda rng: _conditional_linear(rng, each=True)
    ),
    CheckedModule(
        "ConditionalSequential", (ConditionalSequential,), lambda rng: _conditional_sequential(rng, each=False)
    ),
    CheckedModule(
        "ConditionalSequential, all classes",
        (ConditionalSequential,),
        lambda rng: _conditional_sequential(rng, each=True),
    ),
    CheckedModule("LogSoftmax", (LogSoftmax,), _log_softmax),
    CheckedModule("MarginalBound", (MarginalBound,), _marginal_bound),
    CheckedModule("ConditionalVAE", (ConditionalVAE,), lambda rng: _model(rng, ConditionalVAE)),
    CheckedModule("SemiSupervisedVAE", (SemiSupervisedVAE,), lambda rng: _model(rng, SemiSupervisedVAE, alpha=0.7)),
)
