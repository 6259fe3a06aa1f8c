import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from array_checksums import checksum_of
from PIL import Image

import scratchvae
from scratchvae.cli import BUG, main
from scratchvae.cli.model_options import training_and_validation
from scratchvae.datasets import Dataset, Split, binarized_mnist
from scratchvae.errors import DataError
from scratchvae.optim import Optimizer
from scratchvae.training import Trainer

QUICK = ("--epochs", "1", "--hidden", "16", "--latent", "3")
BARE = ("--quiet", "--no-pictures")
RECORDS = {"model.npz", "history.csv", "kl.csv", "config.json"}
PICTURES = {"samples.png", "reconstructions.png", "interpolation.png", "history.png", "latent.png"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words):
    try:
        return main(["train", *QUICK, *map(str, words)])
    except SystemExit as error:
        return error.code


def trained(*words):
    assert train(*words, *BARE, "--out", "run") == 0
    return scratchvae.load("run/model.npz")


def written(out):
    return {path.name for path in out.iterdir()}


def rows(count, *shape, seed=0):
    return np.random.default_rng(seed).random((count, *shape), np.float32)


@pytest.mark.parametrize(
    ("words", "name", "sigma"),
    [
        ("--likelihood continuous_bernoulli", "continuous_bernoulli", None),
        ("--likelihood gaussian", "gaussian", None),
        ("--likelihood gaussian --sigma 0.2", "gaussian", 0.2),
        ("--likelihood gaussian_learned --sigma 0.2", "gaussian_learned", 0.2),
        ("--likelihood gaussian_heteroscedastic", "gaussian_heteroscedastic", None),
        ("--likelihood gaussian --model autoencoder", "gaussian", None),
        ("", "continuous_bernoulli", None),  # a VAE of the grey digits, but
        ("--latent 2", "bernoulli", None),  # two dimensions would leave the prior behind
        ("--binarize dynamic", "bernoulli", None),
        ("--model autoencoder", "bernoulli", None),
    ],
)
def test_the_likelihood_and_its_sigma_are_those_of_the_options(words, name, sigma):
    model = trained(*words.split())
    assert (model.to_config()["likelihood"], model.to_config()["sigma"]) == (name, sigma)


SLOW_LIKELIHOODS = [pytest.param(name, marks=pytest.mark.slow) for name in ("gaussian", "gaussian_heteroscedastic")]


@pytest.mark.parametrize("likelihood", ["gaussian_learned", *SLOW_LIKELIHOODS])
def test_a_gaussian_learns_from_numbers_of_any_size_and_every_command_takes_its_model(folder, capsys, likelihood):
    np.save("wide.npy", 4 * rows(40, 3, 3) - 2)
    assert train("wide.npy", "--likelihood", likelihood, "--out", "run") == 0
    assert written(folder / "run") >= PICTURES
    model = scratchvae.load("run")
    assert model.metadata["value_range"] == [float(np.load("wide.npy").min()), float(np.load("wide.npy").max())]
    for line in ("sample run", "reconstruct run", "interpolate run", "embed run", "evaluate run", "info run"):
        assert main(line.split()) == 0
    assert main(["gradcheck", "--model", "run", "--oracle", "autograd"]) == 0
    out = capsys.readouterr().out
    assert "likelihood" in out and ("learned sigma" in out) == (likelihood == "gaussian_learned")
    low, high = model.metadata["value_range"]
    assert f"value_range        {low:.6g} to {high:.6g}\n" in out
    assert re.search(r"encoder.0.W +9 × \d+\n", out) and not re.search(r"\d\.\d{8}", out.partition("model  ")[2])


