"""scratchvae train."""

from __future__ import annotations

import argparse
import shlex
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scratchvae.cli.arguments import (
    HELD_OUT_SEED,
    Commands,
    add_command,
    data_source,
    describe_score,
    print_json,
)
from scratchvae.cli.earlier_run import reason_not_resumed, replacement
from scratchvae.cli.kinds import read_training_data
from scratchvae.cli.kl_options import make_corruption, make_kl_weight
from scratchvae.cli.labels import accuracy_of, label_arguments, labels_of
from scratchvae.cli.messages import count_of, without_clipping
from scratchvae.cli.model_options import (
    count_missing,
    describe_missing,
    has_kl,
    make_model,
    make_optimizer,
    steps_per_epoch,
    training_and_validation,
)
from scratchvae.cli.options import arguments
from scratchvae.cli.outputs import NO_MATPLOTLIB, Printer, collect_warnings, print_warning, redirect_warnings
from scratchvae.cli.resuming import make_callbacks, make_checkpoint, report_resume
from scratchvae.cli.run_folder import run_folder, write_config, write_run
from scratchvae.cli.train_options import FILES, GROUPS, OPTIONS
from scratchvae.datasets import NAMES
from scratchvae.datasets.tables import LABEL, SUFFIXES
from scratchvae.errors import BusyCoresWarning, CheckpointWarning, CollapseWarning, ConfigError, DivergenceWarning
from scratchvae.models import VAE, Model
from scratchvae.models.labels import UNLABELLED
from scratchvae.models.schema import describe_scale
from scratchvae.plotting import UNIT_RANGE, value_range_of
from scratchvae.training import Trainer, score
from scratchvae.training.corruption import describe

PICTURES = ("manifold.png", "reconstructions.png", "samples.png", "latent.png", "history.png")  # to look at first


def add_commands(commands: Commands) -> None:
    """Add `train`."""
    parser = add_command(
        commands,
        "train",
        run,
        "train a model; write its weights, history and pictures",
        "scratchvae train mnist --latent 20 --epochs 20 --binarize dynamic",
    )
    parser.add_options(FILES)
    for title, options in GROUPS.items():
        parser.add_options(options, title)


