"""Kills training with SIGKILL at random moments, resumes it, and compares the end with that of a run never killed.

    python tests/resilience/kill.py [--kills N] [--seed N] [--jobs N] [--rows mnist|digits]

A process of its own trains, with checkpoints, on 1000 rows of MNIST where $SCRATCHVAE_DATA has it, else of the digits:
dynamic binarisation, masking noise, a KL that warms up, a scheduled rate, clipping, validation, and patience, which
stops it early and goes back to its best weights. A run is killed one to five times on its way:

    any        at any time between its start and the end that it would have had
    aimed      a while after it told that it was at such and such, as long as that usually takes at most
    between    by itself, just before or after a system call, so that the shortest moments come up too

Checkpoints come every 7 updates, in each fifth run at the end of each epoch; in each eighth, the disk knows no links.
After a kill every checkpoint has to be readable, whole and no older than it was, with no other file beside but those
that `atomic_write` and `locked` tell of. Then a copy of the folder is resumed to its end by another process: weights,
moments, history, best epoch, one step more and the last checkpoint must have the bits of the run that was never killed,
and all that the killed ones left behind must be gone. (Parts of files are made a minute old for that: from then on they
count as left behind.) The exit code is 1 if anything is not so, or a process said anything on standard error.

What this does not show: that bytes are on the disk when the power fails. Whoever kills a process leaves the system
alive, which writes in its own time what it was given. That each file is flushed before it takes its name, and the
folder afterwards, is held by tests/disk/test_rotation.py and, by the system calls themselves, by test_resilience.py.
Whether a disk that says it has flushed has done so, no program can tell.
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


class Journey:
    """A run that is killed so many times on its way; what came of it is in `died`, `seen` and `faults`."""

    def __init__(self, number, kills, seed, reference, folder):
        self.number, self.kills, self.reference, self.folder = number, kills, reference, folder / f"run{number}"
        self.rng = random.Random(f"{seed} {number}")
        self.without_links = number % 8 == 7
        self.options = ["--without-links"] if self.without_links else []
        self.options += ["--every", "0"] if number % 5 == 4 else []
        self.died, self.faults, self.seen = Counter(), [], Counter()
        self.path = self.folder / "run.npz"

    def go(self):
        self._begin()
        while self.died.total() < self.kills and len(self.faults) < 3:
            way = self.rng.choices(list(WAYS), WAYS.values())[0]
            try:
                process = self._launch(way)
                finished = process.wait() is not None
                if finished:  # it came to its end before
                    self._compare(self.path, process.result)
                    self._begin()
                    continue
                self.died[way, process.at] += 1
                self._look(process)
                self._resume_a_copy()
            except Exception as error:
                self.died[way, "?"] += 1
                self._fault(f"{type(error).__name__}: {error}")
        shutil.rmtree(self.folder)
        return self

    def _begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.newest, self.left = -1, set()  # updates, parts

    def _launch(self, way):
        start = (self.path, self.reference.rows, *self.options)
        left = 1 - max(self.newest, 0) / self.reference.updates
        if way == "any":
            start_up = self.reference.start_up
            rest = left * (self.reference.seconds - start_up)
            return TrainingProcess(*start).kill_after(self.rng.uniform(0, start_up + rest))
        letters = [letter for letter in LETTERS if self._comes(letter)]
        letter = self.rng.choices(letters, [3 if letter in WRITING else 1 for letter in letters])[0]
        count = self.rng.randint(1, max(1, int(left * self.reference.counts[letter])))
        if way == "aimed":
            return TrainingProcess(*start).kill_at(
                letter, count, self.rng.uniform(0, self.reference.lasts.get(letter, 0.002))
            )
        return TrainingProcess(*start, "--die", f"{letter}:{count}")

    def _comes(self, letter):
        """Whether a process of this run tells that letter."""
        if letter == "p":
            return self.newest >= 0
        if letter in "cl":
            return (letter == "c") == self.without_links
        return letter != BEGIN

    def _look(self, process):
        """Whether what a killed process left is as it may be."""
        names = {file.name for file in self.folder.iterdir()}
        parts = {name for name in names if PART.fullmatch(name)}
        if odd := names - parts - CHECKPOINTS - {LOCK}:
            self._fault(f"left {', '.join(sorted(odd))} after {process.told[-20:]}")
        if "w" in process.told and (stale := {name for name in self.left & parts if not name.startswith(".run.1.")}):
            self._fault(f"the next writing did not clear away {', '.join(sorted(stale))}")
        for name in sorted(names & CHECKPOINTS):
            self.seen["files read"] += 1
            try:
                content(self.folder / name)
            except ScratchVAEError as error:
                self.seen["unreadable"] += 1
                self._fault(f"died at {process.at!r}: {error}")
        newest = updates_of(self.path) if self.path.exists() else -1
        if newest < self.newest:
            self._fault(f"the newest checkpoint was at update {self.newest}, and is at {newest}")
        self.newest, self.left = newest, parts
        self.seen["parts left"] += len(parts)
        self.seen["locks left"] += LOCK in names
        self.seen["begun anew"] += newest < 0
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
                self._fault("a resumed run was not over in time")
            elif self._compare(copy / "run.npz", result):
                self.seen["same bits"] += 1
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

    def _fault(self, said):
        self.faults.append(f"run {self.number}, kill {self.died.total()}: {said}")


def journeys_of(kills, rng):
    """How often each run is killed: one to five times, `kills` in all."""
    counts = []
    while left := kills - sum(counts):
        counts.append(min(left, rng.randint(1, 5)))
    return counts


def show(died, seen, faults, kills, runs, seconds):
    print(f"{'died at':<36}{''.join(f'{way:>9}' for way in (*WAYS, 'all'))}")
    for letter, name in LETTERS.items():
        counts = [died[way, letter] for way in WAYS]
        print(f"{name:<36}{''.join(f'{count:>9}' for count in (*counts, sum(counts)))}")
    counts = [sum(count for (of, _), count in died.items() if of == way) for way in WAYS]
    print(f"{'all':<36}{''.join(f'{count:>9}' for count in (*counts, sum(counts)))}")
    print(
        f"{kills} kills of {runs} runs, {seen['begun anew']} before a first checkpoint: {seen['same bits']} of {kills} "
        f"end in the same bits; of {seen['files read']} checkpoints {seen['unreadable']} unreadable; "
        f"{seen['parts left']} parts and {seen['locks left']} locks left behind and cleared away; {seconds:.0f} s"
    )
    for fault in faults:
        print(f"FAULT {fault}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--rows", choices=["mnist", "digits"], help="mnist if it is there, unless said")
    args = parser.parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the processes to come
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
        counts = journeys_of(args.kills, random.Random(args.seed))
        with ThreadPoolExecutor(args.jobs) as pool:
            runs = list(
                pool.map(lambda numbered: Journey(*numbered, args.seed, reference, folder).go(), enumerate(counts))
            )
    died = sum((run.died for run in runs), Counter())
    seen = sum((run.seen for run in runs), Counter())
    faults = [fault for run in runs for fault in run.faults]
    show(died, seen, faults, died.total(), len(runs), time.perf_counter() - began)
    return int(bool(faults) or died.total() < args.kills or seen["same bits"] < args.kills)


if __name__ == "__main__":
    sys.exit(main())
