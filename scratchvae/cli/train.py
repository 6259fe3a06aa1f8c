"""scratchvae train."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

from scratchvae.cli.arguments import (
    Commands,
    add_backend,
    add_command,
    add_data,
    add_seed,
    data_source,
    describe_score,
    print_json,
    read_data,
)
from scratchvae.cli.balance import add_balance, make_corruption, make_kl_weight
from scratchvae.cli.labels import KINDS, accuracy_of, add_labels, told_labels, what_is_told
from scratchvae.cli.outputs import Speaker, heard, held_back, print_warning
from scratchvae.cli.recipe import has_kl, make_model, make_optimizer, parts
from scratchvae.cli.resuming import add_checkpoints, checkpoint_settings, last_finite, tell_of_resuming
from scratchvae.cli.run_folder import config_beforehand, run_folder, write_run
from scratchvae.errors import CheckpointWarning, CollapseWarning, DivergenceWarning
from scratchvae.layers.initializers import INITIALIZERS
from scratchvae.models.likelihoods import LIKELIHOODS
from scratchvae.models.network import ACTIVATIONS
from scratchvae.plotting import UNIT, span_of
from scratchvae.training import Trainer, score
from scratchvae.training.corruption import describe


def add_commands(commands: Commands) -> None:
    """Add `train`."""
    parser = add_command(
        commands,
        "train",
        run,
        "train a model; write its weights, its history and pictures",
        "scratchvae train mnist --latent 20 --epochs 20 --binarize dynamic --out runs/mnist",
    )
    add_data(parser, "digits", "digits needs nothing")
    parser.add_argument(
        "--out",
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="where to write, one run at a time; runs/DATA without it",
    )

    network = parser.add_argument_group("the network")
    network.add_argument(
        "--model",
        choices=["vae", "iwae", "autoencoder", *KINDS],
        default="vae",
        help="what to train; iwae: a VAE, by the bound of several draws together; conditional and semi-supervised ones "
        "take labels too",
    )
    network.add_argument(
        "--importance-samples", type=int, default=argparse.SUPPRESS, metavar="K", help="draws of iwae; 20 without it"
    )
    network.add_argument(
        "--missing", action="store_true", help="NaN in the data marks what is missing, and the rest is learnt from"
    )
    network.add_argument("--latent", type=int, default=10, metavar="Z", help="size of the latent space")
    network.add_argument(
        "--hidden",
        type=int,
        nargs="*",
        default=[512],
        metavar="H",
        help="the encoder's hidden widths; name DATA before",
    )
    network.add_argument("--activation", choices=list(ACTIVATIONS), default="relu", help="between the layers")
    network.add_argument(
        "--init",
        choices=list(INITIALIZERS),
        default=argparse.SUPPRESS,
        help="how all weights begin; without it: He before a rectifier, else Glorot",
    )
    network.add_argument(
        "--likelihood",
        choices=list(LIKELIHOODS),
        default="bernoulli",
        help="of the data given its code: bernoulli for pixels that are on or off, continuous_bernoulli for grey ones "
        "from 0 to 1; the gaussian ones for any numbers, with one width that is given or learnt, or a width for each "
        "that the decoder puts out",
    )
    network.add_argument(
        "--sigma",
        type=float,
        default=argparse.SUPPRESS,
        metavar="S",
        help="width of the gaussian likelihood, and of gaussian_learnt at first; 1 without it",
    )
    network.add_argument("--beta", type=float, default=1.0, help="weight of the KL")

    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=int, default=50, help="runs through the data")
    training.add_argument("--batch-size", type=int, default=128, metavar="B", help="rows a step")
    training.add_argument("--optimizer", choices=["adam", "adamw", "sgd"], default="adam", help="how to step")
    training.add_argument("--lr", type=float, default=1e-3, help="learning rate, at its highest")
    training.add_argument("--schedule", choices=["cosine", "constant"], default="cosine", help="the rate over time")
    training.add_argument("--warm-up", type=int, default=0, metavar="EPOCHS", help="epochs over which the rate rises")
    training.add_argument(
        "--momentum", type=float, default=argparse.SUPPRESS, metavar="M", help="of sgd; 0.9 without it"
    )
    training.add_argument(
        "--weight-decay", type=float, default=argparse.SUPPRESS, metavar="D", help="of adamw; 0.01 without it"
    )
    training.add_argument(
        "--clip-norm", type=float, default=argparse.SUPPRESS, metavar="N", help="largest norm of a gradient"
    )
    training.add_argument(
        "--binarize",
        choices=["none", "dynamic"],
        default="none",
        help="take grey values as they are, or draw each pixel anew at each step, on with the probability they say",
    )
    add_balance(training)
    add_labels(training)
    training.add_argument(
        "--patience",
        type=int,
        default=argparse.SUPPRESS,
        metavar="EPOCHS",
        help="hold out a tenth of the training rows unless the data has a validation part, stop when their loss has "
        "not fallen for so long, and go back to the best weights",
    )
    add_checkpoints(training)
    add_seed(training, "weights, order, noise, binarisation and corruption")
    add_backend(training)
    training.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="precision")

    output = parser.add_argument_group("output")
    output.add_argument("--no-pictures", action="store_true", help="write no pictures")
    output.add_argument("--quiet", action="store_true", help="print nothing but errors")
    output.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Train, then write."""
    say = Speaker(silent=args.quiet or args.json)
    data = read_data(args)
    model = make_model(args, data)
    learning, validating, watched = parts(data, hold_out=hasattr(args, "patience"))
    train, validation = learning.images, validating.images
    binarize = None if args.binarize == "none" else args.binarize
    corrupt = make_corruption(args)
    trainer = Trainer(
        model,
        batch_size=args.batch_size,
        seed=args.seed,
        optimizer=make_optimizer(args, len(train)),
        clip_norm=getattr(args, "clip_norm", None),
        binarize=binarize,
        kl_weight=make_kl_weight(args, len(train)),
        corrupt=corrupt,
    )
    model.notes = {**data_source(args), "binarize": binarize}
    if (span := span_of(data.train.images)) != UNIT:
        model.notes["span"] = span
    if corrupt is not None:
        model.notes["corrupt"] = describe(corrupt)
    with run_folder(args, data, model) as out:
        rows = f"{len(train)} rows of {model.input_dim} numbers to train on, {len(data.test.images)} to test on"
        say(f"{data.name}: {rows}; {watched}")
        say(str(model).strip("<>"))
        patience = getattr(args, "patience", None)
        asked = what_is_told(args, model, learning, validating)
        asked |= {"patience": patience, **checkpoint_settings(args, out)}
        kept = "checkpoint" in asked
        beforehand = config_beforehand(out, args, model) if kept else nullcontext()
        tell_of_resuming(say, asked)
        at_once = heard(print_warning, DivergenceWarning, CheckpointWarning)  # training may go on for hours
        with held_back(CollapseWarning) as warned, at_once, beforehand, last_finite(model, out, kept):
            history = trainer.fit(train, args.epochs, validation, progress=not args.quiet, **asked)
        for warning in () if args.quiet else warned:
            print_warning(warning)
        with told_labels(model, data.test, data.name):
            test = score(model, data.test.images, binarize=binarize)

        result: dict[str, Any] = {
            "test": test._asdict(),
            "epochs": len(history.epochs),
            "stopped": history.stopped,
            "best_epoch": history.best_epoch,
            "halvings": history.halvings,
            "active_units": history.active_units[-1] if history.epochs and has_kl(model) else None,
            "seconds": sum(history.seconds),
            **accuracy_of(model, data.test),
        }
        written = write_run(out, args, model, history, data, result)
    if history.stopped == "early":
        say(f"stopped early: epoch {history.best_epoch} had the best validation loss, and its weights are back")
    say(f"test {describe_score(model, test)}, {sum(history.seconds):.1f} s of training")
    if "accuracy" in result:
        say(f"{100 * result['accuracy']:.2f} % of the test rows are classified right")
    say(f"wrote {', '.join(written)} to {out}")
    if not args.no_pictures and not find_spec("matplotlib"):
        say("no pictures: they need matplotlib; install it with  pip install 'scratchvae[cli]'")
    if args.json:
        print_json({**result, "out": str(out), "files": written})
    if history.stopped == "interrupted":
        go_on = "; go on from the checkpoint by --resume" if kept else ""
        print(f"scratchvae train: interrupted; {out} has what was learnt so far{go_on}", file=sys.stderr)
        return 130
    return 0