@pytest.mark.parametrize("latent", ["3", "2"])
def test_a_run_leaves_a_model_its_records_and_pictures_in_png(folder, latent):
    assert train("--latent", latent) == 0
    out = folder / "runs" / "digits"
    pictures = PICTURES | ({"manifold.png"} if latent == "2" else set())
    assert written(out) == RECORDS | pictures
    for name in pictures:
        assert (out / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_history_has_one_line_an_epoch(folder):
    trained("--epochs", 3)
    header, *lines = csv.reader((folder / "run/history.csv").read_text(encoding="utf-8").splitlines())
    assert header == ["epoch", "loss", "reconstruction", "kl", "validation", "seconds"]
    assert [line[0] for line in lines] == ["1", "2", "3"]
    for _, loss, reconstruction, kl, validation, seconds in (map(float, line) for line in lines):
        assert loss == pytest.approx(kl - reconstruction)
        assert validation < 0 < seconds  # a density of grey values is above 1


def test_the_kl_has_one_line_an_epoch_and_one_column_a_dimension(folder):
    trained("--epochs", 4, "--kl-warmup", 2)
    lines = list(csv.DictReader((folder / "run/kl.csv").read_text(encoding="utf-8").splitlines()))
    history = csv.DictReader((folder / "run/history.csv").read_text(encoding="utf-8").splitlines())
    assert [float(line["kl_weight"]) for line in lines] == [pytest.approx(w) for w in (11 / 48, 35 / 48, 1, 1)]
    for line, epoch in zip(lines, history, strict=True):
        by_dimension = [float(line[f"z{j}"]) for j in range(3)]
        assert sum(by_dimension) == pytest.approx(float(epoch["kl"]), rel=1e-5)
        assert int(line["active_units"]) == sum(kl > 0.01 for kl in by_dimension)
        weighted_kl = float(line["kl_weight"]) * float(epoch["kl"])
        assert float(epoch["loss"]) == pytest.approx(weighted_kl - float(epoch["reconstruction"]), rel=0.02)
    assert json.loads((folder / "run/config.json").read_text(encoding="utf-8"))["result"]["active_units"] == 3


def test_the_table_of_an_earlier_run_with_a_kl_does_not_stay(folder):
    trained()
    assert train("--model", "autoencoder", *BARE, "--out", "run") == 0
    assert written(folder / "run") == RECORDS - {"kl.csv"}


def test_cycles_fill_the_run(folder):
    trained("--epochs", 4, "--kl-cycles", 2)
    weights = [
        float(line["kl_weight"])
        for line in csv.DictReader((folder / "run/kl.csv").read_text(encoding="utf-8").splitlines())
    ]
    assert weights[0] == weights[2] < 0.5 and weights[1] == weights[3] == 1


def test_the_corruption_is_recorded_in_the_metadata():
    corrupt = trained("--corrupt", "gaussian", "--corrupt-level", 0.25).metadata["corrupt"]
    assert corrupt == {"kind": "gaussian", "level": 0.25}
    assert "corrupt" not in trained().metadata


def test_a_collapse_is_reported_after_the_epochs(capsys):
    assert train("--epochs", 50, "--beta", 50, "--no-pictures") == 0
    err = capsys.readouterr().err
    epochs, warning = err.splitlines()[:11], " ".join(err.splitlines()[11:])
    assert all(line.startswith("epoch") for line in epochs)
    assert warning.startswith("scratchvae train: warning: posterior collapse") and "--kl-warmup" in warning
    assert train("--epochs", 50, "--beta", 50, "--quiet", "--no-pictures") == 0
    assert capsys.readouterr() == ("", "")


def test_the_record_of_a_run_has_its_settings_and_its_result(folder):
    model = trained("--seed", 7, "--lr", 0.01)
    record = json.loads((folder / "run/config.json").read_text(encoding="utf-8"))
    settings = {"data": "digits", "epochs": 1, "hidden": [16], "latent": 3, "seed": 7, "lr": 0.01}
    assert record["command"]["out"] == str(folder.resolve() / "run")
    assert settings.items() <= record["command"].items()
    assert record["model"] == model.to_config()
    assert record["versions"] == {"scratchvae": scratchvae.__version__, "numpy": np.__version__}
    test = scratchvae.score(model, scratchvae.datasets.load("digits").test.images)
    assert record["result"]["test"] == test._asdict()
    assert record["result"]["stopped"] == "finished"


def test_json_is_all_that_standard_output_holds(folder, capsys):
    assert train("--json", "--out", "run") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["out"] == "run"
    assert set(result["files"]) == written(folder / "run") == RECORDS | PICTURES
    assert result["epochs"] == 1 and result["test"]["rows"] == 297


def test_json_stays_json_where_a_single_test_row_has_no_standard_error(capsys):
    np.save("ten.npy", rows(10, 4))
    assert train("ten.npy", "--json", "--no-pictures") == 0

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    json.loads(capsys.readouterr().out, parse_constant=refuse)


def test_a_quiet_run_prints_nothing(capsys):
    assert train("--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_a_run_prints_its_epochs_its_folder_and_a_next_step(capsys):
    assert train("--epochs", 2, "--no-pictures") == 0
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in err.splitlines()] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert all("ELBO " in line and "validation " in line and line.endswith(" s") for line in err.splitlines())
    assert "1500 training rows" in out and "VAE 64-16-3" in out and "\ntest ELBO " in out
    assert out.splitlines()[-2].endswith(f" to {Path('runs/digits')}")
    assert out.splitlines()[-1] == f"next, for example: scratchvae sample {Path('runs/digits')}"


def test_a_run_names_its_pictures_and_an_autoencoder_is_not_sampled(capsys):
    assert train("--model", "autoencoder") == 0
    out, err = capsys.readouterr()
    assert err.startswith("epoch 1/1  log-likelihood -") and "KL" not in err
    assert "\ntest log-likelihood -" in out
    *_, pictures, command = out.splitlines()
    names = ("reconstructions", "latent", "history")
    assert pictures == f"see {', '.join(str(Path(f'runs/digits/{name}.png')) for name in names)}"
    assert command == f"next, for example: scratchvae reconstruct {Path('runs/digits')}"


def test_the_same_seed_gives_the_same_model_to_the_bit_and_another_seed_another():
    first, again, other = (trained("--seed", seed) for seed in (5, 5, 6))
    assert first.theta.tobytes() == again.theta.tobytes() != other.theta.tobytes()


def test_an_autoencoder_is_trained_without_a_picture_of_samples(folder):
    assert train("--model", "autoencoder", "--quiet") == 0
    assert written(folder / "runs/digits") == (RECORDS | PICTURES) - {"samples.png", "kl.csv"}
    assert isinstance(scratchvae.load("runs/digits/model.npz"), scratchvae.Autoencoder)


def test_patience_stops_early_and_goes_back_to_the_best_weights(folder, capsys):
    options = ("--epochs", 60, "--patience", 1, "--lr", 0.1, "--schedule", "constant")
    assert train(*options, "--no-pictures", "--out", "run") == 0
    assert "stopped early" in capsys.readouterr().out
    result = json.loads((folder / "run/config.json").read_text(encoding="utf-8"))["result"]
    lines = csv.DictReader((folder / "run/history.csv").read_text(encoding="utf-8").splitlines())
    losses = [float(line["validation"]) for line in lines]
    assert result["stopped"] == "early" and len(losses) == result["epochs"] < 60
    assert result["best_epoch"] == len(losses) - 1 == 1 + int(np.argmin(losses))
    _, held_out, _ = training_and_validation(scratchvae.datasets.load("digits"), hold_out=True)
    assert -scratchvae.score(scratchvae.load("run/model.npz"), held_out.images).value == min(losses)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), DataError("cut"), MemoryError(), ValueError()])
