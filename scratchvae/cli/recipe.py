"""The model and the optimizer that `train` was asked for."""

from __future__ import annotations

import argparse

import numpy as np

from scratchvae.cli.labels import KINDS, label_settings
from scratchvae.datasets import Dataset, Split
from scratchvae.errors import ConfigError
from scratchvae.models import IWAE, VAE, Autoencoder, Model
from scratchvae.optim import SGD, Adam, AdamW, Constant, Cosine, Optimizer, Schedule, WarmUp
from scratchvae.settings import whole


def make_model(args: argparse.Namespace, data: Dataset) -> Model:
    """A fresh model, once it is known that it can learn from `data`."""
    kinds: dict[str, type[Model]] = {"vae": VAE, "iwae": IWAE, "autoencoder": Autoencoder, **KINDS}
    kind = kinds[args.model]
    for option in ("free_bits", "kl_warmup", "kl_cycles"):
        if hasattr(args, option) and kind is Autoencoder:
            raise ConfigError(f"{flag(option)} does nothing for an autoencoder, which has no KL: leave it out")
    if hasattr(args, "importance_samples") and kind is not IWAE:
        raise ConfigError(f"--importance-samples does nothing for --model {args.model}: leave it out, or take iwae")
    more = {"importance_samples": args.importance_samples} if hasattr(args, "importance_samples") else {}
    model: Model = kind(
        input_dim=data.train.images.shape[1],
        latent_dim=args.latent,
        hidden=tuple(args.hidden),
        activation=args.activation,
        likelihood=args.likelihood,
        sigma=getattr(args, "sigma", None),
        beta=args.beta,
        seed=args.seed,
        dtype=args.dtype,
        backend=args.backend,
        init=getattr(args, "init", None),
        image_shape=data.image_shape,
        free_bits=getattr(args, "free_bits", 0.0),
        missing=args.missing,
        **more,
        **label_settings(args, data),
    )
    model.admit_data(data.train.images, data.name)
    model.admit_data(data.test.images, data.name)
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
    for option, optimizer in (("momentum", "sgd"), ("weight_decay", "adamw")):
        if hasattr(args, option) and args.optimizer != optimizer:
            raise ConfigError(
                f"{flag(option)} does nothing for {args.optimizer}: leave it out, or add --optimizer {optimizer}"
            )
    steps = steps_an_epoch(args, rows)
    warm_up = whole("--warm-up", args.warm_up, least=0) * steps
    left = max(1, whole("--epochs", args.epochs) * steps - warm_up)
    lr: Schedule = Cosine(args.lr, left) if args.schedule == "cosine" else Constant(args.lr)
    lr = WarmUp(warm_up, lr) if warm_up else lr
    if args.optimizer == "sgd":
        return SGD(lr, getattr(args, "momentum", 0.9))
    return Adam(lr) if args.optimizer == "adam" else AdamW(lr, weight_decay=getattr(args, "weight_decay", 1e-2))


def steps_an_epoch(args: argparse.Namespace, rows: int) -> int:
    """How many batches make up `rows` rows."""
    return -(-rows // whole("--batch-size", args.batch_size))


def flag(option: str) -> str:
    """The option as it is typed."""
    return "--" + option.replace("_", "-")
