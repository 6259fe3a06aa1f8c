"""scratchvae train."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import scratchvae
from scratchvae.cli.arguments import (
    Commands,
    add_backend,
    add_command,
    add_data,
    add_seed,
    as_json,
    print_json,
    read_data,
)
from scratchvae.cli.outputs import write_text
from scratchvae.datasets import Dataset
from scratchvae.disk import check_writable
from scratchvae.errors import ConfigError
from scratchvae.layers.initializers import INITIALIZERS
from scratchvae.models import VAE, Autoencoder, Model
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.settings import whole
from scratchvae.optim import SGD, Adam, AdamW, Constant, Cosine, Optimizer, Schedule, WarmUp
from scratchvae.plotting import draw_album, save_picture
from scratchvae.training import History, Trainer, save, score


def add_commands(commands: Commands) -> None:
    """Add `train`."""
    parser = add_command(
        commands,
        "train",
        run,
        "train a model; write its weights, its history and pictures",
        "scratchvae train mnist --latent 20 --epochs 20 --binarize dynamic --out runs/mnist",
    )
    add_data(parser, "digits", "digits needs nothing")
    parser.add_argument("--out", default=argparse.SUPPRESS, metavar="DIR", help="where to write; runs/DATA without it")

    network = parser.add_argument_group("the network")
    network.add_argument("--model", choices=["vae", "autoencoder"], default="vae", help="what to train")
    network.add_argument("--latent", type=int, default=20, metavar="Z", help="size of the latent space")
    network.add_argument(
        "--hidden", type=int, nargs="*", default=[512], metavar="H", help="the encoder's hidden widths"
    )
    network.add_argument("--activation", choices=list(ACTIVATIONS), default="relu", help="between the layers")
    network.add_argument(
        "--init",
        choices=list(INITIALIZERS),
        default=argparse.SUPPRESS,
        help="how all weights begin; without it: He before a rectifier, else Glorot",
    )
    network.add_argument("--beta", type=float, default=1.0, help="weight of the KL")

    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=int, default=50, help="runs through the data")
    training.add_argument("--batch-size", type=int, default=128, metavar="B", help="rows a step")
    training.add_argument("--optimizer", choices=["adam", "adamw", "sgd"], default="adam", help="how to step")
    training.add_argument("--lr", type=float, default=1e-3, help="learning rate, at its highest")
    training.add_argument("--schedule", choices=["cosine", "constant"], default="cosine", help="the rate over time")
    training.add_argument("--warm-up", type=int, default=0, metavar="EPOCHS", help="epochs over which the rate rises")
    training.add_argument(
        "--momentum", type=float, default=argparse.SUPPRESS, metavar="M", help="of sgd; 0.9 without it"
    )
    training.add_argument(
        "--weight-decay", type=float, default=argparse.SUPPRESS, metavar="D", help="of adamw; 0.01 without it"
    )
    training.add_argument("--clip-norm", type=float, default=argparse.SUPPRESS, metavar="N", help="longest gradient")
    training.add_argument(
        "--binarize",
        choices=["dynamic"],
        default=argparse.SUPPRESS,
        help="draw each pixel anew at each step, on with the probability that its grey value says",
    )
    training.add_argument(
        "--patience",
        type=int,
        default=argparse.SUPPRESS,
        metavar="EPOCHS",
        help="hold out a tenth of the training rows, stop when their loss has not fallen for so long, and go back to "
        "the best weights",
    )
    add_seed(training, "weights, order, noise and binarisation")
    add_backend(training)
    training.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="precision")

    output = parser.add_argument_group("output")
    output.add_argument("--no-pictures", action="store_true", help="write no pictures")
    output.add_argument("--quiet", action="store_true", help="print nothing but errors")
    output.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Train, then write."""
    say = _silent if args.quiet or args.json else print
    data = read_data(args)
    model = _make_model(args, data)
    binarize = getattr(args, "binarize", None)
    train, validation = data.train.images, data.test.images
    if hasattr(args, "patience"):
        tenth = np.arange(len(train)) % 10 == 9
        train, validation = train[~tenth], train[tenth]
    trainer = Trainer(
        model,
        batch_size=args.batch_size,
        seed=args.seed,
        optimizer=_make_optimizer(args, len(train)),
        clip_norm=getattr(args, "clip_norm", None),
        binarize=binarize,
    )
    where = {name: getattr(args, name) for name in ("data_dir", "key") if hasattr(args, name)}
    model.notes = {"data": args.data, **where, "binarize": binarize}
    out = Path(getattr(args, "out", None) or Path("runs", Path(data.name).stem))
    check_writable(out)

    say(
        f"{data.name}: {len(train)} rows to train on, {len(data.test.images)} to test on, {model.input_dim} pixels each"
    )
    say(f"{describe(model)}, {model.dtype} on {model.backend.name}")
    history = trainer.fit(
        train, args.epochs, validation, progress=not args.quiet, patience=getattr(args, "patience", None)
    )
    test = score(model, data.test.images, binarize=binarize)
    result = {
        "test": test._asdict(),
        "epochs": len(history.epochs),
        "stopped": history.stopped,
        "best_epoch": history.best_epoch,
        "seconds": sum(history.seconds),
    }
    written = _write(out, args, model, history, data, result)
    _report(say, args, model, test._asdict(), history, out, written)
    if args.json:
        print_json({**result, "out": str(out), "files": written})
    if history.stopped == "interrupted":
        print(f"scratchvae train: interrupted; {out} has what was learnt so far", file=sys.stderr)
        return 130
    return 0


