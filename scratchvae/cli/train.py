"""scratchvae train."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from importlib.util import find_spec
from typing import Any

from scratchvae.cli import config_file
from scratchvae.cli.arguments import Commands, add_command, data_source, describe_score, print_json, read_data
from scratchvae.cli.kl_options import make_corruption, make_kl_weight
from scratchvae.cli.labels import accuracy_of, label_arguments, labels_of
from scratchvae.cli.model_options import has_kl, make_model, make_optimizer, parts
from scratchvae.cli.options import add_options, arguments
from scratchvae.cli.outputs import Printer, collect_warnings, collect_warnings_of, print_warning
from scratchvae.cli.resuming import LastFinite, make_checkpoint, report_resume
from scratchvae.cli.run_folder import Beforehand, run_folder, write_config, write_run
from scratchvae.cli.train_options import GROUPS, OPTIONS, PLACE
from scratchvae.errors import CheckpointWarning, CollapseWarning, DivergenceWarning
from scratchvae.plotting import UNIT_RANGE, value_range_of
from scratchvae.training import Callback, Trainer, score
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
    add_options(parser, PLACE)
    for title, options in GROUPS.items():
        add_options(parser.add_argument_group(title), options)
    add_options(parser, [config_file.OPTION])


def run(args: argparse.Namespace) -> int:
    """Train, then write."""
    say = Printer(silent=args.quiet or args.json)
    data = read_data(args)
    model = make_model(args, data)
    learning, validating, watched = parts(data, hold_out=hasattr(args, "patience"))
    train, validation = learning.images, validating.images
    corrupt = make_corruption(args)
    trainer = Trainer(
        model,
        seed=args.seed,
        optimizer=make_optimizer(args, len(train)),
        kl_weight=make_kl_weight(args, len(train)),
        corrupt=corrupt,
        **arguments(args, OPTIONS, "trainer"),
    )
    model.metadata = {**data_source(args), "binarize": trainer.binarize}
    if (value_range := value_range_of(data.train.images)) != UNIT_RANGE:
        model.metadata["value_range"] = value_range
    if corrupt is not None:
        model.metadata["corrupt"] = describe(corrupt)
    with run_folder(args, data, model) as out:
        rows = f"{len(train)} rows of {model.input_dim} numbers to train on, {len(data.test.images)} to test on"
        say(f"{data.name}: {rows}; {watched}")
        say(str(model).strip("<>"))
        told = label_arguments(args, model, learning, validating)
        checkpoint = make_checkpoint(args, out)
        beforehand = Beforehand(partial(write_config, out, args, model, None))
        callbacks: list[Callback] = [LastFinite(out)] if checkpoint is None else [beforehand, checkpoint]
        report_resume(say, checkpoint)
        at_once = collect_warnings_of(
            print_warning, DivergenceWarning, CheckpointWarning
        )  # training may go on for hours
        asked = arguments(args, OPTIONS, "fit")
        with collect_warnings(CollapseWarning) as warned, at_once:
            history = trainer.fit(
                train, validation=validation, progress=not args.quiet, callbacks=callbacks, **told, **asked
            )
        for warning in () if args.quiet else warned:
            print_warning(warning)
        labels = labels_of(model, data.test, data.name)
        test = score(model, data.test.images, binarize=trainer.binarize, labels=labels)

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
        go_on = "; go on from the checkpoint by --resume" if checkpoint else ""
        print(f"scratchvae train: interrupted; {out} has what was learnt so far{go_on}", file=sys.stderr)
        return 130
    return 0
