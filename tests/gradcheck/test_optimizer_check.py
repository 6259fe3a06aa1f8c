"""Tests of the check of an optimizer: each property, by an optimizer that lacks it."""

import numpy as np
import pytest

from scratchvae.errors import ConfigError, DeviceError
from scratchvae.gradcheck import check_optimizer
from scratchvae.optim import SGD, Adam, AdamW


class Descent:
    """θ ← θ − lr · dθ, with momentum in `state`."""

    def __init__(self, lr=0.1):
        self.lr = lr

    def bind(self, xp, theta):
        self.xp, self.theta = xp, theta
        self.v = xp.zeros_like(theta)
        self.state = {"v": self.v}

    def step(self, dtheta):
        self.v *= 0.5
        self.v += self.lr * dtheta
        self.theta -= self.v


class ByReplacement(Descent):
    def step(self, dtheta):
        self.theta = self.theta - self.lr * dtheta


class ChangingTheGradient(Descent):
    def step(self, dtheta):
        dtheta *= self.lr
        self.theta -= dtheta


class Uphill(Descent):
    def step(self, dtheta):
        self.theta += self.lr * dtheta


class MixingCoordinates(Descent):
    def step(self, dtheta):
        self.theta[1:] -= self.lr * dtheta[1:]
        self.theta[0] -= 2 * self.lr * dtheta[0]


class WithHiddenState(Descent):
    def bind(self, xp, theta):
        super().bind(xp, theta)
        self.state = {}


class WithAFixedRate(Descent):
    def step(self, dtheta):
        self.theta -= 0.1 * dtheta


class InFloat64Only(Descent):
    def step(self, dtheta):
        self.theta -= self.lr * (dtheta if self.theta.dtype == np.float64 else 2 * dtheta)


class OnTheHost(Descent):
    def step(self, dtheta):
        self.theta -= self.lr * (dtheta if self.xp is np else 2 * dtheta)


LACKING = {
    "in place": ByReplacement,
    "gradient": ChangingTheGradient,
    "descent": Uphill,
    "order": MixingCoordinates,
    "resumption": WithHiddenState,
    "learning": WithAFixedRate,
    "float32": InFloat64Only,
    "backend": OnTheHost,
}


@pytest.mark.parametrize("optimizer", [SGD(0.01, 0.9), Adam(1e-3), AdamW(1e-3, weight_decay=0.1), Descent()])
def test_optimizers_have_every_property(optimizer):
    report = check_optimizer(optimizer, backend="fake-cupy")
    assert report.passed and [a.name for a in report.arguments] == [*LACKING], str(report)
    assert str(report).splitlines()[-1].startswith("every property holds (tolerance 1e-12, seed 0, 20 steps)")
    assert not hasattr(optimizer, "theta")


@pytest.mark.parametrize("name", LACKING)
def test_an_optimizer_without_a_property_fails_by_its_name(name):
    report = check_optimizer(LACKING[name](), backend="fake-cupy" if name == "backend" else "numpy")
    assert report[name].verdict in ("wrong", "not finite") and report[name].explanation
    if name != "in place":  # an optimizer that does not move has few of the properties
        assert {a.name for a in report.arguments if a.verdict == "wrong"} <= {name, "descent"}


def test_an_optimizer_that_does_not_count_its_steps_is_refused_for_schedules():
    class WithoutCount(Adam):
        def step(self, dtheta):
            super().step(dtheta)
            self.t = 0

    report = check_optimizer(WithoutCount(1e-3))
    assert report["resumption"].verdict == "wrong"
    assert "t is 0 after 10 steps: step must add 1" in report["resumption"].explanation


def test_the_explanation_says_what_the_optimizer_does_wrong():
    for name, words in {
        "in place": "write theta[...]",
        "gradient": "changes dtheta",
        "descent": "20 steps take",
    }.items():
        assert words in check_optimizer(LACKING[name]())[name].explanation


def test_an_optimizer_that_uses_numpy_is_refused_on_the_stand_in_with_the_line():
    class WithNumPy(Descent):
        def step(self, dtheta):
            self.theta -= self.lr * np.sqrt(dtheta * dtheta)

    with pytest.raises(DeviceError, match=r"WithNumPy fails on fake-cupy at test_optimizer_check\.py:\d+: .* xp"):
        check_optimizer(WithNumPy(), backend="fake-cupy")


@pytest.mark.slow
@pytest.mark.parametrize("lr", [1e-3, 1.001e-3])
def test_an_optimizer_is_compared_with_one_of_torch(lr):
    torch = pytest.importorskip("torch")
    report = check_optimizer(Adam(lr), reference=lambda params: torch.optim.Adam(params, lr=1e-3))
    assert report["reference"].verdict == ("agrees" if lr == 1e-3 else "wrong")


def test_what_is_no_optimizer_or_is_bound_is_refused():
    for wrong in (3, None, Adam, "adam", np.ones(2)):
        with pytest.raises(ConfigError, match=r"optimizer=.*; expected an optimizer with bind"):
            check_optimizer(wrong)
    bound = Adam(1e-3)
    bound.bind(np, np.ones(3))
    with pytest.raises(ConfigError, match=r"Adam cannot be copied .*; pass one that is not bound"):
        check_optimizer(bound)
    for settings in ({"steps": 0}, {"seed": -1}, {"backend": "gpu"}, {"reference": 3}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            check_optimizer(Adam(1e-3), **settings)
