"""Check an optimizer: the properties that every update rule of a vector has, and agreement with a reference."""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError, DeviceError
from scratchvae.gradcheck import checks
from scratchvae.gradcheck.finite_difference import Array
from scratchvae.gradcheck.parts import BACKENDS, place_of
from scratchvae.gradcheck.report import AGREES, NOT_FINITE, WRONG, Argument, Report
from scratchvae.gradcheck.tolerance import AUTODIFF
from scratchvae.validation import check_choice, check_int, check_seed, shorten, suggest_arguments

SIZE = 12  # numbers in θ
TOLERANCE = AUTODIFF["float64"]


@suggest_arguments
def check_optimizer(
    optimizer: Any,
    *,
    reference: Callable[..., Any] | None = None,
    backend: str = "numpy",
    steps: int = 20,
    seed: int = 0,
) -> Report:
    """Check an optimizer, which has bind(xp, theta) and step(dtheta) and updates θ (P,) in place.

    in place     the array that was bound is updated
    gradient     step does not change dθ
    descent      `steps` updates reduce a convex quadratic
    order        reordering the numbers of θ reorders the result: each is treated as the others are
    resumption   an optimizer with a copy of `state` and `t` continues with the same bits, if it has a `state`; `t`
                 counts the steps
    learning     half the learning rate halves the first update, if it has a number `lr`
    float32      the updates are those in float64, to 1e-4
    backend      with backend="fake-cupy" or "cupy": the updates there are those in NumPy
    reference    with `reference`, a function of a list with one tensor that makes a PyTorch optimizer, such as
                 lambda params: torch.optim.Adam(params, lr=1e-3): the updates are equal to 1e-12

    The optimizer itself is not changed. Raises ConfigError for an object that is no optimizer, or that is bound.
    """
    checks.check_methods("optimizer", optimizer, ("bind", "step"), "an optimizer with bind(xp, theta) and step(dtheta)")
    check_choice("backend", backend, BACKENDS)
    check_int("steps", steps)
    check_seed(seed)
    if reference is not None:
        checks.check_call("reference", reference, ("params",))
    return _OptimizerCheck(optimizer, steps, seed).report(reference, backend)


