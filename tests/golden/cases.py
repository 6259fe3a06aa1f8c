"""Small trainings and the results of every method after them: the numbers that `golden.npz` records.

    python tests/golden/cases.py FILE

computes all cases and writes FILE, in the format that `record` reads. `record` runs it in a separate process with one
thread, so that no number depends on the number of cores.

A case is a function without arguments that returns its numbers by name. Models train for a few updates only, because
Adam amplifies small gradients and their rounding. The numbers then agree to 1e-12 on every machine with NumPy.
"""

import json
import os
import platform
import shutil
import sys
import tempfile
import traceback
import warnings
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
from diverging_sgd import DivergingSGD

import scratchvae as sv
from scratchvae.errors import BackendError, DenoiseWarning, DivergedError, DivergenceWarning
from scratchvae.optim import SGD, Adam, AdamW, Cosine, WarmUp
from scratchvae.training import GaussianNoise, KLCycles, KLWarmUp, Masking, SaltAndPepper

# --- calls of the package whose names or arguments may change

LEARNED, HETEROSCEDASTIC = "gaussian_learned", "gaussian_heteroscedastic"


def impute(vae, x, **kwargs):
    return vae.impute(x, **kwargs)


def traverse(model, x, labels=None, **kwargs):
    return with_labels(model, labels, "traverse", x, **kwargs)


def swap_class(model, x, labels=None):
    return model.swap_class(x, labels)


def with_labels(model, labels, method, *args, **kwargs):
    """Call a method of the model, with the labels if there are any."""
    labels_argument = {} if labels is None else {"labels": labels}
    return getattr(model, method)(*args, **labels_argument, **kwargs)


def forward(model, x, eps, labels=None, **kwargs):
    """Return the terms of each row; the label of an unlabelled row is −1."""
    if labels is not None:
        kwargs["targets"] = (labels[:, None] == np.arange(model.classes)).astype(model.dtype)
        kwargs |= vars(model).get("label_settings_of_fit") or model.label_settings(None, None)
    return model.forward(x, eps, **kwargs)


def backward_to_inputs(model):
    """Return ∂L/∂x, summed over the rows and their corrupted copies, and ∂L/∂ε."""
    gradients = model.backward_to_inputs()
    dx = gradients.x if gradients.corrupted is None else gradients.x + gradients.corrupted
    return dx, gradients.eps


def fit(trainer, rows, epochs, input_std=None, **kwargs):
    if input_std is not None:
        kwargs["input_std"] = input_std
    try:
        return trainer.fit(rows, epochs, **kwargs)
    finally:  # `forward` uses the weight of the classifier of the last fit
        trainer.model.label_settings_of_fit = trainer._label_settings or {}


def step(trainer, x, *labels):
    """Do one update. The numbers were recorded with an output bias that starts at zero.

    A new model starts at the smallest number instead, so that the trainer sets no other bias. The first update rounds
    it away.
    """
    layers = getattr(trainer.model.decoder, "layers", None)
    bias = vars(layers[-1]).get("b") if layers else None
    if bias is not None and not trainer.optimizer.t and not bias.any():
        bias[...] = np.finfo(bias.dtype).smallest_subnormal
    return trainer.step(x, *labels)


# --- data: elementwise sums and products, whose rounding is the same on every machine

BERNOULLI, CONTINUOUS, GAUSSIAN = "bernoulli", "continuous_bernoulli", "gaussian"
GAUSSIANS = GAUSSIAN, LEARNED, HETEROSCEDASTIC
CLASSES = 3


def random_rows(count, width, seed=0):
    """Return rows (count, width) near a plane, and the class of each, which depends on its first coordinate."""
    directions = np.random.default_rng([width, seed]).standard_normal((2, width))
    rng = np.random.default_rng([count, width, seed])
    codes, rest = rng.standard_normal((count, 2)), 0.3 * rng.standard_normal((count, width))
    rows = codes[:, :1] * directions[0] + codes[:, 1:] * directions[1] + rest
    return rows, (codes[:, 0] > -0.4).astype(int) + (codes[:, 0] > 0.4)


def rows_for(likelihood, count, width, seed=0):
    """Return rows in the support of the likelihood: real numbers, or grey values k/255 that include 0 and 1."""
    rows, labels = random_rows(count, width, seed)
    if likelihood in GAUSSIANS:
        return rows, labels
    return np.clip(np.round(127.5 + 90.0 * rows), 0.0, 255.0) / 255.0, labels


def with_missing_entries(rows, seed=0):
    """Return the rows with a quarter of the entries NaN, and all entries of the third row."""
    missing = np.random.default_rng(seed).random(rows.shape) < 0.25
    missing[2] = True
    return np.where(missing, np.nan, rows)


def hide_most_labels(labels, labelled_share=0.3):
    """Replace most labels by −1; the first twelve stay, so that each class has labels."""
    labelled = np.random.default_rng(1).random(len(labels)) < labelled_share
    labelled[:12] = True
    return np.where(labelled, labels, -1)


