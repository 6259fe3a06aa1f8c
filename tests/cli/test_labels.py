"""Models that take labels, from the command line: trained, sampled, classified with, and the refusals."""

import json
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.cli import main
from scratchvae.evaluation import classification
from scratchvae.io import open_archive

pytestmark = pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")  # the models are untrained

QUICK = ("--epochs", "2", "--hidden", "16", "--latent", "3", "--quiet", "--no-pictures")


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    examples = tmp_path_factory.mktemp("labels")
    semi = ("--model", "semi-supervised", "--labels", "40", "--labelled-share", "0.2")
    assert main(["train", "--model", "conditional", *QUICK, "--out", str(examples / "conditional")]) == 0
    assert main(["train", *semi, *QUICK, "--out", str(examples / "semi")]) == 0
    assert main(["train", *QUICK, "--out", str(examples / "vae")]) == 0
    return examples


@pytest.fixture(autouse=True)
def folder(examples, monkeypatch):
    monkeypatch.chdir(examples)
    return examples


def run(line):
    try:
        return main(line.split())
    except SystemExit as error:
        return error.code


@pytest.fixture
def digits():
    return sv.datasets.load("digits")


def test_the_options_choose_the_model(folder):
    conditional, semi = sv.load("conditional"), sv.load("semi")
    assert type(conditional) is sv.ConditionalVAE and conditional.classes == 10
    assert type(semi) is sv.SemiSupervisedVAE and semi.config["alpha"] is None
    result = json.loads((folder / "semi" / "config.json").read_text(encoding="utf-8"))["result"]
    assert 0 < result["accuracy"] < 1 and "accuracy" not in (folder / "conditional" / "config.json").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("share", ["0.2", "0.7"])
@pytest.mark.parametrize("kl", [("--kl-warmup", "2"), ("--kl-cycles", "2"), ()])
def test_schedules_count_the_steps_that_a_share_of_labels_makes(folder, share, kl):
    semi = ("--model", "semi-supervised", "--labels", "40", "--labelled-share", share, "--batch-size", "300")
    assert main(["train", *semi, *QUICK, *kl, "--warm-up", "1", "--checkpoint", "--out", f"share-{share}{kl}"]) == 0
    with open_archive(folder / f"share-{share}{kl}" / "checkpoint.npz") as archive:
        settings, updates = archive.header["settings"], archive.header["run"]["updates"]
    schedule = settings["optimizer"]["schedule"]
    assert schedule["steps"] == schedule["after"]["steps"] == updates // 2 > 1
    assert not kl or settings["kl_weight"]["steps"] == updates


def test_the_labels_to_learn_are_the_same_number_of_each_class():
    from argparse import Namespace

    from scratchvae.cli.labels import labels_to_learn

    data, model = sv.datasets.load("digits"), sv.load("semi")
    labels = labels_to_learn(Namespace(labels=40, seed=3), model, data.train)
    known = labels >= 0
    assert np.array_equal(np.bincount(labels[known]), [4] * 10)
    assert np.array_equal(labels[known], data.train.labels[known])
    assert np.array_equal(labels, labels_to_learn(Namespace(labels=40, seed=3), model, data.train))
    assert not np.array_equal(labels, labels_to_learn(Namespace(labels=40, seed=4), model, data.train))
    assert np.array_equal(labels_to_learn(Namespace(seed=3), model, data.train), data.train.labels)


def test_sample_draws_the_class_of_the_option(folder):
    assert run("sample conditional --label 3 --count 5 --seed 2 --out three.npy") == 0
    assert np.array_equal(np.load("three.npy"), sv.load("conditional").sample(5, seed=2, labels=3))
    assert run("sample conditional --count 5 --seed 2 --out any.npy") == 0
    assert np.array_equal(np.load("any.npy"), sv.load("conditional").sample(5, seed=2))


