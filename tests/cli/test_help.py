"""The help of the command line: short, complete, and with an example that works."""

import shlex

import pytest

import scratchvae
from scratchvae.cli import main
from scratchvae.cli.parser import make_parser

COMMANDS = list(make_parser().commands)


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def output(capsys):
    def run(line):
        try:
            code = main(line.split())
        except SystemExit as leaving:
            code = leaving.code
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    return run


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_at_most_40_lines_of_80_columns(output, command):
    lines = output(f"{command} --help").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert "{" not in lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_all_help_has_every_option_with_its_choices_and_its_default(output, command):
    text = output("help help --all" if command == "help" else f"{command} --help-all")
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for option in make_parser().commands[command].options.values():
        assert option.flag in flat
        assert option.details in flat
        if option.choices:
            assert any(separator.join(option.choices) in flat for separator in (", ", "; "))  # names may have commas
        if isinstance(option.default, int | float) and not isinstance(option.default, bool):
            assert f"(default: {option.default})" in flat


def test_the_common_options_of_train_are_in_its_short_help_and_the_others_are_not(output):
    text = output("train --help")
    for flag in (
        "--help-all",
        "--out",
        "--model",
        "--latent",
        "--epochs",
        "--lr",
        "--seed",
        "--checkpoint",
        "--resume",
    ):
        assert f"  {flag} " in text
    for flag in ("--free-bits", "--corrupt-level", "--momentum", "--debug"):
        assert flag not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_the_command_does_and_where_it_writes(output, command):
    text, (line,) = (
        output(f"{command} --help"),
        [line for line in output("--help").splitlines() if line.startswith(f"  {command} ")],
    )
    summary = " ".join(line.split()[1:]).removesuffix("…")
    assert f"{summary[0].upper()}{summary[1:]}" in " ".join(text.split())
    if "out" in make_parser().commands[command].options:
        assert "  --out " in text  # not in the example alone


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_stands_below_the_help_and_is_understood(output, command):
    _, example = output(f"{command} --help").split("\nexample: scratchvae ")
    assert make_parser().parse_args(shlex.split(example)).command == command


def test_the_help_of_all_commands_has_a_line_for_each(output):
    lines = output("--help").splitlines()
    for command in COMMANDS:
        (line,) = (line for line in lines if line.startswith(f"  {command} "))
        assert len(line.split()) > 3


def test_help_is_a_command_too(output):
    assert output("help") == output("--help")
    assert output("help train") == output("train --help")
    assert output("help train --all") == output("train --help-all")


def test_help_has_one_option_for_every_option(output):
    text = output("help --help")
    assert "--all" in text and "--help-all" not in text


def test_the_help_says_where_nan_may_stand(output):
    text = " ".join(output("impute --help").split())
    assert "or a folder of images; NaN marks a missing value (default" in text
    assert "or a folder of images (default" in " ".join(output("embed --help").split())


def test_the_short_help_has_the_file_to_write_and_the_part_of_the_data(output):
    text = " ".join(output("reconstruct --help").split())
    assert "--out FILE file to write" in text
    assert "test, all (default: test; all of other data of your own)" in text
    assert "test, all (default: all)" in " ".join(output("embed --help").split())


def test_the_version_is_printed(output):
    assert output("--version") == f"scratchvae {scratchvae.__version__}\n"


def test_the_help_of_impute_says_what_it_writes_for_a_table_of_several_kinds_of_columns(output):
    text = " ".join(output("impute --help-all").split())
    assert "for a table of several kinds of columns always .csv (default: imputed.csv)" in text
    assert "an array (M, N, D), or tables one below the other, which a first column draw counts" in text
