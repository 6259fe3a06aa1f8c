"""Kills training with SIGKILL at random moments, resumes it, and compares the end with that of a run never killed.

    python tests/resilience/kill.py [--kills N] [--seed N] [--jobs N] [--rows mnist|digits]

A separate process trains with checkpoints on 1000 rows of MNIST if $SCRATCHVAE_DATA has it, otherwise of the digits:
dynamic binarization, masking noise, KL warm-up, a learning-rate schedule, clipping, validation, and early stopping,
which ends the run and restores the best weights. Each run is killed one to five times:

    any        at any time between its start and its expected end
    aimed      a random delay after it reported a stage, at most the usual duration of that stage
    between    by itself, just before or after a system call, to reach the shortest moments too

Checkpoints are written every 7 updates, and in every fifth run at the end of each epoch; in every eighth run, the disk
has no hard links. After a kill every checkpoint must be readable, complete and no older than before, and the only other
files may be those that `atomic_write` and `locked` document. Then another process resumes a copy of the folder to the
end: weights, moments, history, best epoch, one further step and the last checkpoint must have the bits of the run that
was never killed, and all leftover files must be gone. (Temporary files are made a minute old for that: older ones count
as leftovers.) The exit code is 1 if any of this fails, or if a process wrote to standard error.

The script does not show that bytes survive a power failure: the system keeps running after a kill and writes what it
was given later. tests/disk/test_rotation.py checks that each file is flushed before it is renamed and the folder
afterwards; test_resilience.py checks the system calls themselves. No program can verify that a disk has flushed what it
reports as flushed.
"""

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from resumable_run import content, differences, real_rows, save_rows, updates_of
from train_and_report import BEGIN, LETTERS, WRITING
from training_process import Reference, TrainingProcess

from scratchvae.disk.writing import STALE
from scratchvae.errors import ScratchVAEError

WAYS = {"any": 0.4, "aimed": 0.3, "between": 0.3}
CHECKPOINTS = {"run.npz", "run.1.npz"}
LOCK, PART = ".run.npz.lock", re.compile(r"\.run(\.1)?\.npz\.[0-9a-f]{12}\.part")


class KilledRun:
    """A run that is killed `kills` times; the results are in `killed_at`, `totals` and `faults`."""

    def __init__(self, number, kills, seed, reference, folder):
        self.number, self.kills, self.reference, self.folder = number, kills, reference, folder / f"run{number}"
        self.rng = random.Random(f"{seed} {number}")
        self.without_links = number % 8 == 7
        self.options = ["--without-links"] if self.without_links else []
        self.options += ["--every", "0"] if number % 5 == 4 else []
        self.killed_at, self.faults, self.totals = Counter(), [], Counter()
        self.path = self.folder / "run.npz"

    def run_all_kills(self):
        self._begin()
        while self.killed_at.total() < self.kills and len(self.faults) < 3:
            way = self.rng.choices(list(WAYS), WAYS.values())[0]
            try:
                process = self._start_process(way)
                finished = process.wait() is not None
                if finished:  # it finished before the kill
                    self._compare(self.path, process.result)
                    self._begin()
                    continue
                self.killed_at[way, process.at] += 1
                self._check_files(process)
                self._resume_a_copy()
            except Exception as error:
                self.killed_at[way, "?"] += 1
                self._fault(f"{type(error).__name__}: {error}")
        shutil.rmtree(self.folder)
        return self

    def _begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.newest, self.left = -1, set()  # updates, temporary files

    def _start_process(self, way):
        start = (self.path, self.reference.rows, *self.options)
        left = 1 - max(self.newest, 0) / self.reference.updates
        if way == "any":
            start_up = self.reference.start_up
            rest = left * (self.reference.seconds - start_up)
            return TrainingProcess(*start).kill_after(self.rng.uniform(0, start_up + rest))
        letters = [letter for letter in LETTERS if self._can_occur(letter)]
        letter = self.rng.choices(letters, [3 if letter in WRITING else 1 for letter in letters])[0]
        count = self.rng.randint(1, max(1, int(left * self.reference.counts[letter])))
        if way == "aimed":
            return TrainingProcess(*start).kill_at(
                letter, count, self.rng.uniform(0, self.reference.durations.get(letter, 0.002))
            )
        return TrainingProcess(*start, "--die", f"{letter}:{count}")

    def _can_occur(self, letter):
        """True if a process of this run writes that letter."""
        if letter == "p":
            return self.newest >= 0
        if letter in "cl":
            return (letter == "c") == self.without_links
        return letter != BEGIN

    def _check_files(self, process):
        """Check the files that a killed process left."""
        names = {file.name for file in self.folder.iterdir()}
        parts = {name for name in names if PART.fullmatch(name)}
        if odd := names - parts - CHECKPOINTS - {LOCK}:
            self._fault(f"left {', '.join(sorted(odd))} after {process.letters[-20:]}")
        if "w" in process.letters and (stale := {name for name in self.left & parts if not name.startswith(".run.1.")}):
            self._fault(f"the next write did not remove {', '.join(sorted(stale))}")
        for name in sorted(names & CHECKPOINTS):
            self.totals["files read"] += 1
            try:
                content(self.folder / name)
            except ScratchVAEError as error:
                self.totals["unreadable"] += 1
                self._fault(f"died at {process.at!r}: {error}")
        newest = updates_of(self.path) if self.path.exists() else -1
        if newest < self.newest:
            self._fault(f"the newest checkpoint was at update {self.newest}, and is at {newest}")
        self.newest, self.left = newest, parts
        self.totals["parts left"] += len(parts)
        self.totals["locks left"] += LOCK in names
        self.totals["restarted"] += newest < 0
        for part in parts:
            old = time.time() - STALE - 1
            os.utime(self.folder / part, (old, old))

    def _resume_a_copy(self):
        copy = self.folder.with_name(f"{self.folder.name}-copy")
        shutil.copytree(self.folder, copy)
        try:
            process = TrainingProcess(copy / "run.npz", self.reference.rows, *self.options)
            result = process.wait()
            if result is None:
                self._fault("a resumed run did not finish in time")
            elif self._compare(copy / "run.npz", result):
                self.totals["same bits"] += 1
            if odd := {file.name for file in copy.iterdir()} - CHECKPOINTS:
                self._fault(f"the end of the run left {', '.join(sorted(odd))}")
        finally:
            shutil.rmtree(copy)

    def _compare(self, path, result):
        other = differences(self.reference.result, result)
        other += differences(self.reference.content, content(path))
        if other:
            self._fault(f"not the same bits: {', '.join(other)}")
        return not other

    def _fault(self, message):
        self.faults.append(f"run {self.number}, kill {self.killed_at.total()}: {message}")


