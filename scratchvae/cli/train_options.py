"""The options of `train`."""

from __future__ import annotations

from scratchvae.cli.arguments import BACKEND, JSON, data_options, seed_option
from scratchvae.cli.config_file import CONFIG_OPTION
from scratchvae.cli.labels import LABELLED_MODELS
from scratchvae.cli.options import Option, switch
from scratchvae.layers.initializers import INITIALIZERS
from scratchvae.models import IWAE, VAE, Autoencoder, Model
from scratchvae.models.network import ACTIVATIONS, ARCHITECTURES
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.models.scale import SCALES
from scratchvae.training import corruption

MODELS: dict[str, type[Model]] = {"vae": VAE, "iwae": IWAE, "autoencoder": Autoencoder, **LABELLED_MODELS}
CHECKPOINT, CORRUPTION_LEVEL = "checkpoint.npz", 0.3

FILES = (
    *data_options("digits", "(default: digits, included)", common=True),
    Option(
        "out",
        "folder for the results (default: runs/DATA)",
        metavar="DIR",
        reusable=False,
        common=True,
        details="Two runs cannot use one folder at the same time",
    ),
    Option(
        "kinds",
        "kinds of columns of a table, as in year=category, or auto (default: found if some hold texts or dates)",
        nargs="+",
        metavar="KIND",
        details="A table with texts or dates is read by a schema, which finds the kind of each column: number, date, "
        "boolean, constant, category or count. KIND is NAME=KIND for a column of another kind; auto makes a schema of "
        "a table of numbers too. DATA stands before --kinds",
    ),
    CONFIG_OPTION,
)
MODEL = (
    Option(
        "model",
        "model",
        choices=tuple(MODELS),
        default="vae",
        common=True,
        details="iwae maximises the importance weighted bound of several draws; conditional and semi-supervised models "
        "also learn from labels",
    ),
    Option(
        "latent",
        "number of latent dimensions",
        type=int,
        default=10,
        metavar="Z",
        argument="model.latent_dim",
        common=True,
    ),
    Option(
        "architecture",
        "networks, for rows or pictures",
        choices=ARCHITECTURES,
        default="mlp",
        argument="model.architecture",
        common=True,
        details="mlp: linear layers; conv: convolutions of a picture before them",
    ),
    Option(
        "hidden",
        "widths of hidden layers (default: 512; conv: 128)",
        type=int,
        nargs="*",
        metavar="H",
        argument="model.hidden",
        common=True,
        details="Those of the encoder; the decoder has them in reverse order. DATA stands before --hidden",
    ),
    Option(
        "decoder-hidden",
        "widths of the decoder's hidden layers (default: those of the encoder in reverse order)",
        type=int,
        nargs="*",
        metavar="H",
        argument="model.decoder_hidden",
        details="DATA stands before --decoder-hidden",
    ),
    Option(
        "likelihood",
        "p(x|z) of the data (default: one that suits the data)",
        choices=tuple(LIKELIHOODS),
        argument="model.likelihood",
        common=True,
        details="bernoulli: pixels that are 0 or 1, or grey values as probabilities; continuous_bernoulli: a density "
        "of grey values in [0, 1]; the gaussian ones: any numbers. gaussian has the standard deviation "
        "--sigma, gaussian_learned learns one for all numbers, gaussian_diagonal one for each column, "
        "gaussian_heteroscedastic decodes one for each number; poisson: counts, 0, 1, 2, ...; negative_binomial: "
        "counts that vary more than those of poisson. The default is gaussian_learned for numbers beyond [0, 1], "
        "continuous_bernoulli for a VAE of digits with more than 2 latent dimensions, and else bernoulli; each column "
        "of a table of several kinds has that of its kind",
    ),
    Option(
        "beta",
        "weight of the KL; 1 gives the ELBO",
        type=float,
        default=1.0,
        metavar="B",
        argument="model.beta",
        common=True,
    ),
    Option(
        "sigma",
        "standard deviation of the gaussian likelihood, or its start where it is learned (default: 1)",
        type=float,
        metavar="S",
        positive=True,
        argument="model.sigma",
    ),
    Option(
        "activation",
        "activation function of the hidden layers",
        choices=tuple(ACTIVATIONS),
        default="relu",
        argument="model.activation",
    ),
    Option(
        "init",
        "initialisation of the weights (default: He before relu-like activations, else Glorot)",
        choices=tuple(INITIALIZERS),
        argument="model.init",
    ),
    Option(
        "scale",
        "units of the data",
        choices=SCALES,
        default="auto",
        argument="model.scale",
        details="auto: bytes are divided by 255, 16-bit integers by 65535; with a gaussian likelihood and without "
        "--sigma, the columns of tables are standardized. common: one factor for all columns. minmax: each "
        "column from 0 to 1. Results are in the units of "
        "the data",
    ),
    switch("missing", "treat NaN in the data as missing values", argument="model.missing"),
    Option(
        "importance-samples",
        "draws per row in the bound of --model iwae (default: 20)",
        type=int,
        metavar="K",
        argument="model.importance_samples",
    ),
)
TRAINING = (
    Option(
        "epochs",
        "passes over the training rows",
        type=int,
        default=50,
        metavar="N",
        argument="fit.epochs",
        common=True,
    ),
    Option(
        "batch-size",
        "rows per training step",
        type=int,
        default=128,
        metavar="B",
        argument="trainer.batch_size",
        common=True,
    ),
    Option("lr", "learning rate", type=float, default=1e-3, metavar="RATE", common=True, positive=True),
    Option("optimizer", "optimizer", choices=("adam", "adamw", "sgd"), default="adam", common=True),
    Option(
        "binarize",
        "binarisation of pixels",
        choices=("none", "dynamic"),
        default="none",
        argument="trainer.binarize",
        common=True,
        details="dynamic draws each pixel in each step as 1 with the probability of its grey value, else as 0",
    ),
    Option(
        "patience",
        "stop after N epochs without a better validation ELBO",
        type=int,
        metavar="N",
        argument="fit.patience",
        common=True,
        details="The best weights are restored. A tenth of the training rows, the same share of each class, is held "
        "out for validation, unless the data has a validation part",
    ),
    Option(
        "schedule",
        "learning rate schedule",
        choices=("cosine", "constant"),
        default="cosine",
        details="cosine decreases from --lr to 0 over the run",
    ),
    Option("warm-up", "epochs in which the learning rate rises from 0 to --lr", type=int, default=0, metavar="N"),
    Option("momentum", "momentum of --optimizer sgd (default: 0.9)", type=float, metavar="M", argument="sgd.momentum"),
    Option(
        "weight-decay",
        "weight decay of --optimizer adamw (default: 0.01)",
        type=float,
        metavar="D",
        argument="adamw.weight_decay",
    ),
    Option(
        "clip-norm",
        "largest norm of the gradient; a longer one is scaled down to it (default: no limit)",
        type=float,
        metavar="NORM",
        positive=True,
        argument="trainer.clip_norm",
    ),
    Option(
        "retries",
        "after a number that is not finite, restart the epoch with half the learning rate, up to N times",
        type=int,
        default=0,
        metavar="N",
        argument="fit.retries",
    ),
)
KL = (
    Option("kl-warmup", "epochs in which the weight of the KL rises linearly from 0 to --beta", type=int, metavar="N"),
    Option(
        "kl-cycles",
        "number of cycles of the KL weight: it rises in the first half of each, and stays at --beta in the second",
        type=int,
        metavar="N",
    ),
    Option(
        "free-bits",
        "KL per latent dimension that is not penalised, in nats, as a batch mean (default: 0)",
        type=float,
        metavar="NATS",
        argument="model.free_bits",
    ),
)
DENOISING = (
    Option(
        "corrupt",
        "noise added to the encoder's input; the decoder learns the rows without it",
        choices=("none", *corruption.CORRUPTIONS),
        default="none",
    ),
    Option(
        "corrupt-level",
        "standard deviation of gaussian noise in scaled numbers, probability per number of the other kinds "
        f"(default: {CORRUPTION_LEVEL})",
        type=float,
        metavar="LEVEL",
        positive=True,
        argument="corruption.level",
    ),
)
LABELS = (
    Option(
        "labels",
        "number of labels to use, the same number of each class; the other rows are unlabelled (default: all)",
        type=int,
        metavar="N",
    ),
    Option(
        "alpha",
        "weight of the classification loss of each labelled row (default: 0.1 times rows over labelled rows)",
        type=float,
        metavar="A",
        argument="model.alpha",
        details="The alpha of Kingma et al. 2014 weighs the mean over the labelled rows: divide it by their number. "
        "The default is theirs",
    ),
    Option(
        "labelled-share",
        "share of labelled rows in each batch, between 0 and 1 (default: their share in the data)",
        type=float,
        metavar="S",
        positive=True,
        argument="fit.labelled_share",
    ),
)
CHECKPOINTS = (
    Option(
        "checkpoint",
        "save a checkpoint after each epoch, for --resume",
        nargs="?",
        const="",
        metavar="FILE",
        reusable=False,
        common=True,
        details=f"FILE ends in .npz (default: {CHECKPOINT} in the folder of the run). DATA stands before --checkpoint",
    ),
    switch(
        "resume",
        "continue from the last checkpoint, if there is one",
        reusable=False,
        argument="checkpoint.resume",
        common=True,
        details="The settings must be the same; the result is the same to the bit as without an interruption. Implies "
        "--checkpoint",
    ),
    Option(
        "every",
        "steps between checkpoints (default: one epoch)",
        type=int,
        metavar="STEPS",
        reusable=False,
        argument="checkpoint.every",
    ),
    Option(
        "keep",
        "number of checkpoints to keep (default: 2)",
        type=int,
        metavar="N",
        reusable=False,
        argument="checkpoint.keep",
    ),
)
MACHINE = (
    seed_option("all random numbers")._replace(
        argument="model.seed",
        details="It determines the initial weights, the order of the rows, the draws of z, binarisation and corruption",
    ),
    BACKEND._replace(argument="model.backend"),
    Option("dtype", "precision", choices=("float32", "float64"), default="float32", argument="model.dtype"),
    Option(
        "mpi-timeout",
        "seconds that one of several processes waits for the others (default: 300)",
        type=float,
        metavar="SECONDS",
        reusable=False,
        positive=True,
        details="mpiexec -n 4 scratchvae train … trains in four processes, each of which computes a part of the rows "
        "of each batch",
    ),
)
OUTPUT = (
    switch("no-pictures", "write no pictures"),
    switch("quiet", "print no progress and no results", reusable=False, common=True),
    JSON._replace(reusable=False, common=False),
)
GROUPS = {
    "model": MODEL,
    "training": TRAINING,
    "weight of the KL": KL,
    "denoising": DENOISING,
    "semi-supervised models": LABELS,
    "checkpoints": CHECKPOINTS,
    "computation": MACHINE,
    "output": OUTPUT,
}
OPTIONS: tuple[Option, ...] = (
    *(option for option in FILES if option != CONFIG_OPTION),
    *(option for group in GROUPS.values() for option in group),
)
