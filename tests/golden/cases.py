"""Small trainings, and what every method says after them: the numbers that `golden.npz` holds, computed anew.

    python tests/golden/cases.py FILE

computes all cases and writes FILE, in the form that `record` reads. `record` runs it in a process of its own, with one
thread, so that no number depends on how many cores there are.

A case is a function without arguments that returns its numbers by name. Weights are moved by a few updates only, for
Adam makes much of little gradients, and rounding with them: so the numbers are the same to 1e-12 wherever NumPy runs.
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
from scratchvae.errors import BackendError, DivergedError, DivergenceWarning
from scratchvae.optim import SGD, Adam, AdamW, Cosine, WarmUp
from scratchvae.training import GaussianNoise, KLCycles, KLWarmUp, Masking, SaltAndPepper

# --- how things are called: what takes another name, or another argument, is changed here and nowhere else

LEARNED, HETEROSCEDASTIC = "gaussian_learned", "gaussian_heteroscedastic"


def impute(vae, x, **how):
    return vae.impute(x, **how)


def traverse(model, x, labels=None, **how):
    return with_labels(model, labels, "traverse", x, **how)


def swap_class(model, x, labels=None):
    return model.swap_class(x, labels)


def with_labels(model, labels, method, *given, **how):
    """What a method says that takes no labels, of a model that is told them."""
    told = {} if labels is None else {"labels": labels}
    return getattr(model, method)(*given, **told, **how)


def forward(model, x, eps, labels=None, **how):
    """The terms of each row; labels hold −1 for a row that has none."""
    if labels is not None:
        how["targets"] = (labels[:, None] == np.arange(model.classes)).astype(model.dtype)
        how |= vars(model).get("label_settings_of_fit") or model.label_settings(None, None)
    return model.forward(x, eps, **how)


def backward_to_inputs(model):
    """∂L/∂x, of the rows and of what the encoder saw in their place together, and ∂L/∂ε."""
    gradients = model.backward_to_inputs()
    dx = gradients.x if gradients.corrupted is None else gradients.x + gradients.corrupted
    return dx, gradients.eps


def fit(trainer, rows, epochs, input_std=None, **how):
    if input_std is not None:
        how["input_std"] = input_std
    try:
        return trainer.fit(rows, epochs, **how)
    finally:  # the weight of the classifier, which the numbers of a later forward were recorded with
        trainer.model.label_settings_of_fit = trainer._label_settings or {}


# --- data: sums and products of single numbers, which round alike everywhere

BERNOULLI, CONTINUOUS, GAUSSIAN = "bernoulli", "continuous_bernoulli", "gaussian"
GAUSSIANS = GAUSSIAN, LEARNED, HETEROSCEDASTIC
CLASSES = 3


def any_numbers(count, width, seed=0):
    """Rows (count, width) that two numbers tell most of, and the class of each, which the first one tells."""
    directions = np.random.default_rng([width, seed]).standard_normal((2, width))
    rng = np.random.default_rng([count, width, seed])
    codes, rest = rng.standard_normal((count, 2)), 0.3 * rng.standard_normal((count, width))
    rows = codes[:, :1] * directions[0] + codes[:, 1:] * directions[1] + rest
    return rows, (codes[:, 0] > -0.4).astype(int) + (codes[:, 0] > 0.4)


def rows_for(likelihood, count, width, seed=0):
    """Rows that the likelihood can explain: any numbers, or grey values of 256 shades, some of them 0 and 1."""
    rows, labels = any_numbers(count, width, seed)
    if likelihood in GAUSSIANS:
        return rows, labels
    return np.clip(np.round(127.5 + 90.0 * rows), 0.0, 255.0) / 255.0, labels


def with_holes(rows, seed=0):
    """The rows, a quarter of whose entries are NaN; of the third there is nothing at all."""
    missing = np.random.default_rng(seed).random(rows.shape) < 0.25
    missing[2] = True
    return np.where(missing, np.nan, rows)


def some_labels(labels, share=0.3):
    """The labels, −1 for most rows; the first ones are kept, so that each class has some."""
    keep = np.random.default_rng(1).random(len(labels)) < share
    keep[:12] = True
    return np.where(keep, labels, -1)


# --- what is told of a model

FEW = 5  # rows


def noise_for(model, rows, seed=7):
    return np.random.default_rng(seed).standard_normal((rows, model.noise_dim)).astype(model.dtype)


def told_of_terms(prefix, terms):
    return {f"{prefix}: {name}": getattr(terms, name).copy() for name in ("value", "reconstruction", "kl")}


def told_of_score(prefix, score):
    names = "value", "reconstruction", "kl", "standard_error", "rows"
    return {f"{prefix}: {name}": getattr(score, name) for name in names}


def told_of_history(history, prefix=""):
    """All but the seconds."""
    names = "loss", "reconstruction", "kl", "kl_weight", "kl_per_dimension"
    numbers = {name: getattr(history, name) for name in names}
    if history.validation[:1] != [None]:
        numbers["validation"] = history.validation
    told = {f"{prefix}history: {name}": np.array(number, float) for name, number in numbers.items()}
    summary = {"stopped": history.stopped, "best_epoch": history.best_epoch, "halvings": history.lr_halvings}
    told |= {f"{prefix}history: {name}": value for name, value in summary.items()}
    return told


def told_of_passes(model, x, labels):
    """Forward and backward, plainly and with all that can be asked of them."""
    seen, eps = np.ascontiguousarray(x[::-1]), noise_for(model, len(x))
    told = told_of_terms("forward", forward(model, x, eps, labels))
    model.backward()
    told["backward: dtheta"] = model.dtheta.copy()
    told |= told_of_terms("forward of corrupted", forward(model, x, eps, labels, corrupted=seen, kl_weight=0.3))
    if type(model) is sv.Autoencoder:
        model.backward()
    else:
        dx, deps = backward_to_inputs(model)
        told |= {"backward to inputs: dx": dx.copy(), "backward to inputs: deps": deps.copy()}
    told["backward of corrupted: dtheta"] = model.dtheta.copy()
    return told


def told_of_codes(model, x, labels):
    """What is reckoned with codes; of a model that takes labels all are told class 1."""
    one = None if labels is None else 1
    ask = partial(with_labels, model, one)
    told = {
        "interpolate": ask("interpolate", x[0], x[1], steps=3),
        "interpolate: spherical": ask("interpolate", x[0], x[1], steps=4, kind="spherical"),
        "analogy": ask("analogy", x[0], x[1:3], x[3]),
        "analogy: rows": ask("analogy", x[:2], x[2:4], x[3:5]),
    }
    told["traverse"] = traverse(model, None, one)
    told["traverse: from a row"] = traverse(model, x[1], one, dimension=1, values=[-1.5, 0.25])
    return told


def told_of_imputation(vae, x):
    holes = x if np.isnan(x).any() else with_holes(x)
    told = {}
    for method in ("metropolis", "pseudo-gibbs", "importance", "encoder"):
        for draws in (None, 2):
            how = {"method": method, "draws": draws, "samples": 5, "seed": 3}
            told[f"impute: {method}, draws={draws}"] = impute(vae, holes, **how)
    told["impute: means of draws"] = impute(vae, holes, draws=1, samples=4, values="mean")
    whole, observed = np.nan_to_num(x, nan=0.5), ~np.isnan(holes)
    told["impute: by what is observed"] = impute(vae, whole, observed=observed, samples=4, seed=1)
    return told


def told_of_scores(model, x, labels):
    """The score, plain, and by all that it can be asked for."""
    score = partial(sv.score, model, x, **({} if labels is None else {"labels": labels}))
    likelihood = model.config["likelihood"]
    told = told_of_score("score", score(seed=2))
    told |= told_of_score("score of one row", sv.score(model, x[:1], **({} if labels is None else {"labels": 0})))
    corrupt = GaussianNoise(0.3) if likelihood in GAUSSIANS else SaltAndPepper(0.3)
    told |= told_of_score("score of corrupted", score(corrupt=corrupt))
    if likelihood == BERNOULLI:
        told |= told_of_score("score of binarised", score(binarize="dynamic", seed=4))
        told |= told_of_score("score of both", score(binarize="dynamic", corrupt=Masking(0.2)))
    return told


def told_of_model(model, x, labels=None):
    """What all methods of a model say about the first of the rows x, of our likelihood, and their labels, if any."""
    few, of = x[:FEW].astype(model.dtype), None if labels is None else labels[:FEW]
    named = {} if of is None else {"labels": of}
    known = None if of is None else np.maximum(of, 0)  # to those who want a class of each
    by_class = {} if of is None else {"labels": known}
    encoded = model.encode(few, **by_class)
    told = {"encode": encoded} if type(model) is sv.Autoencoder else dict(zip(("mu", "logvar"), encoded, strict=True))
    told["embed"] = model.embed(few, **by_class)
    told["decode"] = model.decode(told["embed"] + 0.5, **by_class)
    told["reconstruct"] = model.reconstruct(few, **by_class)
    loss, grads = model.loss_and_grads(few, noise_for(model, len(few)), **named)
    told |= {"loss": loss, **{f"gradient of {name}": grad for name, grad in grads.items()}}
    told["loss with drawn noise"] = model.loss_and_grads(few, seed=6, **named)[0]
    told |= told_of_passes(model, few, of)
    told |= told_of_codes(model, few, of)
    told |= told_of_scores(model, x[: 4 * FEW], None if labels is None else labels[: 4 * FEW])
    if type(model) is sv.Autoencoder:
        return {**told, "denoise": model.denoise(few)}
    told |= told_of_terms("elbo", model.elbo(few, noise_for(model, len(few), seed=9), **named))
    told |= told_of_terms("elbo with drawn noise", model.elbo(few, seed=1, **named))
    told["sample"] = model.sample(3, seed=5)
    told["denoise"] = with_labels(model, known, "denoise", few)
    told["denoise: draws=2"] = with_labels(model, known, "denoise", few, draws=2, seed=1)
    if not model.classes:
        told |= told_of_imputation(model, few)
    else:
        told["sample of a class"] = model.sample(2, seed=5, labels=2)
        told["sample of classes"] = with_labels(model, np.array([2, 0]), "sample", 2)
        told["swap_class"] = swap_class(model, few[:3], known[:3])
    if type(model) is sv.SemiSupervisedVAE:
        told |= {"predict_proba": model.predict_proba(x[: 4 * FEW]), "classify": model.classify(x[: 4 * FEW])}
        told |= told_of_terms("elbo without labels", model.elbo(few, seed=1))
        told |= told_of_score("score without labels", sv.score(model, x[: 4 * FEW]))
        told["embed: labels as classified"] = model.embed(few, of)
        told["reconstruct: without labels"] = model.reconstruct(few)
        told["swap_class: without labels"] = swap_class(model, few[:3])
    return told


# --- a model, and its training

ADAM, ADAMW, MOMENTUM = partial(Adam, 1e-2), partial(AdamW, 1e-2, weight_decay=0.1), partial(SGD, 1e-2, 0.9)
MORE = {
    sv.VAE: {},
    sv.Autoencoder: {},
    sv.ConditionalVAE: {"classes": CLASSES},
    sv.SemiSupervisedVAE: {"classes": CLASSES},
    sv.IWAE: {"importance_samples": 3},
}


class Study:
    """A model and the rows that it learns from, of `rows`, `width` and `seed`, and a few to validate by.

    settings   of the model
    labelled   "all" rows, "some" or "none" of them, for a model that takes labels
    holes      whether entries are missing
    """

    def __init__(
        self, kind, likelihood=BERNOULLI, *, rows=42, width=7, seed=0, labelled="all", holes=False, **settings
    ):
        first = {"latent_dim": 2, "hidden": (6,), "activation": "tanh", "seed": 1, "dtype": "float64"}
        if likelihood in (GAUSSIAN, LEARNED):
            first["sigma"] = 0.7
        self.model = kind(width, likelihood=likelihood, **{**first, **MORE[kind], **settings})
        (self.x, self.labels), (self.held_out, self.held_out_labels) = (
            rows_for(likelihood, count, width, seed) for count in (rows, 20)
        )
        if holes:
            self.x, self.held_out = with_holes(self.x), with_holes(self.held_out)
        if not self.model.classes or labelled == "none":
            self.labels = self.held_out_labels = None
        elif labelled == "some":
            self.labels, self.held_out_labels = some_labels(self.labels), some_labels(self.held_out_labels)

    def trainer(self, optimizer=ADAM, **settings):
        """One of its own each time."""
        optimizer = {} if optimizer is None else {"optimizer": optimizer()}
        return sv.Trainer(self.model, **{"batch_size": 16, "seed": 3, **optimizer, **settings})

    def step(self, trainer, steps):
        """So many steps, from batch to batch, the last of which may be shorter."""
        losses, norms = [], []
        for k in range(steps):
            start = k * trainer.batch_size % len(self.x)
            chosen = slice(start, start + trainer.batch_size)
            labels = () if self.labels is None else (self.labels[chosen],)
            losses.append(trainer.step(self.x[chosen], *labels))
            norms.append(np.sqrt(np.sum(self.model.dtheta**2)))
        return {"loss of each step": losses, "norm of each step's gradient": norms}

    def fit(self, trainer, epochs, validation=False, **how):
        if validation:
            how["validation"] = self.held_out
        if self.labels is not None:
            how["labels"] = self.labels
            if validation:
                how["validation_labels"] = self.held_out_labels
        return fit(trainer, self.x, epochs, **how)

    def told(self):
        """What is told of it now."""
        return {"theta": self.model.theta.copy(), **told_of_model(self.model, self.x, self.labels)}


def study(*of, steps=0, epochs=0, train=None, how=None, **settings):
    """A model that is trained by so many steps, or epochs with all that `how` says."""
    it = Study(*of, **settings)
    trainer = it.trainer(**(train or {}))
    told = it.step(trainer, steps) if steps else {}
    if epochs:
        told |= told_of_history(it.fit(trainer, epochs, **(how or {})))
        told["dtheta"] = it.model.dtheta.copy()
    return {**told, "updates": trainer.optimizer.t, **it.told()}


def beginning(*of, **settings):
    """A model before its first step."""
    return Study(*of, **settings).told()


def several_runs(*of, **settings):
    """Two fits of one trainer, a step between them, and one of another trainer."""
    it = Study(*of, **settings)
    trainer = it.trainer()
    told = it.step(trainer, 2)
    it.fit(trainer, 1)
    told["theta after a fit"] = it.model.theta.copy()
    it.step(trainer, 1)
    told |= told_of_history(it.fit(trainer, 1, validation=True))
    told |= told_of_history(it.fit(it.trainer(MOMENTUM, seed=8), 1), "another trainer's ")
    return {**told, **it.told()}


class Killed(BaseException):
    """Stands for the end of the process."""


def killing(schedule, at):
    """The schedule, which ends the process in update `at`, but once only; at None it does not."""
    ends = [at]

    def learning_rate(t):
        if t in ends:
            ends.clear()
            raise Killed
        return schedule(t)

    return learning_rate


def resumed(*of, at, ends="rate", every=2, epochs=3, optimizer=Adam, schedule=None, train=None, how=None, **settings):
    """Training that ends in update `at`, where its "rate" or its "kl weight" is asked for, and that is resumed.

    What is told is of that one, and whether it has the bits of training that nothing ends.
    """
    schedules = {"rate": schedule or (lambda t: 0.02 / (1 + t))}
    if ends == "kl weight":
        schedules[ends] = KLWarmUp(6)

    def trained(rate, weight=None, **kept):
        it = Study(*of, **settings)
        weighed = {} if weight is None else {"kl_weight": weight}
        trainer = it.trainer(partial(optimizer, rate), **weighed, **(train or {}))
        told = told_of_history(it.fit(trainer, epochs, **(how or {}), **kept))
        told["theta at the end"] = it.model.theta.copy()
        return {**told, "updates": trainer.optimizer.t, **it.step(trainer, 1), **it.told()}

    whole = trained(*schedules.values())
    fatal = [killing(schedule, at if name == ends else None) for name, schedule in schedules.items()]
    with tempfile.TemporaryDirectory() as folder:
        kept = {"checkpoint": Path(folder, "run.npz"), "every": every, "resume": True}
        try:
            trained(*fatal, **kept)
            raise AssertionError("nothing ended it")
        except Killed:
            again = trained(*fatal, **kept)
    return {**again, "it is as if nothing had ended it": same(whole, again)}


def same(told, other):
    """Whether both are the same to the bit."""
    (places, content), (other_places, other_content) = packed(told), packed(other)
    return places == other_places and content.tobytes() == other_content.tobytes()


def retried(*of, at, bearable, epochs=3, how=None, **settings):
    """Training that goes back when its update `at` has made a weight NaN, for its rate was not bearable."""
    it = Study(*of, **settings)
    trainer = it.trainer(partial(DivergingSGD, 0.1, at, bearable))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", DivergenceWarning)
        told = told_of_history(it.fit(trainer, epochs, retries=5, **(how or {})))
    return {**told, "warnings": len(warned), "updates": trainer.optimizer.t, **it.told()}


def diverged(*of, at, **settings):
    """Training whose loss is infinite in update `at`, for the weight of its KL is: it ends before that update."""
    it = Study(*of, **settings)
    trainer = it.trainer(kl_weight=lambda t: 1e308 if t == at else 1.0)
    try:
        it.fit(trainer, 3)
    except DivergedError as error:
        told = {"step": error.step, "epoch": error.epoch}
    return {**told_of_history(trainer.history), **told, "updates": trainer.optimizer.t, **it.told()}


def many_rows(*of, rows, **settings):
    """Of more rows than are computed at once, every fiftieth."""
    it = Study(*of, rows=rows, **settings)
    it.step(it.trainer(batch_size=rows), 2)
    model, x, labels = it.model, it.x, it.labels
    named = {} if labels is None else {"labels": labels}
    mu, logvar = model.encode(x, **named)
    told = {"mu": mu, "logvar": logvar, "reconstruct": model.reconstruct(x, **named), "sample": model.sample(rows)}
    told |= told_of_terms("elbo", model.elbo(x, seed=1, **named))
    told["denoise"] = with_labels(model, labels, "denoise", x, draws=2)
    if not model.classes:
        told["impute"] = impute(model, with_holes(x), samples=2)
    if type(model) is sv.SemiSupervisedVAE:
        told["predict_proba"] = model.predict_proba(x)
    return {**{name: rows[::50] for name, rows in told.items()}, **told_of_scores(model, x, labels)}


def learning_from(dtype, *of, **settings):
    """Training on rows of another type than the model's."""
    it = Study(*of, **settings)
    it.x = it.x.round().astype(dtype)
    return {**told_of_history(it.fit(it.trainer(), 2)), **it.told()}


