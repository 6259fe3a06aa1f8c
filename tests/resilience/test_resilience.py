"""The scripts that kill training and fill its disk, a few moments of each; and in which order the system is called."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LIMIT = 300  # seconds, of a machine that is busy with other work


def script(name, *words):
    told = subprocess.run([sys.executable, HERE / name, *words], capture_output=True, encoding="utf-8", timeout=LIMIT)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.slow
def test_training_that_is_killed_and_resumed_ends_in_the_same_bits():
    told = script("kill.py", "--kills", "5", "--rows", "digits", "--jobs", "2")
    assert "5 kills of 2 runs" in told and "5 of 5 end in the same bits" in told and " 0 unreadable" in told


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("resource"), reason="no way to fill a disk on this platform")
def test_a_full_disk_is_told_and_costs_nothing_that_was_there():
    told = script("full_disk.py", "--moments", "6", "--rows", "digits")
    assert "6 of 6 were told and gone on with" in told


THREE_EPOCHS = """
import sys
import numpy as np
import scratchvae as sv
rows = np.random.default_rng(0).random((4, 6), np.float32)
sv.Trainer(sv.VAE(6, 2, (5,)), batch_size=4).fit(rows, 3, checkpoint=sys.argv[1])
"""
CALLS = "openat,write,fsync,link,linkat,rename,renameat,renameat2,unlink,unlinkat"


def traced(path):
    """The system calls on what is in the folder of `path`, of which each is a line."""
    found = shutil.which("strace")
    if not found:
        pytest.skip("strace is not installed")
    log = path.parent.with_name("calls")
    command = [found, "-f", "-y", "-e", f"trace={CALLS}", "-o", str(log)]
    told = subprocess.run(
        [*command, sys.executable, "-W", "ignore", "-c", THREE_EPOCHS, str(path)],
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    if told.returncode and "ptrace" in told.stderr:
        pytest.skip(f"strace may not trace here: {told.stderr}")
    assert told.returncode == 0, told.stderr
    return [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if str(path.parent) in line]


def test_the_system_is_asked_to_write_flush_keep_name_and_flush_the_folder_in_this_order(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    calls = traced(folder / "run.npz")
    part = r"\.run\.npz\.[0-9a-f]{12}\.part"
    kinds = {  # each a letter; what matches none, such as the lock, is left out
        "o": rf"openat\(.*{part}.*O_CREAT",
        "w": rf"write\(\d+<[^>]*{part}>",
        "y": rf"fsync\(\d+<[^>]*{part}>\) += 0",
        "u": r"unlink.*/run\.1\.npz",
        "l": r"link(at)?\(.*/run\.npz\".*/run\.1\.npz\".*= 0",
        "n": rf"rename.*{part}\".*/run\.npz\".*= 0",
        "f": rf"fsync\(\d+<{re.escape(str(folder))}>\) += 0",
    }
    told = "".join(next((kind for kind, pattern in kinds.items() if re.search(pattern, call)), "") for call in calls)
    assert re.fullmatch("ow+ynf(ow+yulnf){2,}", told), (told, calls)  # before the first there is none to be kept
