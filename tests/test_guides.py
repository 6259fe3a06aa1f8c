"""The README's promises, word for word."""

import re
import shlex
from pathlib import Path

import pytest

import scratchvae as sv
from scratchvae.cli.parser import make_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_its_python_runs_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    elbo, *table = capsys.readouterr().out.splitlines()
    assert float(elbo.split()[-1]) > -25.2
    (shown,) = blocks("text")
    assert [line.partition(" (tol")[0] for line in table] == [line.partition(" (tol")[0] for line in shown.splitlines()]
    assert names["digits"].shape == (16, 64)
    assert names["dx"].shape == (5, 3)
    assert (tmp_path / "vae.npz").exists()


def test_its_commands_are_understood():
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("scratchvae ")]
    assert len(lines) >= 6
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        assert make_parser().parse_args(words).command == words[0]


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_its_links_lead_somewhere(path):
    assert (ROOT / path).exists()


def test_it_has_no_blanks_left_to_fill():
    assert "ELBO_" not in README


def test_its_two_commands_are_marked_and_install_the_extras_they_need():
    assert re.search(r"<!-- train -->\n```sh\n.*\[cli\].*scratchvae train\n```", README)
    assert re.search(r"<!-- test -->\n```sh\n.*\[test\].*pytest\n```", README)


def test_its_map_names_every_room():
    package = Path(sv.__file__).parent
    rooms = {p.stem for p in package.iterdir() if not p.name.startswith("_") and (p.is_dir() or p.suffix == ".py")}
    table = README[README.index("## The house") : README.index("**Where to read first.**")]
    assert {room for room in rooms if f"`{room}`" not in table} == set()