def test_what_goes_wrong_in_training_leaves_the_files_of_an_earlier_run_as_they_were(folder, monkeypatch, error):
    trained()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    steps, arguments = iter(range(100)), Trainer._forward_arguments

    def broken(self, *batch):
        if next(steps) == 20:  # of 12 an epoch
            raise error
        return arguments(self, *batch)

    monkeypatch.setattr(Trainer, "_forward_arguments", broken)
    assert train("--epochs", 3, "--seed", 1, *BARE, "--out", "run") == (BUG if type(error) is ValueError else 2)
    assert next(steps) == 21
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


OPTIONS = [
    ("--optimizer adamw", ""),
    ("--optimizer adamw --weight-decay 1", "--optimizer adamw"),
    ("--optimizer sgd", ""),
    ("--optimizer sgd --momentum 0", "--optimizer sgd"),
    ("--schedule constant", ""),
    ("--warm-up 1 --schedule constant", "--schedule constant"),
    ("--clip-norm 0.1", ""),
    ("--lr 0.01", ""),
    ("--batch-size 64", ""),
    ("--beta 4", ""),
    ("--binarize dynamic", ""),
    ("--free-bits 1", ""),
    ("--kl-warmup 1", ""),
    ("--kl-cycles 2", ""),
    ("--corrupt masking", ""),
    ("--corrupt masking --corrupt-level 0.9", "--corrupt masking"),
    ("--corrupt gaussian", ""),
    ("--corrupt salt-and-pepper", ""),
    ("--dtype float64", ""),
    ("--init glorot_normal", ""),
    ("--hidden 16 8", ""),
    ("--decoder-hidden 16 8", ""),
    ("--architecture conv", ""),
    *((f"--activation {name}", "") for name in ("leaky_relu", "tanh", "sigmoid", "softplus", "silu", "gelu", "elu")),
]


