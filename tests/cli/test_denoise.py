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
    table = np.loadtxt("rows.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table, scratchvae.load("plain").denoise(Masking(0.3)(CLEAN)), rtol=1e-6)
    assert (folder / "rows.svg").read_bytes().startswith(b"<?xml")


def test_without_matplotlib_the_rows_are_written_all_the_same(capsys, folder, monkeypatch):
    monkeypatch.setattr("scratchvae.cli.denoise.find_spec", lambda name: None)
    _, out = denoised("plain", capsys)
    assert "pip install 'scratchvae[cli]'" in out and not (folder / "denoised.png").exists()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("table", ""),
        ("table whole.npy --noise none --clean holes.npy", "--clean holes.npy"),
        ("table holes.npy --noise none --clean whole.npy", "holes.npy"),
    ],
)
def test_a_comparison_with_missing_values_is_refused(line, name, capsys):
    table_with_holes()
    assert main(["denoise", *line.split()]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert f"{name} has missing values (NaN) in 1 row, so that the noise cannot be measured; fill them in" in message


def test_rows_with_missing_values_are_denoised_without_a_comparison(capsys):
    table_with_holes()
    got, out = denoised("table --noise none", capsys)
    assert np.isfinite(got).all() and "PSNR" not in out


def table_with_holes():
    whole = np.random.default_rng(0).random((40, 6), np.float32)
    holes = whole.copy()
    holes[np.flatnonzero(held_out_rows(40))[0], 2] = np.nan  # in the test part
    np.save("whole.npy", whole)
    np.save("holes.npy", holes)
    assert main(["train", "holes.npy", "--missing", *QUICK, "--out", "table"]) == 0