def spread_out(*of, how=None, **settings):
    """Training on rows that are drawn anew each time, from around what is given."""
    it = Study(*of, **settings)
    input_std = np.random.default_rng(4).random(it.x.shape)
    return {**told_of_history(it.fit(it.trainer(), 2, input_std=input_std, **(how or {}))), **it.told()}


def no_labels(*of, **settings):
    """Training, and what can be asked, where no row has a label."""
    it = Study(*of, labelled="none", **settings)
    told, model, few = it.step(it.trainer(), 3), it.model, it.x[:FEW]
    told |= {"theta": model.theta.copy(), "predict_proba": model.predict_proba(few), "embed": model.embed(few)}
    loss, grads = model.loss_and_grads(few, noise_for(model, FEW))
    told |= {"loss": loss, **{f"gradient of {name}": grad for name, grad in grads.items()}}
    return {**told, **told_of_scores(model, it.x, None)}


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
    """Each with another activation, depth, optimizer and way to train than the one before."""
    ways = cycle([{"steps": 4}, {"epochs": 2}, {"epochs": 2, "how": {"validation": True}}, {"steps": 3}])
    activations, depths = cycle(ACTIVATIONS), cycle([(6,), (6, 5)])
    optimizers = cycle([ADAM, ADAMW, MOMENTUM])
    for kind, model in KINDS.items():
        for name, likelihood in LIKELIHOODS.items():
            settings = {
                "activation": next(activations),
                "hidden": next(depths),
                "train": {"optimizer": next(optimizers)},
            }
            yield f"{kind}, {name}", partial(study, model, likelihood, **settings, **next(ways))