# --- the numbers of a model

ROW_COUNT = 5


def noise_for(model, rows, seed=7):
    return np.random.default_rng(seed).standard_normal((rows, model.noise_dim)).astype(model.dtype)


def numbers_of_terms(prefix, terms):
    return {f"{prefix}: {name}": getattr(terms, name).copy() for name in ("value", "reconstruction", "kl")}


def numbers_of_score(prefix, score):
    names = "value", "reconstruction", "kl", "standard_error", "rows"
    return {f"{prefix}: {name}": getattr(score, name) for name in names}


def numbers_of_history(history, prefix=""):
    """Return the curves and the summary of a history, without the seconds."""
    names = "loss", "reconstruction", "kl", "kl_weight", "kl_per_dimension"
    curves = {name: getattr(history, name) for name in names}
    if history.validation[:1] != [None]:
        curves["validation"] = history.validation
    numbers = {f"{prefix}history: {name}": np.array(curve, float) for name, curve in curves.items()}
    summary = {"stopped": history.stopped, "best_epoch": history.best_epoch, "halvings": history.lr_halvings}
    numbers |= {f"{prefix}history: {name}": value for name, value in summary.items()}
    return numbers


def numbers_of_passes(model, x, labels):
    """Return the results of forward and backward, without and with their options."""
    corrupted, eps = np.ascontiguousarray(x[::-1]), noise_for(model, len(x))
    numbers = numbers_of_terms("forward", forward(model, x, eps, labels))
    model.backward()
    numbers["backward: dtheta"] = model.dtheta.copy()
    numbers |= numbers_of_terms(
        "forward of corrupted", forward(model, x, eps, labels, corrupted=corrupted, kl_weight=0.3)
    )
    if type(model) is sv.Autoencoder:
        model.backward()
    else:
        dx, deps = backward_to_inputs(model)
        numbers |= {"backward to inputs: dx": dx.copy(), "backward to inputs: deps": deps.copy()}
    numbers["backward of corrupted: dtheta"] = model.dtheta.copy()
    return numbers


def numbers_of_codes(model, x, labels):
    """Return the results of the latent-space methods, for class 1 if the model has classes."""
    label = None if labels is None else 1
    call = partial(with_labels, model, label)
    numbers = {
        "interpolate": call("interpolate", x[0], x[1], steps=3),
        "interpolate: spherical": call("interpolate", x[0], x[1], steps=4, kind="spherical"),
        "analogy": call("analogy", x[0], x[1:3], x[3]),
        "analogy: rows": call("analogy", x[:2], x[2:4], x[3:5]),
    }
    numbers["traverse"] = traverse(model, None, label)
    numbers["traverse: from a row"] = traverse(model, x[1], label, dimension=1, values=[-1.5, 0.25])
    return numbers


def numbers_of_imputation(vae, x):
    incomplete_rows = x if np.isnan(x).any() else with_missing_entries(x)
    numbers = {}
    for method in ("metropolis", "pseudo-gibbs", "importance", "encoder"):
        for draws in (None, 2):
            settings = {"method": method, "draws": draws, "samples": 5, "seed": 3}
            numbers[f"impute: {method}, draws={draws}"] = impute(vae, incomplete_rows, **settings)
    numbers["impute: means of draws"] = impute(vae, incomplete_rows, draws=1, samples=4, values="mean")
    complete, observed = np.nan_to_num(x, nan=0.5), ~np.isnan(incomplete_rows)
    numbers["impute: by what is observed"] = impute(vae, complete, observed=observed, samples=4, seed=1)
    return numbers


def numbers_of_scores(model, x, labels):
    """Return the score, without and with its options."""
    score = partial(sv.score, model, x, **({} if labels is None else {"labels": labels}))
    likelihood = model.config["likelihood"]
    numbers = numbers_of_score("score", score(seed=2))
    numbers |= numbers_of_score("score of one row", sv.score(model, x[:1], **({} if labels is None else {"labels": 0})))
    corrupt = GaussianNoise(0.3) if likelihood in GAUSSIANS else SaltAndPepper(0.3)
    numbers |= numbers_of_score("score of corrupted", score(corrupt=corrupt))
    if likelihood == BERNOULLI:
        numbers |= numbers_of_score("score of binarised", score(binarize="dynamic", seed=4))
        numbers |= numbers_of_score("score of both", score(binarize="dynamic", corrupt=Masking(0.2)))
    return numbers


