"""The model, the optimizer and the rows of a training."""

from __future__ import annotations

import argparse

import numpy as np

from scratchvae.cli.labels import class_settings
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import arguments, refuse
from scratchvae.cli.train_options import MODELS, OPTIONS
from scratchvae.datasets import Dataset, Split
from scratchvae.errors import DataError
from scratchvae.models import IWAE, VAE, Autoencoder, Model
from scratchvae.models.input_validation import ROUNDING
from scratchvae.optim import SGD, Adam, AdamW, Constant, Cosine, Optimizer, Schedule, WarmUp
from scratchvae.validation import check_int


def make_model(args: argparse.Namespace, data: Dataset) -> Model:
    """A new model, after a check that it accepts `data`. Raises ConfigError or RangeError."""
    model_class = MODELS[args.model]
    if model_class is Autoencoder:
        refuse(args, "with --model autoencoder, which has no KL: leave it out", "free-bits", "kl-warmup", "kl-cycles")
    if model_class is not IWAE:
        reason = f"with --model {args.model}: leave it out, or add --model iwae"
        refuse(args, reason, "importance-samples")
    if not len(data.test.images):
        rows = count_of(len(data.train.images), "row")
        raise DataError(f"{data.name} holds {rows}; expected at least 10 to train on, a tenth of which is for testing")
    if not hasattr(args, "likelihood"):
        args.likelihood = default_likelihood(args, data)
    model = model_class(
        input_dim=data.train.images.shape[1],
        image_shape=data.image_shape,
        **arguments(args, OPTIONS, "model"),
        **class_settings(args, data),
    )
    model.schema = model.schema._replace(columns=data.columns)
    to_scale = data.part("all") if args.scale == "minmax" else data.train  # so that the test rows are in range
    with model.learning_schema(to_scale.images, None):
        model.check_data(data.train.images, data.name, np.empty(model.input_dim))
        model.check_data(data.test.images, data.name)
    return model


def default_likelihood(args: argparse.Namespace, data: Dataset) -> str:
    """bernoulli for pictures and for numbers in [0, 1], else gaussian_learned, or gaussian if --sigma is given."""
    parts = [part.images for part in (data.train, data.test)]
    if args.scale == "minmax" or parts[0].dtype in (np.uint8, np.uint16, np.bool_):
        return "bernoulli"
    if data.image_shape is not None:
        return "bernoulli"  # whose refusal says how to scale pictures
    in_range = all(np.nanmin(x) >= -ROUNDING and np.nanmax(x) <= 1 + ROUNDING for x in parts)
    if in_range and args.scale != "standardize":
        return "bernoulli"
    return "gaussian" if hasattr(args, "sigma") else "gaussian_learned"


def has_kl(model: Model) -> bool:
    """True if the history has the KL of each latent dimension."""
    return isinstance(model, VAE) and model.kl_per_row


def training_and_validation(data: Dataset, hold_out: bool) -> tuple[Split, Split, str]:
    """The rows to train on, the rows to validate on, and a description of the latter.

    hold_out   validate on every tenth training row, in place of the test rows, if the data has no validation part
    """
    if data.validation is not None:
        return data.train, data.validation, count_of(len(data.validation.images), "validation row")
    if not hold_out:
        return data.train, data.test, "validation on the test rows"
    images, labels = data.train
    tenth = np.arange(len(images)) % 10 == 9
    train, validation = (
        Split(images[chosen], None if labels is None else labels[chosen]) for chosen in (~tenth, tenth)
    )
    return train, validation, f"{count_of(len(validation.images), 'row')} held out for validation"


def make_optimizer(args: argparse.Namespace, rows: int) -> Optimizer:
    """An optimizer whose schedule ends with the last step of a training on `rows` rows. Raises ConfigError."""
    for option, optimizer in (("momentum", "sgd"), ("weight-decay", "adamw")):
        if args.optimizer != optimizer:
            reason = f"with --optimizer {args.optimizer}: leave it out, or add --optimizer {optimizer}"
            refuse(args, reason, option)
    steps = steps_per_epoch(args, rows)
    warm_up = check_int("warm_up", args.warm_up, minimum=0) * steps
    remaining = max(1, check_int("epochs", args.epochs) * steps - warm_up)
    lr: Schedule = Cosine(args.lr, remaining) if args.schedule == "cosine" else Constant(args.lr)
    lr = WarmUp(warm_up, lr) if warm_up else lr
    settings = arguments(args, OPTIONS, args.optimizer)
    if args.optimizer == "sgd":
        return SGD(lr, **{"momentum": 0.9, **settings})
    return Adam(lr) if args.optimizer == "adam" else AdamW(lr, **settings)


def steps_per_epoch(args: argparse.Namespace, rows: int) -> int:
    """The number of batches in `rows` rows. Raises ConfigError."""
    return -(-rows // check_int("batch_size", args.batch_size))
