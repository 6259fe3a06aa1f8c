"""Refusals of the gradient checker and of the verification."""

import numpy as np
from refusals.table import (
    COUNTS,
    FLAGS,
    INPUTS,
    LATENT,
    NAMES,
    POSITIVES,
    SEEDS,
    X,
    Z,
    model,
    refuse_all,
    refuse_one,
    row,
    wrong,
    wrong_rows,
)

from scratchvae import gradcheck
from scratchvae import verification as v
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.layers import Tanh
from scratchvae.objectives import ELBO
from scratchvae.optim import Adam
from scratchvae.probability import Bernoulli, DiagonalGaussian, StandardNormal

A = np.linspace(1.0, 2.0, 3)


def square(x):
    return x * x


def slope(dy, x):
    return 2 * x * dy


def checker_rows():
    function, check = (
        "gradcheck.check",
        lambda **s: gradcheck.check(s.pop("f", square), s.pop("vjp", slope), *s.pop("inputs", (A,)), **s),
    )
    no_function = wrong(ConfigError, "expected a function", None, 3, "square", [], {}, A)
    yield from refuse_one(function, "f", no_function, lambda w: check(f=w))
    yield from refuse_one(function, "vjp", no_function, lambda w: check(vjp=w))
    yield row(function, "f", "of two arguments", lambda: check(f=lambda x, y: x), ConfigError, "wrap it")
    yield row(function, "vjp", "of one argument", lambda: check(vjp=lambda x: x), ConfigError, "wrap it")
    inputs = wrong_rows(
        "x",
        ("None", None, DTypeError, "NoneType", "expected"),
        ("a ragged list", [[1.0], [1.0, 2.0]], DTypeError, "rows of 1 and 2 numbers", "make each row an array"),
        ("a list", [1.0], DTypeError, "list", "expected"),
        ("a str", "x", DTypeError, "str", "expected"),
        ("of float16", A.astype("f2"), DTypeError, "float16", "convert"),
        ("of ints", np.arange(3), DTypeError, "nothing to differentiate", "convert"),
        ("of objects", A.astype(object), DTypeError, "object", "convert"),
        ("complex", A * 1j, DTypeError, "complex128", "convert"),
        ("NaN", A * np.nan, RangeError, "NaN"),
    )
    yield from refuse_all(function, "x", inputs, lambda w: check(inputs=(w,)))
    yield row(function, "inputs", "none", lambda: check(inputs=()), ConfigError, "pass the arrays")
    outputs = {
        "None": (None, DTypeError), "a set": ({1.0}, DTypeError), "a str": ("y", DTypeError),
        "ints": (np.arange(3), DTypeError),
        "complex": (A * 1j, DTypeError), "NaN": (A * np.nan, RangeError), "ragged": ([[1.0], [1.0, 2.0]], DTypeError),
    }  # fmt: skip
    for problem, (value, error) in outputs.items():
        yield row(function, "f", f"that returns {problem}", lambda w=value: check(f=lambda x: w), error)
    backs = {
        "None": (None, ShapeError), "two": ((A, A), ShapeError), "a str": ("dx", ShapeError),
        "ints": (np.arange(3), DTypeError), "complex": (A * 1j, DTypeError), "another shape": (A[1:], ShapeError),
        "ragged": ([[[1.0], [1.0, 2.0]]], ShapeError),
        "objects": ([None], DTypeError),
    }  # fmt: skip
    for problem, (value, error) in backs.items():
        yield row(function, "vjp", f"that returns {problem}", lambda w=value: check(vjp=lambda dy, x: w), error)
    rng = np.random.default_rng(0)
    yield row(
        function, "f", "that draws", lambda: check(f=lambda x: x + rng.random(3)), RangeError, "make noise an input"
    )
    for name, wrongs in {
        "directions": COUNTS,
        "step": POSITIVES,
        "tolerance": POSITIVES,
        "seed": SEEDS,
        "coordinates": FLAGS,
    }.items():
        yield from refuse_one(function, name, wrongs, lambda w, n=name: check(**{n: w}))
    names = wrong(ConfigError, "expected a tuple of 1 strings", "x", 3, (), ("x", "y"), (3,), ("",), {}, [None])
    yield from refuse_all(function, "names", names, lambda w: check(names=w))
    yield row(
        function,
        "names",
        "twice the same",
        lambda: check(f=lambda x, y: x, inputs=(A, A), names=("x", "x")),
        ConfigError,
        "different",
    )

    function = "gradcheck.check_gradient"
    total, gradient = lambda x: float((x * x).sum()), lambda x: 2 * x

    def scalar(**s):
        return gradcheck.check_gradient(s.pop("f", total), s.pop("gradient", gradient), *s.pop("inputs", (A,)), **s)

    yield from refuse_one(function, "f", no_function, lambda w: scalar(f=w))
    yield from refuse_one(function, "gradient", no_function, lambda w: scalar(gradient=w))
    yield from refuse_one(function, "x", inputs, lambda w: scalar(inputs=(w,)))
    yield row(function, "f", "of an array", lambda: scalar(f=square), ShapeError, "(3,)", "expected one number")
    yield row(
        function,
        "gradient",
        "of another shape",
        lambda: scalar(gradient=lambda x: x[1:]),
        ShapeError,
        "(2,)",
        "expected (3,)",
    )
    for name, wrongs in {"directions": COUNTS, "step": POSITIVES, "tolerance": POSITIVES, "seed": SEEDS}.items():
        yield from refuse_one(function, name, wrongs, lambda w, n=name: scalar(**{n: w}))
    report = gradcheck.check(square, slope, A, directions=1)
    for name in ("y", 0, None):
        yield row(
            "gradcheck.Report",
            "input",
            f"{name!r}",
            lambda n=name: report[n],
            ConfigError,
            repr(name),
            "choose one of x",
        )


