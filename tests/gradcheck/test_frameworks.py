"""Tests of functions on PyTorch tensors and JAX arrays, and of comparisons with automatic differentiation."""

import json
import sys

import autograd.numpy as anp
import numpy as np
import pytest
from strategies import normal

from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.gradcheck import check, frameworks

X, W = normal(0, 5, 3), normal(1, 3, 4)


def tanh(x, W):
    return np.tanh(x @ W)


def vjp(dy, x, W, factor=1.0):
    da = dy * (1 - np.tanh(x @ W) ** 2)
    return da @ W.T, factor * (x.T @ da)


def tanh_in_autograd(x, W):
    return anp.tanh(anp.dot(x, W))


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-10])
def test_a_vjp_is_compared_with_autograd_to_1e_12(factor):
    report = check(tanh, lambda *args: vjp(*args, factor), X, W, against="autograd", reference=tanh_in_autograd)
    assert [a.name for a in report.arguments] == ["x", "W", "value of f"]
    assert report.tolerance == 1e-12 and str(report).endswith("against autograd)")
    assert [a.verdict for a in report.arguments] == ["agrees", "wrong" if factor > 1 else "agrees", "agrees"]
    assert not (factor > 1) or " by autograd, " in report["W"].explanation
    on_its_own = check(tanh_in_autograd, lambda *args: vjp(*args, factor), X, W, against="autograd")
    assert [a.verdict for a in on_its_own.arguments] == ["agrees", "wrong" if factor > 1 else "agrees"]


def test_a_forward_with_another_value_than_the_reference_is_wrong():
    report = check(lambda x, W: tanh(x, W) + 1e-6, vjp, X, W, against="autograd", reference=tanh_in_autograd)
    assert {a.name for a in report.arguments if a.verdict == "wrong"} == {"value of f"}
    assert " by autograd, " in report["value of f"].explanation and " by f" in report["value of f"].explanation
    with pytest.raises(ShapeError, match=r"f returned shape \(3, 4\) and reference \(5, 4\)"):
        check(lambda x, W: tanh(x, W)[:3], vjp, X, W, against="autograd", reference=tanh_in_autograd)


def test_float32_is_compared_with_autograd_in_float64_to_1e_4():
    x, w = X.astype(np.float32), W.astype(np.float32)
    report = check(tanh, vjp, x, w, against="autograd", reference=tanh_in_autograd)
    assert report.passed and report.tolerance == 1e-4 and 1e-9 < report.worst < 1e-6


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_neither_right_nor_wrong_beside_a_library(number):
    report = check(
        tanh_in_autograd, lambda dy, x, W: (vjp(dy, x, W)[0] + number, vjp(dy, x, W)[1]), X, W, against="autograd"
    )
    assert [a.verdict for a in report.arguments] == ["not finite", "agrees"]


def test_a_comparison_with_a_library_has_no_uncertainty_and_no_kink():
    for factor in (1.0, 1.01):
        report = check(tanh_in_autograd, lambda *args, by=factor: vjp(*args, by), X, W, against="autograd")
        assert all(
            argument["uncertainty"] == argument["kink"] == 0 for argument in json.loads(report.to_json())["results"]
        )


def test_a_vjp_that_accumulates_is_refused_against_a_library_too():
    total = np.zeros_like(X)

    def adding(dy, x):
        total[...] += dy
        return total

    with pytest.raises(RangeError, match="it must not accumulate"):
        check(lambda x: 1.0 * x, adding, X, against="autograd")


def test_a_library_that_is_unknown_or_not_installed_is_refused(monkeypatch):
    with pytest.raises(ConfigError, match=r"against='tensorflow' is unknown; choose one of torch, jax, autograd"):
        check(tanh, vjp, X, W, against="tensorflow")
    with pytest.raises(ConfigError, match="reference has no effect without against"):
        check(tanh, vjp, X, W, reference=tanh_in_autograd)
    monkeypatch.setattr(frameworks, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    with pytest.raises(ConfigError, match="against='jax': jax is not installed; pip install jax"):
        check(tanh, vjp, X, W, against="jax")


def test_a_function_of_another_library_is_refused_without_a_reference():
    def on_numpy_alone(x, W):
        return np.asarray(x, float) @ W

    with pytest.raises(ConfigError, match=r"f fails on arrays of autograd .* as reference"):
        check(on_numpy_alone, vjp, X, W, against="autograd")


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "jax"])
def test_a_vjp_is_compared_with_torch_and_jax(library):
    xp = pytest.importorskip({"torch": "torch", "jax": "jax.numpy"}[library])
    for settings in ({}, {"reference": lambda x, W: xp.tanh(x @ W)}):
        f = tanh if settings else lambda x, W: xp.tanh(x @ W)
        assert check(f, vjp, X, W, against=library, **settings).passed
        wrong = check(f, lambda *args: vjp(*args, 1 + 1e-10), X, W, against=library, **settings)
        assert [a.name for a in wrong.arguments if a.verdict == "wrong"] == ["W"]


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_f_and_vjp_on_arrays_of_a_library_are_given_its_arrays_alone(library, dtype):
    xp = pytest.importorskip({"torch": "torch", "jax": "jax.numpy"}[library])
    kind = xp.Tensor if library == "torch" else xp.ndarray
    x, w = (xp.asarray(array.astype(dtype)) for array in (X, W))

    def f(x, W):
        assert isinstance(x, kind) and isinstance(W, kind)
        return xp.exp(x) @ W

    def of_f(dy, x, W):
        assert all(isinstance(array, kind) for array in (dy, x, W))
        return (dy @ W.T) * xp.exp(x), xp.exp(x).T @ dy

    for settings in ({}, {"reference": f}):
        assert check(f, of_f, x, w, against=library, **settings).passed


