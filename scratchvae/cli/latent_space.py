"""scratchvae interpolate, analogy, traverse."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from scratchvae import plotting
from scratchvae.backend import to_numpy
from scratchvae.cli.arguments import Commands, Rows, add_command, read_model, read_rows, read_vae, rows_options
from scratchvae.cli.labels import LABEL, label_of
from scratchvae.cli.options import Option, switch
from scratchvae.cli.outputs import draw_rows_of, output_option, output_path, write_rows
from scratchvae.errors import ConfigError
from scratchvae.evaluation import active_units
from scratchvae.models import ConditionalVAE
from scratchvae.models.latent_space import PATHS
from scratchvae.validation import check_int, check_positive, join_choices

PATH_NAMES = {"linear": "The straight line", "spherical": "The arc"}

INTERPOLATE = (
    Option("from", "number of the row to start at", int, 0, metavar="I", common=True),
    Option("to", "number of the row to end at", int, 1, metavar="J", common=True),
    Option("steps", "number of images, both ends included", int, 12, metavar="N", common=True),
    Option(
        "kind",
        "path between the two codes",
        choices=tuple(PATHS),
        default="linear",
        common=True,
        details="linear is a straight line, spherical an arc",
    ),
)
ANALOGY = (
    Option("a", "numbers of the rows of A, whose mean code is used", nargs="+", required=True, metavar="I"),
    Option("b", "numbers of the rows of B, whose mean code is used", nargs="+", required=True, metavar="I"),
    Option("c", "numbers of the rows of C, with an image for each", int, nargs="+", required=True, metavar="I"),
    switch("labels", "--a and --b are labels: use all rows with these labels", common=True),
)
TRAVERSE = (
    Option("row", "number of the row whose code to start from (default: the code 0)", int, metavar="I", common=True),
    Option(
        "dimensions",
        "latent dimensions, in this order (default: all, the highest KL first)",
        int,
        nargs="+",
        metavar="K",
        argument="traverse.dimension",
        common=True,
    ),
    Option("reach", "values of z from -R to R", float, 3.0, metavar="R", common=True, positive=True),
    Option("steps", "number of images per dimension, both ends included", int, 11, metavar="N", common=True),
)


def add_commands(commands: Commands) -> None:
    """Add `interpolate`, `analogy` and `traverse`."""
    interpolate = add_command(
        commands,
        "interpolate",
        run_interpolate,
        "decode the codes on a path between two images",
        "scratchvae interpolate runs/digits --from 3 --to 8 --steps 12",
    )
    interpolate.add_options((*rows_options("test"), *INTERPOLATE, LABEL, output_option("interpolation")))

    analogy = add_command(
        commands,
        "analogy",
        run_analogy,
        "decode the code A - B + C: an image that is to C as A is to B",
        "scratchvae analogy runs/digits --labels --a 8 --b 3 --c 13 31",
    )
    analogy.add_options((*rows_options("test"), *ANALOGY, output_option("analogy")))

    traverse = add_command(
        commands,
        "traverse",
        run_traverse,
        "vary one latent dimension at a time and decode",
        "scratchvae traverse runs/digits --row 3 --reach 3 --steps 11",
    )
    traverse.add_options((*rows_options("test"), *TRAVERSE, LABEL, output_option("traversal")))


def run_interpolate(args: argparse.Namespace) -> int:
    """Decode the codes on a path."""
    model = read_model(args)
    out = output_path(args, model, "interpolation")
    images = read_rows(args, model).images
    (start,), (end,) = (_rows(args, images, f"--{name}", [getattr(args, name)]) for name in ("from", "to"))
    label = label_of(args, model, required=True)
    frames = to_numpy(model.interpolate(start, end, args.steps, args.kind, label))

    def draw() -> plotting.figures.Figure:
        value_range = plotting.value_range_of(images)
        return plotting.plot_interpolation(
            model, start, end, args.steps, args.kind, labels=label, value_range=value_range
        )

    sets = {f"from row {getattr(args, 'from')} to {args.to}": frames}
    title = f"{PATH_NAMES[args.kind]} from code to code"
    write_rows(frames, out, model, lambda: draw_rows_of(model, sets, title, draw, joined=True))
    return 0


def run_analogy(args: argparse.Namespace) -> int:
    """Decode sums of codes; a picture also shows each decoded term."""
    model = read_model(args)
    out = output_path(args, model, "analogy")
    if isinstance(model, ConditionalVAE):
        kind = type(model).__name__
        raise ConfigError(f"{args.model} is a {kind}, whose codes have no class; choose a model without labels")
    rows = read_rows(args, model)
    a, b = (_group(args, rows, option, numbers) for option, numbers in (("--a", args.a), ("--b", args.b)))
    c = _rows(args, rows.images, "--c", args.c)
    if args.labels:
        _warn_of_unsuitable_c(args, rows)
    answers = to_numpy(model.analogy(a, b, c))

    def draw() -> plotting.figures.Figure:
        names = [", ".join(each) for each in (args.a, args.b)] if args.labels else ["A", "B"]
        value_range = plotting.value_range_of(rows.images)
        return plotting.plot_analogy(model, a, b, c, names, value_range=value_range)

    sets, title = {"C": c, "A - B + C": answers}, "The result is to C as A is to B"
    write_rows(answers, out, model, lambda: draw_rows_of(model, sets, title, draw))
    return 0


def run_traverse(args: argparse.Namespace) -> int:
    """Decode a range of values of each latent dimension, one dimension after the other."""
    vae = read_vae(args)
    out = output_path(args, vae, "traversal")
    images = read_rows(args, vae).images
    reach, steps = check_positive("reach", args.reach), check_int("steps", args.steps)
    x = _rows(args, images, "--row", [args.row])[0] if hasattr(args, "row") else None
    label = label_of(args, vae, required=True)
    kl = active_units(vae, images, label).kl
    dimensions = getattr(args, "dimensions", np.argsort(-kl, kind="stable").tolist())
    values = np.linspace(-reach, reach, steps)
    frames = np.concatenate([to_numpy(vae.traverse(x, k, values, label)) for k in dimensions])
    names = [f"z{k}  {kl[k]:.2f} nats" for k in dimensions]
    sets = {name: frames[k * steps : (k + 1) * steps] for k, name in enumerate(names)}

    def draw() -> plotting.figures.Figure:
        return plotting.plot_traversal(vae, x, images, dimensions, reach, steps, labels=label)

    title = f"Each latent dimension from {-reach:g} to {reach:g}"
    write_rows(frames, out, vae, lambda: draw_rows_of(vae, sets, title, draw, joined=True))
    noun = "rows" if vae.image_shape is None else "images"
    print(f"{len(names)} × {steps} {noun}; dimensions and their KL: {', '.join(names)}")
    return 0


def _rows(args: argparse.Namespace, images: Any, option: str, numbers: list[int]) -> Any:
    for row in numbers:
        if not 0 <= row < len(images):
            raise ConfigError(
                f"{option} {row}: expected a row from 0 to {len(images) - 1}, those of --part {args.part}"
            )
    return images[numbers]


def _warn_of_unsuitable_c(args: argparse.Namespace, rows: Rows) -> None:
    """Print a warning if rows of C are of A already, so that adding A − B takes them beyond A."""
    texts = rows.label_texts() or []
    already = [f"{k} ({texts[k]})" for k in args.c if texts[k] in args.a]
    if already:
        print(
            f"scratchvae analogy: warning: rows of --c are of the labels of --a already: {join_choices(already, 60)}; "
            "choose rows that are like --b",
            file=sys.stderr,
        )


def _group(args: argparse.Namespace, rows: Rows, option: str, values: list[str]) -> Any:
    if not args.labels:
        for value in values:
            if not value.isdecimal():
                numbers = value.replace(",", " ").split()
                several = f"; separate several by spaces: {option} {' '.join(numbers)}" if len(numbers) > 1 else ""
                raise ConfigError(f"{option} {value}: expected numbers of rows, or --labels for labels{several}")
        return _rows(args, rows.images, option, [int(value) for value in values])
    texts = rows.label_texts()
    if texts is None:
        raise ConfigError(f"--labels: {args.data} has no labels; leave --labels out, and give the numbers of rows")
    known = sorted(set(texts) - {""})
    for label in values:
        if label not in known:
            raise ConfigError(f"{option} {label}: no row has this label; expected one of {join_choices(known, 60)}")
    return rows.images[np.isin(texts, values)]
