"""The model, the optimizer and the rows of a training."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.cli.arguments import HELD_OUT_SEED
from scratchvae.cli.labels import class_settings
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import arguments, refuse
from scratchvae.cli.tables import known_cells
from scratchvae.cli.train_options import MODELS, OPTIONS
from scratchvae.datasets import Dataset, Split
from scratchvae.datasets.dataset import held_out_rows
from scratchvae.errors import ConfigError, DataError, RangeError
from scratchvae.models import IWAE, VAE, Autoencoder, Model
from scratchvae.models.input_validation import ROUNDING
from scratchvae.optim import SGD, Adam, AdamW, Constant, Cosine, Optimizer, Schedule, WarmUp
from scratchvae.rows import RowReader, RowSelection, RowSource, extremes
from scratchvae.tables import TableSchema
from scratchvae.tables.schema import SCHEMA_ENTRY
from scratchvae.training.labelled import batches_per_epoch
from scratchvae.validation import check_int

ROWS_AT_ONCE = 1 << 12


def make_model(args: argparse.Namespace, data: Dataset, schema: TableSchema | None = None) -> Model:
    """A new model, after a check that it accepts `data`. Raises ConfigError or RangeError.

    schema   the schema of a table of several kinds of columns, whose encoded rows are in `data`
    """
    model_class = MODELS[args.model]
    if model_class is Autoencoder:
        refuse(args, "with --model autoencoder, which has no KL: leave it out", "free-bits", "kl-warmup", "kl-cycles")
    if model_class is not IWAE:
        reason = f"with --model {args.model}: leave it out, or add --model iwae"
        refuse(args, reason, "importance-samples")
    if args.architecture == "conv" and data.image_shape is None:
        raise ConfigError(
            f"--architecture conv is for pictures, and {data.name} has rows of "
            f"{count_of(data.train.images.shape[1], 'number')}: leave it out"
        )
    if not len(data.test.images):
        rows = count_of(len(data.train.images), "row")
        raise DataError(f"{data.name} holds {rows}; expected at least 10 to train on, a tenth of which is for testing")
    if schema is None and not hasattr(args, "likelihood"):
        args.likelihood = default_likelihood(args, data)
    settings = arguments(args, OPTIONS, "model")
    if schema is not None:
        settings["likelihood"] = schema.likelihood()
    model = model_class(
        input_dim=data.train.images.shape[1], image_shape=data.image_shape, **settings, **class_settings(args, data)
    )
    model.schema = model.schema._replace(columns=data.columns)
    if schema is not None:
        model.metadata[SCHEMA_ENTRY] = schema.to_json()
    to_scale = data.part("all") if args.scale == "minmax" else data.train  # so that the test rows are in range
    with model.learning_schema(to_scale.images, None):
        try:
            model.check_data(data.train.images, data.name, np.empty(model.input_dim), lazy=True)
            model.check_data(data.test.images, data.name, lazy=True)
        except RangeError:
            if data.test_mask is not None:  # so that the message counts the rows of the file
                model.check_data(data.part("all").images, data.name, np.empty(model.input_dim), lazy=True)
            raise
    return model


def default_likelihood(args: argparse.Namespace, data: Dataset) -> str:
    """The likelihood that fits the data, by its name.

    continuous_bernoulli for a VAE of the digits of the package, whose pixels are grey: its pictures are sharper. A code
    then tells more of x, and by itself: two dimensions would leave the prior behind, and labels would not matter.
    bernoulli in those cases, for other pictures and for numbers in [0, 1]. Else gaussian_learned, or gaussian if
    --sigma is given.
    """
    grey = data.name == "digits" and args.binarize == "none"
    if grey and args.model == "vae" and args.latent > 2:
        return "continuous_bernoulli"
    parts = [part.images for part in (data.train, data.test)]
    if args.scale == "minmax" or parts[0].dtype.newbyteorder("=") in (np.uint8, np.uint16, np.bool_):
        return "bernoulli"
    if data.image_shape is not None:
        return "bernoulli"  # whose refusal says how to scale pictures
    in_range = all(low >= -ROUNDING and high <= 1 + ROUNDING for low, high in map(extremes, parts))
    if in_range and args.scale != "standardize":
        return "bernoulli"
    return "gaussian" if hasattr(args, "sigma") else "gaussian_learned"


def has_kl(model: Model) -> bool:
    """True if the history has the KL of each latent dimension."""
    return isinstance(model, VAE) and model.kl_per_row


def training_and_validation(data: Dataset, hold_out: bool) -> tuple[Split, Split, str]:
    """The rows to train on, the rows to validate on, and a description of the latter.

    hold_out   validate on a tenth of the training rows, in place of the test rows, if the data has no validation part.
               They are the same ones in each run: HELD_OUT_SEED chooses them, the same share of each class

    Raises ConfigError if there are too few rows to hold any out.
    """
    if data.validation is not None:
        return data.train, data.validation, count_of(len(data.validation.images), "validation row")
    if not hold_out:
        return data.train, data.test, "validation on the test rows"
    images, labels = data.train
    mask = held_out_rows(len(images), labels, HELD_OUT_SEED)
    if not mask.any():
        raise ConfigError(
            f"--patience needs a tenth of the training rows for validation, and {data.name} has only "
            f"{count_of(len(images), 'training row')}; leave it out"
        )
    train, validation = (
        Split(_chosen(images, chosen), None if labels is None else labels[chosen]) for chosen in (~mask, mask)
    )
    return train, validation, f"{count_of(len(validation.images), 'row')} held out for validation"


def _chosen(images: Any, mask: Array) -> Any:
    """The rows where `mask` (N,) is True, those of a `RowSource` without reading them."""
    return RowSelection(images, np.flatnonzero(mask)) if isinstance(images, RowSource) else images[mask]


def count_missing(rows: Split, schema: TableSchema | None = None) -> tuple[int, int]:
    """The number of missing values, of cells of a table if there is a schema, and the number of rows that have any."""
    values = incomplete_rows = 0
    for part in RowReader(rows.images, "images").slices(ROWS_AT_ONCE):
        images = rows.images[part]
        missing = np.isnan(images) if schema is None else ~known_cells(schema, images)
        values += int(missing.sum())
        incomplete_rows += int(missing.any(axis=1).sum())
    return values, incomplete_rows


def describe_missing(name: str, rows: Split, schema: TableSchema | None = None) -> str:
    """The number of missing values in a part of the data, in words."""
    values, incomplete_rows = count_missing(rows, schema)
    size = max(1, rows.images.size if schema is None else len(rows.images) * len(schema.columns))
    return (
        f"{values:,} of {size:,} values ({100 * values / size:.3g} %) are missing, in {incomplete_rows:,} of "
        f"{count_of(len(rows.images), f'{name} row')}"
    )


def make_optimizer(args: argparse.Namespace, steps: int) -> Optimizer:
    """An optimizer whose schedule ends with the last of the `steps` steps of the last epoch. Raises ConfigError."""
    for option, optimizer in (("momentum", "sgd"), ("weight-decay", "adamw")):
        if args.optimizer != optimizer:
            reason = f"with --optimizer {args.optimizer}: leave it out, or add --optimizer {optimizer}"
            refuse(args, reason, option)
    warm_up = check_int("warm_up", args.warm_up, minimum=0) * steps
    remaining = max(1, check_int("epochs", args.epochs) * steps - warm_up)
    lr: Schedule = Cosine(args.lr, remaining) if args.schedule == "cosine" else Constant(args.lr)
    lr = WarmUp(warm_up, lr) if warm_up else lr
    settings = arguments(args, OPTIONS, args.optimizer)
    if args.optimizer == "sgd":
        return SGD(lr, **{"momentum": 0.9, **settings})
    return Adam(lr) if args.optimizer == "adam" else AdamW(lr, **settings)


def steps_per_epoch(args: argparse.Namespace, rows: int, labels: Array | None) -> int:
    """The number of steps in an epoch of `rows` rows, `labels` (rows,) being what is learned. Raises ConfigError."""
    share = arguments(args, OPTIONS, "fit").get("labelled_share")
    return batches_per_epoch(rows, check_int("batch_size", args.batch_size), labels, share)
