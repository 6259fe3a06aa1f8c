"""The training loop."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from math import isfinite
from os import PathLike
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, DivergedError
from scratchvae.memory import Landing
from scratchvae.models import Model
from scratchvae.optim import Adam, Optimizer, Schedule
from scratchvae.settings import positive, truth, whole
from scratchvae.training.best import Best
from scratchvae.training.binarize import check_binarize
from scratchvae.training.checkpoint import Checkpoints
from scratchvae.training.corruption import Corruption
from scratchvae.training.history import History
from scratchvae.training.interruption import Interruption
from scratchvae.training.kl_weights import KLWeight
from scratchvae.training.labelled import labelled_minibatches
from scratchvae.training.minibatches import Minibatches
from scratchvae.training.parts import check_parts
from scratchvae.training.progress import Progress
from scratchvae.training.recipe import recipe
from scratchvae.training.run import Run
from scratchvae.training.scoring import score
from scratchvae.training.steps import Steps
from scratchvae.training.tracing import Traced
from scratchvae.training.turns import Uncopied, one_fit_at_a_time, one_step_at_a_time


class Trainer(Uncopied):
    """Trains a model on minibatches: draw noise, forward, backward, update.

    lr           learning rate, a number or a schedule, of Adam (Kingma and Ba 2015); 1e-3 unless given
    batch_size   rows a step; where the data has fewer, a step takes them all
    seed         of the order of the rows, of the noise, of the binarisation and of the corruption, each a stream of its
                 own: on NumPy the same seed gives the same bits, in each child of a process too
    optimizer    another one than Adam, not bound yet; it has a learning rate of its own, so `lr` stays away
    clip_norm    largest Euclidean norm of the whole gradient; a longer one is scaled down to it; None for any
    binarize     "dynamic" draws each pixel anew at each step, 1 with the probability that its grey value says; for
                 likelihood="bernoulli"
    kl_weight    what multiplies the model's beta in each update: `KLWarmUp`, `KLCycles`, or any function of the number
                 of updates before; None for 1
    corrupt      the denoising criterion: the encoder sees each batch with this noise (`Masking`, `GaussianNoise`,
                 `SaltAndPepper`), drawn anew and after any binarisation, and what is scored is the batch without it

    While `fit` runs, other threads may use the model; a second fit of it, or their `step`, raises BusyError. A trainer
    cannot be copied, nor sent to another process, which raises CopyError: copy its model. Raises ConfigError.
    """

    def __init__(
        self,
        model: Model,
        lr: float | Schedule | None = None,
        batch_size: int = 128,
        seed: int = 0,
        optimizer: Optimizer | None = None,
        clip_norm: float | None = None,
        binarize: str | None = None,
        kl_weight: KLWeight | None = None,
        corrupt: Corruption | None = None,
    ) -> None:
        check_parts(model, lr, optimizer, kl_weight)
        self.model = model
        self.batch_size = whole("batch_size", batch_size)
        self.optimizer = Adam(1e-3 if lr is None else lr) if optimizer is None else optimizer
        self.clip_norm = None if clip_norm is None else positive("clip_norm", clip_norm)
        self.binarize = check_binarize(binarize, model)
        self.kl_weight = kl_weight
        self.corrupt = corrupt
        self.history = History()
        self.seed = seed
        self.steps = Steps(model, self.optimizer, seed, self.clip_norm, bool(binarize), kl_weight, corrupt)
        self._landing_corrupted = Landing(model.backend)
        self.optimizer.bind(model.backend.xp, model.theta)

    @one_step_at_a_time
    def step(self, x: Any, labels: Any = None) -> float:
        """One update from the batch x (B, D), binarised if so set; returns its loss before the update, in nats a row.

        labels (B,) are for a model that takes them. Raises ConfigError, DTypeError, ShapeError or RangeError; and
        DivergedError, before anything is changed, when the loss is not finite, with the first tensor that is not: where
        that is a weight, the step before has made it so.
        """
        x = self.model.admit_data(x)
        labels = self.model.admit_labels(labels, len(x))
        targets = None if labels is None else self.model.targets_of(labels)
        binarizer, corruptor = self.steps.binarizer, self.steps.corruptor
        if binarizer:
            x = binarizer(to_numpy(x))
        corrupted = self._landing_corrupted.bring(corruptor(to_numpy(x))) if corruptor else None
        batch = self.model.door.bring(x), corrupted, targets
        loss = float(self.model.objective.loss(self.steps.forward(*batch)))
        if not isfinite(loss):
            with Traced(self.model, self.optimizer):
                self.steps.forward_again(*batch)
            raise DivergedError(f"the loss of step {self.optimizer.t + 1} is {loss:g}", self.optimizer.t + 1)
        self.steps.learn()
        return loss

    @one_fit_at_a_time
    def fit(
        self,
        images: Any,
        epochs: int,
        validation: Any = None,
        progress: bool = False,
        patience: int | None = None,
        labels: Any = None,
        validation_labels: Any = None,
        labelled_share: float | None = None,
        spread: Any = None,
        checkpoint: str | PathLike[str] | None = None,
        every: int | None = None,
        keep: int = 2,
        resume: bool = False,
        retries: int = 0,
    ) -> History:
        """Run through images (N, D) `epochs` times; returns the history of all epochs this trainer has run.

        validation   rows (M, D) that are scored after each epoch, each time with the same noise, binarisation and
                     corruption, and always with the whole beta: a KL weight on its way there changes the weights of the
                     network, not the measure
        progress     show how it goes on standard error
        patience     stop when this many epochs in a row brought no lower validation loss; however training ends, the
                     model, and the optimizer, then are where they were after the epoch of this call with the lowest.
                     An epoch with a KL weight below 1 may be the best, but is not waited for
        labels       (N,) of a model that takes them: whole numbers from 0; of `SemiSupervisedVAE`, or −1 for none
        validation_labels   (M,) likewise
        labelled_share      of labelled rows in each batch, and spread (N, D), of rows that are drawn anew from
                     N(images, spread²) at each step, such as another VAE's codes: see `LabelledMinibatches`
        checkpoint   file, ending in .npz, that all of training is kept in, `every` so many updates (None: at the end of
                     each epoch), and when training begins and ends; the last `keep` are kept. See
                     `scratchvae.training.checkpoint`
        resume       go on from there, if the file is there: training that was ended anyhow and is resumed gives the
                     same bits, on NumPy, as training that was not. Make model and trainer as they were made before:
                     another data, setting or schedule is refused; `every`, `keep`, `retries` and, with a constant
                     rate, a larger `epochs` are not
        retries      when numbers are finite no longer, go back to where the epoch began, and on with half the learning
                     rate, up to so many times in this call; if that does not help, to where the epoch before it began.
                     Each is told in a DivergenceWarning, and `history.halvings` counts them

        Rows may be an np.memmap of more than fits in memory: what was read of it is given back as training goes on.
        Before the first step of an untrained model, the bias of the output becomes such that it decodes to the mean.
        A CollapseWarning tells, once, that the posterior has stayed at the prior though the KL had its full weight.
        Ctrl-C ends training after the step at hand; what was learnt so far stays, and `history.stopped` says so.
        Raises ConfigError, DTypeError, ShapeError, RangeError or, of checkpoints, FileError before anything is changed;
        DivergedError when a number is not finite, telling which was the first, with everything as it was before that
        step, and the checkpoints as they were; DataError when the file of a map was cut; FileError when a checkpoint
        cannot be written.
        """
        whole("epochs", epochs)
        if patience is not None:
            whole("patience", patience)
            if validation is None:
                raise ConfigError("patience needs validation rows to watch: pass validation=")
        if isinstance(images, self.model.backend.array_type):
            images = to_numpy(images)
        mean = np.empty(self.model.input_dim)
        images = self.model.admit_data(images, "images", mean)
        if validation is not None:
            validation = self.model.admit_data(validation, "validation")
            watched = self.model.admit_labels(validation_labels, len(validation), "validation_labels")
            validation = validation, watched
        elif validation_labels is not None:
            raise ConfigError("validation_labels were given without the rows that they are of: pass validation=")
        batches = self._minibatches(images, labels, labelled_share, spread)
        whole("retries", retries, least=0)
        checkpoints = None
        if checkpoint is not None:
            rows = {"images": images, "labels": batches.labels, "spread": spread}
            rows |= dict(zip(("validation", "validation_labels"), validation or (None, None), strict=True))
            settings = recipe(self, rows, patience=patience, labelled_share=labelled_share)
            checkpoints = Checkpoints(checkpoint, every, keep, settings)
        elif every is not None or resume:
            raise ConfigError("every and resume are for training with checkpoints: pass checkpoint=, a file's name")
        with nullcontext() if checkpoints is None else checkpoints.held():
            found = None if checkpoints is None else checkpoints.found(truth("resume", resume))
            with self.history.told():
                self.model.start_output_bias(mean)
                best = None if patience is None else Best(self.model.theta, self.optimizer, patience)
                scored = None if validation is None else partial(self._loss_of, *validation)
                bar, interruption = Progress(progress, epochs, len(batches)), Interruption()
                run = Run(self, epochs, batches, best, scored, bar, interruption, checkpoints, retries)
                if found is not None:
                    with self.model.writing():
                        found.put_into(run)
                    bar.step(run.done)
                elif checkpoints is not None:
                    checkpoints.write(run)  # so that what cannot be written is told before hours of training
                self._train(run, interruption)
        return self.history

    def _train(self, run: Run, interruption: Interruption) -> None:
        # what overflows shows in the loss, which is looked at: NumPy need not warn of it line by line
        with interruption, np.errstate(over="ignore", invalid="ignore"):
            try:
                self.history.stopped = run.go()
            finally:
                run.bar.close()
                if run.best is not None:
                    with self.model.writing():
                        run.best.restore()
                    self.history.best_epoch = run.best.epoch

    def _minibatches(self, images: Array, labels: Any, share: float | None, spread: Any) -> Minibatches:
        model, steps = self.model, self.steps
        rng, spread_rng = steps.streams["training order"], steps.streams["training spread"]
        how = images, self.batch_size, rng, steps.binarizer, model.backend, model.dtype, steps.corruptor
        labels = model.admit_labels(labels, len(images))
        if labels is not None:
            return labelled_minibatches(model, how, labels, share, spread, spread_rng)
        if spread is not None or share is not None:
            raise ConfigError(
                "spread and labelled_share are for a model that takes labels, such as ConditionalVAE: leave them out"
            )
        return Minibatches(*how)

    def _loss_of(self, rows: Any, labels: Any) -> float:
        return -score(self.model, rows, binarize=self.binarize, corrupt=self.corrupt, labels=labels).value
