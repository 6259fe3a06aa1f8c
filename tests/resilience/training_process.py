"""Processes that train, and are killed or not."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median

from resumable_run import content, differences
from train_and_report import BEGIN

LIMIT = 300  # seconds, of a machine that is busy with other work


class TrainingProcess:
    """A process that trains, what it told, and when."""

    def __init__(self, path, rows, *options):
        command = [sys.executable, str(Path(__file__).with_name("train_and_report.py")), str(path), str(rows), *options]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this call
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        self.told, self.times, self.result = "", [0.0], None
        self._aim, self._reached = None, threading.Event()
        self._reader = threading.Thread(target=self._read)

    def kill_after(self, seconds):
        self._reader.start()
        self._reader.join(seconds)
        self.process.kill()
        return self

    def kill_at(self, letter, count, delay):
        self._aim = letter, count
        self._reader.start()
        if self._reached.wait(LIMIT) and self._reader.is_alive():
            time.sleep(delay)
        self.process.kill()
        return self

    def wait(self):
        """The result, or None of one that was killed `at` a letter. Raises RuntimeError if it ended in another way."""
        if self._reader.ident is None:
            self._reader.start()
        self._reader.join(LIMIT)
        self.process.kill()
        code = self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.at = self.told[-1:] or BEGIN
        self.seconds = time.perf_counter() - self.began
        with self.errors:
            self.errors.seek(0)
            said = self.errors.read().decode(errors="replace")
        if said or (self.result is None and code > 0 and os.name == "posix"):
            raise RuntimeError(f"a process ended by itself, with {code}: {said}")
        return self.result

    def _read(self):
        line = b""
        while read := self.process.stdout.read(1):
            if read == b"\n":
                line = b"".join(iter(lambda: self.process.stdout.read(2**16), b""))
                break
            self.told += read.decode()
            self.times.append(time.perf_counter() - self.began)
            if self._aim and self.told.count(self._aim[0]) == self._aim[1]:
                self._reached.set()
        if line.endswith(b"\n"):
            self.result = json.loads(line)
        self._reached.set()


class Reference:
    """The run that is never killed: its result, its last checkpoint, and how long it is at what."""

    def __init__(self, folder, rows):
        self.rows = rows
        self.launches = [TrainingProcess(folder / f"whole{number}" / "run.npz", rows) for number in range(2)]
        for process in self.launches:
            process.wait()
        one, other = self.launches
        if one.result is None or differences(one.result, other.result):
            sys.exit("training gives other bits each time, killed or not: there is nothing to compare with")
        self.result, self.content = one.result, content(folder / "whole0" / "run.npz")
        self.seconds = median(process.seconds for process in self.launches)
        self.counts = Counter(BEGIN + one.told)
        self.updates = self.counts["t"]
        self.start_up = one.times[one.told.index("t")]
        lasts = {}
        for letter, begin, end in zip(BEGIN + one.told, one.times, one.times[1:], strict=False):
            lasts.setdefault(letter, []).append(end - begin)
        self.lasts = {letter: median(times) for letter, times in lasts.items()}
