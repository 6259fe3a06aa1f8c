"""The training loop: draw noise, forward, backward, update."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
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
from scratchvae.models.schema import Schema
from scratchvae.objectives import ELBO
from scratchvae.optim import Adam, Optimizer, Schedule, clip_by_global_norm
from scratchvae.parallel import WHOLE, Part, ProcessGroup, process_group, whole
from scratchvae.representation import join_lines, value_repr
from scratchvae.rng import fill_random, generator
from scratchvae.training.anomaly import AnomalyDetector
from scratchvae.training.binarize import check_binarize
from scratchvae.training.callback import RESTART_EPOCH, SKIP, Callback
from scratchvae.training.callbacks import (
    BusyCoresDetector,
    Checkpoint,
    CollapseDetector,
    EarlyStopping,
    FiniteCheck,
    HistoryRecorder,
    Progress,
    SameWeights,
)
from scratchvae.training.callbacks.checkpoint import check_resume, inherited
from scratchvae.training.checks import check_kl_weight, check_model, check_optimizer
from scratchvae.training.corruption import Corruption, describe
from scratchvae.training.cuda_graph import check_cuda_graph, make_graphs
from scratchvae.training.fingerprint import fingerprint
from scratchvae.training.history import History
from scratchvae.training.hooks import Hooks
from scratchvae.training.interrupt import DeferredInterrupt
from scratchvae.training.kl_weights import KLWeight
from scratchvae.training.labelled import labelled_minibatches
from scratchvae.training.minibatches import Batches, Minibatches, MinibatchSource, observed_mean
from scratchvae.training.preprocess import Preprocessor
from scratchvae.training.replicas import require_same_course, require_same_state
from scratchvae.training.row_files import open_rows
from scratchvae.training.scoring import mean_value, score
from scratchvae.training.state import TrainingState, set_states, states_of
from scratchvae.training.streams import BatchStream, StreamMinibatches, is_stream
from scratchvae.training.totals import EpochTotals
from scratchvae.training.trainer_state import apply_state, read_state, write_state
from scratchvae.validation import (
    check_bool,
    check_float,
    check_int,
    check_positive,
    check_seed,
    short_repr,
    shorten,
    suggest_arguments,
)

NOT_TOGETHER: AbstractContextManager[None] = nullcontext()
STREAMS = ("training order", "training noise", "training pixels", "training corruption", "training input std")


class Trainer:
    """Trains a model on minibatches: draw noise, forward, backward, update.

    lr           learning rate of Adam (Kingma and Ba 2015), a number or a schedule; None: 1e-3
    batch_size   rows per step, at most the rows of the data
    seed         seed of the row order, the noise, the binarization and the corruption, each with a random stream of its
                 own; on NumPy the same seed gives the same bits, in child processes too
    optimizer    an unbound optimizer in place of Adam; it has its own learning rate, so leave `lr` out
    clip_norm    maximum Euclidean norm of the gradient; a larger gradient is scaled down to it. None: no clipping
    binarize     "dynamic": at each step, each pixel is drawn as 1 with a probability equal to its grey value, else 0.
                 For likelihood="bernoulli"
    kl_weight    factor of the model's beta in each update: `KLWarmUp`, `KLCycles`, or a function of the number of
                 updates so far. None: 1
    corrupt      denoising: the encoder reads each batch with this noise (`Masking`, `GaussianNoise`, `SaltAndPepper`),
                 drawn at each step after any binarization; the likelihood scores the clean batch. The model's metadata
                 record it as "corrupt"
    cuda_graph   on a GPU, `fit` records a step as a CUDA graph, which the GPU then runs by itself. None: if the model
                 has no code of yours, and the recording gives the same bits. True: with your own parts as well, whose
                 work on the device is all that is recorded, with the numbers that your code had then; BackendError if
                 a step cannot be. False: never
    comm         several processes train the model together: an MPI communicator of mpi4py, or a `ProcessGroup`. Give
                 each the same arguments, here and in `fit`. Each computes its part of the rows of each batch, whose
                 size is that of all, and all end with the weights, up to rounding, that one process would have. Files
                 and progress are written by the first. An objective or a layer of your own must compute each row by
                 itself

    All attributes except the model, the seed and the optimizer can be changed later; the change takes effect at
    the next step or fit. `lr` is the learning rate of the optimizer. On backends with compiled kernels, `optimizer` is
    the fused variant of the given one.

    While `fit` runs, other threads may use the model, but a second fit of it, or a `step` by another thread, raises
    BusyError. A copied or pickled trainer has a copy of the model, and continues with the same bits.

    Raises ConfigError.
    """

    __slots__ = (
        "__weakref__",
        "_batch_size",
        "_binarize",
        "_clip_norm",
        "_corrupt",
        "_corrupted_buffer",
        "_cuda_graph",
        "_eps",
        "_group",
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
        cuda_graph: bool | None = None,
        comm: Any = None,
    ) -> None:
        self._model = check_model(model)
        self._group = process_group(comm)
        check_optimizer(optimizer, lr)
        self._seed = check_seed(seed)
        self._streams = {name: generator(seed, name) for name in STREAMS}
        self._binarize, self._corrupt = check_binarize(binarize, model), corrupt
        self._build_preprocessor()
        self.batch_size, self.clip_norm, self.kl_weight = batch_size, clip_norm, kl_weight
        self.cuda_graph = cuda_graph
        self.history = History()
        self._eps = np.empty((0, model.noise_dim), model.dtype)
        self._noise_buffer, self._corrupted_buffer = (
            HostToDeviceBuffer(model.backend),
            HostToDeviceBuffer(model.backend),
        )
        self._label_settings: dict[str, Any] | None = None
        optimizer = Adam(1e-3 if lr is None else lr) if optimizer is None else optimizer
        self._optimizer = fused(optimizer, model.backend)
        self._optimizer.bind(model.backend.xp, model.theta)
        optimizer._owned = True

    # --- training

    @suggest_arguments
    def step(self, x: Any, labels: Any = None) -> float:
        """Do one update on the batch x (B, D); return the loss before the update, the mean over the rows in nats.

        labels (B,) are for class-conditional models. Before the first step of an untrained model, the bias of the
        decoder's output is set as by `fit`, from the mean of this batch.

        Raises ConfigError, DTypeError, ShapeError or RangeError. If the loss is not finite, raises DivergedError and
        leaves the weights unchanged; the error names the first tensor that is not finite. If that is a weight, the
        previous step caused it.
        """
        model = self.model
        with model.lock, model.backend.threads, translate_device_errors():
            model.locks.require_no_other_fit()
            with model.learning_schema(x, labels):
                x = model.check_data(x)
                labels = model.check_labels(labels, len(x))
            x = first_batch = model.scaled(x)
            x, corrupted = self._preprocess(x)
            corrupted = None if corrupted is None else self._corrupted_buffer.to_device(corrupted)
            targets = model.targets(labels).get("targets")
            settings = model.label_settings(None, None) if self._label_settings is None else self._label_settings
            x, eps = model.validator.to_device(x), self._draw_noise(len(x))
            part = self._part(len(x))
            x, eps = x[part.rows], eps[part.rows]
            corrupted, targets = (None if rows is None else rows[part.rows] for rows in (corrupted, targets))
            arguments = self._forward_arguments(corrupted, targets, settings, part)
            with self._initial_output_bias(first_batch):
                loss = self._mean_loss(model.forward(x, eps, **arguments), part)
                if not isfinite(loss):
                    arguments = self._forward_arguments(corrupted, targets, settings, part, True)
                    with self._together(), AnomalyDetector(model, self.optimizer):
                        model.forward(x, eps, **arguments)
                    raise DivergedError(f"the loss of step {self.optimizer.t + 1} is {loss:g}", self.optimizer.t + 1)
            model.backward()
            self._average(part)
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
        resume: bool | str = False,
        retries: int = 0,
        callbacks: Sequence[Callback] = (),
        steps_per_epoch: int | None = None,
    ) -> History:
        """Train on images (N, D) for `epochs` epochs; return the history of all epochs of this trainer.

        images       an array or a table; a CSR matrix of SciPy, made dense a batch at a time; the rows of .npy files,
                     mapped: a list of paths, a folder, or a pattern such as "shards/*.npy", in the order of the names;
                     or a stream of batches. All but streams are shuffled as one array, with the same bits
        steps_per_epoch     the number of batches of an epoch of a stream: see below
        validation   rows (M, D) that are scored after each epoch, with the same noise, binarization and corruption each
                     time. The validation loss always has the full beta, without `kl_weight`
        progress     show the progress on standard error: see `Progress`
        patience     stop after this many epochs in a row without a lower validation loss, and restore the weights of
                     the best epoch: see `EarlyStopping`
        labels       (N,) for class-conditional models: integers from 0. `SemiSupervisedVAE` accepts −1 for rows without
                     a label
        validation_labels   (M,), the labels of `validation`
        labelled_share      share of labelled rows in each batch: see `LabelledMinibatches`
        input_std    (N, D): at each step, rows are drawn from N(images, input_std²). Use it for uncertain inputs, such
                     as the codes of another VAE: see `LabelledMinibatches`
        checkpoint   an .npz file for the complete state of training. It is written when training begins and ends and
                     after each epoch or, if `every` is not None, after each `every` updates. The last `keep` versions
                     remain: see `Checkpoint`
        resume       continue from the checkpoint, if the file exists. On NumPy, interrupted and resumed training gives
                     the same bits as uninterrupted training. Construct model and trainer as before, and pass the same
                     data: differences raise ConfigError, except in `every`, `keep`, `retries` and, with a constant
                     learning rate, a larger `epochs`. "weights": take only the weights and the schema from the
                     checkpoint, and begin a new training with them: data, rate, batch size and optimizer may be others
        retries      when a number is not finite, restart the epoch with half the learning rate, at most this many times
                     in this call. Each restart issues a DivergenceWarning, and `history.lr_halvings` counts them: see
                     `FiniteCheck`
        callbacks    further callbacks: see `Callback`

        A stream is a function that returns an iterable of batches (B, D), an iterable that can be repeated, or an
        iterator, such as a generator, of epochs × steps_per_epoch batches. B is at most the batch size. Each epoch
        takes the first `steps_per_epoch` batches of a fresh iterable, in their order; an iterator goes on. A function
        of one argument is given the number of the epoch, counted from 1: shuffle by a generator with that seed, since
        resumed training makes the same batches again. The scale, unless the model has one, and the output bias are
        learned from the first batches, up to 10,000 rows or 64 MiB: choose scale="255", say, if other rows are unlike
        them. Streams have no labels and no `input_std`, and are no validation rows. An iterator cannot restart an
        epoch: `retries` must be 0.

        images may be an np.memmap larger than memory; pages that have been read are released. Before the first step of
        an untrained model, the bias of the decoder's output is set so that it decodes to the mean of the data.

        Ctrl-C ends training after the current step: fit returns, `history.stopped` is "interrupted", and the model has
        the weights of that step. A CollapseWarning is issued, once, if the posterior stays at the prior although the KL
        has its full weight, and a BusyCoresWarning if the threads of the matrix products wait for cores.

        Raises ConfigError, DTypeError, ShapeError, RangeError or, for checkpoints, FileError before anything is
        changed. Raises DivergedError when a number is not finite. The error names the first tensor that is not finite;
        model and optimizer are restored to their state before that step, and the checkpoint is not overwritten. Raises
        DataError if the file of an np.memmap is truncated during training, or if a stream has too few batches, the
        errors of `step` for a batch of a stream that is none, and FileError if a checkpoint cannot be written.
        """
        with self.model.locks.exclusive_fit(), translate_device_errors(), ExitStack() as preparing:
            preparing.enter_context(self._together())
            shorthands = {
                Progress: Progress() if check_bool("progress", progress) else None,
                EarlyStopping: None if patience is None else EarlyStopping(patience),
                Checkpoint: self._checkpoint(checkpoint, every, keep, resume),
                FiniteCheck: FiniteCheck(retries) if check_int("retries", retries, minimum=0) else None,
            }
            always = HistoryRecorder, FiniteCheck, CollapseDetector, BusyCoresDetector
            replicated = () if self._group is None else (SameWeights,)
            hooks = Hooks(callbacks, shorthands, always=(*always, *replicated))
            if self._group is not None:
                require_same_course(self._group, self, hooks, epochs=epochs, steps_per_epoch=steps_per_epoch)
            mean = np.empty(self.model.input_dim)  # of the scaled rows
            stream = self._stream(images, steps_per_epoch, epochs)
            if stream is not None:
                self._check_stream(stream, hooks, labels, labelled_share, input_std)
                images = stream.first_rows(self.model, len(self.history.epochs) + 1)
            images = to_numpy(images) if self._on_device(images) else open_rows(images, "images")
            weights, schema = inherited(hooks.find(Checkpoint), self.model, self._group)
            columns = None if stream is None else stream.columns
            with self._with_schema(schema), self.model.learning_schema(images, labels, columns):
                images = self.model.check_data(images, "images", mean, lazy=True)
                checked_validation = self._check_validation(validation, validation_labels)
                if stream is None:
                    batches: Batches = self._minibatches(images, labels, labelled_share, input_std)
                else:
                    batches = StreamMinibatches(self.model, stream, self._preprocess, self._part)
                validate = None
                if validation is not None:
                    preprocessing = {"binarize": self.binarize, "corrupt": self.corrupt}  # fixed for this fit
                    validate = partial(self._validation_loss, *checked_validation, **preprocessing)
                state = TrainingState(
                    model=self.model,
                    optimizer=self.optimizer,
                    history=self.history,
                    batches=batches,
                    streams=self._streams,
                    epochs=check_int("epochs", epochs),
                    validate=validate,
                    callbacks=hooks.callbacks,
                    settings=self._settings(
                        hooks, images, batches.labels, input_std, labelled_share, *checked_validation, stream
                    ),
                    group=self._group,
                )
                if self._group is not None:
                    require_same_state(self._group, state)
                state.train_step = partial(self._train_step, state, hooks, eager=True)
                hooks.begin_fit(state)
                preparing.close()
            # the loss is checked for overflow, so NumPy need not warn of it
            running = NOT_TOGETHER if self._group is None else self._group.running()
            with running, self.history.recording(), np.errstate(over="ignore", invalid="ignore"), hooks.running(state):
                state.totals = EpochTotals(self.model, batches.batch_size, self._group)
                work = partial(self._recorded_work, state)
                if self._group is None:
                    state.graphs = make_graphs(self.model, work, state.totals.arrays, self.cuda_graph)
                if state.resume_from is None:
                    if weights is not None:
                        with self.model.write_lock():
                            weights.copy_weights_into(self.model)
                    self.model.initialize_output_bias(mean)
                else:
                    with self.model.write_lock():
                        state.resume_from()
                with DeferredInterrupt(state.stop):
                    new_epoch = True
                    while not (state.must_stop() or state.finished):
                        if new_epoch:
                            hooks.begin_epoch(state)
                        if not state.must_stop():
                            new_epoch = self._run_epoch(state, hooks)
                self.history.stopped = state.stop_reason = state.stop_reason or "finished"
        return self.history

    def _run_epoch(self, state: TrainingState, hooks: Hooks) -> bool:
        """Run the remaining steps of an epoch; return True unless it was stopped or is to be restarted."""
        state.start_clock()
        for x in state.remaining_batches():
            if self._train_step(state, hooks, x) != RESTART_EPOCH:
                state.stop_clock()
                hooks.end_step(state)
            if state.restart_requested:
                state.restart_epoch()
                return False
            if state.must_stop() and not state.last_batch:
                return False
        hooks.end_epoch(state)
        if state.restart_requested:
            state.restart_epoch()
            return False
        return True

    def _train_step(self, state: TrainingState, hooks: Hooks, x: Array, eager: bool = False) -> str | None:
        """Do one step on the batch x (B, D); return what `on_before_update` of the callbacks returned.

        eager   launch each kernel, even if the step is recorded as a CUDA graph
        """
        model, batches = self.model, state.batches
        rows, part = (len(x), WHOLE) if self._group is None else (batches.batch_rows, batches.part)
        with model.lock, model.backend.threads:
            eps = self._draw_noise(rows)[part.rows]
            corrupted, targets, settings = batches.corrupted, batches.targets, self._label_settings
            arguments = self._forward_arguments(corrupted, targets, settings, part, eager)
            first = state.batches_done == 0
            if eager or first or state.graphs is None:
                with self._together() if eager else NOT_TOGETHER:
                    state.terms = model.forward(x, eps, **arguments)
                    check_written = first and bool(model.custom_parts)
                    if check_written:
                        model.mark_gradients()
                    model.backward()
                    if check_written:
                        model.check_gradients_written()
                self._average(part)
                self._clip()
                state.totals.add(state.terms, part.weight)
            else:
                state.terms = state.graphs(x, eps, (self.clip_norm,), arguments)
            state.totals.count()
            answer = hooks.before_update(state)
            if answer == RESTART_EPOCH:
                state.restart_requested = True
                return answer
            if answer != SKIP:
                with model.weights_lock:
                    self.optimizer.step(model.dtheta)
        state.batch += 1
        return answer

    def _recorded_work(self, state: TrainingState, x: Array, eps: Array, **arguments: Any) -> ELBOTerms:
        """The part of a step that a CUDA graph records: all work of the device until the update."""
        terms = self.model.forward(x, eps, **arguments)
        self.model.backward()
        self._clip()
        state.totals.add(terms)
        return terms

    @contextmanager
    def _initial_output_bias(self, x: Array) -> Iterator[None]:
        """A context in which an untrained model has an output bias from its first batch; undone by an exception."""
        mean = None if self.optimizer.t else observed_mean(x)
        if mean is None:
            yield
            return
        before = self.model.theta.copy()
        self.model.initialize_output_bias(mean)
        try:
            yield
        except BaseException:
            with self.model.weights_lock:
                self.model.theta[...] = before
            raise

    def _draw_noise(self, rows: int) -> Array:
        """New noise (B, noise_dim) on the device, valid until the next call."""
        if rows > len(self._eps):
            self._eps = np.empty((rows, self.model.noise_dim), self.model.dtype)
        fill_random(self._eps[:rows], self._streams["training noise"].standard_normal)
        return self._noise_buffer.to_device(self._eps[:rows])

    def _forward_arguments(
        self,
        corrupted: Array | None,
        targets: Array | None,
        settings: dict[str, Any] | None,
        part: Part = WHOLE,
        replay: bool = False,
    ) -> dict[str, Any]:
        """The further arguments of `model.forward`: only those in use, so that a custom forward may lack the others."""
        arguments = dict(settings or {})
        if corrupted is not None:
            arguments["corrupted"] = corrupted
            assert self.corrupt is not None
            self.model.metadata["corrupt"] = describe(self.corrupt)  # for `denoise`
        if targets is not None:
            arguments["targets"] = targets
        if self.kl_weight is not None:
            arguments["kl_weight"] = check_float("kl_weight", self.kl_weight(self.optimizer.t))
        if self._group is not None and isinstance(self.model.objective, ELBO) and self.model.objective.free is not None:
            arguments["batch_mean"] = partial(self._group.mean, weight=part.weight, together=replay)
        return arguments

    # --- several processes

    @property
    def _part(self) -> Callable[[int], Part]:
        """The part of a batch that this process computes, from its number of rows."""
        return whole if self._group is None else self._group.part

    def _together(self) -> AbstractContextManager[None]:
        """A context in which an exception in one of several processes is raised by all of them."""
        return NOT_TOGETHER if self._group is None else self._group.together()

    def _average(self, part: Part) -> None:
        """Replace the mean gradient of the rows of this process by that of the batch."""
        if self._group is not None:
            self._group.mean(self.model.dtheta, part.weight)

    def _mean_loss(self, terms: ELBOTerms, part: Part) -> float:
        loss = np.array(float(self.model.objective.loss(terms)))
        if self._group is not None:
            self._group.mean(loss, part.weight)
        return float(loss)

    def _clip(self) -> None:
        if self.clip_norm is not None:
            clip_by_global_norm(self.model.backend.xp, self.model.dtheta, self.clip_norm)

    # --- the state between two fits

    @suggest_arguments
    @translate_device_errors()
    def state_dict(self) -> dict[str, Any]:
        """All that a trainer of the same settings needs to go on with the same bits, as of now, between two fits.

        A flat dict of arrays, an integer and texts: the weights and the schema of the model, the state of the optimizer
        and of the random streams, and the history. `numpy.savez(file, **state)` and `pickle` keep it. Settings, such as
        the batch size and the learning rate, are not part of it.
        """
        with self.model.locks.read_lock():
            objects = self.model, self.optimizer, self._streams
            return write_state(*objects, self.history.epochs, self._label_settings)

    @suggest_arguments
    @translate_device_errors()
    def load_state_dict(self, state: Any) -> None:
        """Set the state to what `state_dict` of a trainer with such a model and optimizer returned.

        state   that dict, or what `numpy.load` reads of its file. Raises ConfigError, and then changes nothing, if an
                entry is missing, unknown or damaged, or of another shape or dtype; BusyError while another thread fits
        """
        with self.model.write_lock():
            self.model.locks.require_no_other_fit("load_state_dict")
            objects = self.model, self.optimizer, self._streams
            loaded = read_state(state, *objects)
            apply_state(loaded, *objects)
            self._label_settings = loaded.label_settings
            self.history.epochs[:] = loaded.epochs

    # --- arguments of fit

    def _on_device(self, images: Any) -> bool:
        return isinstance(images, self.model.backend.array_type) and not self.model.backend.on_host

    def _checkpoint(self, path: Any, every: int | None, keep: int, resume: bool | str) -> Checkpoint | None:
        if path is None and (every is not None or check_resume(resume)):
            raise ConfigError("every and resume need a checkpoint: pass checkpoint=, the name of a file")
        return None if path is None else Checkpoint(path, every, keep, resume)

    def _check_validation(self, rows: Any, labels: Any) -> tuple[Any, Any]:
        if rows is None:
            if labels is not None:
                raise ConfigError("validation_labels need validation rows: pass validation=")
            return None, None
        if is_stream(rows):
            raise ConfigError(
                f"validation={short_repr(rows)} is a stream; expected an array, a table, a CSR matrix or .npy files: "
                "make an array of some batches by numpy.concatenate"
            )
        rows = self.model.check_data(open_rows(rows, "validation"), "validation", lazy=True)
        return rows, self.model.check_labels(labels, len(rows), "validation_labels")

    def _stream(self, images: Any, steps: int | None, epochs: int) -> BatchStream | None:
        if is_stream(images) or (isinstance(images, list | tuple) and steps is not None):
            if steps is None:
                raise ConfigError("images is a stream of batches; pass steps_per_epoch=, the batches of an epoch")
            return BatchStream(images, steps, self.batch_size, epochs)
        if steps is not None:
            raise ConfigError(
                f"steps_per_epoch={short_repr(steps)} is for a stream of batches, and images is none: leave it out"
            )
        return None

    def _check_stream(self, stream: BatchStream, hooks: Hooks, labels: Any, share: Any, input_std: Any) -> None:
        if self.model.classes:
            raise ConfigError(
                f"{shorten(type(self.model).__name__)} needs labels, and a stream of batches has none: pass the rows "
                "as an array, a CSR matrix or .npy files"
            )
        for name, value in (("labels", labels), ("labelled_share", share), ("input_std", input_std)):
            if value is not None:
                raise ConfigError(f"{name} cannot be used with a stream of batches: leave it out")
        if stream.one_shot and hooks.find(FiniteCheck).retries:
            raise ConfigError(
                "retries restart an epoch, and images is an iterator, which cannot go back: pass a function that "
                "returns it, or leave retries out"
            )

    @contextmanager
    def _with_schema(self, schema: Schema | None) -> Iterator[None]:
        """A context in which the model has this schema, if it is not None; an error inside restores the former one."""
        previous = self.model.schema
        try:
            if schema is not None:
                self.model.schema = schema
            yield
        except BaseException:
            self.model.schema = previous
            raise

    def _minibatches(self, images: Array, labels: Any, share: float | None, input_std: Any) -> Minibatches:
        model, streams = self.model, self._streams
        source = MinibatchSource(
            model, images, self.batch_size, streams["training order"], self._preprocess, self._part
        )
        labels = model.check_labels(labels, len(images))
        if labels is not None:
            batches = labelled_minibatches(source, labels, share, input_std, streams["training input std"])
            self._label_settings = model.label_settings(labels, batches.share)
            return batches
        if input_std is not None or share is not None:
            raise ConfigError(
                "input_std and labelled_share are for models with labels, such as ConditionalVAE: leave them out"
            )
        return Minibatches(source)

    def _validation_loss(self, rows: Any, labels: Any, **preprocessing: Any) -> float:
        if self._group is not None:
            return -mean_value(self.model, rows, self._group, labels, **preprocessing)
        return -score(self.model, rows, labels=labels, **preprocessing).value

    def _settings(
        self,
        hooks: Hooks,
        images: Any,
        labels: Any,
        input_std: Any,
        share: float | None,
        validation: Any,
        validation_labels: Any,
        stream: BatchStream | None,
    ) -> dict[str, Any]:
        """The settings that a resumed training and all processes must share, as JSON values; {} if there are none."""
        if hooks.find(Checkpoint) is None and self._group is None:
            return {}
        names = ("batch_size", "seed", "clip_norm", "binarize", "optimizer", "kl_weight", "corrupt")
        callbacks: dict[str, Any] = dict(hooks.weight_changing_callbacks())
        if len(callbacks) > 1:
            callbacks["order"] = ", ".join(callbacks)
        settings = {name: getattr(self, name) for name in names}
        data = {"images": images, "labels": labels, "input_std": input_std}
        data |= {"validation": validation, "validation_labels": validation_labels}
        settings |= {} if stream is None else {"steps_per_epoch": stream.steps}
        return fingerprint(self.model, {**settings, "labelled_share": share, "callbacks": callbacks}, data)

    # --- settings

    @property
    def model(self) -> Model:
        """The trained model."""
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
        """Rows per step."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, value: int) -> None:
        self._batch_size = check_int("batch_size", value)

    @property
    def clip_norm(self) -> float | None:
        """The maximum norm of the gradient; None: no clipping."""
        return self._clip_norm

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._clip_norm = None if value is None else check_positive("clip_norm", value)

    @property
    def kl_weight(self) -> KLWeight | None:
        """The factor of the model's beta as a function of the number of updates so far; None: 1."""
        return self._kl_weight

    @kl_weight.setter
    def kl_weight(self, value: KLWeight | None) -> None:
        self._kl_weight = check_kl_weight(value, self._model)

    @property
    def binarize(self) -> str | None:
        """The binarization of pixels: "dynamic" (drawn at each step) or None."""
        return self._binarize

    @binarize.setter
    def binarize(self, value: str | None) -> None:
        self._binarize = check_binarize(value, self._model)
        self._build_preprocessor()

    @property
    def corrupt(self) -> Corruption | None:
        """The noise on the input of the encoder, or None."""
        return self._corrupt

    @corrupt.setter
    def corrupt(self, value: Corruption | None) -> None:
        previous, self._corrupt = self._corrupt, value
        try:
            self._build_preprocessor()
        except ConfigError:
            self._corrupt = previous
            raise

    @property
    def comm(self) -> ProcessGroup | None:
        """The processes that train the model together; None for one."""
        return self._group

    @comm.setter
    def comm(self, value: Any) -> None:
        self._group = process_group(value)

    @property
    def cuda_graph(self) -> bool | None:
        """True if `fit` is to record its steps as CUDA graphs, False if not; None: where nothing else changes."""
        return self._cuda_graph

    @cuda_graph.setter
    def cuda_graph(self, value: bool | None) -> None:
        self._cuda_graph = check_cuda_graph(value, self._model)

    def _build_preprocessor(self) -> None:
        pixels, noise = self._streams["training pixels"], self._streams["training corruption"]
        self._preprocess = Preprocessor(self._model, self._binarize is not None, self._corrupt, pixels, noise)

    # --- copies

    def __repr__(self) -> str:
        model = f"{type(self.model).__name__} with {self.model.theta.size:,} parameters"
        settings = {
            name: getattr(self, name) for name in ("clip_norm", "binarize", "kl_weight", "corrupt", "cuda_graph")
        }
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
            settings |= {"kl_weight": self.kl_weight, "corrupt": self.corrupt, "cuda_graph": self.cuda_graph}
            settings["comm"] = self.comm
            settings["optimizer"] = plain.from_config(optimizer.config())
            state = {
                "updates": optimizer.t,
                "optimizer": {name: to_numpy(array).copy() for name, array in optimizer.state.items()},
                "streams": states_of(self._streams),
                "label_settings": self._label_settings,
            }
            model = copy.copy(self.model)  # inside the lock, so that it fits the optimizer's state
            return _rebuild, (type(self), model, settings, state, self.history)


def _rebuild(
    kind: type[Trainer], model: Model, settings: dict[str, Any], state: dict[str, Any], history: History
) -> Trainer:
    """A trainer of this model, in the given state."""
    trainer = kind(model, **settings)
    optimizer = trainer.optimizer
    optimizer.t = state["updates"]
    for name, array in optimizer.state.items():
        model.backend.copy_from_host(array, state["optimizer"][name])
    set_states(trainer._streams, state["streams"])
    trainer._label_settings = state["label_settings"]
    trainer.history = history
    return trainer
