"""Labels on the command line: those that a model learns from, and those of the rows that it is applied to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.cli.arguments import Rows, class_names
from scratchvae.cli.messages import count_of, suggestion
from scratchvae.cli.options import Option, refuse
from scratchvae.datasets import Dataset, Split
from scratchvae.datasets.tables import SUFFIXES
from scratchvae.errors import ConfigError
from scratchvae.evaluation import classification
from scratchvae.models import ConditionalVAE, Model, SemiSupervisedVAE
from scratchvae.models.labels import UNLABELLED
from scratchvae.validation import check_int

LABELLED_MODELS: dict[str, type[ConditionalVAE]] = {"conditional": ConditionalVAE, "semi-supervised": SemiSupervisedVAE}

LABEL = Option("label", "the class to decode, for a conditional or semi-supervised model", metavar="CLASS", common=True)


def class_settings(args: argparse.Namespace, data: Dataset) -> dict[str, Any]:
    """The classes as an argument of a model with labels; {} for other models. Raises ConfigError."""
    if args.model != "semi-supervised":
        reason = f"with --model {args.model}: leave it out, or add --model semi-supervised"
        refuse(args, reason, "labels", "alpha", "labelled-share")
    if args.model not in LABELLED_MODELS:
        return {}
    labels = data.train.labels
    if labels is None or labels.dtype.kind not in "iu" or labels.ndim != 1:
        named = data.columns is not None or Path(data.name).suffix.lower() in SUFFIXES
        hint = "name the column of the classes label" if named else "choose another --model"
        raise ConfigError(f"{data.name} has no class labels, which --model {args.model} needs; {hint}")
    known = [part.labels for part in (data.train, data.test) if part.labels is not None]
    unlabelled = sum(int((part == UNLABELLED).sum()) for part in known)
    if unlabelled and args.model == "conditional":
        raise ConfigError(
            f"{data.name} has {count_of(unlabelled, 'row')} without a label, but --model conditional needs the class "
            "of each row; leave those rows out, or use --model semi-supervised"
        )
    highest = max(int(part.labels.max(initial=-1)) for part in (data.train, data.test) if part.labels is not None)
    numbers = tuple(str(k) for k in range(highest + 1))
    names = data.classes or numbers
    if len(names) < 2:
        only = f"only the class {names[0]}" if names else "no labels"
        raise ConfigError(f"{data.name} has {only}; --model {args.model} needs at least two classes")
    return {"classes": len(names) if names == numbers else names}


def labels_to_learn(args: argparse.Namespace, model: Model, rows: Split) -> Array | None:
    """The labels (N,) to learn from, −1 where there is none; None for a model without labels.

    Without --labels these are all labels, with --labels a random choice, the same number of each class, that depends
    on --seed. Raises ConfigError.
    """
    if not isinstance(model, ConditionalVAE):
        return None
    assert rows.labels is not None
    labels, classes = rows.labels.astype(int), model.classes
    if not hasattr(args, "labels"):
        return labels
    count = check_int("labels", args.labels)
    if count % classes:
        raise ConfigError(f"--labels {count}: expected a multiple of {classes}, the number of classes")
    rng, chosen = np.random.default_rng(args.seed), np.full(len(labels), UNLABELLED)
    for k in range(classes):
        rows_of_class = np.flatnonzero(labels == k)
        if len(rows_of_class) < count // classes:
            raise ConfigError(
                f"--labels {count} needs {count // classes} rows of each class; class {class_names(model)[k]} has "
                f"{len(rows_of_class)}: choose fewer"
            )
        chosen[rng.permutation(rows_of_class)[: count // classes]] = k
    return chosen


def label_arguments(args: argparse.Namespace, model: Model, train: Split, validation: Split) -> dict[str, Any]:
    """The arguments of `Trainer.fit` that concern labels."""
    validation_labels = validation.labels if needs_labels(model) else None
    return {"labels": labels_to_learn(args, model, train), "validation_labels": validation_labels}


def accuracy_of(model: Model, rows: Split | Rows) -> dict[str, float]:
    """{"accuracy": …} of a semi-supervised model on the labelled rows; {} for other models or without such rows."""
    if not isinstance(model, SemiSupervisedVAE) or rows.labels is None:
        return {}
    labelled = rows.labels != UNLABELLED
    if not labelled.any():
        return {}
    return {"accuracy": classification(model, rows.images[labelled], rows.labels[labelled]).accuracy}


def needs_labels(model: Model) -> bool:
    """True if a model needs the class of each row."""
    return isinstance(model, ConditionalVAE) and not isinstance(model, SemiSupervisedVAE)


def label_of(args: argparse.Namespace, model: Any, required: bool = False) -> int | None:
    """The class of --label; None without it. Raises ConfigError, also if it is `required` and the model needs it."""
    if not hasattr(args, "label"):
        if required and isinstance(model, ConditionalVAE):
            kind = type(model).__name__
            raise ConfigError(f"{args.model} is a {kind}: add --label with the class to decode, {model.class_range}")
        return None
    if not isinstance(model, ConditionalVAE):
        raise ConfigError(
            f"--label {args.label}: {args.model} is a {type(model).__name__}, which has no classes; leave --label out"
        )
    names = class_names(model)
    if args.label not in names:
        hint = "" if args.label.isdecimal() else suggestion(args.label, names)
        raise ConfigError(f"--label {args.label}: expected a class, {model.class_range}{hint}")
    return names.index(args.label)


def labels_of(model: Model, rows: Split | Rows, name: str) -> Array | None:
    """The class of each row, for a model that needs it; None for other models. Raises ConfigError or RangeError."""
    if not isinstance(model, ConditionalVAE) or not needs_labels(model):
        return None
    if rows.labels is None:
        raise ConfigError(f"{name} has no labels, but a ConditionalVAE needs the class of each row; name other DATA")
    if unlabelled := int((rows.labels == UNLABELLED).sum()):
        raise ConfigError(
            f"{name} has {count_of(unlabelled, 'row')} without a label, but a ConditionalVAE needs the class of each "
            "row; leave those rows out"
        )
    return rows.labels
