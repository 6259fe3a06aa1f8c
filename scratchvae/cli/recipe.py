"""The model and the optimizer that `train` was asked for."""

from __future__ import annotations

import argparse

from scratchvae.datasets import Dataset
from scratchvae.errors import ConfigError
from scratchvae.models import VAE, Autoencoder, Model
from scratchvae.optim import SGD, Adam, AdamW, Constant, Cosine, Optimizer, Schedule, WarmUp
from scratchvae.settings import whole


def make_model(args: argparse.Namespace, data: Dataset) -> Model:
    """A fresh model, once it is known that it can learn from `data`."""
    kind = {"vae": VAE, "autoencoder": Autoencoder}[args.model]
    model: Model = kind(
        input_dim=data.train.images.shape[1],
        latent_dim=args.latent,
        hidden=tuple(args.hidden),
        activation=args.activation,
        beta=args.beta,
        seed=args.seed,
        dtype=args.dtype,
        backend=args.backend,
        init=getattr(args, "init", None),
        image_shape=data.image_shape,
    )
    model.admit_data(data.train.images, data.name)
    model.admit_data(data.test.images, data.name)
    return model


def make_optimizer(args: argparse.Namespace, rows: int) -> Optimizer:
    """An optimizer whose schedule ends with the last step over `rows` rows."""
    for option, optimizer in (("momentum", "sgd"), ("weight_decay", "adamw")):
        if hasattr(args, option) and args.optimizer != optimizer:
            flag = "--" + option.replace("_", "-")
            raise ConfigError(f"{flag} does nothing for {args.optimizer}: leave it out, or add --optimizer {optimizer}")
    steps = -(-rows // whole("--batch-size", args.batch_size))
    warm_up = whole("--warm-up", args.warm_up, least=0) * steps
    left = max(1, whole("--epochs", args.epochs) * steps - warm_up)
    lr: Schedule = Cosine(args.lr, left) if args.schedule == "cosine" else Constant(args.lr)
    lr = WarmUp(warm_up, lr) if warm_up else lr
    if args.optimizer == "sgd":
        return SGD(lr, getattr(args, "momentum", 0.9))
    return Adam(lr) if args.optimizer == "adam" else AdamW(lr, weight_decay=getattr(args, "weight_decay", 1e-2))