def numbers_of_model(model, x, labels=None):
    """Return the results of all methods of a model for the first rows of x and their labels, if any."""
    rows, row_labels = x[:ROW_COUNT].astype(model.dtype), None if labels is None else labels[:ROW_COUNT]
    labels_argument = {} if row_labels is None else {"labels": row_labels}
    classes = None if row_labels is None else np.maximum(row_labels, 0)  # for methods that need the class of each row
    classes_argument = {} if row_labels is None else {"labels": classes}
    encoded = model.encode(rows, **classes_argument)
    numbers = (
        {"encode": encoded} if type(model) is sv.Autoencoder else dict(zip(("mu", "logvar"), encoded, strict=True))
    )
    numbers["embed"] = model.embed(rows, **classes_argument)
    numbers["decode"] = model.decode(numbers["embed"] + 0.5, **classes_argument)
    numbers["reconstruct"] = model.reconstruct(rows, **classes_argument)
    loss, grads = model.loss_and_grads(rows, noise_for(model, len(rows)), **labels_argument)
    numbers |= {"loss": loss, **{f"gradient of {name}": grad for name, grad in grads.items()}}
    numbers["loss with drawn noise"] = model.loss_and_grads(rows, seed=6, **labels_argument)[0]
    numbers |= numbers_of_passes(model, rows, row_labels)
    numbers |= numbers_of_codes(model, rows, row_labels)
    numbers |= numbers_of_scores(model, x[: 4 * ROW_COUNT], None if labels is None else labels[: 4 * ROW_COUNT])
    if type(model) is sv.Autoencoder:
        return {**numbers, "denoise": model.denoise(rows)}
    numbers |= numbers_of_terms("elbo", model.elbo(rows, noise_for(model, len(rows), seed=9), **labels_argument))
    numbers |= numbers_of_terms("elbo with drawn noise", model.elbo(rows, seed=1, **labels_argument))
    numbers["sample"] = model.sample(3, seed=5)
    numbers["denoise"] = with_labels(model, classes, "denoise", rows)
    numbers["denoise: draws=2"] = with_labels(model, classes, "denoise", rows, draws=2, seed=1)
    if not model.classes:
        numbers |= numbers_of_imputation(model, rows)
    else:
        numbers["sample of a class"] = model.sample(2, seed=5, labels=2)
        numbers["sample of classes"] = with_labels(model, np.array([2, 0]), "sample", 2)
        numbers["swap_class"] = swap_class(model, rows[:3], classes[:3])
    if type(model) is sv.SemiSupervisedVAE:
        numbers |= {
            "predict_proba": model.predict_proba(x[: 4 * ROW_COUNT]),
            "classify": model.classify(x[: 4 * ROW_COUNT]),
        }
        numbers |= numbers_of_terms("elbo without labels", model.elbo(rows, seed=1))
        numbers |= numbers_of_score("score without labels", sv.score(model, x[: 4 * ROW_COUNT]))
        numbers["embed: labels as classified"] = model.embed(rows, row_labels)
        numbers["reconstruct: without labels"] = model.reconstruct(rows)
        numbers["swap_class: without labels"] = swap_class(model, rows[:3])
    return numbers


# --- a model and its training

ADAM, ADAMW, MOMENTUM = partial(Adam, 1e-2), partial(AdamW, 1e-2, weight_decay=0.1), partial(SGD, 1e-2, 0.9)
KIND_SETTINGS = {
    sv.VAE: {},
    sv.Autoencoder: {},
    sv.ConditionalVAE: {"classes": CLASSES},
    sv.SemiSupervisedVAE: {"classes": CLASSES},
    sv.IWAE: {"importance_samples": 3},
}


class Study:
    """A model, its training rows (`rows`, `width`) drawn with `seed`, and 20 validation rows.

    settings    arguments of the model
    labelled    "all", "some" or "none" of the rows, for a model with classes
    incomplete  True for rows with missing entries
    """

    def __init__(
        self, kind, likelihood=BERNOULLI, *, rows=42, width=7, seed=0, labelled="all", incomplete=False, **settings
    ):
        defaults = {"latent_dim": 2, "hidden": (6,), "activation": "tanh", "seed": 1, "dtype": "float64"}
        if likelihood in (GAUSSIAN, LEARNED):
            defaults["sigma"] = 0.7
        if likelihood == HETEROSCEDASTIC:
            defaults["scale"] = "none"
        self.model = kind(width, likelihood=likelihood, **{**defaults, **KIND_SETTINGS[kind], **settings})
        (self.x, self.labels), (self.held_out, self.held_out_labels) = (
            rows_for(likelihood, count, width, seed) for count in (rows, 20)
        )
        if incomplete:
            self.x, self.held_out = with_missing_entries(self.x), with_missing_entries(self.held_out)
        if not self.model.classes or labelled == "none":
            self.labels = self.held_out_labels = None
        elif labelled == "some":
            self.labels, self.held_out_labels = hide_most_labels(self.labels), hide_most_labels(self.held_out_labels)

    def trainer(self, optimizer=ADAM, **settings):
        """Return a new trainer."""
        optimizer = {} if optimizer is None else {"optimizer": optimizer()}
        return sv.Trainer(self.model, **{"batch_size": 16, "seed": 3, **optimizer, **settings})

    def step(self, trainer, steps):
        """Make `steps` training steps over consecutive batches."""
        losses, norms = [], []
        for k in range(steps):
            start = k * trainer.batch_size % len(self.x)
            batch = slice(start, start + trainer.batch_size)
            labels = () if self.labels is None else (self.labels[batch],)
            losses.append(step(trainer, self.x[batch], *labels))
            norms.append(np.sqrt(np.sum(self.model.dtheta**2)))
        return {"loss of each step": losses, "norm of each step's gradient": norms}

    def fit(self, trainer, epochs, validation=False, **kwargs):
        if validation:
            kwargs["validation"] = self.held_out
        if self.labels is not None:
            kwargs["labels"] = self.labels
            if validation:
                kwargs["validation_labels"] = self.held_out_labels
        return fit(trainer, self.x, epochs, **kwargs)

    def numbers(self):
        """Return the weights and the numbers of the model."""
        return {"theta": self.model.theta.copy(), **numbers_of_model(self.model, self.x, self.labels)}


