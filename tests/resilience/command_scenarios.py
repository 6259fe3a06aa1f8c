"""Moments at which the disk runs full while a command runs, or files other than checkpoints are written."""

import json
import subprocess
import sys
import tempfile
from importlib import import_module

from disk_full_scenarios import FULL, DiskFullScenarios

import scratchvae as sv
from scratchvae.errors import FileError

TRAIN = ["train", "digits", "--hidden", "32", "--latent", "4", "--epochs", "2", "--quiet"]
KEPT = ["--checkpoint", "--every", "4", "--no-pictures"]
CHECKPOINT, OUTPUTS = 80_000, 200_000  # bytes of one and of all, about


class CommandScenarios(DiskFullScenarios):
    """Those of `fit`, and those of the command line."""

    def command(self):
        if self.rng.random() < 0.5:
            self.disk.leave(int(self.rng.uniform(0, 4 * CHECKPOINT)))
            told = self._command(*KEPT)
        else:
            with self.disk.growing(self.rng, int(self.rng.uniform(0, 8 * CHECKPOINT))):
                told = self._command(*KEPT)
        if told.returncode == 0:
            return False
        self._judge_command(told)
        self.disk.free()
        again = self._command(*KEPT, "--resume")
        whole = self._whole_run()
        if again.returncode or sv.load(self.disk.folder).theta.tobytes() != whole:
            self.fault(f"resumed, it ends with {again.returncode}, {again.stderr}, or with other bits")
        return True

    def outputs(self):
        self.disk.leave(int(self.rng.uniform(0, OUTPUTS)))
        told = self._command()
        met = told.returncode != 0
        if met:
            self._judge_command(told)
        for write in (lambda path: sv.save(self._model(), path), self._history().to_csv, self._history().kl_to_csv):
            self.disk.free()
            path = self.disk.folder / "written.npz"
            path.write_bytes(b"before")
            self.disk.leave(0)
            try:
                write(path)
                self.fault("a file was written to a full disk")
            except Exception as error:
                self.judge_line(error)
            if path.read_bytes() != b"before":
                self.fault("what was there before is there no more")
            path.unlink()
        self._judge_files()
        return met

    def _model(self):
        return sv.VAE(64, 4, (32,))

    def _history(self):
        trainer = sv.Trainer(sv.VAE(self.rows[0].shape[1], 4, (8,)))
        return trainer.fit(self.rows[0], 1)

    def _whole_run(self):
        if not hasattr(self, "_whole"):
            with tempfile.TemporaryDirectory() as folder:
                told = self._command("--no-pictures", out=folder)
                if told.returncode:
                    sys.exit(f"scratchvae train fails, whether there is room or not: {told.stderr}")
                self._whole = sv.load(folder).theta.tobytes()
        return self._whole

    def _command(self, *words, out=None):
        command = [sys.executable, "-m", "scratchvae", *TRAIN, "--out", str(out or self.disk.folder), *words]
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)

    def _judge_command(self, told):
        said = told.stderr
        if told.returncode != 2 or said.count("\n") != 1 or told.stdout or "Traceback" in said:
            self.fault(f"exit code {told.returncode}, and says {said or told.stdout!r}")
        elif str(self.disk.folder) not in said or FULL[0] not in said:
            self.fault(f"tells not what and why: {said}")
        self._judge_files()

    def _judge_files(self):
        """Whether each file that a command left is whole."""
        for file in sorted(self.disk.folder.rglob("*")):
            try:
                if file.name.startswith("."):
                    raise FileError("it is left over")
                if file.suffix == ".npz":
                    sv.load(file)
                elif file.suffix == ".png":
                    import_module("matplotlib.image").imread(file)
                elif file.suffix == ".json":
                    json.loads(file.read_text(encoding="utf-8"))
                elif len(file.read_text(encoding="utf-8").splitlines()) != 3:
                    raise FileError("it has not a line of names and two of epochs")
            except Exception as error:
                self.fault(f"{file.name}: {error}")
