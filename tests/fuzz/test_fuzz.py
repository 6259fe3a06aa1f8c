"""Each reader, on files that are damaged: a right result or an error of ours, in little memory and time."""

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
QUICK = ("csv", "model")  # those that are tried by default, on a few files
QUICK_FILES, FILES = 40, 200


def run(*words):
    return subprocess.run([sys.executable, str(RUN), *words], capture_output=True, encoding="utf-8", timeout=300)


@pytest.mark.parametrize(
    ("reader", "files"),
    [
        *((reader, QUICK_FILES) for reader in QUICK),
        *(pytest.param(reader, FILES, marks=pytest.mark.slow) for reader in READERS),
    ],
)
def test_a_damaged_file_is_read_right_or_refused(tmp_path, reader, files):
    if reader == "images":
        pytest.importorskip("PIL")
    ended = run("--reader", reader, "--files", str(files), "--seed", "0", "--keep", str(tmp_path))
    assert ended.returncode == 0, (
        f"replay with  {RUN} --reader {reader!r} --replay FOLDER\n{ended.stdout}{ended.stderr}"
    )
    read, right, refused, odd = map(int, re.search(r"^all +(\d+) +(\d+) +(\d+) +(\d+)", ended.stdout, re.M).groups())
    assert files * 0.9 <= read == right + refused and odd == 0
    assert right and refused > read / 2
    assert not list(tmp_path.iterdir())


def test_every_reader_is_tried():
    assert tuple(run("--list").stdout.split("\n")[:-1]) == READERS


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux holds a process to so much memory, and says how it ends"
)
@pytest.mark.parametrize(
    ("body", "told"),
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
def test_whatever_else_a_reader_does_is_reported_and_the_file_is_kept(tmp_path, body, told):
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
        "readers.READERS['csv'] = readers.Reader(lambda: [{'a': b'a'}], read, readers.one_of_the_whole)",
        "run = runpy.run_path(sys.argv[0])",
        "told = run['read_shard']('csv', 0, 0, 2, run['Path'](sys.argv[1]))",
        "print(told['wrong'], told['outcomes'])",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), str(tmp_path)], capture_output=True, encoding="utf-8", timeout=100
    )
    if "abort" in body:
        assert ended.returncode == -6
        return
    assert told in ended.stdout and "'wrong': 2" in ended.stdout.replace("Counter({", "")
    assert [path.joinpath("a").exists() for path in tmp_path.iterdir()] == [True, True]
