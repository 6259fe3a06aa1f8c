"""Train and write a letter to standard output before each stage; write the result at the end.

    python train_and_report.py CHECKPOINT ROWS [--die LETTER:N] [--every STEPS] [--without-links]

Each letter is written before its stage, so the last one names the stage in which a process was killed. With --die the
process kills itself when it writes a letter for the Nth time, that is, between two system calls; with --every 0
checkpoints are written at the end of each epoch; with --without-links hard links fail and the rotation copies.
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

BEGIN = "-"  # never written
LETTERS = {
    BEGIN: "start, imports",
    "m": "reading the rows, making the model",
    "f": "looking for a checkpoint",
    "p": "restoring the run",
    "t": "a step",
    "e": "the end of an epoch, validation",
    "w": "writing the temporary file",
    "v": "reading it again",
    "y": "flushing it",
    "r": "rotating the checkpoints",
    "u": "previous checkpoint unlinked",
    "c": "copying, without links",
    "l": "linked, not renamed",
    "n": "renamed, folder not flushed",
    "z": "the run is over",
}
WRITING = "wvyrucln"


class LetterWriter:
    def __init__(self, die):
        self.letter, _, count = die.partition(":")
        self.left = int(count or 0)

    def __call__(self, letter):
        os.write(1, letter.encode())
        self.left -= letter == self.letter
        if letter == self.letter and not self.left:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # SIGTERM ends it at once on Windows


def write_letters(owner, name, before=None, after=None, when=lambda *arguments: True):
    """Patch `owner.name` to write a letter before or after each call, or both."""
    original = getattr(owner, name)

    def call(*arguments, **keywords):
        applies = when(*arguments)
        if before and applies:
            WRITE_LETTER(before)
        result = original(*arguments, **keywords)
        if after and applies:
            WRITE_LETTER(after)
        return result

    setattr(owner, name, call)


def refuse(*_):
    raise PermissionError("this disk has no hard links")


def main():
    global WRITE_LETTER
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--die", default="")
    parser.add_argument("--every", type=int, default=EVERY)
    parser.add_argument("--without-links", action="store_true")
    args = parser.parse_args()
    WRITE_LETTER = LetterWriter(args.die)
    WRITE_LETTER("m")
    learning, validating = load_rows(args.rows)

    if args.without_links:
        os.link = refuse
    write_letters(checkpoint, "latest_checkpoint", "f")
    write_letters(checkpoint.LoadedCheckpoint, "restore_into", "p")
    write_letters(Trainer, "_train_step", "t")
    write_letters(HistoryRecorder, "summarize", "e")
    write_letters(archive, "write_arrays", "w", "v")
    write_letters(os, "fsync", "y", when=lambda descriptor: stat.S_ISREG(os.fstat(descriptor).st_mode))
    write_letters(checkpoint, "rotate", "r")
    write_letters(Path, "unlink", None, "u", when=lambda path, **_: path.suffix == ".npz")
    write_letters(os, "link", None, "l")
    write_letters(rotation.shutil, "copyfileobj", "c")
    write_letters(Path, "replace", None, "n", when=lambda part, path: Path(path) == args.path)

    trainer = fit(learning, validating, checkpoint=args.path, every=args.every or None, keep=KEEP, resume=True)
    WRITE_LETTER("z")
    print(f"\n{json.dumps(outcome(trainer, learning))}", flush=True)


if __name__ == "__main__":
    main()
