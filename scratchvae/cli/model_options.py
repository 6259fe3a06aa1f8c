"""The model, the optimizer and the rows that `train` was asked for."""

from __future__ import annotations

import argparse

import numpy as np

from scratchvae.cli.labels import class_settings
from scratchvae.cli.options import arguments, refuse
from scratchvae.cli.train_options import MODELS, OPTIONS
from scratchvae.datasets import Dataset, Split
from scratchvae.models import IWAE, VAE, Autoencoder, Model
from scratchvae.optim import SGD, Adam, AdamW, Constant, Cosine, Optimizer, Schedule, WarmUp
from scratchvae.validation import check_int


def make_model(args: argparse.Namespace, data: Dataset) -> Model:
    """A fresh model, once it is known that it can learn from `data`."""
    kind = MODELS[args.model]
    if kind is Autoencoder:
        why = "for an autoencoder, which has no KL: leave it out"
        refuse(args, why, "free-bits", "kl-warmup", "kl-cycles")
    if kind is not IWAE:
        refuse(args, f"for --model {args.model}: leave it out, or take iwae", "importance-samples")
    model = kind(
        input_dim=data.train.images.shape[1],
        image_shape=data.image_shape,
        **arguments(args, OPTIONS, "model"),
        **class_settings(args, data),
    )
    model.check_data(data.train.images, data.name)
    model.check_data(data.test.images, data.name)
    return model


def has_kl(model: Model) -> bool:
    """Whether the history has a KL of each latent dimension."""
    return isinstance(model, VAE) and model.kl_by_row


def parts(data: Dataset, hold_out: bool) -> tuple[Split, Split, str]:
    """The rows to train on, those to watch, and in words which those are."""
    if data.validation is not None:
        return data.train, data.validation, f"{len(data.validation.images)} to validate on"
    if not hold_out:
        return data.train, data.test, "the test rows are watched as validation"
    images, labels = data.train
    tenth = np.arange(len(images)) % 10 == 9
    train, validation = (
        Split(images[chosen], None if labels is None else labels[chosen]) for chosen in (~tenth, tenth)
    )
    return train, validation, f"{len(validation.images)} held out to validate on"


def make_optimizer(args: argparse.Namespace, rows: int) -> Optimizer:
    """An optimizer whose schedule ends with the last step over `rows` rows."""
    for option, optimizer in (("momentum", "sgd"), ("weight-decay", "adamw")):
        if args.optimizer != optimizer:
            refuse(args, f"for {args.optimizer}: leave it out, or add --optimizer {optimizer}", option)
    steps = steps_an_epoch(args, rows)
    warm_up = check_int("--warm-up", args.warm_up, least=0) * steps
    left = max(1, check_int("--epochs", args.epochs) * steps - warm_up)
    lr: Schedule = Cosine(args.lr, left) if args.schedule == "cosine" else Constant(args.lr)
    lr = WarmUp(warm_up, lr) if warm_up else lr
    settings = arguments(args, OPTIONS, args.optimizer)
    if args.optimizer == "sgd":
        return SGD(lr, **{"momentum": 0.9, **settings})
    return Adam(lr) if args.optimizer == "adam" else AdamW(lr, **settings)


def steps_an_epoch(args: argparse.Namespace, rows: int) -> int:
    """How many batches make up `rows` rows."""
    return -(-rows // check_int("--batch-size", args.batch_size))
