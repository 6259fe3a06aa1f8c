"""The training loop."""

from __future__ import annotations

import time
from math import inf, isfinite
from typing import Any

import numpy as np

from scratchvae.backend import Array, guarded, to_numpy
from scratchvae.errors import ConfigError, DivergedError
from scratchvae.memory import Landing
from scratchvae.models import Model, Terms
from scratchvae.optim import Adam, Optimizer, Schedule, clip_by_global_norm
from scratchvae.settings import positive, real, whole
from scratchvae.streams import fill, stream
from scratchvae.training.best import Best
from scratchvae.training.binarize import Binarizer, check_binarize
from scratchvae.training.collapse import Watch
from scratchvae.training.corruption import Corruption, Corruptor
from scratchvae.training.history import Epoch, History
from scratchvae.training.interruption import Interruption
from scratchvae.training.kl_weights import KLWeight
from scratchvae.training.labelled import labelled_minibatches
from scratchvae.training.minibatches import Minibatches
from scratchvae.training.progress import Progress
from scratchvae.training.scoring import score
from scratchvae.training.tally import Tally


PURPOSES = ("training order", "training noise", "training pixels", "training corruption", "training spread")


class Trainer:
    """Trains a model on minibatches: draw noise, forward, backward, update.

    lr           learning rate, a number or a schedule, of Adam (Kingma and Ba 2015); 1e-3 unless given
    batch_size   rows a step; where the data has fewer, a step takes them all
    seed         of the order of the rows, of the noise, of the binarisation and of the corruption, each a stream of its
                 own: on NumPy the same seed gives the same bits
    optimizer    another one than Adam, not bound yet; it has a learning rate of its own, so `lr` stays away
    clip_norm    largest Euclidean norm of the whole gradient; a longer one is scaled down to it; None for any
    binarize     "dynamic" draws each pixel anew at each step, 1 with the probability that its grey value says; for
                 likelihood="bernoulli"
    kl_weight    what multiplies the model's beta in each update: `KLWarmUp`, `KLCycles`, or any function of the number
                 of updates before; None for 1
    corrupt      the denoising criterion: the encoder sees each batch with this noise (`Masking`, `GaussianNoise`,
                 `SaltAndPepper`), drawn anew and after any binarisation, and what is scored is the batch without it

    Raises ConfigError.
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
        if lr is not None and optimizer is not None:
            raise ConfigError("lr and optimizer were both given; give the rate to the optimizer")
        if kl_weight is not None and not model.noise_dim:
            raise ConfigError(f"kl_weight does nothing for an {type(model).__name__}, which has no KL: leave it out")
        self.model = model
        self.batch_size = whole("batch_size", batch_size)
        self.optimizer = optimizer or Adam(1e-3 if lr is None else lr)
        self.clip_norm = None if clip_norm is None else positive("clip_norm", clip_norm)
        self.binarize = check_binarize(binarize, model)
        self.kl_weight = kl_weight
        self.corrupt = corrupt
        self.history = History()
        self.seed = seed
        self.streams: Streams = {purpose: stream(seed, purpose) for purpose in PURPOSES}
        pixels, corruption = self.streams["training pixels"], self.streams["training corruption"]
        self._binarizer = Binarizer(pixels, model.dtype, model.config["missing"]) if binarize else None
        self._corruptor = (
            None if corrupt is None else Corruptor(corrupt, corruption, model.dtype, model.likelihood.support)
        )
        self._eps = np.empty((0, model.noise_dim), model.dtype)
        self._landing, self._landing_corrupted = Landing(model.backend), Landing(model.backend)
        self.optimizer.bind(model.backend.xp, model.theta)

    @guarded
    def step(self, x: Any, labels: Any = None) -> float:
        """One update from the batch x (B, D), binarised if so set; returns its loss before the update, in nats a row.

        labels (B,) are for a model that takes them. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        x = self.model.admit_data(x)
        labels = self.model.admit_labels(labels, len(x))
        targets = None if labels is None else self.model.targets_of(labels)
        if self._binarizer:
            x = self._binarizer(to_numpy(x))
        corrupted = self._landing_corrupted.bring(self._corruptor(to_numpy(x))) if self._corruptor else None
        x = self.model.door.bring(x)
        loss = float(self.model.objective.loss(self.forward(x, corrupted, targets)))
        if not isfinite(loss):
            with Traced(self.model, self.optimizer):
                self._forward(x, corrupted, targets)
        self.learn()
        return loss

    @guarded
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

        Rows may be an np.memmap of more than fits in memory: what was read of it is given back as training goes on.
        Before the first step of an untrained model, the bias of the output becomes such that it decodes to the mean.
        A CollapseWarning tells, once, that the posterior has stayed at the prior though the KL had its full weight.
        Ctrl-C ends training after the step at hand; what was learnt so far stays, and `history.stopped` says so.
        Raises ConfigError, DTypeError, ShapeError or RangeError before anything is changed; DivergedError when the
        loss of an epoch, or its validation loss, is no finite number; DataError when the file of a map was cut.
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
        batches = self._minibatches(images, labels, labelled_share, spread)
        self.model.start_output_bias(mean)
        bar = Progress(progress, epochs, len(batches))
        best = None if patience is None else Best(self.model.theta, self.optimizer, patience)
        self.history.stopped, self.history.best_epoch = "", None
        # what overflows shows in the loss, which is looked at: NumPy need not warn of it line by line
        with Interruption() as interruption, np.errstate(over="ignore", invalid="ignore"):
            try:
                self.history.stopped = self._run(epochs, batches, validation, best, bar, interruption)
            except BaseException as error:
                known = {DivergedError: "diverged", KeyboardInterrupt: "interrupted"}
                self.history.stopped = known.get(type(error), "failed")
                raise
            finally:
                bar.close()
                if best is not None:
                    best.restore()
                    self.history.best_epoch = best.epoch
        return self.history

    def _minibatches(self, images: Array, labels: Any, share: float | None, spread: Any) -> Minibatches:
        model = self.model
        how = images, self.batch_size, self.streams["training order"], self._binarizer, model.backend, model.dtype, self._corruptor
        labels = model.admit_labels(labels, len(images))
        if labels is not None:
            return labelled_minibatches(model, how, labels, share, spread, self.streams["training spread"])
        if spread is not None or share is not None:
            raise ConfigError("spread and labelled_share are for a model that takes labels, such as ConditionalVAE")
        return Minibatches(*how)

    def _loss_of(self, rows: Any, labels: Any) -> float:
        return -score(self.model, rows, binarize=self.binarize, corrupt=self.corrupt, labels=labels).value

    def forward(
        self, x: Array, corrupted: Array | None = None, targets: Array | None = None, sums: Terms | None = None
    ) -> Terms:
        """The first half of a step: the terms of the batch x (B, D) on the device, with new noise; added up in `sums`."""
        rows = len(x)
        if rows > len(self._eps):
            self._eps = np.empty((rows, self.model.noise_dim), self.model.dtype)
        fill(self._eps[:rows], self.streams["training noise"].standard_normal)
        return self._forward(x, corrupted, targets, sums)

    def _forward(self, x: Array, corrupted: Array | None, targets: Array | None, sums: Terms | None = None) -> Terms:
        asked: dict[str, Any] = {}  # a forward that knows x and eps alone will do where no more is asked of it
        if corrupted is not None:
            asked["corrupted"] = corrupted
        if targets is not None:
            asked["targets"] = targets
        if self.kl_weight is not None:
            asked["kl_weight"] = real("kl_weight", self.kl_weight(self.optimizer.t))
        self.model.objective.sums = sums
        try:
            return self.model.forward(x, self._landing.bring(self._eps[: len(x)]), **asked)
        finally:
            self.model.objective.sums = None

    def learn(self) -> None:
        """The second half of a step: backward, and the update."""
        self.model.backward()
        if self.clip_norm is not None:
            clip_by_global_norm(self.model.backend.xp, self.model.dtheta, self.clip_norm)
        self.optimizer.step(self.model.dtheta)