def train_model(*args, steps=0, epochs=0, trainer_settings=None, fit_settings=None, **settings):
    """Train a model for `steps` steps or `epochs` epochs, and return its numbers."""
    run = Study(*args, **settings)
    trainer = run.trainer(**(trainer_settings or {}))
    numbers = run.step(trainer, steps) if steps else {}
    if epochs:
        numbers |= numbers_of_history(run.fit(trainer, epochs, **(fit_settings or {})))
        numbers["dtheta"] = run.model.dtheta.copy()
    return {**numbers, "updates": trainer.optimizer.t, **run.numbers()}


def untrained(*args, **settings):
    """Return the numbers of an untrained model."""
    return Study(*args, **settings).numbers()


def several_fits(*args, **settings):
    """Run two fits of one trainer with a step between them, then one of another trainer."""
    run = Study(*args, **settings)
    trainer = run.trainer()
    numbers = run.step(trainer, 2)
    run.fit(trainer, 1)
    numbers["theta after a fit"] = run.model.theta.copy()
    run.step(trainer, 1)
    numbers |= numbers_of_history(run.fit(trainer, 1, validation=True))
    numbers |= numbers_of_history(run.fit(run.trainer(MOMENTUM, seed=8), 1), "another trainer's ")
    return {**numbers, **run.numbers()}


class Killed(BaseException):
    """Simulates the end of the process."""


def kill_at(schedule, at):
    """Return the schedule, which raises Killed once, in update `at`; never if `at` is None."""
    remaining = [at]

    def learning_rate(t):
        if t in remaining:
            remaining.clear()
            raise Killed
        return schedule(t)

    return learning_rate


