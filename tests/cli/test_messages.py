"""The wording of error messages."""

import pytest

from scratchvae.cli.messages import (
    SYNONYMS,
    count_of,
    in_option_names,
    nearest,
    nearest_option,
    shorten,
    split_clauses,
    suggestion,
    without_clipping,
)
from scratchvae.cli.parser import make_parser

OPTIONS = {"latent_dim": "--latent", "hidden": "--hidden", "likelihood": "--likelihood", "lr": "--lr", "seed": "--seed"}
OPTIONS |= {"free_bits": "--free-bits", "missing": "--missing", "key": "--key", "batch_size": "--batch-size"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("latent_dim=0: expected more", "--latent 0: expected more"),
        ("hidden[1]=-3: expected more", "--hidden -3: expected more"),
        ("lr=-1e-30: expected", "--lr -1e-30: expected"),
        (
            "sigma has no effect for likelihood='bernoulli': leave",
            "sigma has no effect for --likelihood bernoulli: leave",
        ),
        ("missing=True is for a VAE", "--missing is for a VAE"),
        ("train with missing=False", "train with no --missing"),
        ("pass key=, or nothing", "pass --key, or nothing"),
        ("free_bits are for a VAE", "--free-bits are for a VAE"),
        ("name one with key= (--key)", "name one with --key"),
        (
            "try free_bits=0.1 (--free-bits) or kl_weight=KLWarmUp(9) (--kl-warmup)",
            "try --free-bits 0.1 or --kl-warmup",
        ),
        ("optimizer.schedule.lr was 1 and is 2; batch_size was 3", "--lr was 1 and is 2; --batch-size was 3"),
        ("try a smaller rate, optim.WarmUp, clip_norm=1", "try a smaller rate, --warm-up, clip_norm=1"),
        ("classes=3 of a seed", "classes=3 of a seed"),
        ("--retries=-1: expected", "--retries -1: expected"),
        ("x=seed.npy, my_lr=2, a.seed=3, 'latent_dim'", "x=seed.npy, my_lr=2, a.seed=3, 'latent_dim'"),
    ],
)
def test_python_arguments_become_options(message, expected):
    assert in_option_names(message, OPTIONS) == expected


def test_the_name_of_a_file_stays():
    for name in ("runs/lr=0.1", "lr=0.1", "batch_size", "seed=1/model.npz"):
        message = f"{name} cannot be read, with lr=2"
        assert in_option_names(message, OPTIONS, ["x", "", name]) == f"{name} cannot be read, with --lr 2"


@pytest.mark.parametrize(
    ("name", "expected"), [("trian", "train"), ("Adam", "adam"), ("gausian", "Gaussian"), ("xyzzy", None), ("", None)]
)
def test_a_similar_name_is_suggested_in_any_case(name, expected):
    known = ["train", "adam", "adamw", "Gaussian"]
    assert nearest(name, known) == expected
    assert suggestion(name, known) == (f"; did you mean {expected}?" if expected else "")


def test_a_short_message_stays_and_a_long_one_keeps_its_hint():
    assert shorten("a b\n  c") == "a b c"
    long = shorten(f"{'x' * 500}/name.npz cannot be read: {'very ' * 90}long; name another file")
    assert (
        195 < len(long) <= 200
        and long.endswith("…; name another file")
        and long.startswith("xxx")
        and "name.npz" in long
    )
    assert shorten("word " * 900) == f"{'word ' * 39}word…"
    assert shorten("words " * 900) == f"{'words ' * 32}words…"
    typed = "a b " * 900
    assert shorten(f"{typed}: unknown; choose another", [typed]).endswith(": unknown; choose another")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("learning-rate", "lr"),
        ("learning_rate", "lr"),
        ("learnign-rate", "lr"),
        ("Batch-Size", "batch-size"),
        ("num-epochs", "epochs"),
        ("random-seed", None),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_an_option_is_suggested_by_its_name_elsewhere(name, expected):
    assert nearest_option(name, ["lr", "batch-size", "epochs"]) == expected


def test_each_synonym_has_an_option_and_is_none():
    names = {option.name for command in make_parser().commands.values() for option in command.options.values()}
    assert set(SYNONYMS.values()) <= names
    assert not set(SYNONYMS) & names


@pytest.mark.parametrize(
    ("remedies", "expected"),
    [
        ("optim.WarmUp, clip_norm=1, or dtype='float64'", "optim.WarmUp, or dtype='float64'"),
        ("a rate, optim.WarmUp, or clip_norm=1", "a rate, or optim.WarmUp"),
        ("a rate, or data", "a rate, or data"),
    ],
)
def test_a_training_that_clips_is_not_advised_to_clip(remedies, expected):
    report = "{}; the model is in a, b"
    assert without_clipping(report.format(remedies)) == report.format(expected)


def test_one_has_a_singular():
    assert [count_of(number, "row") for number in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


def test_a_report_in_several_clauses_has_a_line_for_each():
    assert split_clauses("one; two") == "one; two"
    lines = split_clauses(f"diverged in {'a' * 20}; {'b ' * 150}; try c. Restarted epoch 1").splitlines()
    assert len(lines) == 4 and max(map(len, lines)) <= 200
    assert lines[-2:] == ["  try c.", "  Restarted epoch 1"]
