"""A process that trains and tells, by a letter on standard output, what it is about to do; in the end, its result.

    python train_and_report.py CHECKPOINT ROWS [--die LETTER:N] [--every STEPS] [--without-links]

The letter is written before the work is done, so that the last one tells what a killed process was at. With --die it
kills itself when it comes to a letter for the Nth time, and so between the system call before and the one after; with
--every 0 checkpoints come with the epochs; with --without-links the disk knows no second names, and rotation copies.
"""

import argparse
import json
import os
import signal
import stat
from pathlib import Path

from resumable_run import EVERY, KEEP, fit, load_rows, outcome

from scratchvae.disk import rotation
from scratchvae.io import archive
from scratchvae.training import Trainer
from scratchvae.training.callbacks import HistoryRecorder, checkpoint

BEGIN = "-"  # is never written
LETTERS = {
    BEGIN: "start, imports",
    "m": "reading the rows, making the model",
    "f": "looking for a checkpoint",
    "p": "putting it into the run",
    "t": "a step",
    "e": "the end of an epoch, validation",
    "w": "writing the part",
    "v": "reading it again",
    "y": "flushing it",
    "r": "making way for it",
    "u": "the one before unlinked",
    "c": "copying, where there are no links",
    "l": "linked, not renamed",
    "n": "renamed, folder not flushed",
    "z": "the run is over",
}
WRITING = "wvyrucln"


class Teller:
    def __init__(self, die):
        self.letter, _, count = die.partition(":")
        self.left = int(count or 0)

    def __call__(self, letter):
        os.write(1, letter.encode())
        self.left -= letter == self.letter
        if letter == self.letter and not self.left:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # the latter ends it as hard on Windows


def watch(owner, name, before=None, after=None, when=lambda *given: True):
    """Let `owner.name` tell a letter before it is called, or after it, or both."""
    real = getattr(owner, name)

    def call(*given, **named):
        told = when(*given)
        if before and told:
            TELL(before)
        result = real(*given, **named)
        if after and told:
            TELL(after)
        return result

    setattr(owner, name, call)


def refuse(*_):
    raise PermissionError("this disk knows no links")


def main():
    global TELL
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--die", default="")
    parser.add_argument("--every", type=int, default=EVERY)
    parser.add_argument("--without-links", action="store_true")
    args = parser.parse_args()
    TELL = Teller(args.die)
    TELL("m")
    learning, validating = load_rows(args.rows)

    if args.without_links:
        os.link = refuse
    watch(checkpoint, "latest_checkpoint", "f")
    watch(checkpoint.LoadedCheckpoint, "restore_into", "p")
    watch(Trainer, "_train_step", "t")
    watch(HistoryRecorder, "summarize", "e")
    watch(archive, "write_arrays", "w", "v")
    watch(os, "fsync", "y", when=lambda descriptor: stat.S_ISREG(os.fstat(descriptor).st_mode))
    watch(checkpoint, "rotate", "r")
    watch(Path, "unlink", None, "u", when=lambda path, **_: path.suffix == ".npz")
    watch(os, "link", None, "l")
    watch(rotation.shutil, "copyfileobj", "c")
    watch(Path, "replace", None, "n", when=lambda part, path: Path(path) == args.path)

    trainer = fit(learning, validating, checkpoint=args.path, every=args.every or None, keep=KEEP, resume=True)
    TELL("z")
    print(f"\n{json.dumps(outcome(trainer, learning))}", flush=True)


if __name__ == "__main__":
    main()