@pytest.mark.parametrize(("options", "without"), OPTIONS)
def test_each_option_reaches_training_and_changes_the_weights(options, without):
    model, plain = trained(*options.split()), trained(*without.split())
    assert np.isfinite(model.theta).all()
    assert model.theta.tobytes() != plain.theta.tobytes()


def test_dtype_is_the_precision_of_the_weights():
    assert trained("--dtype", "float64").theta.dtype == np.float64


def test_of_rows_that_are_no_pictures_only_codes_and_history_are_drawn(folder):
    np.save("table.npy", rows(40, 6))
    assert train("table.npy", "--quiet") == 0
    assert written(folder / "runs/table") == RECORDS | {"latent.png", "history.png"}
    model = scratchvae.load("runs/table/model.npz")
    assert (model.input_dim, model.image_shape) == (6, None)


def test_pictures_in_an_array_keep_their_height_and_width():
    np.save("pictures.npy", rows(20, 5, 3))
    assert train("pictures.npy", "--quiet") == 0
    assert scratchvae.load("runs/pictures/model.npz").image_shape == (5, 3)


def test_an_archive_of_several_arrays_is_read_by_key():
    np.savez("two.npz", a=rows(20, 4), b=rows(20, 7))
    assert trained("two.npz", "--key", "b").input_dim == 7


def test_a_folder_of_image_file_is_trained_on(folder):
    (folder / "faces").mkdir()
    for k, pixels in enumerate(rows(12, 4, 3)):
        Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / "faces" / f"{k:02d}.png")
    assert train("faces", "--quiet") == 0
    assert written(folder / "runs/faces") == RECORDS | PICTURES
    assert scratchvae.load("runs/faces/model.npz").image_shape == (4, 3)


