"""scratchvae gradcheck."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from scratchvae.cli.arguments import (
    JSON,
    Commands,
    add_command,
    data_options,
    part_option,
    print_json,
    read_model,
    read_rows,
    seed_option,
)
from scratchvae.cli.gradcheck_table import Comparisons, Table
from scratchvae.cli.labels import labels_of, needs_labels
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option
from scratchvae.errors import ConfigError
from scratchvae.gradcheck.tolerance import AUTODIFF, FINITE_DIFFERENCES
from scratchvae.models import Scale
from scratchvae.models.labels import one_hot
from scratchvae.validation import check_int, check_seed
from scratchvae.verification import (
    CASES,
    CHECKS,
    ORACLES,
    GradientProblem,
    Oracle,
    compare,
    compare_many,
    get_oracle,
    model_gradient_problem,
)
from scratchvae.verification.comparison import FINITE_DIFFERENCE
from scratchvae.verification.oracles import install_hint

FAILED = 1


def _unit_name(text: str) -> str:
    """The name of a unit, in any case."""
    return {name.lower(): name for name in CASES}.get(text.lower(), text)


OPTIONS = (
    *data_options(None, "(needs --model; default: its training data)"),
    Option(
        "oracle",
        "gradients to compare with, all: each that is installed",
        choices=(FINITE_DIFFERENCE, *ORACLES, "all"),
        default="all",
        common=True,
    ),
    Option(
        "unit",
        "check this unit alone; may be repeated; --help-all lists them",
        type=_unit_name,
        choices=tuple(CASES),
        metavar="NAME",
        repeated=True,
        common=True,
    ),
    Option(
        "model",
        "check this trained model at its weights, on its data, in float64",
        metavar="MODEL",
        common=True,
    ),
    part_option("test"),
    Option("rows", "number of rows of data, with --model; time grows with it", int, 4, metavar="B", common=True),
    Option("trials", "random problems per unit", int, 3, metavar="N", common=True),
    seed_option("shapes, numbers and directions"),
    JSON,
)


def add_commands(commands: Commands) -> None:
    """Add `gradcheck`."""
    parser = add_command(
        commands,
        "gradcheck",
        run,
        "compare every hand-written gradient with independent ones",
        "scratchvae gradcheck --oracle all",
    )
    parser.add_options(OPTIONS)


def run(args: argparse.Namespace) -> int:
    """Print a table of errors and a verdict; 1 if a comparison fails."""
    check_int("trials", args.trials)
    check_int("rows", args.rows)
    check_seed(args.seed)
    if hasattr(args, "model") and hasattr(args, "unit"):
        raise ConfigError("--model and --unit exclude each other: leave --unit out, a model is checked as a whole")
    if args.data and not hasattr(args, "model"):
        raise ConfigError(f"DATA {args.data} has no effect without a model: add --model, such as --model runs/digits")
    problem, description = _model_problem(args) if hasattr(args, "model") else (None, "")
    oracles, absent = _oracles(args.oracle)  # after reading the model, for importing them takes seconds
    if description and not args.json:
        print(f"{description}\n", flush=True)
    table = Table(list(oracles), silent=args.json)
    results = _model_results(args, problem, oracles) if problem else _unit_results(args, oracles)
    for name, comparisons in results:
        table.add(name, comparisons)
    if not hasattr(args, "model") and not hasattr(args, "unit"):
        for check in CHECKS.values():
            table.add_check(check, check.measure(args.seed))
    tolerances = {name: AUTODIFF["float64"] if oracle else FINITE_DIFFERENCES for name, oracle in oracles.items()}
    if args.json:
        print_json({**table.as_json(), "absent": absent, "tolerances": tolerances, "seed": args.seed})
    else:
        allowed = ", ".join(f"{tolerance:g} by {name}" for name, tolerance in tolerances.items())
        table.conclude(absent, f"allowed: {allowed}; seed {args.seed}")
    return FAILED if table.failures else 0


def _oracles(name: str) -> tuple[dict[str, Oracle | None], dict[str, str]]:
    """The oracles by name, None for finite differences; and the reasons why others are absent."""
    if name == FINITE_DIFFERENCE:
        return {name: None}, {}
    if name != "all":
        return {name: get_oracle(name)}, {}
    absent = {name: reason for name in ORACLES if (reason := install_hint(name)) is not None}
    return {FINITE_DIFFERENCE: None, **{name: get_oracle(name) for name in ORACLES if name not in absent}}, absent


def _unit_results(args: argparse.Namespace, oracles: dict[str, Oracle | None]) -> Iterator[tuple[str, Comparisons]]:
    names = list(getattr(args, "unit", CASES))
    problems = (CASES[name].draw(np.random.default_rng(args.seed)) for name in names)
    if set(oracles) == {FINITE_DIFFERENCE} and not any(isinstance(problem, GradientProblem) for problem in problems):
        raise ConfigError(f"{', '.join(names)} has no gradient for finite differences: choose another --oracle")
    for name in names:
        unit = CASES[name]
        yield name, {key: compare_many(unit, oracle, args.seed, args.trials) for key, oracle in oracles.items()}


def _model_problem(args: argparse.Namespace) -> tuple[GradientProblem, str]:
    """The gradients of the trained model to check, of the scaled rows that its networks see, and what they are of."""
    args.backend = "numpy"
    model = read_model(args)
    rows = read_rows(args, model)
    labels = labels_of(model, rows, args.data) if needs_labels(model) else rows.labels
    rng = np.random.default_rng(args.seed)
    chosen = np.sort(rng.choice(len(rows.images), min(args.rows, len(rows.images)), replace=False))
    x = model.scaled(np.asarray(model.check_data(rows.images[chosen], args.data), np.float64))
    missing = np.isnan(x)
    x = np.where(missing, 0.0, x)
    if model.metadata.get("binarize"):
        x = (rng.random(x.shape) < x).astype(np.float64)
    model = model.astype("float64")
    model.schema = model.schema._replace(scale=Scale())
    targets = None
    if model.classes and labels is not None:
        targets = one_hot(labels[chosen], np.empty((len(x), model.classes)))
    eps = rng.standard_normal((len(x), model.noise_dim))
    problem = model_gradient_problem(model, x, eps, missing=missing if missing.any() else None, targets=targets)
    described = f"{count_of(len(x), 'row')} of {args.data} ({args.part})"
    return problem, f"{str(model).strip('<>')}; {described}, in float64"


def _model_results(
    args: argparse.Namespace, problem: GradientProblem, oracles: dict[str, Oracle | None]
) -> Iterator[tuple[str, Comparisons]]:
    results = {key: compare(problem, oracle, args.seed, directions=2) for key, oracle in oracles.items()}
    for name in ("value", *(f"d{name}" for name in problem.inputs)):
        yield name, {key: result and result.only(name) for key, result in results.items()}
