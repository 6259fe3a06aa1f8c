"""Refusals of optimizers and schedules."""

import numpy as np
from refusals.table import COUNTS, FRACTIONS, POSITIVES, REALS, SIZES, refuse_all, refuse_one, row, wrong, wrong_rows

from scratchvae import optim
from scratchvae.errors import ConfigError, DTypeError, ReadOnlyError, ShapeError

OPTIMIZERS = ("SGD", "Adam", "AdamW")
RATES = [w for w in POSITIVES if "type" not in w.label]
NO_RATES = (None, "fast", np.nan, np.inf, [], np.ones(2), {}, 1j, -1.0)


def bound_optimizer(kind, **settings):
    optimizer = getattr(optim, kind)(**settings)
    optimizer.bind(np, np.zeros(3))
    return optimizer


def gradients(name):
    closed = np.ones(3)
    closed.flags.writeable = False
    return wrong_rows(
        name,
        ("None", None, DTypeError, "None", "expected"),
        ("a number", 0.5, DTypeError, "0.5", "expected"),
        ("a list", [1.0, 2.0, 3.0], DTypeError, "expected"),
        ("a str", "down", DTypeError, "'down'", "expected"),
        ("of ints", np.ones(3, int), DTypeError, "int64", "expected"),
        ("complex", np.ones(3, complex), DTypeError, "complex128", "expected"),
        ("of objects", np.full(3, None), DTypeError, "object", "expected"),
        ("a table", np.ones((3, 1)), ShapeError, "(3, 1)", "expected"),
    ), closed


def learning_rate_rows():
    for kind in OPTIMIZERS:
        make = getattr(optim, kind)
        function = f"optim.{kind}"
        yield from refuse_one(function, "lr", RATES, make)
        yield row(
            function, "lr", "a class of schedules", lambda m=make: m(optim.Cosine), ConfigError, "Cosine", "make one"
        )
        set_lr = lambda v, k=kind: setattr(getattr(optim, k)(), "lr", v)  # noqa: E731
        yield from refuse_one(f"{function}.lr", "lr", RATES, set_lr)
        for value in NO_RATES if kind == "SGD" else NO_RATES[-1:]:
            step = lambda k=kind, v=value: bound_optimizer(k, lr=lambda t: v).step(np.ones(3))  # noqa: E731
            yield row(
                f"{function}.step", "lr", f"that answers {value!r}", step, ConfigError, "expected a finite number"
            )
    yield from refuse_one("optim.SGD", "momentum", FRACTIONS, lambda v: optim.SGD(momentum=v))
    for kind in ("Adam", "AdamW"):
        make = getattr(optim, kind)
        for name in ("beta1", "beta2"):
            yield from refuse_one(f"optim.{kind}", name, FRACTIONS, lambda v, m=make, n=name: m(**{n: v}))
        yield from refuse_one(f"optim.{kind}", "eps", POSITIVES, lambda v, m=make: m(eps=v))
    yield from refuse_one("optim.AdamW", "weight_decay", REALS, lambda v: optim.AdamW(weight_decay=v))


def schedule_rows():
    yield from refuse_one("optim.Constant", "lr", POSITIVES, optim.Constant)
    yield from refuse_one("optim.Cosine", "lr", POSITIVES, lambda v: optim.Cosine(v, 10))
    yield from refuse_one("optim.Cosine", "steps", COUNTS, lambda v: optim.Cosine(1e-3, v))
    yield from refuse_one("optim.Cosine", "final", REALS, lambda v: optim.Cosine(1e-3, 10, v))
    yield row(
        "optim.Cosine", "final", "above lr", lambda: optim.Cosine(1e-3, 10, 1e-2), ConfigError, "0.01", "at most lr"
    )
    yield from refuse_one("optim.WarmUp", "steps", SIZES, lambda v: optim.WarmUp(v, optim.Constant(1e-3)))
    yield from refuse_one(
        "optim.WarmUp", "after", wrong(ConfigError, "expected a schedule", None, 1e-3, "cosine", [], optim.Cosine),
        lambda v: optim.WarmUp(3, v),
    )  # fmt: skip

    no_schedule = wrong(ConfigError, "expected a schedule", None, 1e-3, "cosine", [], optim.Cosine)
    yield from refuse_one("optim.ScaledSchedule", "schedule", no_schedule, lambda v: optim.ScaledSchedule(v, 0.5))
    yield from refuse_one(
        "optim.ScaledSchedule", "factor", POSITIVES, lambda v: optim.ScaledSchedule(optim.Constant(1e-3), v)
    )


def step_rows():
    for kind in OPTIMIZERS:
        wrongs, closed = gradients("dtheta")
        refuse = refuse_all if kind == "SGD" else refuse_one
        yield from refuse(f"optim.{kind}.step", "dtheta", wrongs, lambda v, k=kind: bound_optimizer(k).step(v))
        for size in (1, 2, 4) if kind == "SGD" else (4,):
            short = np.ones(size)
            yield row(
                f"optim.{kind}.step", "dtheta", f"of {size}", lambda k=kind, v=short: bound_optimizer(k).step(v),
                ShapeError, f"({size},)", "expected (3,)",
            )  # fmt: skip
        early = lambda k=kind: getattr(optim, k)().step(np.ones(3))  # noqa: E731
        yield row(
            f"optim.{kind}.step", "theta", "not there yet", early, ConfigError, f"this {kind} has no theta", "bind"
        )
        wrongs, closed = gradients("theta")
        yield from refuse(f"optim.{kind}.bind", "theta", wrongs, lambda v, k=kind: getattr(optim, k)().bind(np, v))
        yield row(
            f"optim.{kind}.bind",
            "theta",
            "read-only",
            lambda k=kind, v=closed: getattr(optim, k)().bind(np, v),
            ReadOnlyError,
            "copy",
        )
        twice = lambda k=kind: bound_optimizer(k).bind(np, np.zeros(3))  # noqa: E731
        yield row(f"optim.{kind}.bind", "trainer", "another", twice, ConfigError, "make a new one")
    function, clip = "optim.clip_by_global_norm", optim.clip_by_global_norm
    wrongs, closed = gradients("dtheta")
    yield from refuse_one(function, "dtheta", wrongs, lambda v: clip(np, v, 1.0))
    yield row(function, "dtheta", "read-only", lambda v=closed: clip(np, v, 1.0), ReadOnlyError, "dtheta.copy()")
    yield from refuse_one(function, "max_norm", POSITIVES, lambda v: clip(np, np.ones(3), v))


ROWS = [*learning_rate_rows(), *schedule_rows(), *step_rows()]