def resumed(
    *args,
    at,
    interrupted_schedule="rate",
    every=2,
    epochs=3,
    optimizer=Adam,
    schedule=None,
    trainer_settings=None,
    fit_settings=None,
    **settings,
):
    """Interrupt training in update `at`, in the schedule of the "rate" or the "kl weight", and resume it.

    Return the numbers of the resumed training, and whether they equal those of uninterrupted training to the bit.
    """
    schedules = {"rate": schedule or (lambda t: 0.02 / (1 + t))}
    if interrupted_schedule == "kl weight":
        schedules[interrupted_schedule] = KLWarmUp(6)

    def train_once(learning_rate, kl_weight=None, **checkpoint_settings):
        run = Study(*args, **settings)
        kl_setting = {} if kl_weight is None else {"kl_weight": kl_weight}
        trainer = run.trainer(partial(optimizer, learning_rate), **kl_setting, **(trainer_settings or {}))
        numbers = numbers_of_history(run.fit(trainer, epochs, **(fit_settings or {}), **checkpoint_settings))
        numbers["theta at the end"] = run.model.theta.copy()
        return {**numbers, "updates": trainer.optimizer.t, **run.step(trainer, 1), **run.numbers()}

    uninterrupted = train_once(*schedules.values())
    interrupted = [
        kill_at(schedule, at if name == interrupted_schedule else None) for name, schedule in schedules.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint_settings = {"checkpoint": Path(folder, "run.npz"), "every": every, "resume": True}
        try:
            train_once(*interrupted, **checkpoint_settings)
            raise AssertionError("training was not interrupted")
        except Killed:
            resumed_numbers = train_once(*interrupted, **checkpoint_settings)
    return {**resumed_numbers, "it is as if nothing had ended it": same_bits(uninterrupted, resumed_numbers)}


def same_bits(first, second):
    """Return True if both are the same to the bit."""
    (headers, content), (second_headers, second_content) = pack(first), pack(second)
    return headers == second_headers and content.tobytes() == second_content.tobytes()


def rolled_back(*args, at, max_lr, epochs=3, fit_settings=None, **settings):
    """Train with an optimizer that diverges in update `at` above the learning rate `max_lr`, with rollback."""
    run = Study(*args, **settings)
    trainer = run.trainer(partial(DivergingSGD, 0.1, at, max_lr))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", DivergenceWarning)
        numbers = numbers_of_history(run.fit(trainer, epochs, retries=5, **(fit_settings or {})))
    return {**numbers, "warnings": len(warned), "updates": trainer.optimizer.t, **run.numbers()}


def diverged(*args, at, **settings):
    """Train with a KL weight that makes the loss infinite in update `at`; training ends before that update."""
    run = Study(*args, **settings)
    trainer = run.trainer(kl_weight=lambda t: 1e308 if t == at else 1.0)
    try:
        run.fit(trainer, 3)
    except DivergedError as error:
        numbers = {"step": error.step, "epoch": error.epoch}
    return {**numbers_of_history(trainer.history), **numbers, "updates": trainer.optimizer.t, **run.numbers()}


def many_rows(*args, rows, **settings):
    """Return every fiftieth row of results for more rows than one chunk."""
    run = Study(*args, rows=rows, **settings)
    run.step(run.trainer(batch_size=rows), 2)
    model, x, labels = run.model, run.x, run.labels
    labels_argument = {} if labels is None else {"labels": labels}
    mu, logvar = model.encode(x, **labels_argument)
    numbers = {
        "mu": mu,
        "logvar": logvar,
        "reconstruct": model.reconstruct(x, **labels_argument),
        "sample": model.sample(rows),
    }
    numbers |= numbers_of_terms("elbo", model.elbo(x, seed=1, **labels_argument))
    numbers["denoise"] = with_labels(model, labels, "denoise", x, draws=2)
    if not model.classes:
        numbers["impute"] = impute(model, with_missing_entries(x), samples=2)
    if type(model) is sv.SemiSupervisedVAE:
        numbers["predict_proba"] = model.predict_proba(x)
    return {**{name: rows[::50] for name, rows in numbers.items()}, **numbers_of_scores(model, x, labels)}


def train_on_dtype(dtype, *args, **settings):
    """Train on rows of another dtype than the model's."""
    run = Study(*args, **settings)
    run.x = run.x.round().astype(dtype)
    return {**numbers_of_history(run.fit(run.trainer(), 2)), **run.numbers()}


def with_input_std(*args, fit_settings=None, **settings):
    """Train with noise of a given standard deviation on the inputs."""
    run = Study(*args, **settings)
    input_std = np.random.default_rng(4).random(run.x.shape)
    return {
        **numbers_of_history(run.fit(run.trainer(), 2, input_std=input_std, **(fit_settings or {}))),
        **run.numbers(),
    }


def without_labels(*args, **settings):
    """Train a semi-supervised model without labels, and return its numbers."""
    run = Study(*args, labelled="none", **settings)
    numbers, model, first_rows = run.step(run.trainer(), 3), run.model, run.x[:ROW_COUNT]
    numbers |= {
        "theta": model.theta.copy(),
        "predict_proba": model.predict_proba(first_rows),
        "embed": model.embed(first_rows),
    }
    loss, grads = model.loss_and_grads(first_rows, noise_for(model, ROW_COUNT))
    numbers |= {"loss": loss, **{f"gradient of {name}": grad for name, grad in grads.items()}}
    return {**numbers, **numbers_of_scores(model, run.x, None)}


# --- the cases

VAE, AUTOENCODER, CONDITIONAL, SEMI, IWAE = sv.VAE, sv.Autoencoder, sv.ConditionalVAE, sv.SemiSupervisedVAE, sv.IWAE
KINDS = {"vae": VAE, "autoencoder": AUTOENCODER, "conditional": CONDITIONAL, "semi-supervised": SEMI, "iwae": IWAE}
LIKELIHOODS = {
    "bernoulli": BERNOULLI,
    "continuous bernoulli": CONTINUOUS,
    "gaussian": GAUSSIAN,
    "gaussian learned": LEARNED,
    "gaussian heteroscedastic": HETEROSCEDASTIC,
}
ACTIVATIONS = "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu", "gelu"


def every_kind_with_every_likelihood():
    """Yield cases with the activations, depths, optimizers and kinds of training in turn."""
    trainings = cycle([{"steps": 4}, {"epochs": 2}, {"epochs": 2, "fit_settings": {"validation": True}}, {"steps": 3}])
    activations, depths = cycle(ACTIVATIONS), cycle([(6,), (6, 5)])
    optimizers = cycle([ADAM, ADAMW, MOMENTUM])
    for kind, model in KINDS.items():
        for name, likelihood in LIKELIHOODS.items():
            settings = {
                "activation": next(activations),
                "hidden": next(depths),
                "trainer_settings": {"optimizer": next(optimizers)},
            }
            yield f"{kind}, {name}", partial(train_model, model, likelihood, **settings, **next(trainings))


def rate_that_rises_late(t):
    return 0.02 if t < 6 else 0.15


def rate_that_rises_early(t):
    return 0.02 if t < 3 else 0.15


FAST = {"optimizer": partial(Adam, 0.1)}
EARLY_STOPPING = {"validation": True, "patience": 2}
CASES = {
    **dict(every_kind_with_every_likelihood()),
    "no hidden layer": partial(train_model, VAE, hidden=(), steps=3),
    "no hidden layer, autoencoder": partial(train_model, AUTOENCODER, GAUSSIAN, hidden=(), epochs=2),
    "no hidden layer, conditional": partial(train_model, CONDITIONAL, hidden=(), epochs=1),
    "no hidden layer, semi-supervised": partial(train_model, SEMI, GAUSSIAN, hidden=(), steps=3, labelled="some"),
    "untrained": partial(untrained, VAE, GAUSSIAN, hidden=(6, 5), activation="gelu"),
    "init he_normal": partial(untrained, VAE, init="he_normal"),
    "init he_uniform": partial(train_model, IWAE, init="he_uniform", steps=2),
    "init glorot_normal": partial(train_model, CONDITIONAL, init="glorot_normal", steps=2),
    "init glorot_uniform": partial(train_model, SEMI, init="glorot_uniform", steps=2, activation="relu"),
    "wide rows, three latent numbers": partial(train_model, VAE, width=12, latent_dim=3, rows=80, epochs=2),
    "beta": partial(train_model, VAE, beta=4.0, epochs=2, fit_settings={"validation": True}),
    "beta, conditional": partial(train_model, CONDITIONAL, GAUSSIAN, beta=0.3, epochs=2),
    "beta, semi-supervised": partial(train_model, SEMI, beta=2.5, labelled="some", steps=3),
    "free bits": partial(train_model, VAE, free_bits=0.2, epochs=2, fit_settings={"validation": True}),
    "free bits, conditional": partial(train_model, CONDITIONAL, free_bits=0.05, steps=4),
    "free bits, beta and a rising KL weight": partial(
        train_model, VAE, GAUSSIAN, free_bits=0.1, beta=1.5, epochs=3, trainer_settings={"kl_weight": KLWarmUp(6)}
    ),
    "KL warm-up": partial(
        train_model, VAE, epochs=2, fit_settings={"validation": True}, trainer_settings={"kl_weight": KLWarmUp(5)}
    ),
    "KL cycles": partial(
        train_model, VAE, LEARNED, epochs=3, trainer_settings={"kl_weight": KLCycles(9, cycles=2, rise=0.6)}
    ),
    "KL warm-up, iwae": partial(train_model, IWAE, GAUSSIAN, steps=4, trainer_settings={"kl_weight": KLWarmUp(3)}),
    "KL cycles, semi-supervised": partial(
        train_model, SEMI, epochs=2, labelled="some", trainer_settings={"kl_weight": KLCycles(6, cycles=2)}
    ),
    "KL weight, a function": partial(
        train_model, CONDITIONAL, steps=3, trainer_settings={"kl_weight": lambda t: 1.0 / (1 + t)}
    ),
    "binarised": partial(
        train_model, VAE, epochs=2, fit_settings={"validation": True}, trainer_settings={"binarize": "dynamic"}
    ),
    "binarised, steps": partial(train_model, IWAE, steps=3, trainer_settings={"binarize": "dynamic"}),
    "binarised, autoencoder": partial(train_model, AUTOENCODER, epochs=2, trainer_settings={"binarize": "dynamic"}),
    "binarised, conditional": partial(train_model, CONDITIONAL, epochs=2, trainer_settings={"binarize": "dynamic"}),
    "binarised, semi-supervised": partial(
        train_model,
        SEMI,
        epochs=2,
        labelled="some",
        fit_settings={"validation": True},
        trainer_settings={"binarize": "dynamic"},
    ),
    "masked": partial(
        train_model, VAE, epochs=2, fit_settings={"validation": True}, trainer_settings={"corrupt": Masking(0.3)}
    ),
    "masked and binarised, steps": partial(
        train_model, VAE, steps=3, trainer_settings={"corrupt": Masking(0.3), "binarize": "dynamic"}
    ),
    "noisy": partial(
        train_model,
        VAE,
        HETEROSCEDASTIC,
        epochs=2,
        fit_settings={"validation": True},
        trainer_settings={"corrupt": GaussianNoise(0.4)},
    ),
    "noisy, within the support": partial(
        train_model, IWAE, CONTINUOUS, epochs=2, trainer_settings={"corrupt": GaussianNoise(0.4)}
    ),
    "salt and pepper, conditional": partial(
        train_model,
        CONDITIONAL,
        epochs=2,
        fit_settings={"validation": True},
        trainer_settings={"corrupt": SaltAndPepper(0.3)},
    ),
    "salt and pepper, autoencoder": partial(
        train_model, AUTOENCODER, GAUSSIAN, steps=3, trainer_settings={"corrupt": SaltAndPepper(0.3, -1.0, 2.0)}
    ),
    "masked, semi-supervised": partial(
        train_model, SEMI, epochs=2, labelled="some", trainer_settings={"corrupt": Masking(0.3)}
    ),
    "missing": partial(train_model, VAE, missing=True, incomplete=True, epochs=2, fit_settings={"validation": True}),
    "missing, continuous bernoulli": partial(train_model, VAE, CONTINUOUS, missing=True, incomplete=True, steps=3),
    "missing, gaussian": partial(train_model, VAE, GAUSSIAN, missing=True, incomplete=True, epochs=2, free_bits=0.1),
    "missing, gaussian learned": partial(train_model, VAE, LEARNED, missing=True, incomplete=True, epochs=2),
    "missing, gaussian heteroscedastic": partial(
        train_model, VAE, HETEROSCEDASTIC, missing=True, incomplete=True, steps=3
    ),
    "missing, iwae": partial(
        train_model, IWAE, missing=True, incomplete=True, epochs=2, fit_settings={"validation": True}
    ),
    "missing, iwae, gaussian heteroscedastic": partial(
        train_model, IWAE, HETEROSCEDASTIC, missing=True, incomplete=True, epochs=2
    ),
    "missing, masked and binarised": partial(
        train_model,
        VAE,
        missing=True,
        incomplete=True,
        epochs=2,
        trainer_settings={"corrupt": Masking(0.2), "binarize": "dynamic"},
    ),
    "missing, autoencoder": partial(train_model, AUTOENCODER, GAUSSIAN, missing=True, incomplete=True, epochs=2),
    "clipped": partial(
        train_model, VAE, GAUSSIAN, epochs=2, trainer_settings={"clip_norm": 1.0, "optimizer": MOMENTUM}
    ),
    "clipped, steps": partial(train_model, SEMI, steps=3, trainer_settings={"clip_norm": 0.5, "optimizer": ADAMW}),
    "cosine": partial(
        train_model, VAE, epochs=3, trainer_settings={"optimizer": partial(Adam, Cosine(0.02, 8, final=1e-3))}
    ),
    "warm-up, then cosine": partial(
        train_model, CONDITIONAL, epochs=3, trainer_settings={"optimizer": partial(AdamW, WarmUp(3, Cosine(0.02, 6)))}
    ),
    "rate, a number": partial(train_model, VAE, epochs=2, trainer_settings={"optimizer": None, "lr": 0.02}),
    "rate, a function": partial(
        train_model, IWAE, steps=4, trainer_settings={"optimizer": None, "lr": lambda t: 0.02 / (1 + t)}
    ),
    "adam with other settings": partial(
        train_model, VAE, CONTINUOUS, epochs=2, trainer_settings={"optimizer": partial(Adam, 0.02, 0.5, 0.9, 1e-3)}
    ),
    "early stopping": partial(
        train_model,
        VAE,
        epochs=9,
        fit_settings=EARLY_STOPPING,
        trainer_settings={"optimizer": partial(Adam, rate_that_rises_late)},
    ),
    "early stopping, semi-supervised": partial(
        train_model,
        SEMI,
        seed=1,
        labelled="some",
        epochs=9,
        fit_settings=EARLY_STOPPING,
        trainer_settings={"optimizer": partial(Adam, rate_that_rises_late)},
    ),
    "early stopping after a KL warm-up": partial(
        train_model,
        VAE,
        GAUSSIAN,
        epochs=9,
        fit_settings={**EARLY_STOPPING, "patience": 1},
        trainer_settings={"kl_weight": KLWarmUp(8), "optimizer": partial(Adam, rate_that_rises_early)},
    ),
    "several runs": partial(several_fits, VAE),
    "several runs, semi-supervised": partial(several_fits, SEMI, labelled="some"),
    "batches of one row": partial(train_model, VAE, rows=5, epochs=1, trainer_settings={"batch_size": 1}),
    "a last batch of one row": partial(
        train_model, CONDITIONAL, rows=41, epochs=2, trainer_settings={"batch_size": 10}
    ),
    "a batch of all rows": partial(
        train_model, IWAE, GAUSSIAN, rows=40, epochs=3, trainer_settings={"batch_size": 100}
    ),
    "one draw, iwae": partial(train_model, IWAE, importance_samples=1, steps=3),
    "resumed": partial(resumed, VAE, at=5, trainer_settings={"binarize": "dynamic", "corrupt": Masking(0.2)}),
    "resumed where an epoch begins": partial(resumed, IWAE, GAUSSIAN, at=6, schedule=WarmUp(2, Cosine(0.02, 9))),
    "resumed, by its KL weight": partial(resumed, CONDITIONAL, at=4, interrupted_schedule="kl weight", optimizer=AdamW),
    "resumed, early stopping": partial(
        resumed, VAE, at=11, every=None, epochs=9, fit_settings=EARLY_STOPPING, schedule=rate_that_rises_late
    ),
    "resumed, semi-supervised": partial(
        resumed, SEMI, at=7, labelled="some", fit_settings={"labelled_share": 0.5}, optimizer=partial(SGD, momentum=0.9)
    ),
    "retried": partial(rolled_back, VAE, at=5, max_lr=0.07),
    "retried, two epochs back": partial(rolled_back, SEMI, LEARNED, at=8, max_lr=0.04, labelled="some"),
    "retried, early stopping": partial(rolled_back, VAE, GAUSSIAN, at=4, max_lr=0.03, fit_settings=EARLY_STOPPING),
    "diverged": partial(diverged, VAE, at=4),
    "alpha": partial(train_model, SEMI, alpha=0.7, labelled="some", epochs=2),
    "alpha of nothing": partial(train_model, SEMI, alpha=0.0, labelled="some", epochs=2),
    "labelled share": partial(train_model, SEMI, labelled="some", epochs=2, fit_settings={"labelled_share": 0.6}),
    "no labels": partial(without_labels, SEMI),
    "spread": partial(with_input_std, CONDITIONAL, GAUSSIAN),
    "spread, semi-supervised": partial(
        with_input_std, SEMI, GAUSSIAN, labelled="some", fit_settings={"labelled_share": 0.5, "validation": True}
    ),
    "rows of float32": partial(train_on_dtype, "float32", VAE, GAUSSIAN),
    "rows of whole numbers": partial(train_on_dtype, "uint8", AUTOENCODER),
    "many rows": partial(many_rows, VAE, rows=1100),
    "many rows, conditional": partial(many_rows, CONDITIONAL, HETEROSCEDASTIC, rows=600),
    "many rows, semi-supervised": partial(many_rows, SEMI, rows=300),
    "many rows, iwae": partial(many_rows, IWAE, GAUSSIAN, rows=120, importance_samples=20),
    "float32": partial(train_model, VAE, dtype="float32", epochs=2, fit_settings={"validation": True}),
    "float32, gaussian heteroscedastic": partial(train_model, VAE, HETEROSCEDASTIC, dtype="float32", steps=3),
    "float32, conditional": partial(train_model, CONDITIONAL, GAUSSIAN, dtype="float32", epochs=2),
    "float32, semi-supervised": partial(train_model, SEMI, LEARNED, dtype="float32", labelled="some", epochs=2),
    "float32, iwae, missing": partial(
        train_model,
        IWAE,
        LEARNED,
        dtype="float32",
        importance_samples=5,
        missing=True,
        incomplete=True,
        steps=4,
        trainer_settings=FAST,
    ),
    "native": partial(
        train_model, VAE, backend="native", activation="gelu", epochs=2, fit_settings={"validation": True}
    ),
    "native, conditional": partial(
        train_model, CONDITIONAL, HETEROSCEDASTIC, backend="native", activation="silu", epochs=2
    ),
    "native, semi-supervised": partial(train_model, SEMI, backend="native", labelled="some", epochs=2),
    "native, iwae": partial(train_model, IWAE, LEARNED, backend="native", activation="relu", steps=3),
    "native, float32": partial(train_model, VAE, CONTINUOUS, backend="native", dtype="float32", steps=3),
}


# --- the file


def pack(numbers):
    """Return {"arrays": [name, dtype, shape] of each array, "facts": all other values}, and the bytes of the arrays.

    Integers have 64 bits; bytes are little-endian on every machine.
    """
    facts = {name: value for name, value in numbers.items() if value is None or isinstance(value, str | int)}
    arrays = {name: np.asarray(value) for name, value in numbers.items() if name not in facts}
    dtypes = [array.dtype.newbyteorder("<").str if array.dtype.kind == "f" else "<i8" for array in arrays.values()]
    headers = [[name, dtype, array.shape] for (name, array), dtype in zip(arrays.items(), dtypes, strict=True)]
    content = b"".join(array.astype(dtype).tobytes() for array, dtype in zip(arrays.values(), dtypes, strict=True))
    return {"arrays": headers, "facts": facts}, np.frombuffer(content, np.uint8)


def compute(case):
    """Return the result of `pack`; or the error; or the reason if the case cannot be computed on this machine."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", DenoiseWarning)  # most models were trained without noise
            return pack(case())
    except Exception as error:
        if isinstance(error, BackendError) and not can_compile():
            return {"skipped": str(error)}, None
        return {"error": traceback.format_exc()}, None


def can_compile():
    """Return True if there is a compiler for the backend "native"."""
    compilers = os.environ.get("CXX", "").split()[:1] or ["c++", "g++", "clang++"]
    return sys.platform != "win32" and any(map(shutil.which, compilers))


def machine():
    """Return the properties of this machine that the bits of a number may depend on."""
    import ctypes

    from numpy._core import _multiarray_umath as core

    features = sorted(name for name, enabled in core.__cpu_features__.items() if enabled)
    kernels = "unknown"
    for name in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename", "openblas_get_corename"):
        try:
            function = getattr(ctypes.CDLL(core.__file__), name)
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        kernels = function().decode()
        break
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "processor features in use": " ".join(features),
        "C library": " ".join(platform.libc_ver()),
        "NumPy": np.__version__,
        "OpenBLAS kernels": kernels,
    }


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def main(path):
    cases, content = {}, {}
    for name, case in CASES.items():
        cases[name], array_bytes = compute(case)
        if array_bytes is not None:
            content[name] = array_bytes
    text = json.dumps({"machine": machine(), "cases": cases}, separators=(",", ":"))
    np.savez_compressed(path, told=np.frombuffer(text.encode(), np.uint8), **content)


if __name__ == "__main__":
    main(sys.argv[1])
