"""Labels on the command line: which of them a model learns from, and which it is told."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.cli.options import Option, refuse
from scratchvae.datasets import Dataset, Split
from scratchvae.errors import ConfigError
from scratchvae.evaluation import classification
from scratchvae.models import ConditionalVAE, Model, SemiSupervisedVAE
from scratchvae.models.labels import UNLABELLED, check_labels
from scratchvae.validation import check_int

KINDS: dict[str, type[ConditionalVAE]] = {"conditional": ConditionalVAE, "semi-supervised": SemiSupervisedVAE}


LABEL = Option("label", "of a model that is told it: the class", int, metavar="K")


def class_settings(args: argparse.Namespace, data: Dataset) -> dict[str, Any]:
    """The setting of a model that takes labels: how many classes there are. {} for another."""
    if args.model != "semi-supervised":
        why = f"for {args.model}: leave it out, or add --model semi-supervised"
        refuse(args, why, "labels", "alpha", "labelled-share")
    if args.model not in KINDS:
        return {}
    labels = data.train.labels
    if labels is None or labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise ConfigError(f"{data.name} has no labels that are classes, which --model {args.model} learns from")
    highest = max(int(part.labels.max()) for part in (data.train, data.test) if part.labels is not None)
    return {"classes": max(2, highest + 1)}


def labels_to_learn(args: argparse.Namespace, model: Model, rows: Split) -> Array | None:
    """The labels (N,) to learn from: all, or those that --labels keeps, drawn from --seed; None for a model without."""
    if not isinstance(model, ConditionalVAE):
        return None
    assert rows.labels is not None
    labels, classes = rows.labels.astype(int), model.classes
    if not hasattr(args, "labels"):
        return labels
    kept = check_int("--labels", args.labels)
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


def label_arguments(args: argparse.Namespace, model: Model, learning: Split, validating: Split) -> dict[str, Any]:
    """The arguments of `Trainer.fit` that concern labels."""
    watched = validating.labels if needs_labels(model) else None
    return {"labels": labels_to_learn(args, model, learning), "validation_labels": watched}


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


def label_of(args: argparse.Namespace, model: Model) -> int | None:
    """The class that --label names; None without it."""
    if not hasattr(args, "label"):
        return None
    if not isinstance(model, ConditionalVAE):
        raise ConfigError(f"--label {args.label}: {args.model} holds a {type(model).__name__}, which is told no class")
    return int(check_labels(args.label, 1, model.classes, "--label").item())


def labels_of(model: Model, rows: Split, name: str) -> Array | None:
    """The class of each of the rows, for a model that must be told it; None for another."""
    if not isinstance(model, ConditionalVAE) or not needs_labels(model):
        return None
    if rows.labels is None:
        raise ConfigError(f"{name} has no labels, and a ConditionalVAE needs the class of each row")
    return check_labels(rows.labels, len(rows.images), model.classes, f"the labels of {name}")
