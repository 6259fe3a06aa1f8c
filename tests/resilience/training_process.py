"""Training processes that may be killed."""

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

LIMIT = 300  # seconds, on a busy machine


class TrainingProcess:
    """A training process, the letters it wrote, and their times."""

    def __init__(self, path, rows, *options):
        command = [sys.executable, str(Path(__file__).with_name("train_and_report.py")), str(path), str(rows), *options]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this call
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        self.letters, self.times, self.result = "", [0.0], None
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
        """The result, or None if the process was killed `at` a letter. Raises RuntimeError for another end."""
        if self._reader.ident is None:
            self._reader.start()
        self._reader.join(LIMIT)
        self.process.kill()
        code = self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.at = self.letters[-1:] or BEGIN
        self.seconds = time.perf_counter() - self.began
        with self.errors:
            self.errors.seek(0)
            message = self.errors.read().decode(errors="replace")
        if message or (self.result is None and code > 0 and os.name == "posix"):
            raise RuntimeError(f"a process ended by itself, with {code}: {message}")
        return self.result

    def _read(self):
        line = b""
        while read := self.process.stdout.read(1):
            if read == b"\n":
                line = b"".join(iter(lambda: self.process.stdout.read(2**16), b""))
                break
            self.letters += read.decode()
            self.times.append(time.perf_counter() - self.began)
            if self._aim and self.letters.count(self._aim[0]) == self._aim[1]:
                self._reached.set()
        if line.endswith(b"\n"):
            self.result = json.loads(line)
        self._reached.set()


class Reference:
    """The uninterrupted run: its result, its last checkpoint, and the median duration of each stage."""

    def __init__(self, folder, rows):
        self.rows = rows
        self.processes = [TrainingProcess(folder / f"run{number}" / "run.npz", rows) for number in range(2)]
        for process in self.processes:
            process.wait()
        first, second = self.processes
        if first.result is None or differences(first.result, second.result):
            sys.exit("training gives other bits each time, killed or not: there is nothing to compare with")
        self.result, self.content = first.result, content(folder / "run0" / "run.npz")
        self.seconds = median(process.seconds for process in self.processes)
        self.counts = Counter(BEGIN + first.letters)
        self.updates = self.counts["t"]
        self.start_up = first.times[first.letters.index("t")]
        durations = {}
        for letter, begin, end in zip(BEGIN + first.letters, first.times, first.times[1:], strict=False):
            durations.setdefault(letter, []).append(end - begin)
        self.durations = {letter: median(times) for letter, times in durations.items()}
