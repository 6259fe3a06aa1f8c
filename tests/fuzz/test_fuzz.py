"""Each reader on damaged files: a right result or a ScratchVAEError, with little memory and time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
READERS = (
    "npy", "npz", "npz of several", "known array", "idx", "images", "csv", "known table", "settings", "model",
    "old model", "checkpoint", "encoder",
)  # fmt: skip
QUICK = ("csv", "model")  # tested by default, with few files
QUICK_FILES, FILES = 40, 200


def run(*arguments):
    return subprocess.run([sys.executable, str(RUN), *arguments], capture_output=True, encoding="utf-8", timeout=300)


@pytest.mark.parametrize(
    ("reader", "files"),
    [
        *((reader, QUICK_FILES) for reader in QUICK),
        *(pytest.param(reader, FILES, marks=pytest.mark.slow) for reader in READERS),
    ],
)
def test_a_damaged_file_is_read_correctly_or_refused(tmp_path, reader, files):
    if reader == "images":
        pytest.importorskip("PIL")
    completed = run("--reader", reader, "--files", str(files), "--seed", "0", "--keep", str(tmp_path))
    assert completed.returncode == 0, (
        f"replay with  {RUN} --reader {reader!r} --replay FOLDER\n{completed.stdout}{completed.stderr}"
    )
    read, right, refused, odd = map(
        int, re.search(r"^all +(\d+) +(\d+) +(\d+) +(\d+)", completed.stdout, re.M).groups()
    )
    assert files * 0.9 <= read == right + refused and odd == 0
    assert right and refused > read / 2
    assert not list(tmp_path.iterdir())


def test_every_reader_is_tested():
    assert tuple(run("--list").stdout.split("\n")[:-1]) == READERS


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits the memory of a process and reports how it ended"
)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('a')", "KeyError"),
        slow("raise DataError(f'{folder}: a') from MemoryError()", "too much memory"),
        slow("raise DataError('something is wrong')", "does not name the file"),
        ("return 'other numbers'", "a wrong result"),
        slow("time.sleep(60)", "longer than 5 s"),
        slow("bytearray(250_000_000)", "MemoryError"),
        slow("os.abort()", "the process ended with -6"),
    ],
)
def test_any_other_outcome_is_reported_and_the_file_is_saved(tmp_path, body, message):
    lines = [
        "import os, sys, time, runpy",
        f"sys.argv[0] = {str(RUN)!r}",
        f"sys.path.insert(0, {str(RUN.parent)!r})",
        "import readers",
        "from scratchvae.errors import DataError",
        "def read(folder):",
        "    if (folder / 'a').read_text(encoding='utf-8') == 'a': return 'numbers'",
        f"    {body}",
        "    return 'numbers'",
        "readers.READERS['csv'] = readers.Reader(lambda: [{'a': b'a'}], read, readers.is_expected)",
        "run = runpy.run_path(sys.argv[0])",
        "result = run['read_shard']('csv', 0, 0, 2, run['Path'](sys.argv[1]))",
        "print(result['wrong'], result['outcomes'])",
    ]
    completed = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), str(tmp_path)], capture_output=True, encoding="utf-8", timeout=100
    )
    if "abort" in body:
        assert completed.returncode == -6
        return
    assert message in completed.stdout and "'wrong': 2" in completed.stdout.replace("Counter({", "")
    assert [path.joinpath("a").exists() for path in tmp_path.iterdir()] == [True, True]
