"""The schema on the command line: columns, classes, scale, held-out rows."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.cli import main
from scratchvae.datasets import load
from scratchvae.errors import RangeError

QUICK = ("--epochs", "2", "--hidden", "8", "--latent", "2", "--quiet", "--no-pictures")
COLUMNS = ("height", "weight", "age", "income")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)) * [10, 5000, 20, 1e-3] + [170, 70_000, 40, 1]
KINDS = RNG.choice(["ant", "bee", "cow"], 80)


def write(path, x=X, columns=COLUMNS, labels=None):
    names = [*columns, *([] if labels is None else ["label"])]
    rows = [[repr(float(n)) for n in row] + ([] if labels is None else [labels[k]]) for k, row in enumerate(x)]
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return str(path)


def read(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def train(source, *options, out="run"):
    assert main(["train", source, *QUICK, *options, "--out", out]) == 0
    return sv.load(out)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# --- columns


def test_columns_in_another_order_give_the_same_codes_to_the_bit():
    model = train(write("x.csv"))
    assert model.schema.columns == COLUMNS
    order = [2, 0, 3, 1]
    write("swapped.csv", X[:, order], [COLUMNS[k] for k in order])
    for name in ("x", "swapped"):
        assert main(["embed", "run", f"{name}.csv", "--part", "all", "--out", f"{name}.npy"]) == 0
    assert np.array_equal(np.load("x.npy"), np.load("swapped.npy"))
    assert np.array_equal(np.load("x.npy"), model.embed(X))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (("height", "weight", "age", "pay"), "lacks the column income and has pay, which the model does not know"),
        (("height", "weight", "age"), "other.csv lacks the column income; add what is missing"),
        ((*COLUMNS, "more"), "other.csv has more, which the model does not know; leave it out"),
        (("height", "weight", "age", "Income"), "rename it"),
    ],
)
def test_missing_and_further_columns_are_refused_by_name(columns, words, capsys):
    train(write("x.csv"))
    write("other.csv", RNG.normal(size=(12, len(columns))), columns)
    assert main(["embed", "run", "other.csv"]) == 2
    assert words in capsys.readouterr().err


def test_results_have_the_names_of_the_columns_and_of_the_classes():
    train(write("x.csv", labels=KINDS), "--model", "semi-supervised")
    assert main(["embed", "run", "--out", "codes.csv"]) == 0
    assert read("codes.csv")[0] == ["z0", "z1", "label"]
    assert [row[-1] for row in read("codes.csv")[1:]] == KINDS.tolist()
    assert main(["classify", "run", "--part", "all", "--out", "classes.csv"]) == 0
    assert read("classes.csv")[0] == ["p_ant", "p_bee", "p_cow", "label"]
    assert {row[-1] for row in read("classes.csv")[1:]} <= {"ant", "bee", "cow"}
    assert main(["reconstruct", "run", "--out", "rows.csv"]) == 0
    assert read("rows.csv")[0] == [*COLUMNS, "label"]
    assert main(["sample", "run", "--label", "bee", "--count", "3", "--out", "bees.csv"]) == 0
    assert [row[-1] for row in read("bees.csv")] == ["label", "bee", "bee", "bee"]


def test_imputed_tables_keep_what_was_observed_as_it_was_written():
    whole = np.round(X * [1, 1, 1, 1e3])
    write("x.csv", np.where(RNG.random(X.shape) < 0.2, np.nan, whole))
    train("x.csv", "--missing")
    assert main(["impute", "run", "--samples", "10", "--out", "filled.csv"]) == 0
    before, after = read("x.csv"), read("filled.csv")
    assert before[0] == after[0] and len(before) == len(after)
    for old, new in zip(before[1:], after[1:], strict=True):
        assert all(b == "nan" or float(a) == float(b) for a, b in zip(new, old, strict=True))
        assert all("." not in a for a, b in zip(new, old, strict=True) if b != "nan")


# --- classes


def test_classes_are_found_by_their_names_ever_after(capsys):
    model = train(write("x.csv", labels=KINDS), "--model", "semi-supervised", "--epochs", "20")
    assert model.schema.classes == ("ant", "bee", "cow")
    later = KINDS != "ant"
    write("later.csv", X[later], labels=KINDS[later])
    assert main(["evaluate", "run", "later.csv", "--json"]) == 0
    accuracy = json.loads(capsys.readouterr().out)["accuracy"]
    assert accuracy == pytest.approx(np.mean(model.classify(X[later]) == KINDS[later]))
    write("unknown.csv", X, labels=np.where(KINDS == "ant", "dog", KINDS))
    assert main(["evaluate", "run", "unknown.csv"]) == 2
    message = f"unknown.csv has {(KINDS == 'ant').sum()} rows of classes that the model has not learned, dog; expected "
    assert message + "ant, bee, cow: correct the labels, or leave them out" in capsys.readouterr().err


@pytest.mark.parametrize("names", [("-1", "0", "1"), ("-1", "1"), ("1", "2", "3"), ("01234", "1234"), ("None", "NA")])
@pytest.mark.parametrize("kind", ["semi-supervised", "conditional"])
def test_every_text_is_a_class(names, kind):
    labels = np.resize(names, 80)
    model = train(write("x.csv", labels=labels), "--model", kind)
    assert model.classes == len(names)
    assert main(["embed", "run", "--out", "codes.csv"]) == 0
    assert [row[-1] for row in read("codes.csv")[1:]] == labels.tolist()


def test_rows_without_a_label_are_refused_for_a_conditional_model(capsys):
    write("x.csv", labels=np.where(np.arange(80) % 4 == 0, "", KINDS))
    assert main(["train", "x.csv", *QUICK, "--model", "conditional"]) == 2
    assert "x.csv has 20 rows without a label, but --model conditional needs the class" in capsys.readouterr().err


# --- scale


def test_a_table_in_any_units_is_trained_on_without_options(capsys):
    assert main(["train", write("x.csv"), "--epochs", "2", "--no-pictures", "--out", "run"]) == 0
    out = capsys.readouterr().out
    assert "likelihood gaussian_learned, for numbers beyond [0, 1]; choose another with --likelihood" in out
    assert "scale: standardized: each column less its mean" in out
    np.save("fractions.npy", RNG.random((40, 4)))
    assert main(["train", "fractions.npy", "--epochs", "1", "--no-pictures", "--out", "fractions"]) == 0
    assert "choose another" not in capsys.readouterr().out
    model = sv.load("run")
    assert np.isfinite(model.elbo(X).value).all()
    assert (abs(model.reconstruct(X).mean(axis=0) - X.mean(axis=0)) < X.std(axis=0)).all()
    assert main(["info", "run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["schema"]["columns"] == list(COLUMNS) and facts["schema"]["scale"]["kind"] == "standardize"
    assert facts["learned sigma"].keys() == set(COLUMNS)


@pytest.mark.parametrize("scale", ["none", "standardize", "common", "minmax"])
def test_the_scale_is_that_of_the_option(scale):
    model = train(write("x.csv", X / 1e5), "--scale", scale, "--likelihood", "gaussian")
    assert model.schema.scale.kind == model.config["scale"] == scale


def test_bytes_are_scaled_once_whatever_a_later_file_holds():
    pixels = RNG.integers(0, 256, (40, 6, 5), dtype=np.uint8)
    np.save("pixels.npy", pixels)
    model = train("pixels.npy")
    assert model.schema.scale.kind == "255" and model.image_shape == (6, 5)
    np.save("dark.npy", np.minimum(pixels, 1))
    assert main(["embed", "run", "dark.npy", "--out", "dark-codes.npy"]) == 0
    assert np.array_equal(np.load("dark-codes.npy"), model.embed(np.minimum(pixels, 1).reshape(40, -1)))
    assert main(["reconstruct", "run", "pixels.npy", "--part", "all", "--out", "rows.npy"]) == 0
    assert np.load("rows.npy").max() > 100


def test_integers_of_0_and_1_are_fractions_and_no_bytes():
    bits = RNG.integers(0, 2, (40, 6), dtype=np.uint8)
    np.save("bits.npy", bits)
    np.save("fractions.npy", bits.astype(np.float32))
    model = train("fractions.npy")
    assert main(["embed", "run", "bits.npy", "--part", "all", "--out", "codes.npy"]) == 0
    assert np.array_equal(np.load("codes.npy"), model.embed(bits.astype(np.float32)))


def test_images_and_arrays_of_the_same_pixels_give_the_same_codes():
    image = pytest.importorskip("PIL.Image")
    pixels = RNG.integers(0, 256, (30, 6, 5), dtype=np.uint8)
    np.save("pixels.npy", pixels)
    np.save("deep.npy", pixels.astype(np.uint16) * 257)
    Path("images").mkdir()
    for k, picture in enumerate(pixels):
        image.fromarray(picture).save(f"images/{k}.png")
    for source in ("pixels.npy", "deep.npy", "images"):
        train(source, out="run")
        codes = []
        for other in ("pixels.npy", "deep.npy", "images"):
            assert main(["embed", "run", other, "--part", "all", "--out", "codes.npy"]) == 0
            codes.append(np.load("codes.npy"))
        np.testing.assert_allclose(codes[1:], codes[:1] * 2, atol=1e-5)


def test_images_are_named_beside_their_codes():
    image = pytest.importorskip("PIL.Image")
    Path("images").mkdir()
    for k in range(1, 13):
        image.fromarray(np.full((4, 4), 20 * k, np.uint8)).save(f"images/img{k}.png")
    train("images")
    for part in ("all", "test", "train"):
        assert main(["embed", "run", "images", "--part", part, "--out", f"{part}.csv"]) == 0
    assert [row[0] for row in read("all.csv")] == ["file", *(f"img{k}.png" for k in range(1, 13))]
    names = {part: {row[0] for row in read(f"{part}.csv")[1:]} for part in ("test", "train")}
    assert len(names["test"]) == 1 and len(names["train"]) == 11 and not names["test"] & names["train"]


# --- held-out rows


def test_one_row_is_enough_for_a_trained_model(capsys):
    np.save("x.npy", RNG.random((60, 6)).astype(np.float32))
    train("x.npy")
    for count in (1, 3):
        np.save("few.npy", RNG.random((count, 6)).astype(np.float32))
        for command in ("embed", "reconstruct --out r.npy", "impute", "evaluate", "denoise --noise none"):
            assert main([*command.split()[:1], "run", "few.npy", *command.split()[1:]]) == 0, command
        assert len(np.load("embedding.npy")) == len(np.load("r.npy")) == count
    assert "nan" not in capsys.readouterr().out
    assert main(["train", "few.npy", *QUICK]) == 2
    assert "few.npy holds 3 rows; expected at least 10 to train on" in capsys.readouterr().err


def test_the_test_rows_of_a_model_are_the_same_ever_after(capsys):
    model = train(write("x.csv"))
    assert model.metadata["held_out_seed"] == 0
    for command in (["evaluate", "run", "--json"], ["evaluate", "run", "x.csv", "--json"]):
        assert main(command) == 0
        assert json.loads(capsys.readouterr().out)["rows"] == 8
    data = load("x.csv")
    assert not {tuple(row) for row in data.train.images} & {tuple(row) for row in data.test.images}


def test_a_model_without_a_record_has_every_tenth_row_as_test_rows(capsys):
    model = train(write("x.csv"), "--likelihood", "gaussian")
    del model.metadata["held_out_seed"]
    sv.save(model, "old.npz")
    assert main(["embed", "old.npz", "--part", "test", "--out", "codes.npy"]) == 0
    assert np.array_equal(np.load("codes.npy"), model.embed(X[9::10]))


def test_gradients_of_a_scaled_model_are_checked_at_scaled_rows(capsys):
    train(write("x.csv", labels=KINDS), "--model", "conditional", "--scale", "standardize", "--likelihood", "gaussian")
    assert main(["gradcheck", "--model", "run", "--oracle", "finite-difference", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"]


# --- units that do not fit


def test_fractions_are_no_bytes_and_are_refused_with_the_remedy(capsys):
    pixels = RNG.integers(0, 256, (40, 6, 5), dtype=np.uint8)
    np.save("pixels.npy", pixels)
    np.save("grey.npy", pixels / 255)
    model = train("pixels.npy")
    for command in ("embed", "evaluate", "reconstruct"):
        assert main([command, "run", "grey.npy"]) == 2
        message = "grey.npy holds values up to 1, and the training data were from 0 to 255: multiply them by 255"
        assert message in capsys.readouterr().err
    with pytest.raises(RangeError, match="multiply them by 255"):
        model.embed(pixels.reshape(40, -1) / 255)
    train("grey.npy", out="grey")
    np.save("large.npy", pixels.astype(np.float32))
    assert main(["embed", "grey", "large.npy"]) == 2
    err = capsys.readouterr().err
    assert "divide 8-bit images by 255" in err and "--scale" not in err


def test_weights_that_are_not_finite_are_refused_by_every_command(capsys):
    model = train(write("x.csv"))
    model.theta[0] = np.nan
    sv.save(model, "broken.npz")
    for command in ("embed", "sample", "evaluate", "reconstruct", "impute", "denoise", "info", "traverse"):
        assert main([command, "broken.npz"]) == 2
        assert "broken.npz has weights that are not finite: its training diverged" in capsys.readouterr().err


def test_training_data_that_moved_are_reported(capsys):
    train(write("x.csv"))
    Path("x.csv").rename("y.csv")
    assert main(["embed", "run"]) == 2
    assert "the training data of run is no longer at" in capsys.readouterr().err
    assert main(["embed", "run", "y.csv"]) == 0
