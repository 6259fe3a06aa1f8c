"""Full-disk scenarios for commands and for files other than checkpoints."""

import json
import subprocess
import sys
import tempfile
from importlib import import_module

from disk_full_scenarios import FULL, DiskFullScenarios

import scratchvae as sv
from scratchvae.errors import FileError

TRAIN = ["train", "digits", "--hidden", "32", "--latent", "4", "--epochs", "2", "--quiet"]
CHECKPOINTING = ["--checkpoint", "--every", "4", "--no-pictures"]
CHECKPOINT, OUTPUTS = 80_000, 200_000  # approximate bytes of one checkpoint and of all outputs


class CommandScenarios(DiskFullScenarios):
    """The scenarios of `fit` and of the command line."""

    def command(self):
        if self.rng.random() < 0.5:
            self.disk.leave_free(int(self.rng.uniform(0, 4 * CHECKPOINT)))
            completed = self._command(*CHECKPOINTING)
        else:
            with self.disk.growing(self.rng, int(self.rng.uniform(0, 8 * CHECKPOINT))):
                completed = self._command(*CHECKPOINTING)
        if completed.returncode == 0:
            return False
        self._check_command(completed)
        self.disk.free()
        resumed = self._command(*CHECKPOINTING, "--resume")
        expected = self._uninterrupted_run()
        if resumed.returncode or sv.load(self.disk.folder).theta.tobytes() != expected:
            self.fault(f"the resumed command ends with {resumed.returncode}, {resumed.stderr}, or with other bits")
        return True

    def outputs(self):
        self.disk.leave_free(int(self.rng.uniform(0, OUTPUTS)))
        completed = self._command()
        disk_was_full = completed.returncode != 0
        if disk_was_full:
            self._check_command(completed)
        for write in (lambda path: sv.save(self._model(), path), self._history().to_csv, self._history().kl_to_csv):
            self.disk.free()
            path = self.disk.folder / "written.npz"
            path.write_bytes(b"before")
            self.disk.leave_free(0)
            try:
                write(path)
                self.fault("a file was written to a full disk")
            except Exception as error:
                self.check_message(error)
            if path.read_bytes() != b"before":
                self.fault("the previous content is lost")
            path.unlink()
        self._check_files()
        return disk_was_full

    def _model(self):
        return sv.VAE(64, 4, (32,))

    def _history(self):
        trainer = sv.Trainer(sv.VAE(self.rows[0].shape[1], 4, (8,)))
        return trainer.fit(self.rows[0], 1)

    def _uninterrupted_run(self):
        if not hasattr(self, "_uninterrupted"):
            with tempfile.TemporaryDirectory() as folder:
                completed = self._command("--no-pictures", out=folder)
                if completed.returncode:
                    sys.exit(f"scratchvae train fails without a full disk: {completed.stderr}")
                self._uninterrupted = sv.load(folder).theta.tobytes()
        return self._uninterrupted

    def _command(self, *arguments, out=None):
        command = [sys.executable, "-m", "scratchvae", *TRAIN, "--out", str(out or self.disk.folder), *arguments]
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)

    def _check_command(self, completed):
        message = completed.stderr
        if completed.returncode != 2 or message.count("\n") != 1 or completed.stdout or "Traceback" in message:
            self.fault(f"exit code {completed.returncode} with output {message or completed.stdout!r}")
        elif str(self.disk.folder) not in message or FULL[0] not in message:
            self.fault(f"the message lacks the file or the reason: {message}")
        self._check_files()

    def _check_files(self):
        """Report every incomplete file that a command left."""
        for file in sorted(self.disk.folder.rglob("*")):
            try:
                if file.name.startswith("."):
                    raise FileError("it is a leftover")
                if file.suffix == ".npz":
                    sv.load(file)
                elif file.suffix == ".png":
                    import_module("matplotlib.image").imread(file)
                elif file.suffix == ".json":
                    json.loads(file.read_text(encoding="utf-8"))
                elif len(file.read_text(encoding="utf-8").splitlines()) != 3:
                    raise FileError("it has no header with two epochs")
            except Exception as error:
                self.fault(f"{file.name}: {error}")
