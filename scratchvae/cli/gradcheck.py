"""scratchvae gradcheck."""

from __future__ import annotations

import argparse
from collections.abc import Generator, Sequence
from contextlib import closing

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
from scratchvae.cli.gradcheck_results import WIDTH, Comparisons, Results
from scratchvae.cli.labels import labels_of, needs_labels
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option, refuse, switch
from scratchvae.errors import ConfigError
from scratchvae.gradcheck.tolerance import AUTODIFF, FINITE_DIFFERENCES
from scratchvae.models import Scale
from scratchvae.models.labels import one_hot
from scratchvae.training.callbacks.progress import make_bar
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
        "what to compare with; all means each that is installed",
        choices=(FINITE_DIFFERENCE, *ORACLES, "all"),
        default="all",
        common=True,
    ),
    Option(
        "unit",
        "check this unit alone, such as Linear or VAE; may be repeated; --help-all lists them",
        type=_unit_name,
        choices=tuple(CASES),
        metavar="NAME",
        repeated=True,
        common=True,
        details='A name with spaces needs quotes, as in --unit "VAE, denoising"',
    ),
    Option(
        "model",
        "check this trained model at its weights, on its data, in float64",
        metavar="MODEL",
        common=True,
    ),
    part_option("test"),
    Option("rows", "rows of data to check a model on; the time grows with them", int, 4, metavar="B", common=True),
    Option("trials", "random problems of each unit", int, 3, metavar="N", common=True),
    seed_option("shapes, numbers and directions"),
    switch("table", "print the errors of every unit, not the largest alone", common=True),
    JSON,
)


def add_commands(commands: Commands) -> None:
    """Add `gradcheck`."""
    parser = add_command(
        commands,
        "gradcheck",
        run,
        "compare every hand-written gradient with independent ones",
        "scratchvae gradcheck --unit Linear --unit VAE",
    )
    parser.add_options(OPTIONS)


def run(args: argparse.Namespace) -> int:
    """Print a verdict with the largest errors, and a table of all errors; return 1 if a comparison fails."""
    check_int("trials", args.trials)
    check_int("rows", args.rows)
    check_seed(args.seed)
    if hasattr(args, "model") and hasattr(args, "unit"):
        raise ConfigError("--model and --unit exclude each other: leave --unit out, a model is checked as a whole")
    if args.data and not hasattr(args, "model"):
        raise ConfigError(f"DATA {args.data} has no effect without a model: add --model, such as --model runs/digits")
    if not hasattr(args, "model"):
        reason = "without a model: add --model, such as --model runs/digits"
        refuse(args, reason, "data-dir", "key", "color", "size", "part")
    problem, description = _model_problem(args) if hasattr(args, "model") else (None, "")
    oracles, absent = _oracles(args.oracle)  # after reading the model, for importing them takes seconds
    if description and not args.json:
        print(f"{description}\n", flush=True)
    results = Results({name: AUTODIFF["float64"] if oracle else FINITE_DIFFERENCES for name, oracle in oracles.items()})
    if problem:
        _check_model(args, problem, oracles, results)
    else:
        _check_units(args, oracles, results)
    if args.json:
        print_json({**results.as_json(), "absent": absent, "seed": args.seed})
    else:
        results.print_summary(absent, args.seed)
        if args.table or problem or hasattr(args, "unit"):
            results.print_table()
        else:
            print("\nadd --table to see the errors of every unit")
    return FAILED if results.failures else 0


def _oracles(name: str) -> tuple[dict[str, Oracle | None], dict[str, str]]:
    """The oracles by name, None for finite differences; and the reasons why others are absent."""
    if name == FINITE_DIFFERENCE:
        return {name: None}, {}
    if name != "all":
        return {name: get_oracle(name)}, {}
    absent = {name: reason for name in ORACLES if (reason := install_hint(name)) is not None}
    return {FINITE_DIFFERENCE: None, **{name: get_oracle(name) for name in ORACLES if name not in absent}}, absent


def _check_units(args: argparse.Namespace, oracles: dict[str, Oracle | None], results: Results) -> None:
    """Add the results of each unit and, unless single units were asked for, of each check."""
    units = list(dict.fromkeys(getattr(args, "unit", CASES)))
    problems = (CASES[name].draw(np.random.default_rng(args.seed)) for name in units)
    if set(oracles) == {FINITE_DIFFERENCE} and not any(isinstance(problem, GradientProblem) for problem in problems):
        raise ConfigError(f"{', '.join(units)} has no gradient for finite differences: choose another --oracle")
    checks = [] if hasattr(args, "unit") else list(CHECKS)
    with closing(_with_progress([*units, *checks], args, results)) as names:
        for name in names:
            if name in CHECKS:
                results.add_check(CHECKS[name], CHECKS[name].measure(args.seed))
            else:
                unit = CASES[name]
                comparisons = {key: compare_many(unit, o, args.seed, args.trials) for key, o in oracles.items()}
                results.add(name, comparisons)


def _with_progress(names: Sequence[str], args: argparse.Namespace, results: Results) -> Generator[str]:
    """Yield each name, and show it and the number of failures on a bar in a terminal; --json has none."""
    bar = None if args.json else make_bar(len(names), leave=False)
    if bar is None:
        yield from names
        return
    with bar:
        for name in names:
            bar.set_description_str(f"{name:<{WIDTH}}")
            yield name
            if results.failures:
                bar.set_postfix_str(f"{len(results.failures)} failed", refresh=False)
            bar.update()


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


def _check_model(
    args: argparse.Namespace, problem: GradientProblem, oracles: dict[str, Oracle | None], results: Results
) -> None:
    """Add the results of each gradient of a model."""
    comparisons: Comparisons = {}
    with closing(_with_progress(list(oracles), args, results)) as names:
        for key in names:
            comparisons[key] = compare(problem, oracles[key], args.seed, directions=2)
    for name in ("value", *(f"d{name}" for name in problem.inputs)):
        results.add(name, {key: result and result.only(name) for key, result in comparisons.items()})