class _OptimizerCheck:
    def __init__(self, optimizer: Any, steps: int, seed: int) -> None:
        self.optimizer, self.steps, self.seed = optimizer, steps, seed
        rng = np.random.default_rng(seed)
        self.theta = rng.standard_normal(SIZE)
        self.curvature = rng.uniform(0.5, 2.0, SIZE)
        self.gradients = rng.standard_normal((steps, SIZE))
        self.results: list[Argument] = []
        self.notes: list[str] = []

    def report(self, reference: Callable[..., Any] | None, backend: str) -> Report:
        """Check every property."""
        expected = self.updated(self.theta, self.gradients)
        self.check_in_place_and_gradient()
        self.check_descent()
        order = np.random.default_rng(self.seed).permutation(SIZE)
        self.compare("order", self.updated(self.theta[order], self.gradients[:, order]), expected[order], TOLERANCE)
        self.check_resumption(expected)
        self.check_learning_rate()
        single = self.updated(self.theta.astype(np.float32), self.gradients.astype(np.float32))
        self.compare("float32", single, expected, AUTODIFF["float32"])
        if backend != "numpy":
            self.compare("backend", self.updated(self.theta, self.gradients, backend), expected, TOLERANCE)
        if reference is not None:
            self.compare("reference", expected, self.reference_result(reference), TOLERANCE)
        return Report(
            arguments=tuple(self.results),
            tolerance=TOLERANCE,
            seed=self.seed,
            directions=self.steps,
            precision="double",
            notes=tuple(self.notes),
            subject="property",
        )

    def fresh(self) -> Any:
        """A copy of the optimizer, not bound."""
        try:
            return copy.deepcopy(self.optimizer)
        except Exception as error:  # a user's class may raise anything
            raise ConfigError(
                f"{type(self.optimizer).__name__} cannot be copied ({shorten(error, 90)}); pass one that is not bound"
            ) from None

    def updated(self, theta: Array, gradients: Array, backend: str = "numpy") -> Array:
        """θ after one step with each gradient."""
        from scratchvae.backend import get_backend, to_numpy

        optimizer, device = self.fresh(), get_backend(backend)
        on_device = device.upload(theta)
        try:
            optimizer.bind(device.xp, on_device)
            for gradient in gradients:
                optimizer.step(device.upload(gradient))
        except (TypeError, AttributeError, ValueError) as error:
            if device.on_host:
                raise
            raise DeviceError(
                f"{type(optimizer).__name__} fails on {backend}{place_of(error)}: {shorten(error, 90)}; an optimizer "
                "must use the array module xp that bind is given"
            ) from error
        return np.array(to_numpy(on_device))

    def check_in_place_and_gradient(self) -> None:
        theta, optimizer = self.theta.copy(), self.fresh()
        optimizer.bind(np, theta)
        before = self.gradients[0].copy()
        gradient = before.copy()
        optimizer.step(gradient)
        moved = bool((theta != self.theta).any())
        self.add("in place", moved, "step does not change the array that was bound: write theta[...] or theta -=")
        self.add("gradient", bool((gradient == before).all()), "step changes dtheta, which others still need")

    def check_descent(self) -> None:
        theta, optimizer = self.theta.copy(), self.fresh()
        optimizer.bind(np, theta)
        for _ in range(self.steps):
            optimizer.step(self.curvature * theta)
        before, after = (float(self.curvature @ x**2) / 2 for x in (self.theta, theta))
        self.add("descent", after < before, f"{self.steps} steps take a quadratic from {before:.6g} to {after:.6g}")

    def check_resumption(self, expected: Array) -> None:
        middle = self.steps // 2
        theta, first = self.theta.copy(), self.fresh()
        first.bind(np, theta)
        if not isinstance(getattr(first, "state", None), dict):
            self.notes.append("note: it has no dict `state`, so resumption is not checked")
            return
        for gradient in self.gradients[:middle]:
            first.step(gradient.copy())
        counted = getattr(first, "t", middle)
        if counted != middle:
            self.add(
                "resumption", False, f"t is {counted} after {middle} steps: step must add 1, for schedules go by t"
            )
            return
        second = self.fresh()
        resumed = theta.copy()
        second.bind(np, resumed)
        for name, array in first.state.items():
            second.state[name][...] = array
        if hasattr(first, "t"):
            second.t = first.t
        for gradient in self.gradients[middle:]:
            second.step(gradient.copy())
        same = bool(np.array_equal(resumed, expected))
        self.add(
            "resumption", same, "with state and t of another, it goes on differently: some of its state is not there"
        )

    def check_learning_rate(self) -> None:
        lr = getattr(self.optimizer, "lr", None)
        if not isinstance(lr, float | int):
            self.notes.append("note: it has no number `lr`, so the learning rate is not checked")
            return
        steps = []
        for rate in (lr, lr / 2):
            optimizer, theta = self.fresh(), self.theta.copy()
            optimizer.lr = rate
            optimizer.bind(np, theta)
            optimizer.step(self.gradients[0].copy())
            steps.append(theta - self.theta)
        self.compare("learning", 2 * steps[1], steps[0], 1e-9)

    def reference_result(self, reference: Callable[..., Any]) -> Array:
        import torch

        parameter = torch.tensor(self.theta, requires_grad=True)
        optimizer = reference([parameter])
        for gradient in self.gradients:
            parameter.grad = torch.tensor(gradient)
            optimizer.step()
        return np.array(parameter.detach().numpy())

    def compare(self, name: str, actual: Array, expected: Array, tolerance: float) -> None:
        """Add the relative error of a vector."""
        difference = np.abs(actual - expected)
        scale = float(np.linalg.norm(expected - self.theta)) if name != "learning" else float(np.linalg.norm(expected))
        error = float(np.linalg.norm(difference)) / scale if scale else inf
        k = int(np.argmax(difference))
        reason = f"at [{k}]: {expected[k]:.12g} expected, {actual[k]:.12g} after {self.steps} steps"
        self.add(name, error <= tolerance, reason, error if np.isfinite(error) else inf)

    def add(self, name: str, holds: bool, reason: str, error: float | None = None) -> None:
        """Add the result of one property."""
        verdict = AGREES if holds else NOT_FINITE if error == inf else WRONG
        self.results.append(
            Argument(
                name=name,
                shape=(SIZE,),
                error=(0.0 if holds else 1.0) if error is None else error,
                verdict=verdict,
                numeric=0.0,
                analytic=0.0,
                gradient_norm=0.0,
                uncertainty=0.0,
                kink=0.0,
                direction=np.zeros(SIZE),
                dy=np.zeros(()),
                coordinate=None,
                reason="" if holds else reason,
            )
        )
