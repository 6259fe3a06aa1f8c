"""Moments at which the disk runs full: what is told, what is left, and what becomes of it."""

import traceback
from collections import Counter
from contextlib import contextmanager

from resumable_run import BATCH, EVERY, KEEP, content, differences, fit, outcome, updates_of
from small_disk import PAGE, no_file_longer_than, set_limit

from scratchvae.errors import FileError
from scratchvae.training import Trainer

FULL = "No space left on device", "File too large"
STAGES = {  # by the function that an error came through
    "_acquire": "taking the lock",
    "rotate": "keeping the one before",
    "write_arrays": "writing the arrays",
    "open_in_folder": "making the part",
}


@contextmanager
def at_update(number, happen):
    """Let something happen before that update of each run."""
    step = Trainer._train_step

    def watched(trainer, state, hooks, x):
        if state.updates == number:
            happen()
        return step(trainer, state, hooks, x)

    Trainer._train_step = watched
    try:
        yield
    finally:
        Trainer._train_step = step


class DiskFullScenarios:
    """Moments at which the disk runs full while `fit` runs in this process, by the way that it comes about."""

    def __init__(self, disk, rows, rng):
        self.disk, self.rows, self.rng = disk, rows, rng
        self.path = disk.folder / "run.npz"
        trainer = fit(*rows)
        self.updates = len(trainer.history.epochs) * (len(rows[0]) // BATCH)
        self.result = outcome(trainer, rows[0])
        fit(*rows, checkpoint=self.path, every=EVERY, keep=KEEP)
        self.content, self.size = content(self.path), self.path.stat().st_size
        disk.anew()
        self.done, self.faults, self.stages = Counter(), [], Counter()

    def meet(self, way):
        """One moment of that way; whether the disk ran full in it."""
        self.disk.anew()
        self.way, before = way, len(self.faults)
        try:
            met = getattr(self, way)()
        except Exception as error:
            met = True
            self.fault(f"{type(error).__name__}: {error}")
        if met:
            self.done[way, "met"] += 1
            self.done[way, "good"] += len(self.faults) == before
        return met

    def fault(self, said):
        self.faults.append(f"{self.way} {self.done[self.way, 'met']}: {said}")

    def room(self):
        room = self.rng.choice([self.rng.uniform(0, self.size), self.rng.uniform(0, 4 * PAGE)])
        return self._train(lambda: self.disk.leave(int(room)))

    def inodes(self):
        if self.rng.random() < 0.5:  # one is enough to go on with, once there are as many versions as are kept
            return self._train(lambda: self.disk.leave_inodes(1), self.rng.randrange(EVERY, 2 * EVERY))
        return self._train(lambda: self.disk.leave_inodes(0))

    def limit(self):
        size = self.rng.randrange(self.size)
        with no_file_longer_than(10 * self.size):
            return self._train(lambda: set_limit(size), undo=lambda: set_limit(10 * self.size))

    def growing(self):
        with self.disk.growing(self.rng, int(self.rng.uniform(0, 8 * self.size))):
            error = self._fail()
        return self._judge(error, None)

    def _train(self, fill, update=None, undo=lambda: None):
        update = self.rng.randrange(-1, self.updates) if update is None else update
        if update < 0:
            fill()
        with at_update(update, fill):
            error = self._fail()
        return self._judge(error, max(update, 0) // EVERY * EVERY, undo)

    def _fail(self):
        try:
            fit(*self.rows, checkpoint=self.path, every=EVERY, keep=KEEP, resume=True)
        except Exception as error:
            return error
        return None

    def _judge(self, error, kept, undo=lambda: None):
        """Whether it was told as it is to be, left what it was to leave, and can be gone on with."""
        if error is None:
            return False
        self.judge_line(error)
        self.stages[stage_of(error)] += 1
        before = self._left()
        if kept is not None and before != kept:
            self.fault(f"the last checkpoint is of update {before}; expected {kept}")
        self.judge_line(again := self._fail())
        if self._left() != before:
            self.fault(f"another try on the full disk changed what was there: {again}")
        undo()
        self.disk.free()
        trainer = fit(*self.rows, checkpoint=self.path, every=EVERY, keep=KEEP, resume=True)
        other = differences(self.result, outcome(trainer, self.rows[0])) + differences(self.content, content(self.path))
        if other:
            self.fault(f"not the same bits: {', '.join(other)}")
        self._left()
        return True

    def judge_line(self, error):
        """Whether an error tells in one line which file cannot be written, and why."""
        said = str(error)
        if not isinstance(error, FileError):
            self.fault(f"{type(error).__name__}: {said}")
        elif "\n" in said or str(self.disk.folder) not in said or not any(reason in said for reason in FULL):
            self.fault(f"tells not what and why: {said}")

    def _left(self):
        """The updates that the newest checkpoint has behind it, once each file that was left is found whole."""
        for file in sorted(self.disk.folder.rglob("*")):
            try:
                if file.name not in ("run.npz", "run.1.npz"):
                    raise FileError("it is left over")
                content(file)
            except Exception as error:
                self.fault(f"{file.name}: {error}")
        return updates_of(self.path) if self.path.exists() else 0


def stage_of(error):
    """What was being done when the error came about."""
    through, cause = set(), error
    while cause is not None:
        through |= {frame.f_code.co_name for frame, _ in traceback.walk_tb(cause.__traceback__)}
        cause = cause.__context__
    return next((stage for function, stage in STAGES.items() if function in through), "elsewhere")
