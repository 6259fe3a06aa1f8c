"""Short runs of the scripts that kill training and fill its disk, and the order of system calls."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LIMIT = 300  # seconds, on a busy machine


def script(name, *arguments):
    completed = subprocess.run(
        [sys.executable, HERE / name, *arguments], capture_output=True, encoding="utf-8", timeout=LIMIT
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.mark.slow
def test_killed_and_resumed_training_gives_the_same_bits():
    output = script("kill.py", "--kills", "5", "--rows", "digits", "--jobs", "2")
    assert "5 kills of 2 runs" in output and "5 of 5 end in the same bits" in output and " 0 unreadable" in output


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("resource"), reason="no way to fill a disk on this platform")
def test_a_full_disk_is_reported_and_training_resumes():
    output = script("full_disk.py", "--moments", "6", "--rows", "digits")
    assert "6 of 6 were reported and resumed" in output


THREE_EPOCHS = """
import sys
import numpy as np
import scratchvae as sv
rows = np.random.default_rng(0).random((4, 6), np.float32)
sv.Trainer(sv.VAE(6, 2, (5,)), batch_size=4).fit(rows, 3, checkpoint=sys.argv[1])
"""
CALLS = "openat,write,fsync,link,linkat,rename,renameat,renameat2,unlink,unlinkat"


def system_calls(path):
    """The system calls on files in the folder of `path`, one per line."""
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("strace is not installed")
    log = path.parent.with_name("calls")
    command = [strace, "-f", "-y", "-e", f"trace={CALLS}", "-o", str(log)]
    completed = subprocess.run(
        [*command, sys.executable, "-W", "ignore", "-c", THREE_EPOCHS, str(path)],
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    if completed.returncode and "ptrace" in completed.stderr:
        pytest.skip(f"strace is not permitted: {completed.stderr}")
    assert completed.returncode == 0, completed.stderr
    return [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if str(path.parent) in line]


def test_a_checkpoint_is_written_flushed_rotated_renamed_and_its_folder_flushed(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    calls = system_calls(folder / "run.npz")
    part = r"\.run\.npz\.[0-9a-f]{12}\.part"
    kinds = {  # one letter per kind; other calls, such as those of the lock, are ignored
        "o": rf"openat\(.*{part}.*O_CREAT",
        "w": rf"write\(\d+<[^>]*{part}>",
        "y": rf"fsync\(\d+<[^>]*{part}>\) += 0",
        "u": r"unlink.*/run\.1\.npz",
        "l": r"link(at)?\(.*/run\.npz\".*/run\.1\.npz\".*= 0",
        "n": rf"rename.*{part}\".*/run\.npz\".*= 0",
        "f": rf"fsync\(\d+<{re.escape(str(folder))}>\) += 0",
    }
    sequence = "".join(
        next((kind for kind, pattern in kinds.items() if re.search(pattern, call)), "") for call in calls
    )
    assert re.fullmatch("ow+ynf(ow+yulnf){2,}", sequence), (sequence, calls)  # the first checkpoint has no predecessor