def part_rows():
    parts = {
        "check_layer": ("layer", Tanh()),
        "check_likelihood": ("likelihood", Bernoulli()),
        "check_prior": ("prior", StandardNormal()),
        "check_posterior": ("posterior", DiagonalGaussian()),
        "check_objective": ("objective", ELBO()),
        "check_optimizer": ("optimizer", Adam(1e-3)),
    }
    for name, (argument, part) in parts.items():
        function, checker = f"gradcheck.{name}", getattr(gradcheck, name)
        no_part = wrong(ConfigError, "expected a", None, 3, "Tanh", [], {}, A, Tanh)
        yield from refuse_one(function, argument, no_part, checker)
        yield from refuse_one(function, "backend", NAMES, lambda w, c=checker, p=part: c(p, backend=w))
        yield from refuse_one(function, "seed", SEEDS, lambda w, c=checker, p=part: c(p, seed=w))
        if name in ("check_layer", "check_likelihood", "check_prior", "check_posterior"):
            no_names = wrong(ConfigError, "expected the names of attributes", "W", {"W": 3}, [3])
            yield from refuse_one(function, "parameters", no_names, lambda w, c=checker, p=part: c(p, parameters=w))
    function = "gradcheck.check_optimizer"
    no_reference = wrong(ConfigError, "expected a function", 3, "Adam", [])
    for name, wrongs in {"steps": COUNTS, "reference": no_reference}.items():
        yield from refuse_one(function, name, wrongs, lambda w, n=name: gradcheck.check_optimizer(Adam(1e-3), **{n: w}))
    one_missing = {
        ("likelihood", "x"): lambda: gradcheck.check_likelihood(Bernoulli(), np.ones((2, 3))),
        ("posterior", "eps"): lambda: gradcheck.check_posterior(DiagonalGaussian(), np.ones((2, 4))),
        ("objective", "kl"): lambda: gradcheck.check_objective(ELBO(), np.ones(2)),
    }
    for (name, argument), call in one_missing.items():
        yield row(f"gradcheck.check_{name}", argument, "is missing", call, ConfigError, "pass ")

    def check_square(**settings):
        return gradcheck.check(square, slope, A, **settings)

    for name in ("precision", "against"):
        wrongs = [w for w in NAMES if w.value is not None] if name == "against" else NAMES
        yield from refuse_one("gradcheck.check", name, wrongs, lambda w, n=name: check_square(**{n: w}))
    alone = wrong(ConfigError, "set against to its library", square)
    yield from refuse_one("gradcheck.check", "reference", alone, lambda w: check_square(reference=w))
    function, make = "gradcheck.properties", lambda **s: gradcheck.properties(square, slope, **{"x": "B I", **s})
    yield from refuse_one(function, "largest_size", COUNTS, lambda w: make(largest_size=w))
    no_sizes = wrong(ConfigError, "expected", 3, None, "B I-1", "0", ["B"])
    yield from refuse_one(function, "x", no_sizes, lambda w: make(x=w))
    no_function = wrong(ConfigError, "expected forward and backward", 3, "square", A)
    yield from refuse_one(function, "function", no_function, lambda w: gradcheck.properties(w, slope, x="B I"))