def run(args: argparse.Namespace) -> int:
    """Train a model and write it."""
    say = Printer(silent=args.quiet or args.json)
    group = args.processes.prepare(args)
    data, schema = read_training_data(args)
    chosen = not hasattr(args, "likelihood") and schema is None
    model = make_model(args, data, schema)
    train, validation, validation_text = training_and_validation(data, hold_out=hasattr(args, "patience"))
    corrupt = make_corruption(args)
    labels = label_arguments(args, model, train, validation)
    steps = steps_per_epoch(args, len(train.images), labels["labels"])
    trainer = Trainer(
        model,
        seed=args.seed,
        optimizer=make_optimizer(args, steps),
        kl_weight=make_kl_weight(args, steps),
        corrupt=corrupt,
        comm=group,
        **arguments(args, OPTIONS, "trainer"),
    )
    model.metadata |= {**data_source(args), "binarize": trainer.binarize}
    if data.test_mask is not None and args.data not in NAMES:
        model.metadata["held_out_seed"] = HELD_OUT_SEED
    if validation is not data.validation and validation is not data.test:
        model.metadata["validation_seed"] = HELD_OUT_SEED
    if (value_range := value_range_of(data.train.images)) != UNIT_RANGE:
        model.metadata["value_range"] = list(value_range)
    if corrupt is not None:
        model.metadata["corrupt"] = describe(corrupt)
    with run_folder(args, data, model) as out:
        rows = f"{count_of(len(train.images), 'training row')} of {count_of(model.input_dim, 'number')}"
        if schema is not None:
            say(str(schema))
            if not hasattr(args, "kinds"):
                say("to change the kind of a column, add --kinds NAME=KIND")
        say(f"{data.name}: {rows}, {count_of(len(data.test.images), 'test row')}; {validation_text}")
        if train.labels is not None and labels["labels"] is None and Path(args.data).suffix.lower() in SUFFIXES:
            say(f"the column named {LABEL} is set aside as classes, and is not learned; rename it if it should be")
        if args.missing:
            say(f"{describe_missing('training', train, schema)}; {describe_missing('test', data.test, schema)}")
        say(str(model).strip("<>"))
        if chosen and (args.likelihood != "bernoulli" or data.name == "digits"):  # of digits, it depends on --latent
            kinds_of_values = {"continuous_bernoulli": "grey pixels", "bernoulli": "numbers in [0, 1]"}
            values = kinds_of_values.get(args.likelihood, "numbers beyond [0, 1]")
            say(f"likelihood {args.likelihood}, for {values}; choose another with --likelihood")
        if (known := labels["labels"]) is not None and (known == UNLABELLED).any():
            say(f"{(known != UNLABELLED).sum()} of {len(known)} training rows have a label")
        if not model.scale.is_identity:
            say(f"scale: {describe_scale(model.scale)}; results are in the units of the data")
        checkpoint = make_checkpoint(args, out)
        write_result = partial(write_config, out, args, model)
        if group is not None:
            say(f"{group.size} processes, each with a part of the rows of each batch")
        is_first = args.processes.is_first
        callbacks = make_callbacks(out, checkpoint, write_result, is_first)
        if is_first:
            report_resume(say, checkpoint)
            if (message := replacement(args, out, checkpoint)) is not None:
                say(message)
        settings = arguments(args, OPTIONS, "fit")
        warn = partial(_warn, clips=hasattr(args, "clip_norm"))
        kinds = DivergenceWarning, CheckpointWarning, BusyCoresWarning  # at once: training may go on for hours
        at_once = redirect_warnings(warn, *kinds)
        with collect_warnings(CollapseWarning) as collapse_warnings, at_once:
            try:
                history = trainer.fit(
                    train.images,
                    validation=validation.images,
                    progress=not args.quiet,
                    callbacks=callbacks,
                    **labels,
                    **settings,
                )
            except ConfigError as error:
                if (reason := reason_not_resumed(error, args, out)) is not None:
                    raise reason from error
                raise
        if not is_first:
            return 130 if history.stopped == "interrupted" else 0
        for warning in () if args.quiet else collapse_warnings:
            print_warning(warning)
        test_labels = labels_of(model, data.test, data.name)
        score_test = partial(score, model, data.test.images, binarize=trainer.binarize, labels=test_labels)
        test = score_test()
        corrupted_test = None if corrupt is None else score_test(corrupt=corrupt)

        missing = {}
        if args.missing:
            missing["missing_values"], missing["incomplete_rows"] = count_missing(train, schema)
        result: dict[str, Any] = {
            "test": test._asdict(),
            **({} if corrupted_test is None else {"test_corrupted": corrupted_test._asdict()}),
            **missing,
            "epochs": len(history.epochs),
            "stopped": history.stopped,
            "best_epoch": history.best_epoch,
            "halvings": history.lr_halvings,
            "active_units": history.active_units[-1] if history.epochs and has_kl(model) else None,
            "seconds": sum(history.seconds),
            **accuracy_of(model, data.test),
        }
        files = write_run(out, args, model, history, data, result)
    if history.stopped == "early":
        say(f"stopped early: epoch {history.best_epoch} had the best validation score, and its weights are restored")
    after = f"after {sum(history.seconds):.1f} s of training"
    if corrupt is None or corrupted_test is None:
        say(f"test {describe_score(model, test)}, {after}")
    else:
        noise = " ".join(map(str, describe(corrupt).values()))
        say(f"test, clean input: {describe_score(model, test)}, {after}")
        say(f"test, corrupted input ({noise}): {describe_score(model, corrupted_test)}")
    if "accuracy" in result:
        say(f"test accuracy of the classifier {100 * result['accuracy']:.2f} %")
    say(f"wrote {', '.join(files)} to {out}")
    say_next_steps(say, args, out, model, files)
    if args.json:
        print_json({**result, "out": str(out), "files": files})
    if history.stopped == "interrupted":
        hint = "; continue with --resume" if checkpoint else ""
        print(f"scratchvae train: interrupted; the model so far is in {out}{hint}", file=sys.stderr)
        return 130
    return 0


def _warn(message: str, clips: bool) -> None:
    print_warning(without_clipping(message) if clips else message)


def say_next_steps(say: Printer, args: argparse.Namespace, out: Path, model: Model, files: list[str]) -> None:
    """Print what to look at, and a command to run next."""
    pictures = [name for name in PICTURES if name in files]
    if pictures:
        say(f"see {', '.join(str(out / name) for name in pictures)}")
    elif not args.no_pictures and not find_spec("matplotlib"):
        say(f"no pictures: {NO_MATPLOTLIB}")
    command = "sample" if isinstance(model, VAE) else "reconstruct"
    say(f"next, for example: scratchvae {command} {shlex.quote(str(out))}")
