"""The training loop: draw noise, forward, backward, update."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from os import PathLike
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy, translate_device_errors
from scratchvae.errors import ConfigError, DivergedError
from scratchvae.fused import fused, plain_class
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.models import ELBOTerms, Model
from scratchvae.optim import Adam, Optimizer, Schedule, clip_by_global_norm
from scratchvae.representation import join_lines, value_repr
from scratchvae.rng import fill_random, generator
from scratchvae.training.anomaly import AnomalyDetector
from scratchvae.training.binarize import check_binarize
from scratchvae.training.callback import RESTART_EPOCH, SKIP, Callback
from scratchvae.training.callbacks import (
    Checkpoint,
    CollapseDetector,
    EarlyStopping,
    FiniteCheck,
    HistoryRecorder,
    Progress,
)
from scratchvae.training.checks import check_kl_weight, check_model, check_optimizer
from scratchvae.training.corruption import Corruption
from scratchvae.training.fingerprint import fingerprint
from scratchvae.training.history import History
from scratchvae.training.hooks import Hooks
from scratchvae.training.interrupt import DeferredInterrupt
from scratchvae.training.kl_weights import KLWeight
from scratchvae.training.labelled import labelled_minibatches
from scratchvae.training.minibatches import Minibatches, MinibatchSource
from scratchvae.training.preprocess import Preprocessor
from scratchvae.training.scoring import score
from scratchvae.training.state import TrainingState, set_states, states_of
from scratchvae.training.totals import EpochTotals
from scratchvae.validation import (
    check_bool,
    check_float,
    check_int,
    check_positive,
    check_seed,
    shorten,
    suggest_arguments,
)

PURPOSES = ("training order", "training noise", "training pixels", "training corruption", "training input std")


class Trainer:
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

    All but the model, the seed and the optimizer can be set later, and take effect at the next step or fit; `lr` is
    that of the optimizer. Where the backend compiles kernels, `optimizer` is the fused variant of the one that was
    given.

    While `fit` runs, other threads may use the model; a second fit of it, or their `step`, raises BusyError. A copy of
    a trainer, or one that was pickled, has a copy of the model, and goes on with the same bits. Raises ConfigError.
    """

    __slots__ = (
        "__weakref__",
        "_batch_size",
        "_binarize",
        "_clip_norm",
        "_corrupt",
        "_corrupted_buffer",
        "_eps",
        "_kl_weight",
        "_label_settings",
        "_model",
        "_noise_buffer",
        "_optimizer",
        "_preprocess",
        "_seed",
        "_streams",
        "history",
    )

    @suggest_arguments
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
        self._model = check_model(model)
        check_optimizer(optimizer, lr)
        self._seed = check_seed(seed)
        self._streams = {purpose: generator(seed, purpose) for purpose in PURPOSES}
        self._binarize, self._corrupt = check_binarize(binarize, model), corrupt
        self._prepare()
        self.batch_size, self.clip_norm, self.kl_weight = batch_size, clip_norm, kl_weight
        self.history = History()
        self._eps = np.empty((0, model.noise_dim), model.dtype)
        self._noise_buffer, self._corrupted_buffer = (
            HostToDeviceBuffer(model.backend),
            HostToDeviceBuffer(model.backend),
        )
        self._label_settings: dict[str, Any] | None = None
        given = Adam(1e-3 if lr is None else lr) if optimizer is None else optimizer
        self._optimizer = fused(given, model.backend)
        self._optimizer.bind(model.backend.xp, model.theta)
        given._owned = True

    # --- training

    def step(self, x: Any, labels: Any = None) -> float:
        """One update from the batch x (B, D), binarised if so set; returns its loss before the update, in nats a row.

        labels (B,) are for a model that takes them. Raises ConfigError, DTypeError, ShapeError or RangeError; and
        DivergedError, before anything is changed, when the loss is not finite, with the first tensor that is not: where
        that is a weight, the step before has made it so.
        """
        model = self.model
        with model.lock, translate_device_errors():
            model.locks.require_no_other_fit()
            x = model.check_data(x)
            labels = model.check_labels(labels, len(x))
            x, corrupted = self._preprocess(x)
            corrupted = None if corrupted is None else self._corrupted_buffer.to_device(corrupted)
            targets = model.targets(labels).get("targets")
            settings = model.label_settings(None, None) if self._label_settings is None else self._label_settings
            batch = model.validator.to_device(x), corrupted, targets, settings
            self._draw_noise(len(x))
            loss = float(model.objective.loss(self._forward(*batch)))
            if not isfinite(loss):
                with AnomalyDetector(model, self.optimizer):
                    self._forward(*batch)
                raise DivergedError(f"the loss of step {self.optimizer.t + 1} is {loss:g}", self.optimizer.t + 1)
            model.backward()
            self._clip()
            with model.weights_lock:
                self.optimizer.step(model.dtheta)
            return loss

    @suggest_arguments
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
        input_std: Any = None,
        checkpoint: str | PathLike[str] | None = None,
        every: int | None = None,
        keep: int = 2,
        resume: bool = False,
        retries: int = 0,
        callbacks: Sequence[Callback] = (),
    ) -> History:
        """Run through images (N, D) `epochs` times; returns the history of all epochs this trainer has run.

        validation   rows (M, D) that are scored after each epoch, each time with the same noise, binarisation and
                     corruption, and always with the whole beta: a KL weight on its way there changes the weights of the
                     network, not the measure
        progress     show how it goes on standard error: `Progress`
        patience     stop when this many epochs in a row brought no lower validation loss: `EarlyStopping`
        labels       (N,) of a model that takes them: whole numbers from 0; of `SemiSupervisedVAE`, or −1 for none
        validation_labels   (M,) likewise
        labelled_share      of labelled rows in each batch, and input_std (N, D), of rows that are drawn anew from
                     N(images, spread²) at each step, such as another VAE's codes: see `LabelledMinibatches`
        checkpoint   file, ending in .npz, that all of training is kept in, `every` so many updates (None: at the end of
                     each epoch), and when training begins and ends; the last `keep` are kept: `Checkpoint`
        resume       go on from there, if the file is there: training that was ended anyhow and is resumed gives the
                     same bits, on NumPy, as training that was not. Make model and trainer as they were made before:
                     another data, setting or schedule is refused; `every`, `keep`, `retries` and, with a constant
                     rate, a larger `epochs` are not
        retries      when numbers are finite no longer, go back to where the epoch began, and on with half the learning
                     rate, up to so many times in this call: `FiniteCheck`. Each is told in a DivergenceWarning, and
                     `history.halvings` counts them
        callbacks    whatever else is to happen beside the steps: see `Callback`

        Rows may be an np.memmap of more than fits in memory: what was read of it is given back as training goes on.
        Before the first step of an untrained model, the bias of the output becomes such that it decodes to the mean.
        A CollapseWarning tells, once, that the posterior has stayed at the prior though the KL had its full weight.
        Ctrl-C ends training after the step at hand; what was learnt so far stays, and `history.stopped` says so.
        Raises ConfigError, DTypeError, ShapeError, RangeError or, of checkpoints, FileError before anything is changed;
        DivergedError when a number is not finite, telling which was the first, with everything as it was before that
        step, and the checkpoints as they were; DataError when the file of a map was cut; FileError when a checkpoint
        cannot be written.
        """
        with self.model.locks.exclusive_fit(), translate_device_errors():
            shorthands = {
                Progress: Progress() if check_bool("progress", progress) else None,
                EarlyStopping: None if patience is None else EarlyStopping(patience),
                Checkpoint: self._checkpoint(checkpoint, every, keep, resume),
                FiniteCheck: FiniteCheck(retries) if check_int("retries", retries, minimum=0) else None,
            }
            hooks = Hooks(callbacks, shorthands, always=(HistoryRecorder, FiniteCheck, CollapseDetector))
            mean = np.empty(self.model.input_dim)
            images = self.model.check_data(to_numpy(images) if self._on_device(images) else images, "images", mean)
            watched = self._check_validation(validation, validation_labels)
            batches = self._minibatches(images, labels, labelled_share, input_std)
            as_now = {"binarize": self.binarize, "corrupt": self.corrupt}  # whatever is set before the next fit
            state = TrainingState(
                model=self.model,
                optimizer=self.optimizer,
                history=self.history,
                batches=batches,
                streams=self._streams,
                epochs=check_int("epochs", epochs),
                validate=None if validation is None else partial(self._validation_loss, *watched, **as_now),
                callbacks=hooks.callbacks,
                settings=self._settings(hooks, images, batches.labels, input_std, labelled_share, *watched),
            )
            state.train_step = partial(self._train_step, state, hooks)
            hooks.begin_fit(state)
            # what overflows shows in the loss, which is looked at: NumPy need not warn of it line by line
            with self.history.recording(), np.errstate(over="ignore", invalid="ignore"), hooks.running(state):
                state.totals = EpochTotals(self.model, batches.batch_size)
                if state.resume_from is None:
                    self.model.initialize_output_bias(mean)
                else:
                    with self.model.write_lock():
                        state.resume_from()
                with DeferredInterrupt(state.stop):
                    begins = True
                    while not (state.stop_reason or state.finished):
                        if begins:
                            hooks.begin_epoch(state)
                        if not state.stop_reason:
                            begins = self._run_epoch(state, hooks)
                self.history.stopped = state.stop_reason = state.stop_reason or "finished"
        return self.history

    def _run_epoch(self, state: TrainingState, hooks: Hooks) -> bool:
        """The rest of an epoch; whether it came to its end."""
        state.start_clock()
        for x in state.batches.after(state.batch):
            if self._train_step(state, hooks, x) != RESTART_EPOCH:
                state.stop_clock()
                hooks.end_step(state)
            if state.restart_requested:
                state.restart_epoch()
                return False
            if state.stop_reason and not state.last_batch:
                return False
        hooks.end_epoch(state)
        if state.restart_requested:
            state.restart_epoch()
            return False
        return True

    def _train_step(self, state: TrainingState, hooks: Hooks, x: Array) -> str | None:
        """One step from the batch x (B, D); what the callbacks answered."""
        model, batches = self.model, state.batches
        with model.lock:
            self._draw_noise(len(x))
            state.terms = self._forward(x, batches.corrupted, batches.targets, self._label_settings)
            looked_at = bool(model.custom_parts) and state.batches_done == 0
            if looked_at:
                model.mark_gradients()
            model.backward()
            if looked_at:
                model.check_gradients_written()
            self._clip()
            answer = hooks.before_update(state)
            if answer == RESTART_EPOCH:
                state.restart_requested = True
                return answer
            if answer != SKIP:
                with model.weights_lock:
                    self.optimizer.step(model.dtheta)
        state.batch += 1
        return answer

    def _draw_noise(self, rows: int) -> None:
        if rows > len(self._eps):
            self._eps = np.empty((rows, self.model.noise_dim), self.model.dtype)
        fill_random(self._eps[:rows], self._streams["training noise"].standard_normal)

    def _forward(
        self, x: Array, corrupted: Array | None, targets: Array | None, settings: dict[str, Any] | None
    ) -> ELBOTerms:
        """The terms of the batch x (B, D) on the device, with the noise that was drawn last."""
        asked = dict(settings or {})  # a forward that knows x and eps alone will do where no more is asked of it
        if corrupted is not None:
            asked["corrupted"] = corrupted
        if targets is not None:
            asked["targets"] = targets
        if self.kl_weight is not None:
            asked["kl_weight"] = check_float("kl_weight", self.kl_weight(self.optimizer.t))
        return self.model.forward(x, self._noise_buffer.to_device(self._eps[: len(x)]), **asked)

    def _clip(self) -> None:
        if self.clip_norm is not None:
            clip_by_global_norm(self.model.backend.xp, self.model.dtheta, self.clip_norm)

    # --- what a fit is given

    def _on_device(self, images: Any) -> bool:
        return isinstance(images, self.model.backend.array_type) and not self.model.backend.on_host

    def _checkpoint(self, path: Any, every: int | None, keep: int, resume: bool) -> Checkpoint | None:
        if path is None and (every is not None or check_bool("resume", resume)):
            raise ConfigError("every and resume are for training with checkpoints: pass checkpoint=, a file's name")
        return None if path is None else Checkpoint(path, every, keep, resume)

    def _check_validation(self, rows: Any, labels: Any) -> tuple[Any, Any]:
        if rows is None:
            if labels is not None:
                raise ConfigError("validation_labels were given without the rows that they are of: pass validation=")
            return None, None
        rows = self.model.check_data(rows, "validation")
        return rows, self.model.check_labels(labels, len(rows), "validation_labels")

    def _minibatches(self, images: Array, labels: Any, share: float | None, input_std: Any) -> Minibatches:
        model, streams = self.model, self._streams
        source = MinibatchSource(model, images, self.batch_size, streams["training order"], self._preprocess)
        labels = model.check_labels(labels, len(images))
        if labels is not None:
            batches = labelled_minibatches(source, labels, share, input_std, streams["training input std"])
            self._label_settings = model.label_settings(labels, batches.share)
            return batches
        if input_std is not None or share is not None:
            raise ConfigError(
                "input_std and labelled_share are for a model that takes labels, such as ConditionalVAE: leave them out"
            )
        return Minibatches(source)

    def _validation_loss(self, rows: Any, labels: Any, **asked: Any) -> float:
        return -score(self.model, rows, labels=labels, **asked).value

    def _settings(
        self, hooks: Hooks, images: Any, labels: Any, input_std: Any, share: float | None, validation: Any, watched: Any
    ) -> dict[str, Any]:
        """What a resumed training has to equal, as JSON can hold it; nothing where no checkpoint is written."""
        if hooks.find(Checkpoint) is None:
            return {}
        own = ("batch_size", "seed", "clip_norm", "binarize", "optimizer", "kl_weight", "corrupt")
        callbacks: dict[str, Any] = dict(hooks.weight_changing_callbacks())
        if len(callbacks) > 1:
            callbacks["order"] = ", ".join(callbacks)
        settings = {name: getattr(self, name) for name in own}
        data = {"images": images, "labels": labels, "input_std": input_std}
        data |= {"validation": validation, "validation_labels": watched}
        return fingerprint(self.model, {**settings, "labelled_share": share, "callbacks": callbacks}, data)

    # --- settings

    @property
    def model(self) -> Model:
        """The model that is trained."""
        return self._model

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer, bound to the model's weights."""
        return self._optimizer

    @property
    def seed(self) -> int:
        """The seed of all random streams."""
        return self._seed

    @property
    def lr(self) -> float | Schedule:
        """The learning rate of the optimizer, a number or a schedule."""
        return self._optimizer.lr

    @lr.setter
    def lr(self, value: float | Schedule) -> None:
        self._optimizer.lr = value

    @property
    def batch_size(self) -> int:
        """Rows a step."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, value: int) -> None:
        self._batch_size = check_int("batch_size", value)

    @property
    def clip_norm(self) -> float | None:
        """The largest norm of the gradient; None for any."""
        return self._clip_norm

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._clip_norm = None if value is None else check_positive("clip_norm", value)

    @property
    def kl_weight(self) -> KLWeight | None:
        """What multiplies the model's beta in each update; None for 1."""
        return self._kl_weight

    @kl_weight.setter
    def kl_weight(self, value: KLWeight | None) -> None:
        self._kl_weight = check_kl_weight(value, self._model)

    @property
    def binarize(self) -> str | None:
        """Whether pixels are drawn anew at each step: "dynamic" or None."""
        return self._binarize

    @binarize.setter
    def binarize(self, value: str | None) -> None:
        self._binarize = check_binarize(value, self._model)
        self._prepare()

    @property
    def corrupt(self) -> Corruption | None:
        """The noise that the encoder sees; None without."""
        return self._corrupt

    @corrupt.setter
    def corrupt(self, value: Corruption | None) -> None:
        before, self._corrupt = self._corrupt, value
        try:
            self._prepare()
        except ConfigError:
            self._corrupt = before
            raise

    def _prepare(self) -> None:
        pixels, noise = self._streams["training pixels"], self._streams["training corruption"]
        self._preprocess = Preprocessor(self._model, self._binarize is not None, self._corrupt, pixels, noise)

    # --- copies

    def __repr__(self) -> str:
        model = f"{type(self.model).__name__} with {self.model.theta.size:,} parameters"
        settings = {name: getattr(self, name) for name in ("clip_norm", "binarize", "kl_weight", "corrupt")}
        items = [shorten(self.optimizer, 80), f"batch_size={self.batch_size}", f"seed={self.seed}"]
        items += [f"{name}={value_repr(value)}" for name, value in settings.items() if value is not None]
        items += [f"{len(self.history.epochs)} epochs", f"{self.optimizer.t:,} updates"]
        return join_lines(f"<Trainer of a {model}: ", items, ">")

    def __copy__(self) -> Trainer:
        return copy.deepcopy(self)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        with self.model.lock:
            optimizer, plain = self.optimizer, plain_class(self.optimizer)
            settings = {name: getattr(self, name) for name in ("batch_size", "seed", "clip_norm", "binarize")}
            settings |= {"kl_weight": self.kl_weight, "corrupt": self.corrupt}
            settings["optimizer"] = plain.from_config(optimizer.config())
            memory = {name: to_numpy(array).copy() for name, array in optimizer.state.items()}
            state = {
                "updates": optimizer.t,
                "memory": memory,
                "streams": states_of(self._streams),
                "label_settings": self._label_settings,
            }
            model = copy.copy(self.model)  # of the same moment as the rest
            return _rebuild, (type(self), model, settings, state, self.history)


def _rebuild(
    kind: type[Trainer], model: Model, settings: dict[str, Any], state: dict[str, Any], history: History
) -> Trainer:
    """The trainer of that model, where it was."""
    trainer = kind(model, **settings)
    optimizer = trainer.optimizer
    optimizer.t = state["updates"]
    for name, array in optimizer.state.items():
        model.backend.copy_from_host(array, state["memory"][name])
    set_states(trainer._streams, state["streams"])
    trainer._label_settings = state["label_settings"]
    trainer.history = history
    return trainer