def verification_rows():
    linear = v.CASES["Linear"]
    problem = linear.draw(np.random.default_rng(0))
    no_oracle = wrong(ConfigError, "expected an oracle", 3, "torch", "autograd", [], {}, v.Oracle)
    for name in ("compare_many", "compare"):
        first = linear if name == "compare_many" else problem
        call = getattr(v, name)
        yield from refuse_one(f"verification.{name}", "oracle", no_oracle, lambda w, c=call, f=first: c(f, w))
        yield from refuse_one(f"verification.{name}", "seed", SEEDS, lambda w, c=call, f=first: c(f, None, w))
    no_case = wrong(ConfigError, "expected a", None, 3, "Linear", [], {}, np.ones(2))
    yield from refuse_one("verification.compare_many", "case", no_case, lambda w: v.compare_many(w, None))
    yield from refuse_one(
        "verification.compare_many", "trials", COUNTS, lambda w: v.compare_many(linear, None, trials=w)
    )
    yield from refuse_one("verification.compare", "problem", no_case, lambda w: v.compare(w, None))
    yield from refuse_one(
        "verification.compare", "directions", COUNTS, lambda w: v.compare(problem, None, directions=w)
    )
    yield from refuse_one("verification.compare", "dtype", NAMES, lambda w: v.compare(problem, None, dtype=w))
    yield from refuse_one("verification.get_oracle", "oracle", NAMES, v.get_oracle)
    function = "verification.model_gradient_problem"
    no_model = wrong(ConfigError, "expected a model", None, 3, "vae", X)
    yield from refuse_one(function, "model", no_model, lambda w: v.model_gradient_problem(w, X, Z))
    for name, width in {"x": INPUTS, "eps": LATENT}.items():
        wrongs = wrong_rows(
            name,
            ("None", None, DTypeError, "expected"),
            ("a list of str", [["a"]], DTypeError, "expected real numbers"),
            ("a number", 0.5, ShapeError, "()", "expected"),
            ("too narrow", np.ones((6, width - 1)), ShapeError, "expected"),
            ("of fewer rows", np.ones((5, width)), ShapeError, "rows", "expected"),
            ("NaN", np.full((6, width), np.nan), RangeError, "NaN"),
        )
        for w in wrongs:
            argument = "eps" if w.label == "of fewer rows" else name
            words = (argument, *w.words[1:])
            yield from refuse_one(
                function,
                argument,
                [w._replace(words=words)],
                lambda w, n=name: v.model_gradient_problem(model(), **{"x": X, "eps": Z, n: w}),
            )


ROWS = [*checker_rows(), *part_rows(), *verification_rows()]