def test_without_matplotlib_it_trains_all_the_same_and_says_how_to_get_pictures(folder, capsys, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    assert train() == 0
    assert written(folder / "runs/digits") == RECORDS
    assert "pip install 'scratchvae[cli]'" in capsys.readouterr().out


def test_no_pictures_means_none_and_prints_no_hint(folder, capsys):
    assert train("--no-pictures") == 0
    assert written(folder / "runs/digits") == RECORDS
    assert "matplotlib" not in capsys.readouterr().out


@pytest.mark.parametrize("clip", [(), ("--clip-norm", "1")])
def test_the_report_of_a_divergence_names_options_that_are_not_used_yet(clip, capsys):
    assert train("--optimizer", "sgd", "--lr", "1e30", *clip, "--quiet") == 3
    err = capsys.readouterr().err
    assert "--warm-up" in err and "WarmUp" not in err
    assert ("--clip-norm 1" in err) == (not clip)
    assert main(["evaluate", "runs/digits"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the training in runs/digits diverged: last-finite.npz holds the last finite weights; name that file" in line
    assert line.endswith("with --retries 5")


def test_python_m_scratchvae_trains_from_a_shell_without_a_window_toolkit(folder):
    command = [sys.executable, "-X", "importtime", "-m", "scratchvae", "train", *QUICK]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 0
    assert len(lines) == 1 and lines[0].startswith("epoch 1")
    assert "matplotlib.figure" in done.stderr and "matplotlib.pyplot" not in done.stderr
    assert written(folder / "runs/digits") == RECORDS | PICTURES


def test_the_rows_that_are_held_out_for_patience_are_a_tenth_of_each_class_in_random_order():
    labels = np.repeat(np.arange(4), 50)
    data = Dataset("mine", Split(np.arange(400.0).reshape(200, 2), labels), Split(np.zeros((2, 2)), None), None)
    (train_rows, validation, text), again = (training_and_validation(data, hold_out=True) for _ in range(2))
    assert text == "20 rows held out for validation"
    assert np.bincount(validation.labels).tolist() == [5] * 4
    numbers = validation.images[:, 0] / 2
    assert len(set(np.diff(numbers))) > 3  # not every tenth
    assert np.array_equal(again[1].images, validation.images)
    assert sorted([*train_rows.images[:, 0] / 2, *numbers]) == list(range(200))
    assert np.array_equal(labels[numbers.astype(int)], validation.labels)


SEMI = "--model semi-supervised --labels 40 --labelled-share 0.5"


def write_labelled_table():
    """Write mine.csv: row k of 200 has the number k / 200, two random ones, and the class k mod 4; 20 rows test."""
    lines = [f"{k / 200},{a},{b},class {k % 4}" for k, (a, b) in enumerate(rows(200, 2))]
    Path("mine.csv").write_text("\n".join(["k,a,b,label", *lines]), encoding="utf-8")


@pytest.mark.parametrize("words", ["", "--model conditional", SEMI])
@pytest.mark.parametrize("patience", ["", "--patience 9"])
def test_no_row_is_both_trained_on_and_held_out_and_labels_go_with_their_rows(monkeypatch, words, patience):
    write_labelled_table()
    fit, calls = Trainer.fit, []
    monkeypatch.setattr(Trainer, "fit", lambda *args, **named: calls.append((args[1], named)) or fit(*args, **named))
    assert train("mine.csv", *words.split(), *patience.split(), *BARE) == 0
    ((images, named),) = calls
    parts = images, named["validation"], scratchvae.datasets.load("mine.csv").test.images
    trained_on, validated, tested = ((part[:, 0] * 200).round().astype(int) for part in parts)
    held_out = [*validated, *tested] if patience else [*tested]
    assert len(held_out) == (18 + 20 if patience else 20) and sorted([*trained_on, *held_out]) == list(range(200))
    assert patience or np.array_equal(validated, tested)
    assert (named["labels"] is not None) == bool(words)
    for name, numbers in (("labels", trained_on), ("validation_labels", validated)):
        if (labels := named.get(name)) is not None:
            known = labels >= 0
            assert known.sum() == (40 if words == SEMI else len(numbers))
            assert np.array_equal(labels[known], numbers[known] % 4)


# An epoch has the 180 training rows, or 162 with --patience. With half of the rows labelled, it has as many draws of
# the 40 labelled rows as there are others: 280 rows in all, or 244.
@pytest.mark.parametrize(
    ("words", "steps", "warm_up"),
    [
        ("", 5, 0),
        ("--warm-up 1", 5, 1),
        ("--warm-up 3", 5, 3),
        ("--warm-up 1 --schedule constant", 5, 1),
        ("--warm-up 1 --patience 9", 4, 1),
        (f"--warm-up 2 {SEMI} --patience 9", 6, 2),
        ("--warm-up 1 --batch-size 200", 1, 1),
    ],
)
def test_each_update_has_the_rate_of_a_warm_up_and_of_the_schedule_after_it(monkeypatch, words, steps, warm_up):
    write_labelled_table()
    learning_rate, rates = Optimizer.learning_rate, []
    monkeypatch.setattr(Optimizer, "learning_rate", lambda self: rates.append(learning_rate(self)) or rates[-1])
    settings = "--epochs 3 --lr 0.002 --batch-size 41", words
    assert train("mine.csv", *" ".join(settings).split(), *BARE) == 0
    warm = warm_up * steps
    rise = [(t + 1) / warm for t in range(warm)]
    fall = [np.cos(np.pi * t / (3 * steps - warm)) / 2 + 0.5 for t in range(3 * steps - warm)]
    expected = [*rise, *([1.0] * len(fall) if "constant" in words else fall)]
    np.testing.assert_allclose(rates, 0.002 * np.array(expected), rtol=1e-12)


def test_periodic_labels_are_held_out_alike():
    labels = np.arange(200) % 10  # every tenth row is of class 9
    data = Dataset("mine", Split(np.zeros((200, 2)), labels), Split(np.zeros((2, 2)), None), None)
    train_rows, validation, _ = training_and_validation(data, hold_out=True)
    assert np.bincount(validation.labels, minlength=10).tolist() == [2] * 10
    assert np.bincount(train_rows.labels, minlength=10).tolist() == [18] * 10


def test_rows_are_held_out_also_if_no_class_has_two(capsys):
    single = Dataset("mine", Split(np.zeros((30, 2)), np.arange(30)), Split(np.zeros((2, 2)), None), None)
    assert len(training_and_validation(single, hold_out=True)[1].images) == 3
    np.save("few.npy", rows(10, 4))
    assert train("few.npy", "--patience", 1, *BARE) == 2
    assert "few.npy has only 9 training rows; leave it out" in capsys.readouterr().err


def test_the_seed_of_the_held_out_rows_is_recorded():
    assert trained("--patience", 2).metadata["validation_seed"] == 0
    assert not {"validation_seed", "held_out_seed"} & set(trained().metadata)  # digits has a test part of its own


def test_a_denoising_model_is_scored_on_clean_and_on_corrupted_input(capsys):
    options = "--corrupt gaussian --corrupt-level 0.4 --likelihood bernoulli --no-pictures --out run"
    assert train(*options.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    (clean,), (corrupted,) = (
        [line for line in lines if line.startswith(start)]
        for start in ("test, clean input: ELBO", "test, corrupted input (gaussian 0.4): ELBO")
    )
    result = json.loads(Path("run/config.json").read_text(encoding="utf-8"))["result"]
    test = scratchvae.datasets.load("digits").test.images
    model, noise = scratchvae.load("run"), scratchvae.training.GaussianNoise(0.4)
    assert result["test"]["value"] == pytest.approx(scratchvae.score(model, test).value)
    assert result["test_corrupted"]["value"] == pytest.approx(scratchvae.score(model, test, corrupt=noise).value)
    assert result["test_corrupted"]["value"] < result["test"]["value"]
    for line, name in ((clean, "test"), (corrupted, "test_corrupted")):
        assert f" {result[name]['value']:.2f} " in line
    trained()
    assert "test_corrupted" not in json.loads(Path("run/config.json").read_text(encoding="utf-8"))["result"]


def test_missing_values_are_counted(capsys):
    images = rows(50, 4).astype("float64")
    images[:, 1][::2] = np.nan
    images[0, 2] = np.nan
    np.save("gaps.npy", images)
    assert train("gaps.npy", "--missing", "--no-pictures", "--out", "run") == 0
    data = scratchvae.datasets.load("gaps.npy")
    line = capsys.readouterr().out.splitlines()[1]
    for part, name in ((data.train, "training"), (data.test, "test")):
        missing = np.isnan(part.images)
        counts = missing.sum(), missing.size, missing.any(axis=1).sum(), len(missing)
        share = f"{100 * missing.mean():.3g}"
        words = f"{counts[0]} of {counts[1]} values ({share} %) are missing, in {counts[2]} of {counts[3]} {name} rows"
        assert words in line
    result = json.loads(Path("run/config.json").read_text(encoding="utf-8"))["result"]
    assert result["missing_values"] == np.isnan(data.train.images).sum()


@pytest.mark.parametrize("patience", [(), ("--patience", 3)])
def test_a_validation_part_is_used_and_no_training_row_held_out(folder, monkeypatch, capsys, patience):
    rng = np.random.default_rng(0)
    bits = {part: rng.integers(0, 256, (n, 98), np.uint8) for part, n in (("train", 30), ("valid", 20), ("test", 10))}
    monkeypatch.setattr(binarized_mnist, "PARTS", {part: checksum_of(array) for part, array in bits.items()})
    np.savez(binarized_mnist.FILE, **bits)
    fit, calls = Trainer.fit, []
    monkeypatch.setattr(
        Trainer, "fit", lambda *words, **named: calls.append((words[1], named["validation"])) or fit(*words, **named)
    )
    assert train("binarized-mnist", "--data-dir", ".", *patience, "--no-pictures") == 0
    assert "30 training rows of 784 numbers, 10 test rows; 20 validation rows" in capsys.readouterr().out
    data = scratchvae.datasets.load("binarized-mnist", folder=".")
    ((rows, validation),) = calls
    assert np.array_equal(rows, data.train.images)
    assert np.array_equal(validation, data.validation.images)
    assert main(["evaluate", "runs/binarized-mnist", "--part", "validation", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 20


def test_sprites_are_trained_on_out_of_the_box_and_embedded_with_their_shapes(folder):
    assert train("sprites", "--no-pictures", "--quiet", "--batch-size", 512) == 0
    assert main(["embed", "runs/sprites", "--part", "test", "--out", "codes.csv"]) == 0
    header, *lines = csv.reader((folder / "codes.csv").read_text(encoding="utf-8").splitlines())
    assert header == ["z0", "z1", "z2", "label"]
    labels = scratchvae.datasets.load("sprites").test.labels
    assert [int(line[-1]) for line in lines] == labels.tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), [("frey-faces", (28, 20)), ("olivetti-32", (32, 32))])
def test_real_faces_are_drawn_in_their_own_shape(folder, real_set, name, shape):
    data = real_set(name)
    assert train(name, "--quiet") == 0
    out = folder / "runs" / name
    assert written(out) == RECORDS | PICTURES
    assert scratchvae.load(out).image_shape == shape
    assert main(["sample", str(out), "--count", "16", "--out", "samples.png"]) == 0
    with Image.open("samples.png") as picture:
        width, height = picture.size
    assert abs(height / width - shape[0] / shape[1]) < 0.25  # a title stands above
    assert main(["embed", str(out), "--out", "codes.npy"]) == 0
    assert np.array_equal(np.load("codes.npy"), scratchvae.load(out).embed(data.part("all").images))