@pytest.mark.slow
def test_a_function_that_computes_in_float32_is_compared_with_jax():
    jnp = pytest.importorskip("jax.numpy")
    report = check(lambda x: jnp.sin(x.astype("float32")), lambda dy, x: dy * np.cos(x), X, against="jax")
    assert report.passed and report.tolerance == 1e-4


def torch_function(torch, factor):
    class ExpMatmul(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, W):
            ctx.save_for_backward(x, W)
            return torch.exp(x) @ W

        @staticmethod
        def backward(ctx, dy):
            x, W = ctx.saved_tensors
            return (dy @ W.T) * torch.exp(x), factor * (torch.exp(x).T @ dy)

    return ExpMatmul


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_torch_autograd_function_is_checked_without_a_vjp(torch, dtype):
    tensors = [torch.tensor(array.astype(dtype)) for array in (X, W)]
    for inputs in (tensors, [X.astype(dtype), W.astype(dtype)]):
        assert check(torch_function(torch, 1.0), *inputs).passed
        report = check(torch_function(torch, 1.01), *inputs)
        assert [(a.name, a.verdict) for a in report.arguments] == [("x", "agrees"), ("W", "wrong")]


@pytest.mark.slow
def test_a_torch_autograd_function_is_compared_with_a_reference(torch):
    def reference(x, W):
        return torch.exp(x) @ W

    assert check(torch_function(torch, 1.0), X, W, against="torch", reference=reference).passed
    report = check(torch_function(torch, 1 + 1e-9), X, W, against="torch", reference=reference)
    assert [a.name for a in report.arguments if a.verdict == "wrong"] == ["W"]
    with pytest.raises(ConfigError, match="pass it as reference"):
        check(torch_function(torch, 1.0), X, W, against="torch")


def with_a_backward_that_torch_mends(torch, backward):
    class Add(torch.autograd.Function):
        @staticmethod
        def forward(x, b):
            return x + b

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

    Add.backward = staticmethod(backward)
    return Add


@pytest.mark.slow
def test_a_note_tells_what_torch_hides_in_a_backward(torch):
    x, b = torch.tensor(X), torch.tensor(X[0])

    def in_place(ctx, dy):
        db = dy.sum(0)
        dy *= 1
        dy += 0 * dy + 1
        return dy - 1, db

    right = check(with_a_backward_that_torch_mends(torch, lambda ctx, dy: (dy, dy.sum(0))), x, b)
    summed = check(with_a_backward_that_torch_mends(torch, lambda ctx, dy: (dy, dy)), x, b)
    changed = check(with_a_backward_that_torch_mends(torch, in_place), x, b)
    assert right.passed and not right.notes
    assert summed.passed and f"for b, which has ({X.shape[1]},): PyTorch sums it" in summed.notes[0]
    assert changed.passed and "changes dy in place" in changed.notes[0]


@pytest.mark.slow
def test_the_apply_of_a_torch_autograd_function_stands_for_it(torch):
    assert check(torch_function(torch, 1.0).apply, X, W).passed
    with pytest.raises(ConfigError, match="missing a required argument: 'W'"):
        check(torch_function(torch, 1.0), X)


@pytest.mark.slow
def test_a_complex_tensor_is_refused_and_a_tensor_of_integers_is_passed_on(torch):
    x, scale = torch.tensor(X), torch.tensor(2)
    assert check(lambda x, scale: scale * x, lambda dy, x, scale: scale * dy, x, scale).passed
    with pytest.raises(DTypeError, match="scale has dtype complex128; expected float64"):
        check(lambda x, scale: x, lambda dy, x, scale: dy, x, scale.to(torch.complex128))


@pytest.mark.slow
def test_functions_on_torch_tensors_take_and_return_tensors(torch):
    def f(x, labels):
        assert isinstance(x, torch.Tensor) and labels.dtype == torch.int64
        return torch.tanh(x)[labels], labels

    def backward(dy, x, labels):
        assert isinstance(dy[0], torch.Tensor) and dy[1] is None
        dx = torch.zeros_like(x)
        return dx.index_add(0, labels, dy[0] * (1 - torch.tanh(x)[labels] ** 2))

    report = check(f, backward, torch.tensor(X), torch.tensor([0, 2, 2]))
    assert report.passed and report.precision == "double"


@pytest.mark.slow
def test_a_torch_module_in_float32_is_checked_in_single_precision(torch):
    linear = torch.nn.Linear(3, 4)

    def backward(dy, x, factor=1.0):
        return factor * (dy * (1 - torch.tanh(linear(x)) ** 2)) @ linear.weight

    with torch.no_grad():
        x = torch.tensor(X).float()
        report = check(lambda x: torch.tanh(linear(x)), backward, x)
        assert report.passed and report.precision == "single"
        assert not check(lambda x: torch.tanh(linear(x)), lambda dy, x: backward(dy, x, 1.01), x)


@pytest.mark.slow
def test_a_jax_custom_vjp_is_checked_without_a_vjp_in_float64(jax):
    def sine(factor):
        f = jax.custom_vjp(lambda x, times: times * jax.numpy.sin(x))
        f.defvjp(lambda x, times: (f(x, times), (x, times)), lambda saved, dy: (
            factor * saved[1] * jax.numpy.cos(saved[0]) * dy, None
        ))  # fmt: skip
        return f

    for x in (X, jax.numpy.asarray(X)):
        assert check(sine(1.0), x, 3).passed
        assert check(sine(1.01), x, 3).arguments[0].verdict == "wrong"
    assert check(sine(1.0), X, 3).tolerance == 1e-9