def too_fast_in_the_end(t):
    return 0.02 if t < 6 else 0.15


def too_fast_soon(t):
    return 0.02 if t < 3 else 0.15


FAST = {"optimizer": partial(Adam, 0.1)}
EARLY = {"validation": True, "patience": 2}
CASES = {
    **dict(every_kind_with_every_likelihood()),
    "no hidden layer": partial(study, VAE, hidden=(), steps=3),
    "no hidden layer, autoencoder": partial(study, AUTOENCODER, GAUSSIAN, hidden=(), epochs=2),
    "no hidden layer, conditional": partial(study, CONDITIONAL, hidden=(), epochs=1),
    "no hidden layer, semi-supervised": partial(study, SEMI, GAUSSIAN, hidden=(), steps=3, labelled="some"),
    "untrained": partial(beginning, VAE, GAUSSIAN, hidden=(6, 5), activation="gelu"),
    "init he_normal": partial(beginning, VAE, init="he_normal"),
    "init he_uniform": partial(study, IWAE, init="he_uniform", steps=2),
    "init glorot_normal": partial(study, CONDITIONAL, init="glorot_normal", steps=2),
    "init glorot_uniform": partial(study, SEMI, init="glorot_uniform", steps=2, activation="relu"),
    "wide rows, three latent numbers": partial(study, VAE, width=12, latent_dim=3, rows=80, epochs=2),
    "beta": partial(study, VAE, beta=4.0, epochs=2, how={"validation": True}),
    "beta, conditional": partial(study, CONDITIONAL, GAUSSIAN, beta=0.3, epochs=2),
    "beta, semi-supervised": partial(study, SEMI, beta=2.5, labelled="some", steps=3),
    "free bits": partial(study, VAE, free_bits=0.2, epochs=2, how={"validation": True}),
    "free bits, conditional": partial(study, CONDITIONAL, free_bits=0.05, steps=4),
    "free bits, beta and a rising KL weight": partial(
        study, VAE, GAUSSIAN, free_bits=0.1, beta=1.5, epochs=3, train={"kl_weight": KLWarmUp(6)}
    ),
    "KL warm-up": partial(study, VAE, epochs=2, how={"validation": True}, train={"kl_weight": KLWarmUp(5)}),
    "KL cycles": partial(study, VAE, LEARNED, epochs=3, train={"kl_weight": KLCycles(9, cycles=2, rise=0.6)}),
    "KL warm-up, iwae": partial(study, IWAE, GAUSSIAN, steps=4, train={"kl_weight": KLWarmUp(3)}),
    "KL cycles, semi-supervised": partial(
        study, SEMI, epochs=2, labelled="some", train={"kl_weight": KLCycles(6, cycles=2)}
    ),
    "KL weight, a function": partial(study, CONDITIONAL, steps=3, train={"kl_weight": lambda t: 1.0 / (1 + t)}),
    "binarised": partial(study, VAE, epochs=2, how={"validation": True}, train={"binarize": "dynamic"}),
    "binarised, steps": partial(study, IWAE, steps=3, train={"binarize": "dynamic"}),
    "binarised, autoencoder": partial(study, AUTOENCODER, epochs=2, train={"binarize": "dynamic"}),
    "binarised, conditional": partial(study, CONDITIONAL, epochs=2, train={"binarize": "dynamic"}),
    "binarised, semi-supervised": partial(
        study, SEMI, epochs=2, labelled="some", how={"validation": True}, train={"binarize": "dynamic"}
    ),
    "masked": partial(study, VAE, epochs=2, how={"validation": True}, train={"corrupt": Masking(0.3)}),
    "masked and binarised, steps": partial(study, VAE, steps=3, train={"corrupt": Masking(0.3), "binarize": "dynamic"}),
    "noisy": partial(
        study, VAE, HETEROSCEDASTIC, epochs=2, how={"validation": True}, train={"corrupt": GaussianNoise(0.4)}
    ),
    "noisy, within the support": partial(study, IWAE, CONTINUOUS, epochs=2, train={"corrupt": GaussianNoise(0.4)}),
    "salt and pepper, conditional": partial(
        study, CONDITIONAL, epochs=2, how={"validation": True}, train={"corrupt": SaltAndPepper(0.3)}
    ),
    "salt and pepper, autoencoder": partial(
        study, AUTOENCODER, GAUSSIAN, steps=3, train={"corrupt": SaltAndPepper(0.3, -1.0, 2.0)}
    ),
    "masked, semi-supervised": partial(study, SEMI, epochs=2, labelled="some", train={"corrupt": Masking(0.3)}),
    "missing": partial(study, VAE, missing=True, holes=True, epochs=2, how={"validation": True}),
    "missing, continuous bernoulli": partial(study, VAE, CONTINUOUS, missing=True, holes=True, steps=3),
    "missing, gaussian": partial(study, VAE, GAUSSIAN, missing=True, holes=True, epochs=2, free_bits=0.1),
    "missing, gaussian learned": partial(study, VAE, LEARNED, missing=True, holes=True, epochs=2),
    "missing, gaussian heteroscedastic": partial(study, VAE, HETEROSCEDASTIC, missing=True, holes=True, steps=3),
    "missing, iwae": partial(study, IWAE, missing=True, holes=True, epochs=2, how={"validation": True}),
    "missing, iwae, gaussian heteroscedastic": partial(
        study, IWAE, HETEROSCEDASTIC, missing=True, holes=True, epochs=2
    ),
    "missing, masked and binarised": partial(
        study, VAE, missing=True, holes=True, epochs=2, train={"corrupt": Masking(0.2), "binarize": "dynamic"}
    ),
    "missing, autoencoder": partial(study, AUTOENCODER, GAUSSIAN, missing=True, holes=True, epochs=2),
    "clipped": partial(study, VAE, GAUSSIAN, epochs=2, train={"clip_norm": 1.0, "optimizer": MOMENTUM}),
    "clipped, steps": partial(study, SEMI, steps=3, train={"clip_norm": 0.5, "optimizer": ADAMW}),
    "cosine": partial(study, VAE, epochs=3, train={"optimizer": partial(Adam, Cosine(0.02, 8, final=1e-3))}),
    "warm-up, then cosine": partial(
        study, CONDITIONAL, epochs=3, train={"optimizer": partial(AdamW, WarmUp(3, Cosine(0.02, 6)))}
    ),
    "rate, a number": partial(study, VAE, epochs=2, train={"optimizer": None, "lr": 0.02}),
    "rate, a function": partial(study, IWAE, steps=4, train={"optimizer": None, "lr": lambda t: 0.02 / (1 + t)}),
    "adam with other settings": partial(
        study, VAE, CONTINUOUS, epochs=2, train={"optimizer": partial(Adam, 0.02, 0.5, 0.9, 1e-3)}
    ),
    "early stopping": partial(study, VAE, epochs=9, how=EARLY, train={"optimizer": partial(Adam, too_fast_in_the_end)}),
    "early stopping, semi-supervised": partial(
        study,
        SEMI,
        seed=1,
        labelled="some",
        epochs=9,
        how=EARLY,
        train={"optimizer": partial(Adam, too_fast_in_the_end)},
    ),
    "early stopping after a KL warm-up": partial(
        study,
        VAE,
        GAUSSIAN,
        epochs=9,
        how={**EARLY, "patience": 1},
        train={"kl_weight": KLWarmUp(8), "optimizer": partial(Adam, too_fast_soon)},
    ),
    "several runs": partial(several_runs, VAE),
    "several runs, semi-supervised": partial(several_runs, SEMI, labelled="some"),
    "batches of one row": partial(study, VAE, rows=5, epochs=1, train={"batch_size": 1}),
    "a last batch of one row": partial(study, CONDITIONAL, rows=41, epochs=2, train={"batch_size": 10}),
    "a batch of all rows": partial(study, IWAE, GAUSSIAN, rows=40, epochs=3, train={"batch_size": 100}),
    "one draw, iwae": partial(study, IWAE, importance_samples=1, steps=3),
    "resumed": partial(resumed, VAE, at=5, train={"binarize": "dynamic", "corrupt": Masking(0.2)}),
    "resumed where an epoch begins": partial(resumed, IWAE, GAUSSIAN, at=6, schedule=WarmUp(2, Cosine(0.02, 9))),
    "resumed, by its KL weight": partial(resumed, CONDITIONAL, at=4, ends="kl weight", optimizer=AdamW),
    "resumed, early stopping": partial(
        resumed, VAE, at=11, every=None, epochs=9, how=EARLY, schedule=too_fast_in_the_end
    ),
    "resumed, semi-supervised": partial(
        resumed, SEMI, at=7, labelled="some", how={"labelled_share": 0.5}, optimizer=partial(SGD, momentum=0.9)
    ),
    "retried": partial(retried, VAE, at=5, bearable=0.07),
    "retried, two epochs back": partial(retried, SEMI, LEARNED, at=8, bearable=0.04, labelled="some"),
    "retried, early stopping": partial(retried, VAE, GAUSSIAN, at=4, bearable=0.03, how=EARLY),
    "diverged": partial(diverged, VAE, at=4),
    "alpha": partial(study, SEMI, alpha=0.7, labelled="some", epochs=2),
    "alpha of nothing": partial(study, SEMI, alpha=0.0, labelled="some", epochs=2),
    "labelled share": partial(study, SEMI, labelled="some", epochs=2, how={"labelled_share": 0.6}),
    "no labels": partial(no_labels, SEMI),
    "spread": partial(spread_out, CONDITIONAL, GAUSSIAN),
    "spread, semi-supervised": partial(
        spread_out, SEMI, GAUSSIAN, labelled="some", how={"labelled_share": 0.5, "validation": True}
    ),
    "rows of float32": partial(learning_from, "float32", VAE, GAUSSIAN),
    "rows of whole numbers": partial(learning_from, "uint8", AUTOENCODER),
    "many rows": partial(many_rows, VAE, rows=1100),
    "many rows, conditional": partial(many_rows, CONDITIONAL, HETEROSCEDASTIC, rows=600),
    "many rows, semi-supervised": partial(many_rows, SEMI, rows=300),
    "many rows, iwae": partial(many_rows, IWAE, GAUSSIAN, rows=120, importance_samples=20),
    "float32": partial(study, VAE, dtype="float32", epochs=2, how={"validation": True}),
    "float32, gaussian heteroscedastic": partial(study, VAE, HETEROSCEDASTIC, dtype="float32", steps=3),
    "float32, conditional": partial(study, CONDITIONAL, GAUSSIAN, dtype="float32", epochs=2),
    "float32, semi-supervised": partial(study, SEMI, LEARNED, dtype="float32", labelled="some", epochs=2),
    "float32, iwae, missing": partial(
        study, IWAE, LEARNED, dtype="float32", importance_samples=5, missing=True, holes=True, steps=4, train=FAST
    ),
    "native": partial(study, VAE, backend="native", activation="gelu", epochs=2, how={"validation": True}),
    "native, conditional": partial(study, CONDITIONAL, HETEROSCEDASTIC, backend="native", activation="silu", epochs=2),
    "native, semi-supervised": partial(study, SEMI, backend="native", labelled="some", epochs=2),
    "native, iwae": partial(study, IWAE, LEARNED, backend="native", activation="relu", steps=3),
    "native, float32": partial(study, VAE, CONTINUOUS, backend="native", dtype="float32", steps=3),
}


