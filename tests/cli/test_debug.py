"""Errors with and without --debug."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from scratchvae.cli import BUG, info, main
from scratchvae.errors import ConfigError

FOLDER = str(Path(__file__).parent)  # without a model
MISTAKE = ["sample", FOLDER]
FULL = Path("/dev/full")


def raising(error):
    def run(*_):
        try:
            raise KeyError("the first of two")
        except KeyError:
            raise error from None

    return run


@pytest.mark.parametrize("words", [["--debug", *MISTAKE], [*MISTAKE, "--debug"], ["sample", "--debug", FOLDER]])
def test_debug_puts_the_traceback_above_the_line_and_keeps_the_code(capsys, words):
    assert main(MISTAKE) == 2
    line = capsys.readouterr().err
    assert line.startswith("scratchvae sample: ") and "model.npz cannot be read" in line and line.count("\n") == 1
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Traceback (most recent call last):") and err.endswith(f"\n{line}")
    assert "FileNotFoundError" in err  # the cause


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            ZeroDivisionError("division\nby zero"),
            BUG,
            "bug of scratchvae; please report it with the output of the same command with --debug: ZeroDivisionError: ",
        ),
        (RecursionError("too deep"), BUG, "with --debug: RecursionError: too deep"),
        (ConfigError("beta=-1: expected more"), 2, "scratchvae info: --beta -1: expected more\n"),
        (MemoryError("4 TiB"), 2, "not enough memory (4 TiB)"),
        (OSError(errno.ENOSPC, "No space left on device", "/full"), 2, "No space left on device: '/full'"),
        (KeyboardInterrupt(), 130, "scratchvae info: interrupted\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_error_has_its_code_and_one_line_and_a_traceback_when_asked(monkeypatch, capsys, error, code, words):
    monkeypatch.setattr(info, "installation", raising(error))
    assert main(["info"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err and err.startswith("scratchvae info: ") and err.count("\n") == 1
    assert main(["info", "--debug"]) == code
    shown = capsys.readouterr().err
    assert shown.endswith(err)
    assert "in installation" not in shown and "in run" in shown and "the first of two" in shown


def test_every_command_has_the_option_in_its_help(capsys):
    for words in (["--help"], ["train", "--help-all"], ["gradcheck", "--help-all"]):
        with pytest.raises(SystemExit, match="0"):
            main(words)
        assert "--debug" in capsys.readouterr().out


def test_debug_is_no_setting_of_a_run(tmp_path):
    words = "train --epochs 1 --hidden 4 --quiet --no-pictures --debug --out"
    assert main([*words.split(), str(tmp_path)]) == 0
    assert "debug" not in json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["command"]


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_standard_output_ends_in_one_line():
    with FULL.open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "scratchvae", "info"],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
        )
    assert done.returncode == 2
    assert "No space left" in done.stderr and done.stderr.count("\n") == 1
