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
    read_rows,
    seed_option,
)
from scratchvae.cli.gradcheck_table import Findings, Table
from scratchvae.cli.options import add_options
from scratchvae.errors import ConfigError
from scratchvae.gradcheck.tolerance import AUTODIFF, FINITE_DIFFERENCES
from scratchvae.io import load
from scratchvae.validation import check_int, check_seed
from scratchvae.verification import (
    CHECKED_MODULES,
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


def add_commands(commands: Commands) -> None:
    """Add `gradcheck`."""
    parser = add_command(
        commands,
        "gradcheck",
        run,
        "hold every hand-written gradient, or those of a trained model, against independent ones",
        "scratchvae gradcheck --oracle all",
    )
    add_options(parser, data_options(None, "with --model; without it, what the model learnt from"))
    parser.add_argument(
        "--unit",
        choices=list(CHECKED_MODULES),
        type=_unit_name,
        action="append",
        default=argparse.SUPPRESS,
        metavar="NAME",
        help=f"only this one, and no draws; may be given several times: {', '.join(CHECKED_MODULES)}",
    )
    parser.add_argument(
        "--oracle",
        choices=[FINITE_DIFFERENCE, *ORACLES, "all"],
        default="all",
        help="whose gradients to compare with; all: every one that is installed",
    )
    parser.add_argument(
        "--model",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="check this trained model, at its weights and on its data, in float64",
    )
    add_options(parser, [part_option("test")])
    parser.add_argument(
        "--rows", type=int, default=4, metavar="B", help="of data, with --model; the time grows with them"
    )
    parser.add_argument("--trials", type=int, default=3, metavar="N", help="random problems for each unit")
    add_options(parser, (seed_option("shapes, numbers and directions"), JSON))


def run(args: argparse.Namespace) -> int:
    """Print a table of errors and a verdict; 1 if anything fails."""
    check_int("trials", args.trials)
    check_int("rows", args.rows)
    check_seed(args.seed)
    if hasattr(args, "model") and hasattr(args, "unit"):
        raise ConfigError("--model and --unit were both given; a model is checked whole: leave --unit out")
    if args.data and not hasattr(args, "model"):
        raise ConfigError(f"{args.data} was given without a model to check on it; name one with --model")
    oracles, absent = _oracles(args.oracle)
    table = Table(list(oracles), silent=args.json)
    for name, findings in _of_model(args, oracles) if hasattr(args, "model") else _of_units(args, oracles):
        table.add(name, findings)
    if not hasattr(args, "model") and not hasattr(args, "unit"):
        for check in CHECKS.values():
            table.add_check(check, check.measure(args.seed))
    tolerances = {of: AUTODIFF["float64"] if oracle else FINITE_DIFFERENCES for of, oracle in oracles.items()}
    if args.json:
        print_json({**table.as_json(), "absent": absent, "tolerances": tolerances, "seed": args.seed})
    else:
        allowed = ", ".join(f"{tolerance:g} by {of}" for of, tolerance in tolerances.items())
        table.conclude(absent, f"allowed: {allowed}; seed {args.seed}")
    return FAILED if table.failures else 0


def _unit_name(typed: str) -> str:
    return {name.lower(): name for name in CHECKED_MODULES}.get(typed.lower(), typed)


def _oracles(asked: str) -> tuple[dict[str, Oracle | None], dict[str, str]]:
    """Those to compare with, by name, differences being None; and why others cannot be had."""
    if asked == FINITE_DIFFERENCE:
        return {asked: None}, {}
    if asked != "all":
        return {asked: get_oracle(asked)}, {}
    absent = {name: reason for name in ORACLES if (reason := install_hint(name)) is not None}
    return {FINITE_DIFFERENCE: None, **{name: get_oracle(name) for name in ORACLES if name not in absent}}, absent


def _of_units(args: argparse.Namespace, oracles: dict[str, Oracle | None]) -> Iterator[tuple[str, Findings]]:
    names = list(getattr(args, "unit", CHECKED_MODULES))
    drawn = (CHECKED_MODULES[name].draw(np.random.default_rng(args.seed)) for name in names)
    if set(oracles) == {FINITE_DIFFERENCE} and not any(isinstance(problem, GradientProblem) for problem in drawn):
        raise ConfigError(f"{', '.join(names)} has no gradient to hold against differences; name another --oracle")
    for name in names:
        yield (
            name,
            {of: compare_many(CHECKED_MODULES[name], oracle, args.seed, args.trials) for of, oracle in oracles.items()},
        )


def _of_model(args: argparse.Namespace, oracles: dict[str, Oracle | None]) -> Iterator[tuple[str, Findings]]:
    model = load(args.model)
    images = read_rows(args, model).images
    rng = np.random.default_rng(args.seed)
    x = images[np.sort(rng.choice(len(images), min(args.rows, len(images)), replace=False))]
    if model.metadata.get("binarize"):
        x = (rng.random(x.shape) < x).astype(np.float64)
    if not args.json:
        print(f"{str(model).strip('<>')}; {len(x)} rows of {args.data} ({args.part}), in float64\n", flush=True)
    problem = model_gradient_problem(model.astype("float64"), x, rng.standard_normal((len(x), model.noise_dim)))
    findings = {of: compare(problem, oracle, args.seed, directions=2) for of, oracle in oracles.items()}
    for name in ("value", *(f"d{name}" for name in problem.inputs)):
        yield name, {of: finding and finding.only(name) for of, finding in findings.items()}
