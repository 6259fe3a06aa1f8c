"""Labels on the command line: which of them a model learns from, and which it is told."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.cli.arguments import Arguments
from scratchvae.datasets import Dataset, Split
from scratchvae.errors import ConfigError
from scratchvae.evaluation import classification
from scratchvae.models import ConditionalVAE, Model, SemiSupervisedVAE
from scratchvae.models.labels import UNLABELLED, check_labels
from scratchvae.settings import whole

KINDS: dict[str, type[ConditionalVAE]] = {"conditional": ConditionalVAE, "semi-supervised": SemiSupervisedVAE}


def add_labels(parser: Arguments) -> None:
    """How many labels to learn from, and how."""
    parser.add_argument(
        "--labels",
        type=int,
        default=argparse.SUPPRESS,
        metavar="N",
        help="of a semi-supervised model: keep N labels, as many of each class, and learn from all other rows without "
        "theirs; all labels without it",
    )
    parser.add_argument(
        "--alpha",
        type=float,
        default=argparse.SUPPRESS,
        metavar="A",
        help="of a semi-supervised model: weight of the classifier on labelled rows; without it 0.1 over their share",
    )
    parser.add_argument(
        "--labelled-share",
        type=float,
        default=argparse.SUPPRESS,
        metavar="S",
        help="of a semi-supervised model: share of labelled rows in a batch; as in the data without it",
    )


def label_settings(args: argparse.Namespace, data: Dataset) -> dict[str, Any]:
    """The settings of a model that takes labels: how many classes there are, and what was asked for. {} for another."""
    for option in ("labels", "alpha", "labelled_share"):
        if hasattr(args, option) and args.model != "semi-supervised":
            flag = "--" + option.replace("_", "-")
            raise ConfigError(f"{flag} does nothing for {args.model}: leave it out, or add --model semi-supervised")
    if args.model not in KINDS:
        return {}
    labels = data.train.labels
    if labels is None or labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise ConfigError(f"{data.name} has no labels that are classes, which --model {args.model} learns from")
    alpha = {"alpha": args.alpha} if hasattr(args, "alpha") else {}
    highest = max(int(part.labels.max()) for part in (data.train, data.test) if part.labels is not None)
    return {"classes": max(2, highest + 1), **alpha}


def labels_to_learn(args: argparse.Namespace, model: Model, rows: Split) -> Array | None:
    """The labels (N,) to learn from: all, or those that --labels keeps, drawn from --seed; None for a model without."""
    if not isinstance(model, ConditionalVAE):
        return None
    assert rows.labels is not None
    labels, classes = rows.labels.astype(int), model.classes
    if not hasattr(args, "labels"):
        return labels
    kept = whole("--labels", args.labels)
    if kept % classes:
        raise ConfigError(f"--labels {kept}: expected a multiple of {classes}, the number of classes")
    rng, given = np.random.default_rng(args.seed), np.full(len(labels), UNLABELLED)
    for k in range(classes):
        of_class = np.flatnonzero(labels == k)
        if len(of_class) < kept // classes:
            raise ConfigError(
                f"--labels {kept}: {len(of_class)} rows are labelled {k}, which is fewer than were asked for"
            )
        given[rng.permutation(of_class)[: kept // classes]] = k
    return given


def what_is_told(args: argparse.Namespace, model: Model, learning: Split, validating: Split) -> dict[str, Any]:
    """What `Trainer.fit` is told of labels, besides the rows; {} for a model that takes none."""
    labels = labels_to_learn(args, model, learning)
    if labels is None:
        return {}
    told = {"labels": labels, "labelled_share": getattr(args, "labelled_share", None)}
    return {**told, "validation_labels": validating.labels} if needs_labels(model) else told


def accuracy_of(model: Model, rows: Split) -> dict[str, float]:
    """The share of labelled rows that a semi-supervised model classifies right, under its name; {} of another model."""
    if not isinstance(model, SemiSupervisedVAE) or rows.labels is None:
        return {}
    known = rows.labels != UNLABELLED
    if not known.any():
        return {}
    return {"accuracy": classification(model, rows.images[known], rows.labels[known]).accuracy}


def needs_labels(model: Model) -> bool:
    """Whether a model must be told the class of each row."""
    return isinstance(model, ConditionalVAE) and not isinstance(model, SemiSupervisedVAE)


def add_label(parser: Arguments) -> None:
    """Which class."""
    parser.add_argument(
        "--label", type=int, default=argparse.SUPPRESS, metavar="K", help="of a model that is told it: the class"
    )


def told_label(args: argparse.Namespace, model: Model) -> AbstractContextManager[None]:
    """While this lasts, the model is told the class that --label names, if it does."""
    if not hasattr(args, "label"):
        return nullcontext()
    if not isinstance(model, ConditionalVAE):
        raise ConfigError(f"--label {args.label}: {args.model} holds a {type(model).__name__}, which is told no class")
    label = check_labels(args.label, 1, model.classes, "--label").item()
    return model.told(label)


def told_labels(model: Model, rows: Split, name: str) -> AbstractContextManager[None]:
    """While this lasts, a model that must be told classes is told those of these rows."""
    if not isinstance(model, ConditionalVAE) or not needs_labels(model):
        return nullcontext()
    if rows.labels is None:
        raise ConfigError(f"{name} has no labels, and a ConditionalVAE needs the class of each row")
    return model.told(check_labels(rows.labels, len(rows.images), model.classes, f"the labels of {name}"))
