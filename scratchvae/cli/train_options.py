"""The options of `train`."""

from __future__ import annotations

from scratchvae.cli.arguments import BACKEND, JSON, data_options, seed_option
from scratchvae.cli.labels import KINDS
from scratchvae.cli.options import Option, switch
from scratchvae.layers.initializers import INITIALIZERS
from scratchvae.models import IWAE, VAE, Autoencoder, Model
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.training import corruption

MODELS: dict[str, type[Model]] = {"vae": VAE, "iwae": IWAE, "autoencoder": Autoencoder, **KINDS}
CHECKPOINT, LEVEL = "checkpoint.npz", 0.3  # of corruption

PLACE = (
    *data_options("digits", "digits needs nothing"),
    Option("out", "where to write, one run at a time; runs/DATA without it", metavar="DIR", kept=False),
)
NETWORK = (
    Option(
        "model",
        "what to train; iwae: a VAE, by the bound of several draws together; conditional and semi-supervised ones take "
        "labels too",
        choices=tuple(MODELS),
        default="vae",
    ),
    Option(
        "importance-samples",
        "draws of iwae; 20 without it",
        type=int,
        metavar="K",
        argument="model.importance_samples",
    ),
    switch("missing", "NaN in the data marks what is missing, and the rest is learnt from", argument="model.missing"),
    Option("latent", "size of the latent space", type=int, default=10, metavar="Z", argument="model.latent_dim"),
    Option(
        "hidden",
        "the encoder's hidden widths; name DATA before",
        type=int,
        nargs="*",
        default=[512],
        metavar="H",
        argument="model.hidden",
    ),
    Option(
        "activation",
        "between the layers",
        choices=tuple(ACTIVATIONS),
        default="relu",
        argument="model.activation",
    ),
    Option(
        "init",
        "how all weights begin; without it: He before a rectifier, else Glorot",
        choices=tuple(INITIALIZERS),
        argument="model.init",
    ),
    Option(
        "likelihood",
        "of the data given its code: bernoulli for pixels that are on or off, continuous_bernoulli for grey ones from "
        "0 to 1; the gaussian ones for any numbers, with one width that is given or learnt, or a width for each that "
        "the decoder puts out",
        choices=tuple(LIKELIHOODS),
        default="bernoulli",
        argument="model.likelihood",
    ),
    Option(
        "sigma",
        "width of the gaussian likelihood, and of gaussian_learned at first; 1 without it",
        type=float,
        metavar="S",
        argument="model.sigma",
    ),
    Option("beta", "weight of the KL", type=float, default=1.0, argument="model.beta"),
)
STEPS = (
    Option("epochs", "runs through the data", type=int, default=50, argument="fit.epochs"),
    Option("batch-size", "rows a step", type=int, default=128, metavar="B", argument="trainer.batch_size"),
    Option("optimizer", "how to step", choices=("adam", "adamw", "sgd"), default="adam"),
    Option("lr", "learning rate, at its highest", type=float, default=1e-3),
    Option("schedule", "the rate over time", choices=("cosine", "constant"), default="cosine"),
    Option("warm-up", "epochs over which the rate rises", type=int, default=0, metavar="EPOCHS"),
    Option("momentum", "of sgd; 0.9 without it", type=float, metavar="M", argument="sgd.momentum"),
    Option("weight-decay", "of adamw; 0.01 without it", type=float, metavar="D", argument="adamw.weight_decay"),
    Option("clip-norm", "largest norm of a gradient", type=float, metavar="N", argument="trainer.clip_norm"),
    Option(
        "binarize",
        "take grey values as they are, or draw each pixel anew at each step, on with the probability they say",
        choices=("none", "dynamic"),
        default="none",
        argument="trainer.binarize",
    ),
)
BALANCE = (
    Option(
        "free-bits",
        "KL that each latent dimension has for nothing, on the mean of a batch; 0 without it",
        type=float,
        metavar="NATS",
        argument="model.free_bits",
    ),
    Option("kl-warmup", "let the weight of the KL rise from 0 to beta over so many epochs", type=int, metavar="EPOCHS"),
    Option(
        "kl-cycles",
        "let it rise so many times, each time over half of a cycle, and stay at beta for the other half",
        type=int,
        metavar="N",
    ),
    Option(
        "corrupt",
        "learn to denoise: put noise into what the encoder sees, and ask for the rows without it",
        choices=("none", *corruption.KINDS),
        default="none",
    ),
    Option(
        "corrupt-level",
        f"standard deviation of gaussian, probability of the others; {LEVEL} without it",
        type=float,
        metavar="L",
    ),
)
LABELS = (
    Option(
        "labels",
        "of a semi-supervised model: keep N labels, as many of each class, and learn from all other rows without "
        "theirs; all labels without it",
        type=int,
        metavar="N",
    ),
    Option(
        "alpha",
        "of a semi-supervised model: weight of the classifier on labelled rows; without it 0.1 over their share",
        type=float,
        metavar="A",
        argument="model.alpha",
    ),
    Option(
        "labelled-share",
        "of a semi-supervised model: share of labelled rows in a batch; as in the data without it",
        type=float,
        metavar="S",
        argument="fit.labelled_share",
    ),
)
PATIENCE = Option(
    "patience",
    "hold out a tenth of the training rows unless the data has a validation part, stop when their loss has not fallen "
    "for so long, and go back to the best weights",
    type=int,
    metavar="EPOCHS",
    argument="fit.patience",
)
CHECKPOINTS = (
    Option(
        "checkpoint",
        f"keep all that is needed to go on, after each epoch, in a .npz file, {CHECKPOINT} in the folder of --out "
        "unless named; name DATA before",
        nargs="?",
        const="",
        metavar="FILE",
        kept=False,
    ),
    Option(
        "every",
        "checkpoints after so many steps instead",
        type=int,
        metavar="STEPS",
        kept=False,
        argument="checkpoint.every",
    ),
    Option(
        "keep",
        "how many checkpoints to keep; 2 without it",
        type=int,
        metavar="N",
        kept=False,
        argument="checkpoint.keep",
    ),
    switch(
        "resume",
        "go on from the checkpoint, if there is one, with the same settings, to the same bits as without a break; keep "
        "checkpoints too",
        kept=False,
        argument="checkpoint.resume",
    ),
    Option(
        "retries",
        "when numbers are finite no longer, go back to where the epoch began and halve the learning rate, N times",
        type=int,
        default=0,
        metavar="N",
        argument="fit.retries",
    ),
)
MACHINE = (
    seed_option("weights, order, noise, binarisation and corruption")._replace(argument="model.seed"),
    BACKEND._replace(argument="model.backend"),
    Option("dtype", "precision", choices=("float32", "float64"), default="float32", argument="model.dtype"),
)
OUTPUT = (
    switch("no-pictures", "write no pictures"),
    switch("quiet", "print nothing but errors", kept=False),
    JSON._replace(kept=False),
)
GROUPS = {
    "the network": NETWORK,
    "training": (*STEPS, *BALANCE, *LABELS, PATIENCE, *CHECKPOINTS, *MACHINE),
    "output": OUTPUT,
}
OPTIONS: tuple[Option, ...] = (*PLACE, *(option for group in GROUPS.values() for option in group))