def describe(model: Model) -> str:
    """One line on what a model is."""
    code = "-".join(str(n) for n in (model.input_dim, *model.config["hidden"], model.latent_dim))
    return f"{type(model).__name__} {code}, {model.config['activation']}, {model.theta.size:,} parameters"


def _silent(*_: Any) -> None:
    pass


def _make_model(args: argparse.Namespace, data: Dataset) -> Model:
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
    model.admit_data(data.train.images, "the training data")
    model.admit_data(data.test.images, "the test data")
    return model


def _make_optimizer(args: argparse.Namespace, rows: int) -> Optimizer:
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


def _write(
    out: Path, args: argparse.Namespace, model: Model, history: History, data: Dataset, result: dict[str, Any]
) -> list[str]:
    save(model, out / "model.npz")
    history.to_csv(out / "history.csv")
    settings = {name: value for name, value in vars(args).items() if name not in ("run", "command")}
    versions = {"scratchvae": scratchvae.__version__, "numpy": np.__version__}
    record = {"command": settings, "model": model.config, "versions": versions, "result": result}
    write_text(as_json(record), out / "config.json")
    pictures = []
    if not args.no_pictures and find_spec("matplotlib"):
        for name, figure in draw_album(model, history, data, args.seed).items():
            pictures.append(f"{name}.png")
            save_picture(figure, out / pictures[-1])
    return ["model.npz", "history.csv", "config.json", *pictures]


def _report(
    say: Any,
    args: argparse.Namespace,
    model: Model,
    test: dict[str, Any],
    history: History,
    out: Path,
    written: list[str],
) -> None:
    name = "ELBO" if isinstance(model, VAE) and args.beta == 1.0 else "objective"
    if history.stopped == "early":
        say(f"stopped early: the best validation loss was that of epoch {history.best_epoch}, whose weights are back")
    say(
        f"test {name} {test['value']:.2f} ± {test['standard_error']:.2f} nats an image "
        f"(reconstruction {test['reconstruction']:.2f}, KL {test['kl']:.2f}), {sum(history.seconds):.1f} s of training"
    )
    say(f"wrote {', '.join(written)} to {out}")
    if not args.no_pictures and len(written) == 3:
        say("no pictures: they need matplotlib; install it with  pip install 'scratchvae[cli]'")
