"""scratchvae impute: its input, its files, and its messages."""

import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

import scratchvae
from scratchvae.cli import impute, main
from scratchvae.cli.impute import _observed_mask, _observed_mean

QUICK = ("--epochs", "1", "--hidden", "16", "--latent", "3", "--quiet", "--no-pictures")


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A table with holes, a mask of it, and models: of digits, of the table, an autoencoder."""
    examples = tmp_path_factory.mktemp("examples")
    rng = np.random.default_rng(0)
    whole = rng.random((40, 6), np.float32)
    np.save(examples / "whole.npy", whole)
    np.save(examples / "mask.npy", rng.random((40, 6)) < 0.6)
    np.save(examples / "holes.npy", np.where(np.load(examples / "mask.npy"), whole, np.nan))
    holes = str(examples / "holes.npy")
    for out, words in {
        "digits": [],
        "table": [holes, "--missing", "--model", "iwae", "--importance-samples", "3", "--likelihood", "gaussian"],
        "plain": ["--model", "autoencoder"],
    }.items():
        assert main(["train", *words, *QUICK, "--out", str(examples / out)]) == 0
    return examples


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, examples):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(examples, tmp_path, dirs_exist_ok=True)
    np.savez(tmp_path / "empty.npz")
    return tmp_path


def run(line):
    try:
        return main(line.split())
    except SystemExit as error:
        return error.code


def test_nan_in_a_file_is_imputed_and_the_rest_stays(capsys):
    assert run("impute table --samples 10 --method importance --seed 3") == 0  # its training data
    holes, imputed = np.load("holes.npy"), np.load("imputed.npy")
    assert np.array_equal(imputed[~np.isnan(holes)], holes[~np.isnan(holes)]) and np.isfinite(imputed).all()
    model = scratchvae.load("table")
    assert type(model) is scratchvae.IWAE and model.importance_samples == 3 and model.config["missing"]
    assert np.array_equal(imputed, model.impute(holes, method="importance", samples=10, seed=3))
    out, missing = capsys.readouterr().out, np.isnan(holes)
    assert f"40 rows: {missing.sum()} missing numbers in {missing.any(axis=1).sum()} rows, imputed by importance" in out
    assert "squared error" not in out and "wrote imputed.npy" in out


def test_the_bound_of_several_draws_has_its_name(capsys):
    assert run("evaluate table") == 0
    out = capsys.readouterr().out
    assert "bound of 3 draws" in out and "ELBO" not in out and "one draw of z" not in out


def test_a_mask_file_marks_the_observed_numbers(folder):
    assert run("impute table whole.npy --mask mask.npy --samples 10 --out new/a.npy") == 0
    assert run("impute table holes.npy --samples 10 --out b.npy") == 0
    assert np.array_equal(np.load("new/a.npy"), np.load("b.npy"))


def test_a_picture_shows_the_whole_rows_what_is_observed_and_what_is_imputed(monkeypatch):
    drawn = []
    monkeypatch.setattr(impute, "draw_rows_of", lambda vae, lines, title, draw: drawn.append(list(lines)) or draw())
    assert run("impute digits --hide lower-half --samples 5 --picture got.png") == 0
    assert drawn == [["whole", "observed", "imputed", "draw 1", "draw 2", "draw 3"]]


@pytest.mark.parametrize("half", ["lower-half", "upper-half", "left-half", "right-half"])
def test_a_hidden_half_is_imputed_and_its_error_printed(half, folder, capsys):
    assert run(f"impute digits --hide {half} --count 5 --samples 6") == 0
    images = scratchvae.datasets.load("digits").test.images[:5]
    imputed = np.load("imputed.npy")
    observed = (imputed == images).reshape(5, 8, 8)
    rows = {"lower-half": np.s_[:, :4], "upper-half": np.s_[:, 4:], "left-half": np.s_[..., 4:]}
    assert observed[rows.get(half, np.s_[..., :4])].all() and not observed.all()
    hidden = np.ones((5, 8, 8), bool)
    hidden[rows.get(half, np.s_[..., :4])] = False
    out = capsys.readouterr().out
    error = np.mean((imputed - images)[hidden.reshape(5, -1)] ** 2)
    assert (
        f"mean squared error of the hidden numbers: {error:.4f} ±" in out and "of the mean of the training rows" in out
    )
    assert (folder / "imputed.png").stat().st_size > 5000


def test_the_error_is_of_the_hidden_numbers_that_are_known(capsys):
    assert run("impute table --hide-fraction 0.3 --part all --count 40 --samples 10 --seed 2") == 0
    holes, imputed = np.load("holes.npy"), np.load("imputed.npy")
    observed = np.random.default_rng(2).random(holes.shape) >= 0.3
    hidden, missing = ~observed & ~np.isnan(holes), np.isnan(holes)
    train = scratchvae.datasets.load("holes.npy").train.images
    out = capsys.readouterr().out
    rows = (hidden | missing).any(axis=1).sum()
    assert f"40 rows: {hidden.sum()} hidden numbers and {missing.sum()} missing numbers in {rows} rows" in out
    std = np.nanstd(train.astype(float), axis=0)
    error = np.mean(((imputed - holes) / std)[hidden] ** 2)
    baseline = np.mean(((np.nanmean(train.astype(float), axis=0) - holes) / std)[hidden] ** 2)
    assert f"of the hidden numbers, scaled by standardize: {error:.4f} ±" in out
    assert f"of the mean of the training rows: {baseline:.4f} ±" in out and "nan" not in out


def test_a_column_without_observed_numbers_has_the_mean_of_all():
    mean = _observed_mean(np.array([[1.0, np.nan, np.nan], [2.0, 6.0, np.nan]]))
    assert mean.tolist() == [1.5, 6.0, 3.0]


def test_one_row_has_no_standard_error_and_a_singular(capsys):
    assert run("impute digits --hide lower-half --count 1 --samples 4") == 0
    out = capsys.readouterr().out
    assert "1 row: 32 hidden numbers in 1 row," in out and "nan" not in out and "±" not in out


def test_a_hidden_fraction_is_of_all_numbers_and_draws_are_written_each(capsys):
    assert run("impute digits --hide-fraction 0.25 --count 50 --samples 4 --draws 3 --values mean") == 0
    imputed = np.load("imputed.npy")
    assert imputed.shape == (3, 50, 64)
    missing = int(capsys.readouterr().out.split(" hidden numbers")[0].split()[-1])
    assert abs(missing - 800) < 5 * np.sqrt(3200 * 0.25 * 0.75)


def test_a_hidden_pixel_is_hidden_in_all_its_channels():
    args, vae = Namespace(hide_fraction=0.3, seed=1), scratchvae.VAE(image_shape=(5, 4, 3), latent_dim=2)
    mask = _observed_mask(args, vae, np.zeros((50, 60))).reshape(1000, 3)
    assert (mask == mask[:, :1]).all() and abs(mask[:, 0].mean() - 0.7) < 0.08


def test_a_table_may_be_written_as_csv():
    assert run("impute table --samples 4 --count 3 --out got.csv") == 0
    lines = Path("got.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "x0,x1,x2,x3,x4,x5" and len(lines) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("impute plain --hide lower-half", "plain is an Autoencoder; impute needs a VAE"),
        ("impute table --hide-fraction 0", "--hide-fraction 0 hides no known number of "),
        ("impute table --values mean", "--values has no effect without --draws: leave it out, or add --draws"),
        ("impute table --hide lower-half", "table was not trained on images; use --hide-fraction"),
        ("impute digits --hide-fraction 1", "--hide-fraction 1.0: expected a number from 0 up to, not including, 1"),
        ("impute table whole.npy --mask digits/model.npz", "expected one array of booleans"),
        ("impute table whole.npy --mask empty.npz", "holds the arrays none"),
        ("impute table whole.npy --mask whole.npy", "observed has dtype float32; expected booleans"),
        ("impute table --mask mask.npy --part test", "observed has shape (40, 6) and x (4, 6)"),
        ("impute table --mask nowhere.npy", "nowhere.npy cannot be read"),
        ("impute digits --mask mask.npy --hide lower-half", "--mask and --hide exclude each other: choose one"),
        ("impute digits holes.npy", "has 6 numbers per row"),
        ("impute table --samples 0", "--samples 0: expected"),
        ("impute table --draws 2 --out got.csv", "--out got.csv: expected a name that ends in .npy"),
        ("impute table --picture got.txt", "--picture got.txt: expected a name that ends in .png"),
        ("train holes.npy", "NaN or infinite values"),
        ("train holes.npy --importance-samples 3", "--importance-samples has no effect with --model vae"),
    ],
)
def test_a_mistake_is_refused_in_one_line(line, message, capsys, folder):
    assert run(line) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not (folder / "imputed.npy").exists() and not (folder / "got.csv").exists()