@pytest.mark.parametrize("model", ["conditional", "semi"])
def test_rows_are_embedded_reconstructed_and_scored_with_their_labels(model, digits, capsys):
    assert (
        run(f"embed {model} --part test --out codes.npy") == run(f"reconstruct {model} --count 5 --out rows.npy") == 0
    )
    trained, x, y = sv.load(model), digits.test.images, digits.test.labels if model == "conditional" else None
    assert np.array_equal(np.load("codes.npy"), trained.embed(x, y))
    assert np.array_equal(np.load("rows.npy"), trained.reconstruct(x[:5], None if y is None else y[:5]))
    capsys.readouterr()
    assert run(f"evaluate {model} --json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["value"] == pytest.approx(sv.score(trained, x, labels=y).value)
    if model == "semi":
        figures = classification(trained, x, digits.test.labels)
        assert result["accuracy"] == figures.accuracy and result["confusion"] == figures.confusion.tolist()
        assert run("evaluate semi") == 0
        assert f"accuracy {100 * figures.accuracy:.2f}" in capsys.readouterr().out


def test_interpolate_and_traverse_decode_one_class():
    conditional, x = sv.load("conditional"), sv.datasets.load("digits").test.images
    assert run("interpolate conditional --label 2 --from 0 --to 1 --steps 3 --out way.npy") == 0
    assert np.array_equal(np.load("way.npy"), conditional.interpolate(x[0], x[1], 3, labels=2))
    assert run("traverse conditional --label 5 --dimensions 1 --steps 3 --out traversal.npy") == 0
    values = np.linspace(-3, 3, 3)
    assert np.array_equal(np.load("traversal.npy"), conditional.traverse(dimension=1, values=values, labels=5))


@pytest.mark.parametrize("draws", [0, 2])
@pytest.mark.parametrize("model", ["conditional", "semi"])
def test_rows_are_denoised_with_their_labels(model, draws, digits):
    line = f"denoise {model} --noise masking --level 0.3 --draws {draws} --seed 4"
    assert run(f"{line} --out denoised.npy --picture denoised.png") == 0
    noisy = sv.training.Masking(0.3)(digits.test.images, seed=4)
    labels = digits.test.labels if model == "conditional" else None
    assert np.array_equal(np.load("denoised.npy"), sv.load(model).denoise(noisy, draws, 4, labels))


def test_classify_writes_probabilities_and_the_likeliest_class(folder, digits):
    assert run("classify semi --out classes.csv") == run("classify semi --out classes.npy") == 0
    q = sv.load("semi").predict_proba(digits.test.images)
    assert np.array_equal(np.load("classes.npy"), q)
    names, *lines = (folder / "classes.csv").read_text(encoding="utf-8").splitlines()
    assert names == ",".join([*(f"p{k}" for k in range(10)), "label"])
    rows = np.array([line.split(",") for line in lines], float)
    np.testing.assert_allclose(rows[:, :10], q, rtol=1e-6)
    assert np.array_equal(rows[:, 10], q.argmax(axis=1))


def test_classify_and_train_say_how_many_rows_there_are(folder, capsys):
    assert run("classify semi --out classes.csv") == 0
    assert capsys.readouterr().out.startswith("wrote classes.csv: 297 rows\nrows per class: 0: ")
    assert run("train --model semi-supervised --labels 40 --epochs 1 --hidden 8 --no-pictures --out said") == 0
    assert "\n40 of 1500 training rows have a label\n" in capsys.readouterr().out


def test_a_class_of_a_similar_name_is_suggested(folder, capsys):
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{label}" for (a, b), label in zip(rng.random((60, 2)), ["cat", "dog"] * 30, strict=True)]
    Path("pets.csv").write_text("\n".join(["a,b,label", *rows]), encoding="utf-8")
    assert run("train pets.csv --model conditional --epochs 1 --hidden 8 --quiet --no-pictures --out pets") == 0
    assert run("sample pets --label cats") == 2
    assert "--label cats: expected a class, cat, dog; did you mean cat?" in capsys.readouterr().err
    Path("cats.csv").write_text("\n".join(["a,b,label", *rows[::2]]), encoding="utf-8")
    assert run("train cats.csv --model conditional --epochs 1 --quiet --out cats") == 2
    assert "cats.csv has only the class cat; --model conditional needs at least two" in capsys.readouterr().err


def test_the_pictures_of_a_conditional_model_are_drawn(folder):
    assert run("train --model conditional --epochs 1 --hidden 8 --latent 2 --quiet --out album") == 0
    drawn = {path.stem for path in (folder / "album").glob("*.png")}
    assert drawn == {"reconstructions", "class_swaps", "samples", "latent", "history"}


REFUSED = {
    "sample conditional --label 10": "--label 10: expected a class, 0 to 9",
    "sample vae --label 3": "vae is a VAE, which has no classes",
    "classify vae": "vae is a VAE, which has no classifier: train one with --model semi-supervised",
    "interpolate conditional": "conditional is a ConditionalVAE: add --label with the class to decode, 0 to 9",
    "analogy conditional --a 1 --b 2 --c 3": "choose a model without labels",
    "train --labels 20": "--labels has no effect with --model vae: leave it out, or add --model semi-supervised",
    "train --model conditional --alpha 2": "--alpha has no effect with --model conditional",
    "train --model semi-supervised --labels 33": "--labels 33: expected a multiple of 10, the number of classes",
    "train --model semi-supervised --labels 20000": "--labels 20000 needs 2000 rows of each class; class 0 has 151",
    "train --model semi-supervised --labelled-share 2": "--labelled-share 2.0: expected a number above 0 and below 1",
    "train table.npy --model conditional": "table.npy has no class labels",
    "train --model conditional --missing": "--missing is for models without labels",
    "train --model semi-supervised --free-bits 0.1": "--free-bits are not available for a SemiSupervisedVAE",
    "embed conditional table.npy": "has no labels, but a ConditionalVAE needs the class of each row",
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_mistake_is_refused_in_one_line(folder, line, capsys):
    np.save("table.npy", np.random.default_rng(0).random((40, 64), np.float32))
    command = f"{line} --epochs 1 --quiet --out refused" if line.startswith("train") else line
    assert run(command) == 2
    err = capsys.readouterr().err
    assert REFUSED[line] in err and err.count("\n") == 1 and "Traceback" not in err


def test_a_single_labelled_row_has_an_accuracy_without_a_standard_error(capsys, digits):
    columns = ",".join(f"x{k}" for k in range(64))
    row = ",".join(map(str, digits.test.images[0]))
    Path("row.csv").write_text(f"{columns},label\n{row},{digits.test.labels[0]}\n", encoding="utf-8")
    assert run("evaluate semi row.csv --part all") == 0
    out = capsys.readouterr().out
    assert "accuracy " in out and "±" not in out and "nan" not in out
