"""What a run does about numbers that are not finite: notice them, find where they began, and go back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from scratchvae.errors import DivergedError, DivergenceWarning, warn
from scratchvae.training.state import Kept
from scratchvae.training.tracing import Traced
from scratchvae.training.vigil import Vigil

if TYPE_CHECKING:
    from scratchvae.training.run import Run


class Guard:
    """Watches the numbers of a run.

    Where the run was is kept, in memory, each time that everything was found finite. When something is not, training
    goes back there, and the same steps are made again, each tensor looked at, until the first that is not finite shows.

    retries   how often to go back to where the epoch began, and on with half the learning rate, before giving up; when
              that did not help, to where the one before began, for its weights may have been on their way already
    """

    def __init__(self, run: Run, retries: int = 0) -> None:
        self._run = run
        self._vigil = Vigil(run.model, run.optimizer, run.losses)
        self._good = Kept(run)
        self._retries = retries
        self._begun = [Kept(run)] if retries else []  # of the epoch at hand, and before it that of the one before
        self._tried = False  # in the epoch at hand

    def begin_epoch(self) -> None:
        """A new epoch begins, and everything is finite."""
        self._good.keep()
        self._tried = False
        if len(self._begun) == 1:
            self._begun.append(Kept(self._run))
        elif self._begun:
            self._begun.reverse()
            self._begun[-1].keep()

    def resume(self) -> None:
        """The run was put where another one was."""
        self._good.keep()
        for kept in self._begun:
            kept.keep()

    def loss(self) -> bool:
        """Whether the losses are finite, to be asked after each forward."""
        return self._vigil.loss()

    def update(self, last: bool) -> bool:
        """Whether what has come of the updates is finite, to be asked after each, `last` being that of an epoch."""
        if not self._vigil.due(last):
            return True
        finite = self._vigil.state()
        if finite and not last:  # after the last, an epoch begins
            self._good.keep()
        return finite

    def find(self) -> NoReturn:
        """Raise DivergedError, which tells what was not finite first; the run is put back to before that step."""
        run = self._run
        steps, epoch = run.optimizer.t + 1, len(run.epochs) + 1  # of which the last may not have come to its update
        traced = Traced(run.model, run.optimizer, epoch, run.batches)
        with run.model.lock:
            written = traced.written(corrupted=run.batches.corrupted, targets=run.batches.targets)
        with run.model.lock, traced:
            self._put_back(self._good)
            batches = run.batches.after(run.passed)
            try:
                while run.optimizer.t < steps:
                    self._good.keep()
                    run.step(next(batches))
            except StopIteration:
                pass
            except DivergedError:
                self._put_back(self._good)
                raise
        # what somebody wrote is not written again
        raise written or self._vanished(f"by step {steps}, epoch {epoch}", steps)

    def find_in(self, validate: Callable[[], float]) -> NoReturn:
        """As `find`, where it is the validation loss that is not finite, of weights that are."""
        run, epoch = self._run, len(self._run.epochs) + 1
        with run.model.lock, Traced(run.model, epoch=epoch):
            try:
                validate()
            except DivergedError:
                self._put_back(self._good)
                raise
        raise self._vanished(f"in the validation of epoch {epoch}", None)

    def _vanished(self, where: str, step: int | None) -> DivergedError:
        return DivergedError(
            f"training diverged {where}: a number was no longer finite, and was when the same was reckoned again: "
            "something else wrote into the weights or the data, or the memory fails",
            step,
            len(self._run.epochs) + 1,
        )

    def goes_back(self, error: DivergedError) -> bool:
        """Whether training may go on, from where an epoch began, with half the learning rate."""
        if not self._retries:
            return False
        if self._tried and len(self._begun) > 1:
            self._begun.pop()
        self._retries, self._tried = self._retries - 1, True
        halvings = self._run.halvings + 1
        self._put_back(self._begun[-1])
        self._run.halve(halvings)
        for kept in (self._good, self._begun[-1]):
            kept.keep()
        warn(
            f"{error}. Went back to epoch {len(self._run.epochs) + 1}, after update {self._run.optimizer.t}, with a "
            f"learning rate of {0.5**halvings:g} times what was asked for",
            DivergenceWarning,
        )
        return True

    def _put_back(self, kept: Kept) -> None:
        with self._run.model.writing():
            kept.put_back()
