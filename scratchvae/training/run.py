"""One call of `fit`: the loop over epochs, and where in it we are."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING

from scratchvae.backend import Array
from scratchvae.errors import DivergedError
from scratchvae.optim import Scaled
from scratchvae.settings import real, truth, whole
from scratchvae.training.best import Best
from scratchvae.training.collapse import Watch
from scratchvae.training.guard import Guard
from scratchvae.training.history import Epoch
from scratchvae.training.interruption import Interruption
from scratchvae.training.minibatches import Minibatches
from scratchvae.training.progress import Progress
from scratchvae.training.state import Record, set_states, states_of
from scratchvae.training.tally import Tally

if TYPE_CHECKING:
    from scratchvae.training.checkpoint import Checkpoints
    from scratchvae.training.trainer import Trainer

COUNTS = ("updates", "epochs", "first", "passed", "steps", "halvings")


class Run:
    """Trains for so many epochs; may be put aside after any step, and taken up from there with the same bits.

    What training depends on are `arrays`, which change in place, and a `record`, which is plain.

    best          keeps the weights of the best epoch, if that is asked for
    validate      gives the loss of the validation rows, if there are any
    interruption  tells whether to stop after the step at hand
    checkpoints   where it is kept on the disk, if that is asked for
    retries       see `Guard`
    """

    def __init__(
        self,
        trainer: Trainer,
        epochs: int,
        batches: Minibatches,
        best: Best | None,
        validate: Callable[[], float] | None,
        bar: Progress,
        interruption: Interruption,
        checkpoints: Checkpoints | None = None,
        retries: int = 0,
    ) -> None:
        self.model, self.optimizer, self.steps = trainer.model, trainer.optimizer, trainer.steps
        self.batches, self.best, self.checkpoints = batches, best, checkpoints
        self.halvings, self._schedule = 0, self.optimizer.schedule  # of the learning rate
        self.history, self.epochs = trainer.history, trainer.history.epochs
        self._first = len(self.epochs)
        self._wanted = epochs
        self.bar, self._validate, self._interruption = bar, validate, interruption
        config = self.model.config
        kept = config["sigma"] if config["likelihood"] == "gaussian" else None
        self._watch = Watch(self.model.objective.beta, len(batches), kept)
        self._tally = Tally(self.model, batches.batch_size)
        self._begin_epoch()
        self.guard = Guard(self, retries)

    @property
    def losses(self) -> Array:
        """The sum of the epoch's losses so far, or several numbers that make it up."""
        return self._tally.terms.value

    @property
    def arrays(self) -> dict[str, Array]:
        """The weights, what the optimizer remembers, and what the epoch has added up."""
        memory = {f"optimizer/{name}": array for name, array in self.optimizer.memory.items()}
        sums = {f"sums/{name}": array for name, array in self._tally.arrays.items()}
        return {"theta": self.model.theta, **memory, **sums}

    @property
    def record(self) -> Record:
        """How many updates were made, where each stream of random numbers is, and where in the epoch we are.

        The stream of the order is where it was when the epoch began: so the rest of the order can be had again.
        """
        return {
            "updates": self.optimizer.t,
            "streams": {**states_of(self.steps.streams), "training order": self._order},
            "epochs": len(self.epochs),
            "first": self._first,
            "passed": self.passed,
            "halvings": self.halvings,
            "seconds": self._seconds,
            "steps": self._tally.steps,
            "weights": self._tally.weights,
            "warned": self._watch.warned,
        }

    def recall(self, record: Record) -> None:
        """Be where `record` says."""
        count = {name: whole(name, record[name], least=0) for name in COUNTS}
        set_states(self.steps.streams, record["streams"])
        self._order = record["streams"]["training order"]
        self.optimizer.t = count["updates"]
        del self.epochs[count["epochs"] :]
        self._first, self.passed, self._tally.steps = count["first"], count["passed"], count["steps"]
        self._seconds, self._tally.weights = real("seconds", record["seconds"]), real("weights", record["weights"])
        self._watch.warned = truth("warned", record["warned"])
        self.halve(count["halvings"])

    def halve(self, times: int) -> None:
        """Take half the learning rate that was asked for, so many times over."""
        self.halvings = self.history.halvings = times
        self.optimizer.schedule = Scaled(self._schedule, 0.5**times) if times else self._schedule

    def go(self) -> str:
        """Train; returns why it stopped. Raises DivergedError, then with everything as it was before the step.

        What was kept on the disk stays when training diverges: it is from before things went wrong.
        """
        while not (stopped := self.over):
            try:
                if not self._epoch():
                    stopped = "interrupted"
                    break
            except DivergedError as error:
                if not self.guard.goes_back(error):
                    if self.checkpoints is not None:
                        error.args = (f"{error}; {self.checkpoints.way_on()}",)
                    raise
        if self.checkpoints is not None:
            self.checkpoints.write(self, stopped)
        return stopped

    @property
    def done(self) -> int:
        """How many batches were trained on."""
        return (len(self.epochs) - self._first) * len(self.batches) + self.passed

    @property
    def over(self) -> str:
        """Why there is to be no further epoch; "" if there is."""
        if self.best is not None and self.best.exhausted:
            return "early"
        if self._interruption.asked:
            return "interrupted"
        return "finished" if len(self.epochs) - self._first >= self._wanted else ""

    def step(self, x: Array) -> bool:
        """One update from the batch x (B, D), unless its loss is not finite: whether it is."""
        with self.model.lock:
            self.steps.forward(x, self.batches.corrupted, self.batches.targets, self._tally.terms)
            if not self.guard.loss():
                return False
            self.steps.learn()
            self._tally.add()
        self.passed += 1
        return True

    def _begin_epoch(self) -> None:
        self._order = self.steps.streams["training order"].bit_generator.state
        self.passed, self._seconds = 0, 0.0  # batches, and what they took
        self._tally.begin()

    def _epoch(self) -> bool:
        """Whether the epoch was run to its end."""
        began = time.perf_counter() - self._seconds
        for x in self.batches.after(self.passed):
            if not self.step(x) or not self.guard.update(self.passed == len(self.batches)):
                self.guard.find()
            self._seconds = time.perf_counter() - began
            self.bar.step()
            if self.passed < len(self.batches):
                if self._interruption.asked:
                    return False
                if self.checkpoints is not None and self.checkpoints.due(self.optimizer.t):
                    self.checkpoints.write(self)
        record = self._conclude(began)
        self.epochs.append(record)
        if self.best is not None:
            self.best.see(record)
        self._begin_epoch()
        self.guard.begin_epoch()
        self.bar.epoch(record)
        self._watch.see(self.epochs)
        if self.checkpoints is not None and self.checkpoints.every is None and not self.over:
            self.checkpoints.write(self)
        return True

    def _conclude(self, began: float) -> Epoch:
        """What is told of an epoch that was run to its end. Raises DivergedError."""
        rows, number = self.batches.rows, len(self.epochs) + 1
        value, reconstruction, kl = (total / rows for total in self._tally.totals())
        validated = None if self._validate is None else self._validate()
        if self._validate is not None and not isfinite(validated or 0.0):
            self.guard.find_in(self._validate)
        weight, per_dimension = self._tally.kl_weight(), self._tally.kl_per_dimension(rows)
        seconds = time.perf_counter() - began
        return Epoch(number, -value, reconstruction, kl, validated, seconds, weight, per_dimension)
