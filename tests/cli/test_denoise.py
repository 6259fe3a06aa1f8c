import shutil

import numpy as np
import pytest

import scratchvae
from scratchvae.cli import main
from scratchvae.datasets.dataset import held_out_rows
from scratchvae.evaluation import psnr
from scratchvae.rng import generator
from scratchvae.training import GaussianNoise, Masking, SaltAndPepper
from scratchvae.training.binarize import Binarizer

pytestmark = pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")  # the models are untrained

QUICK = ("--epochs", "2", "--hidden", "16", "--latent", "3", "--quiet", "--no-pictures")
CLEAN = scratchvae.datasets.load("digits").test.images


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Models: one that trained without noise, one to remove Gaussian noise, one on bits, and an autoencoder."""
    examples = tmp_path_factory.mktemp("examples")
    for out, words in {
        "plain": [],
        "gaussian": ["--corrupt", "gaussian", "--corrupt-level", "0.2"],
        "binary": ["--binarize", "dynamic", "--corrupt", "masking"],
        "auto": ["--model", "autoencoder", "--corrupt", "masking"],
    }.items():
        assert main(["train", *words, *QUICK, "--out", str(examples / out)]) == 0
    return examples


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, examples):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(examples, tmp_path, dirs_exist_ok=True)
    return tmp_path


def denoised(line, capsys):
    capsys.readouterr()
    assert main(["denoise", *line.split()]) == 0
    return np.load("denoised.npy"), capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "noise"),
    [
        ("plain", Masking(0.3)),
        ("gaussian", GaussianNoise(0.2)),
        ("gaussian --level 0.5", GaussianNoise(0.5)),
        ("gaussian --noise masking", Masking(0.3)),
        ("plain --noise salt-and-pepper --level 0.5", SaltAndPepper(0.5)),
        ("auto", Masking(0.3)),
    ],
)
def test_noise_is_put_in_and_taken_away_and_both_are_measured(line, noise, capsys, folder):
    got, out = denoised(f"{line} --seed 3", capsys)
    model, noisy = scratchvae.load(line.split()[0]), noise(CLEAN, seed=3)
    np.testing.assert_array_equal(got, model.denoise(noisy))
    before, after = psnr(noisy, CLEAN), psnr(got, CLEAN)
    assert f"PSNR before {before:.2f} dB, after {after:.2f} dB: {after - before:+.2f} dB" in out
    assert "297 rows" in out and f"level {noise.level:g}" in out
    assert (folder / "denoised.png").read_bytes().startswith(b"\x89PNG")


def test_draws_are_averaged(capsys):
    got, _ = denoised("gaussian --draws 4 --seed 2", capsys)
    vae = scratchvae.load("gaussian")
    np.testing.assert_array_equal(got, vae.denoise(GaussianNoise(0.2)(CLEAN, seed=2), draws=4, seed=2))


def test_rows_of_a_model_that_was_trained_on_bits_are_binarised_first(capsys):
    got, out = denoised("binary --seed 3", capsys)
    bits = Binarizer(generator(3, "pixels"), np.dtype("float32"))(CLEAN)
    noisy = Masking(0.3)(bits, seed=3)
    np.testing.assert_array_equal(got, scratchvae.load("binary").denoise(noisy))
    assert f"before {psnr(noisy, bits):.2f} dB" in out


def test_rows_that_are_noisy_already_are_taken_as_they_are_with_or_without_clean_rows(capsys, folder):
    noisy = Masking(0.3)(CLEAN)
    np.save("noisy.npy", noisy)
    np.save("clean.npy", CLEAN)
    got, out = denoised("plain noisy.npy --noise none --part all", capsys)
    np.testing.assert_array_equal(got, scratchvae.load("plain").denoise(noisy))
    assert "without added noise" in out and "PSNR" not in out
    alone = (folder / "denoised.png").read_bytes()
    compared, out = denoised("plain noisy.npy --noise none --part all --clean clean.npy", capsys)
    np.testing.assert_array_equal(compared, got)
    assert f"before {psnr(noisy, CLEAN):.2f} dB, after {psnr(got, CLEAN):.2f} dB" in out
    assert (folder / "denoised.png").read_bytes() != alone


def test_a_table_and_a_vector_picture_can_be_asked_for(folder):
    assert main(["denoise", "plain", "--out", "rows.csv", "--picture", "rows.svg"]) == 0
    table = np.loadtxt("rows.csv", delimiter=",", skiprows=1)[:, :-1]  # without the label
    np.testing.assert_allclose(table, scratchvae.load("plain").denoise(Masking(0.3)(CLEAN)), rtol=1e-6)
    assert (folder / "rows.svg").read_bytes().startswith(b"<?xml")


def test_without_matplotlib_the_rows_are_written_all_the_same(capsys, folder, monkeypatch):
    monkeypatch.setattr("scratchvae.cli.denoise.find_spec", lambda name: None)
    _, out = denoised("plain", capsys)
    assert "pip install 'scratchvae[cli]'" in out and not (folder / "denoised.png").exists()


@pytest.mark.parametrize(
    ("line", "clean", "noisy"),
    [
        ("holes.npy", "holes.npy", ""),
        ("noisy.npy --noise none --clean holes.npy", "holes.npy", "noisy.npy"),
        ("noisy-holes.npy --noise none --clean whole.npy", "whole.npy", "noisy-holes.npy"),
    ],
)
def test_a_comparison_counts_the_numbers_that_are_known_with_and_without_noise(line, clean, noisy, capsys):
    table_with_holes()
    got, out = denoised(f"table {line} --part all", capsys)
    clean = np.load(clean)
    noisy = np.load(noisy) if noisy else Masking(0.3)(clean)
    known = ~np.isnan(clean) & ~np.isnan(noisy)
    before, after = (10 * np.log10(1 / np.mean((rows - clean)[known] ** 2)) for rows in (noisy, got))
    assert f"PSNR before {before:.2f} dB, after {after:.2f} dB: {after - before:+.2f} dB, of the 239 known" in out


def test_the_name_of_the_output_is_refused_before_the_model_is_read(capsys):
    assert main(["denoise", "nosuch", "--out", "rows.txt"]) == 2
    assert "--out rows.txt: expected a name that ends in .npy, .csv" in capsys.readouterr().err


def test_missing_values_are_refused_by_a_model_that_was_trained_without(capsys):
    table_with_holes()
    assert main(["train", "whole.npy", *QUICK, "--out", "plain-table"]) == 0
    capsys.readouterr()
    assert main(["denoise", "plain-table", "holes.npy", "--part", "all"]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert "holes.npy has missing values (NaN) in 1 row, and plain-table was not trained with --missing" in message


def test_a_comparison_without_a_known_number_is_refused(capsys, folder):
    table_with_holes()
    first = np.arange(6) == 0
    for name, unknown in {"left": first, "right": ~first}.items():
        np.save(f"{name}.npy", np.where(unknown, np.nan, np.load("whole.npy")))
    capsys.readouterr()
    assert main(["denoise", "table", "left.npy", "--noise", "none", "--clean", "right.npy", "--part", "all"]) == 2
    assert "no number is known both with and without noise" in capsys.readouterr().err
    assert not (folder / "denoised.npy").exists()


def test_rows_without_an_error_have_an_infinite_ratio_and_no_gain(capsys):
    _, out = denoised("plain --noise none --clean digits", capsys)
    assert "PSNR before inf dB, after " in out and "nan" not in out and "-inf" not in out


def test_rows_with_missing_values_are_denoised_without_a_comparison(capsys):
    table_with_holes()
    got, out = denoised("table --noise none --part all", capsys)
    assert np.isfinite(got).all() and "PSNR" not in out


def table_with_holes():
    whole = np.random.default_rng(0).random((40, 6), np.float32)
    holes = whole.copy()
    holes[np.flatnonzero(held_out_rows(40))[0], 2] = np.nan  # in the test part
    np.save("whole.npy", whole)
    np.save("holes.npy", holes)
    np.save("noisy.npy", noisy := Masking(0.3)(whole, seed=1))
    np.save("noisy-holes.npy", np.where(np.isnan(holes), np.nan, noisy))
    assert main(["train", "holes.npy", "--missing", *QUICK, "--out", "table"]) == 0


def test_a_model_that_was_trained_without_noise_warns_in_one_line(capsys):
    assert main(["denoise", "plain"]) == 0
    warning = "scratchvae denoise: warning: plain was not trained to remove noise, so that this is its reconstruction; "
    assert capsys.readouterr().err == f"{warning}train with --corrupt\n"
    for model in ("gaussian", "binary", "auto"):
        assert main(["denoise", model]) == 0
        assert capsys.readouterr().err == ""