# --- the file


def packed(told):
    """Arrays in one vector of bytes, and where they are in it, [name, dtype, shape] of each; and all that is no array.

    Whole numbers are of 64 bits, and bytes are in the order that most machines have, whatever this one has.
    """
    facts = {name: value for name, value in told.items() if value is None or isinstance(value, str | int)}
    arrays = {name: np.asarray(value) for name, value in told.items() if name not in facts}
    dtypes = [array.dtype.newbyteorder("<").str if array.dtype.kind == "f" else "<i8" for array in arrays.values()]
    places = [[name, dtype, array.shape] for (name, array), dtype in zip(arrays.items(), dtypes, strict=True)]
    content = b"".join(array.astype(dtype).tobytes() for array, dtype in zip(arrays.values(), dtypes, strict=True))
    return {"arrays": places, "facts": facts}, np.frombuffer(content, np.uint8)


def computed(case):
    """As `packed`; what went wrong, where something did; or why it cannot be computed here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return packed(case())
    except Exception as error:
        if isinstance(error, BackendError) and not can_compile():
            return {"left out": str(error)}, None
        return {"error": traceback.format_exc()}, None


def can_compile():
    """Whether there is a compiler for the backend "native"."""
    asked = os.environ.get("CXX", "").split()[:1] or ["c++", "g++", "clang++"]
    return sys.platform != "win32" and any(map(shutil.which, asked))


def machine():
    """All that bits may depend on."""
    import ctypes

    from numpy._core import _multiarray_umath as core

    features = sorted(name for name, there in core.__cpu_features__.items() if there)
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
    told, content = {}, {}
    for name, case in CASES.items():
        told[name], numbers = computed(case)
        if numbers is not None:
            content[name] = numbers
    text = json.dumps({"machine": machine(), "cases": told}, separators=(",", ":"))
    np.savez_compressed(path, told=np.frombuffer(text.encode(), np.uint8), **content)


if __name__ == "__main__":
    main(sys.argv[1])
