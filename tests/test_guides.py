"""Tests of README.md and the guides: every code block runs, every command exists, every link resolves."""

import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import scratchvae as sv
from scratchvae import cli
from scratchvae.cli.parser import make_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILES = [ROOT / "README.md", ROOT / "demos" / "README.md", *sorted((ROOT / "demos" / "guides").glob("*.md"))]
INSTALLS = ("train", "test")  # the marks of the README's two commands, which install packages

FENCE = re.compile(r"((?:^<!-- [^\n]* -->\n)*)^```(\w+)\n(.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A fenced code block. `not_run` is the reason why it is not run here, or ""."""

    language: str
    text: str
    not_run: str
    line: int


def blocks_of(path):
    text = path.read_text(encoding="utf-8")
    return [block_of(match, text.count("\n", 0, match.start(2)) + 1) for match in FENCE.finditer(text)]


def block_of(match, line):
    marks = re.findall(r"<!-- (.*?) -->", match[1])
    reasons = [mark.removeprefix("not run: ") for mark in marks if mark.startswith("not run: ")]
    reasons += ["installs packages" for mark in marks if mark in INSTALLS]
    return Block(match[2], match[3], "; ".join(reasons), line)


BLOCKS = {path.relative_to(ROOT).as_posix(): blocks_of(path) for path in FILES}
LEFT_OUT = [
    pytest.param(block, id=f"{name}:{block.line}") for name, of in BLOCKS.items() for block in of if block.not_run
]


def commands_of(block):
    """The words of each command of a shell block, without comments."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def run_command(words, monkeypatch):
    if words[0] == "scratchvae":
        assert cli.main(words[1:]) == 0, words
    elif words[0] == "python" and words[1].startswith("demos/"):
        monkeypatch.setattr(sys, "argv", [str(ROOT / words[1]), *words[2:]])
        runpy.run_path(sys.argv[0], run_name="__main__")
    elif words[0] == "export":
        name, _, value = words[1].partition("=")
        monkeypatch.setenv(name, value)
    else:
        pytest.fail(f"the test cannot run {' '.join(words)!r}: mark its block with <!-- not run: reason -->")


@pytest.mark.parametrize("name", [name for name, blocks in BLOCKS.items() if any(not each.not_run for each in blocks)])
def test_every_block_runs_in_order(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    names = {}
    for block in BLOCKS[name]:
        if block.not_run:
            continue
        if block.language == "python":
            capsys.readouterr()
            exec(compile("\n" * block.line + block.text, name, "exec"), names)
        elif block.language == "sh":
            for words in commands_of(block):
                run_command(words, monkeypatch)
        else:
            assert block.language == "text"  # the output of the block above; tolerances depend on the platform
            output = [line.partition(" (tol")[0] for line in capsys.readouterr().out.splitlines()]
            assert output == [line.partition(" (tol")[0] for line in block.text.splitlines()]


@pytest.mark.parametrize("block", LEFT_OUT)
def test_every_block_that_is_not_run_is_well_formed(block):
    if block.language == "python":
        compile(block.text, "block", "exec")
    for words in commands_of(block) if block.language == "sh" else ():
        if words[0] == "scratchvae":
            assert make_parser().parse_args(words[1:]).command == words[1]
        elif words[0] == "python" and words[1].startswith("demos/"):
            text = (ROOT / words[1]).read_text(encoding="utf-8")
            assert all(f'"{word}"' in text for word in words[2:] if word.startswith("--"))
    pytest.skip(block.not_run)


def test_the_readme_s_python_does_what_its_comments_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in BLOCKS["README.md"]:
        if block.language == "python":
            exec(compile(block.text, "README.md", "exec"), names)
    elbo, *table = capsys.readouterr().out.splitlines()
    assert float(elbo.split()[-1]) > -25.2
    assert names["digits"].shape == (16, 64)
    assert (tmp_path / "vae.npz").exists()
    assert table[-1].startswith("every gradient agrees")
    assert "`every gradient agrees`" in README


def test_the_readme_s_table_names_commands_functions_and_demos_that_exist():
    commands = set(re.findall(r"`(?:scratchvae )?([a-z]+)(?: [^`]*)?`", " ".join(column_of_the_table(1))))
    assert commands - {"cupy"} <= set(command_names()) and len(commands) >= 12
    for name in re.findall(r"`(?:sv|vae)\.([a-z_.]+)`", " ".join(column_of_the_table(2))):
        owner = sv
        for part in name.split(".") if hasattr(sv, name.split(".")[0]) else ():
            owner = getattr(owner, part)
        assert owner is not sv or hasattr(sv.VAE, name), name


def column_of_the_table(column):
    table = README[README.index("| I want to … |") : README.index("## A gradient, proven")]
    return [line.split(" | ")[column] for line in table.splitlines()[2:] if line.startswith("|")]


def command_names():
    (choices,) = (action.choices for action in make_parser()._actions if action.dest == "command")
    return choices


@pytest.mark.parametrize(
    "path",
    [*FILES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_links_resolve(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    for target, _, anchor in re.findall(r"\]\(([^)#:]*)(#?)([^)#:]*)\)", text):
        place = path.parent / target if target else path
        assert place.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_guide_is_in_the_readme():
    for path in FILES[2:]:
        assert f"({path.relative_to(ROOT).as_posix()})" in README


def test_the_readme_is_short():
    assert len(README.split()) <= 1200


def test_its_two_commands_are_marked_and_install_the_extras_they_need():
    assert re.search(r"<!-- train -->\n```sh\n.*\[cli\].*scratchvae train\n```", README)
    assert re.search(r"<!-- test -->\n```sh\n.*\[test\].*pytest\n```", README)


def test_the_package_map_names_every_package():
    package = Path(sv.__file__).parent
    names = {p.stem for p in package.iterdir() if not p.name.startswith("_") and (p.is_dir() or p.suffix == ".py")}
    guide = (ROOT / "demos" / "guides" / "reading-order.md").read_text(encoding="utf-8")
    table = guide[guide.index("## The packages") : guide.index("## Conventions")]
    assert {name for name in names if f"`{name}`" not in table} == set()