def kill_counts(kills, rng):
    """Kills per run: one to five, `kills` in total."""
    counts = []
    while left := kills - sum(counts):
        counts.append(min(left, rng.randint(1, 5)))
    return counts


def show(killed_at, totals, faults, kills, runs, seconds):
    print(f"{'died at':<36}{''.join(f'{way:>9}' for way in (*WAYS, 'all'))}")
    for letter, name in LETTERS.items():
        counts = [killed_at[way, letter] for way in WAYS]
        print(f"{name:<36}{''.join(f'{count:>9}' for count in (*counts, sum(counts)))}")
    counts = [sum(count for (kill_way, _), count in killed_at.items() if kill_way == way) for way in WAYS]
    print(f"{'all':<36}{''.join(f'{count:>9}' for count in (*counts, sum(counts)))}")
    print(
        f"{kills} kills of {runs} runs, {totals['restarted']} before a first checkpoint: "
        f"{totals['same bits']} of {kills} end in the same bits; "
        f"of {totals['files read']} checkpoints {totals['unreadable']} unreadable; "
        f"{totals['parts left']} parts and {totals['locks left']} locks left and removed; {seconds:.0f} s"
    )
    for fault in faults:
        print(f"FAULT {fault}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--rows", choices=["mnist", "digits"], help="default: mnist if available")
    args = parser.parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for the started processes
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        name, learning, validating = real_rows(args.rows)
        save_rows(folder / "rows.npz", learning, validating)
        reference = Reference(folder, folder / "rows.npz")
        print(
            f"{name}: {len(learning)} rows of {learning.shape[1]}, {reference.updates} updates, "
            f"{reference.counts['w']} checkpoints, {reference.result['stopped']}, {reference.seconds:.1f} s; "
            f"seed {args.seed}",
            flush=True,
        )
        counts = kill_counts(args.kills, random.Random(args.seed))
        with ThreadPoolExecutor(args.jobs) as pool:
            runs = list(
                pool.map(
                    lambda numbered: KilledRun(*numbered, args.seed, reference, folder).run_all_kills(),
                    enumerate(counts),
                )
            )
    killed_at = sum((run.killed_at for run in runs), Counter())
    totals = sum((run.totals for run in runs), Counter())
    faults = [fault for run in runs for fault in run.faults]
    show(killed_at, totals, faults, killed_at.total(), len(runs), time.perf_counter() - began)
    return int(bool(faults) or killed_at.total() < args.kills or totals["same bits"] < args.kills)


if __name__ == "__main__":
    sys.exit(main())
