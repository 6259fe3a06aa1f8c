"""Full-disk scenarios of `fit`: the message, the remaining files, and the resumed run."""

import traceback
from collections import Counter
from contextlib import contextmanager

from resumable_run import BATCH, EVERY, KEEP, content, differences, fit, outcome, updates_of
from small_disk import PAGE, file_size_limit, set_limit

from scratchvae.errors import FileError
from scratchvae.training import Trainer

FULL = "No space left on device", "File too large"
STAGES = {  # by a function in the traceback of the error
    "_acquire": "taking the lock",
    "rotate": "rotating the checkpoints",
    "write_arrays": "writing the arrays",
    "open_in_folder": "creating the temporary file",
}


@contextmanager
def at_update(number, action):
    """Call `action` before update `number` of each run."""
    step = Trainer._train_step

    def step_with_action(trainer, state, hooks, x):
        if state.updates == number:
            action()
        return step(trainer, state, hooks, x)

    Trainer._train_step = step_with_action
    try:
        yield
    finally:
        Trainer._train_step = step


class DiskFullScenarios:
    """Fills the disk while `fit` runs in this process, in one of several ways."""

    def __init__(self, disk, rows, rng):
        self.disk, self.rows, self.rng = disk, rows, rng
        self.path = disk.folder / "run.npz"
        trainer = fit(*rows)
        self.updates = len(trainer.history.epochs) * (len(rows[0]) // BATCH)
        self.result = outcome(trainer, rows[0])
        fit(*rows, checkpoint=self.path, every=EVERY, keep=KEEP)
        self.content, self.size = content(self.path), self.path.stat().st_size
        disk.reset()
        self.done, self.faults, self.stages = Counter(), [], Counter()

    def try_moment(self, way):
        """Fill the disk once in this way; True if an error occurred."""
        self.disk.reset()
        self.way, before = way, len(self.faults)
        try:
            disk_was_full = getattr(self, way)()
        except Exception as error:
            disk_was_full = True
            self.fault(f"{type(error).__name__}: {error}")
        if disk_was_full:
            self.done[way, "full"] += 1
            self.done[way, "good"] += len(self.faults) == before
        return disk_was_full

    def fault(self, message):
        self.faults.append(f"{self.way} {self.done[self.way, 'full']}: {message}")

    def space(self):
        free = self.rng.choice([self.rng.uniform(0, self.size), self.rng.uniform(0, 4 * PAGE)])
        return self._train(lambda: self.disk.leave_free(int(free)))

    def inodes(self):
        if self.rng.random() < 0.5:  # one inode suffices to resume once the number of versions is constant
            return self._train(lambda: self.disk.leave_inodes(1), self.rng.randrange(EVERY, 2 * EVERY))
        return self._train(lambda: self.disk.leave_inodes(0))

    def limit(self):
        size = self.rng.randrange(self.size)
        with file_size_limit(10 * self.size):
            return self._train(lambda: set_limit(size), undo=lambda: set_limit(10 * self.size))

    def growing(self):
        with self.disk.growing(self.rng, int(self.rng.uniform(0, 8 * self.size))):
            error = self._run_to_error()
        return self._check_recovery(error, None)

    def _train(self, fill, update=None, undo=lambda: None):
        update = self.rng.randrange(-1, self.updates) if update is None else update
        if update < 0:
            fill()
        with at_update(update, fill):
            error = self._run_to_error()
        return self._check_recovery(error, max(update, 0) // EVERY * EVERY, undo)

    def _run_to_error(self):
        try:
            fit(*self.rows, checkpoint=self.path, every=EVERY, keep=KEEP, resume=True)
        except Exception as error:
            return error
        return None

    def _check_recovery(self, error, expected_update, undo=lambda: None):
        """Check the message, the remaining files and the resumed run; False if no error occurred."""
        if error is None:
            return False
        self.check_message(error)
        self.stages[stage_of(error)] += 1
        before = self._newest_update()
        if expected_update is not None and before != expected_update:
            self.fault(f"the last checkpoint is of update {before}; expected {expected_update}")
        self.check_message(second_error := self._run_to_error())
        if self._newest_update() != before:
            self.fault(f"resuming on the full disk changed the files: {second_error}")
        undo()
        self.disk.free()
        trainer = fit(*self.rows, checkpoint=self.path, every=EVERY, keep=KEEP, resume=True)
        other = differences(self.result, outcome(trainer, self.rows[0])) + differences(self.content, content(self.path))
        if other:
            self.fault(f"not the same bits: {', '.join(other)}")
        self._newest_update()
        return True

    def check_message(self, error):
        """Check that an error names the file and the reason in one line."""
        message = str(error)
        if not isinstance(error, FileError):
            self.fault(f"{type(error).__name__}: {message}")
        elif "\n" in message or str(self.disk.folder) not in message or not any(reason in message for reason in FULL):
            self.fault(f"the message lacks the file or the reason: {message}")

    def _newest_update(self):
        """Check that every remaining file is complete; return the updates of the newest checkpoint."""
        for file in sorted(self.disk.folder.rglob("*")):
            try:
                if file.name not in ("run.npz", "run.1.npz"):
                    raise FileError("it is a leftover")
                content(file)
            except Exception as error:
                self.fault(f"{file.name}: {error}")
        return updates_of(self.path) if self.path.exists() else 0


def stage_of(error):
    """The stage of checkpointing in which the error occurred."""
    functions, cause = set(), error
    while cause is not None:
        functions |= {frame.f_code.co_name for frame, _ in traceback.walk_tb(cause.__traceback__)}
        cause = cause.__context__
    return next((stage for function, stage in STAGES.items() if function in functions), "elsewhere")
