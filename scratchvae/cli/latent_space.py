"""scratchvae interpolate, analogy, traverse."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from scratchvae import plotting
from scratchvae.backend import to_numpy
from scratchvae.cli.arguments import Commands, add_command, read_model, read_rows, read_vae, rows_options
from scratchvae.cli.labels import LABEL, label_of
from scratchvae.cli.options import add_options
from scratchvae.cli.outputs import SUFFIXES, check_out, out_option, write_rows
from scratchvae.datasets import Split
from scratchvae.errors import ConfigError
from scratchvae.evaluation import active_units
from scratchvae.models.latent_space import PATHS
from scratchvae.validation import check_int, check_positive

WAYS = {"linear": "the straight line", "spherical": "the arc"}


def add_commands(commands: Commands) -> None:
    """Add `interpolate`, `analogy` and `traverse`."""
    interpolate = add_command(
        commands,
        "interpolate",
        run_interpolate,
        "traverse from one image to another through latent space",
        "scratchvae interpolate runs/digits --from 3 --to 8 --steps 12 --kind spherical --out interpolation.png",
    )
    add_options(interpolate, rows_options("test"))
    interpolate.add_argument(
        "--from", dest="start", type=int, default=0, metavar="I", help="row of that part to start at"
    )
    interpolate.add_argument("--to", dest="end", type=int, default=1, metavar="J", help="row of that part to end at")
    interpolate.add_argument("--steps", type=int, default=12, metavar="N", help="images, both ends included")
    interpolate.add_argument(
        "--kind", choices=list(PATHS), default="linear", help="on the straight line from code to code, or on an arc"
    )
    add_options(interpolate, (LABEL, out_option("interpolation.png")))

    analogy = add_command(
        commands,
        "analogy",
        run_analogy,
        "decode code(A) − code(B) + code(C): what is to C as A is to B",
        "scratchvae analogy runs/digits --labels --a 8 --b 3 --c 13 31 --out analogy.png",
    )
    add_options(analogy, rows_options("test"))
    for name, what in (
        ("a", "rows whose mean code is that of A"),
        ("b", "rows whose mean code is that of B"),
        ("c", "rows, each of which is answered for itself"),
    ):
        analogy.add_argument(
            f"--{name}", type=int, nargs="+", required=True, default=argparse.SUPPRESS, metavar="I", help=what
        )
    analogy.add_argument("--labels", action="store_true", help="A and B are the rows with these labels")
    add_options(analogy, [out_option("analogy.png")])

    traverse = add_command(
        commands,
        "traverse",
        run_traverse,
        "move along each latent dimension in turn while the others stay",
        "scratchvae traverse runs/digits --row 3 --reach 3 --steps 11 --out traversal.png",
    )
    add_options(traverse, rows_options("test"))
    traverse.add_argument(
        "--row",
        type=int,
        default=argparse.SUPPRESS,
        metavar="I",
        help="stay at the code of this row; without it, at 0, the mean of the prior",
    )
    traverse.add_argument(
        "--dimensions",
        type=int,
        nargs="+",
        default=argparse.SUPPRESS,
        metavar="K",
        help="which, in this order; without it all, from the highest KL over the rows to the lowest",
    )
    traverse.add_argument("--reach", type=float, default=3.0, metavar="R", help="from −R to R standard deviations")
    traverse.add_argument("--steps", type=int, default=11, metavar="N", help="images a dimension, both ends included")
    add_options(traverse, (LABEL, out_option("traversal.png")))


def run_interpolate(args: argparse.Namespace) -> int:
    """Decode what lies between two codes."""
    check_out(args.out, SUFFIXES)
    model = read_model(args)
    images = read_rows(args, model).images
    (start,), (end,) = (
        _rows(args, images, f"--{name}", [row]) for name, row in (("from", args.start), ("to", args.end))
    )
    frames = to_numpy(model.interpolate(start, end, args.steps, args.kind, label_of(args, model)))
    shown = np.concatenate([start[None], frames, end[None]])
    title = f"At both ends the originals, between them {WAYS[args.kind]} from code to code"
    value_range = plotting.value_range_of(images)
    write_rows(frames, args.out, lambda: plotting.draw_images(shown, model.image_shape, len(shown), title, value_range))
    return 0


def run_analogy(args: argparse.Namespace) -> int:
    """Decode sums of codes; a picture shows each term too, decoded."""
    check_out(args.out, SUFFIXES)
    model = read_model(args)
    rows = read_rows(args, model)
    a, b = (_group(args, rows, option, numbers) for option, numbers in (("--a", args.a), ("--b", args.b)))
    c = _rows(args, rows.images, "--c", args.c)
    answers = to_numpy(model.analogy(a, b, c))
    means = np.stack([to_numpy(model.embed(group)).mean(axis=0) for group in (a, b)])
    plus, minus = to_numpy(model.decode(means))
    write_rows(
        answers,
        args.out,
        lambda: plotting.draw_analogies(
            plus, minus, model.reconstruct(c), answers, model.image_shape, plotting.value_range_of(rows.images)
        ),
    )
    return 0


def run_traverse(args: argparse.Namespace) -> int:
    """Decode walks along latent dimensions, one after the other."""
    check_out(args.out, SUFFIXES)
    vae = read_vae(args)
    images = read_rows(args, vae).images
    reach, steps = check_positive("--reach", args.reach), check_int("--steps", args.steps)
    x = _rows(args, images, "--row", [args.row])[0] if hasattr(args, "row") else None
    label = label_of(args, vae)
    kl = active_units(vae, images, label).kl
    dimensions = getattr(args, "dimensions", np.argsort(-kl, kind="stable").tolist())
    values = np.linspace(-reach, reach, steps)
    frames = np.concatenate([to_numpy(vae.traverse(x, k, values, label)) for k in dimensions])
    names = [f"z{k}  {kl[k]:.2f} nats" for k in dimensions]
    value_range = plotting.value_range_of(images)
    write_rows(frames, args.out, lambda: plotting.draw_traversals(frames, vae.image_shape, names, values, value_range))
    print(f"{len(names)} × {steps} images, by dimension, with its KL: {', '.join(names)}")
    return 0


def _rows(args: argparse.Namespace, images: Any, option: str, numbers: list[int]) -> Any:
    for row in numbers:
        if not 0 <= row < len(images):
            raise ConfigError(
                f"{option} {row}: the data has rows 0 to {len(images) - 1} in its part {args.part!r}; see --part"
            )
    return images[numbers]


def _group(args: argparse.Namespace, rows: Split, option: str, wanted: list[int]) -> Any:
    if not args.labels:
        return _rows(args, rows.images, option, wanted)
    if rows.labels is None:
        raise ConfigError(f"--labels: {args.data} has none; leave it out, and name rows by their number")
    known = np.unique(rows.labels)
    for label in wanted:
        if label not in known:
            raise ConfigError(f"{option} {label}: no row has that label; there are {', '.join(map(str, known))}")
    return rows.images[np.isin(rows.labels, wanted)]
