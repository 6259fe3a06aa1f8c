"""Each command, by what may be typed wrong of it: one line that says so, the code 2, and no file touched.

A new option needs a line here that gets it wrong: the last test goes red until it has.
"""

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from scratchvae.cli import main
from scratchvae.cli.parser import make_parser


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Data that no model can learn from, files that are no models, and three models."""
    shelf = tmp_path_factory.mktemp("shelf")
    table = np.random.default_rng(0).random((40, 6), np.float32)
    for name, value in {"nan": np.nan, "infinite": np.inf, "minus": -0.1, "two": 2.0}.items():
        spoilt = table.copy()
        spoilt[12, 3] = value
        np.save(shelf / f"{name}.npy", spoilt)
    np.save(shelf / "table.npy", table)
    np.save(shelf / "counts.npy", np.arange(680).reshape(40, 17) % 17)
    np.save(shelf / "empty.npy", table[:0])
    np.save(shelf / "nine.npy", table[:9])
    np.save(shelf / "line.npy", table[:, 0])
    np.save(shelf / "words.npy", np.full((40, 6), "a"))
    np.savez(shelf / "several.npz", a=table, b=table)
    np.save(shelf / "mask.npy", table > 0.5)
    for name in ("text.npy", "text.npz", "text.csv", "text.json", "file"):
        (shelf / name).write_text("no numbers\n", encoding="utf-8")
    for name, settings in {"list": "[1, 2]", "unknown": '{"colour": 1}', "latent": '{"latent": 0}'}.items():
        (shelf / f"{name}.json").write_text(settings, encoding="utf-8")
    (shelf / "empty.npz").write_bytes(b"")
    (shelf / "bare").mkdir()
    for out, data, kind in (
        ("vae", "digits", "vae"), ("plain", "digits", "autoencoder"), ("ten", "table.npy", "vae"),
        ("told", "digits", "conditional"), ("semi", "digits", "semi-supervised"),
    ):  # fmt: skip
        source = data if data == "digits" else str(shelf / data)
        words = f"--model {kind} --epochs 1 --hidden 8 --latent 3 --quiet --no-pictures".split()
        assert main(["train", source, *words, "--out", str(shelf / out)]) == 0
    return shelf


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, shelf):
    shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


NO_CUPY = pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is installed")

# what is typed, and a word that the answer must have in it
TYPED = [
    ("", "COMMAND"),
    ("trian", "trian"),
    ("train --colour red", "--colour"),
    ("train nowhere", "nowhere"),
    ("train nan.npy", "NaN"),
    ("train infinite.npy", "infinite"),
    ("train minus.npy", "-0.1"),
    ("train two.npy", "255"),
    ("train counts.npy", "int64"),
    ("train empty.npy", "(0, 6)"),
    ("train nine.npy", "9 rows"),
    ("train line.npy", "(40,)"),
    ("train words.npy", "words.npy"),
    ("train text.npy", "text.npy"),
    ("train file", "file"),
    ("train bare", "bare"),
    ("train several.npz", "--key"),
    ("train several.npz --key c", "'c'"),
    ("train --key a", "key"),
    ("train mnist --data-dir bare", "bare"),
    ("train --latent 0", "latent"),
    ("train --latent x", "--latent"),
    ("train --latent 1000000000000", "memory"),
    ("train --latent 1000000000000000", "latent_dim=1000000000000000: expected a whole number of at most"),
    ("train --hidden 0", "hidden"),
    ("train --likelihood poisson", "poisson"),
    ("train --sigma 0.5", "sigma=0.5 does nothing"),
    ("train --likelihood gaussian --sigma 0", "sigma=0"),
    ("train --likelihood gaussian --sigma -1", "sigma=-1"),
    ("train --likelihood gaussian --sigma wide", "--sigma"),
    ("train --likelihood gaussian --binarize dynamic", "likelihood='bernoulli'"),
    ("train nan.npy --likelihood gaussian", "NaN"),
    ("train infinite.npy --likelihood gaussian_learned", "infinite"),
    ("train --beta -1", "beta"),
    ("train --epochs 0", "epochs"),
    ("train --batch-size 0", "batch"),
    ("train --lr -1", "lr=-1"),
    ("train --lr 0", "lr=0"),
    ("train --lr nan", "lr=nan"),
    ("train --lr -1 --schedule constant", "lr=-1"),
    ("train --warm-up -1", "warm-up"),
    ("train --momentum 1", "momentum"),
    ("train --momentum 1 --optimizer sgd", "momentum"),
    ("train --weight-decay -1", "weight"),
    ("train --weight-decay -1 --optimizer adamw", "weight"),
    ("train --clip-norm 0", "clip"),
    ("train --patience 0", "patience"),
    ("train --seed -1", "seed"),
    ("train --binarize often", "often"),
    ("train --model gan", "gan"),
    ("train --out file/run", "file"),
    ("train --free-bits -1", "free_bits"),
    ("train --free-bits 1 --model autoencoder", "--free-bits"),
    ("train --kl-warmup 0", "--kl-warmup"),
    ("train --kl-warmup 1 --model autoencoder", "--kl-warmup"),
    ("train --kl-cycles 0", "--kl-cycles"),
    ("train --kl-cycles 1000", "cycles"),
    ("train --kl-cycles 2 --kl-warmup 1", "choose one"),
    ("train --corrupt snow", "snow"),
    ("train --corrupt masking --corrupt-level 2", "level=2"),
    ("train --corrupt-level 0.1", "--corrupt"),
    ("sample", "MODEL"),
    ("sample missing.npz", "missing.npz"),
    ("sample text.npz", "text.npz"),
    ("sample table.npy", "table.npy"),
    ("sample several.npz", "several.npz"),
    ("sample bare", "bare"),
    ("sample plain", "Autoencoder"),
    ("sample vae --count 0", "count"),
    ("sample vae --count -4", "count"),
    ("sample vae --count 1000000000000", "memory"),
    ("sample vae --seed -1", "seed"),
    ("sample vae --out new/picture.jpg", ".png"),
    ("sample vae --out new/picture", ".png"),
    ("sample vae --out file/picture.png", "file"),
    ("reconstruct vae table.npy", "64"),
    ("reconstruct vae --count 0", "count"),
    ("reconstruct vae nan.npy", "64"),
    ("reconstruct ten nan.npy --part all", "NaN"),
    ("interpolate vae --steps 1", "steps"),
    ("interpolate vae --from 297", "296"),
    ("interpolate vae --to -1", "--to"),
    ("interpolate vae --kind round", "spherical"),
    ("analogy vae --a 1 --b 2", "--c"),
    ("analogy vae --a 1 --b 2 --c 297", "--c 297: the data has rows 0 to 296"),
    ("analogy vae --a -1 --b 2 --c 3", "--a -1"),
    ("analogy vae --labels --a 3 --b 12 --c 3", "--b 12: no row has that label"),
    ("analogy ten --labels --a 3 --b 2 --c 3", "--labels"),
    ("analogy vae --a 1 --b 2 --c 3 --out new/a.jpg", ".png"),
    ("traverse plain", "Autoencoder"),
    ("traverse vae --row 297", "--row 297"),
    ("traverse vae --dimensions 0 3", "dimensions 0 to 2"),
    ("traverse vae --steps 0", "--steps"),
    ("traverse vae --reach 0", "--reach"),
    ("traverse vae --reach nan", "--reach"),
    ("embed vae table.npy", "64"),
    ("embed vae --out codes.png", ".csv"),
    ("embed ten minus.npy", "-0.1"),
    ("evaluate vae table.npy", "64"),
    ("evaluate vae --seed -1", "seed"),
    ("evaluate vae --part some", "some"),
    ("denoise vae table.npy", "64"),
    ("denoise vae --noise snow", "snow"),
    ("denoise vae --level 2", "level=2"),
    ("denoise vae --noise none --level 0.1", "--level"),
    ("denoise vae --clean table.npy", "--noise none"),
    ("denoise vae --noise none --clean table.npy", "(4, 6)"),
    ("denoise vae --noise none --clean missing.npy", "missing.npy"),
    ("denoise vae --draws -1", "draws"),
    ("denoise plain --draws 2", "Autoencoder"),
    ("denoise vae --seed -1", "seed"),
    ("denoise vae --out denoised.png", ".csv"),
    ("denoise vae --picture denoised.npy", "--picture"),
    ("info missing", "missing"),
    ("info text.npz", "text.npz"),
    ("train --config missing.json", "missing.json"),
    ("train --config text.json", "text.json"),
    ("train --config list.json", "list.json"),
    ("train --config unknown.json", "colour"),
    ("train --config latent.json", "latent"),
    ("train --config bare", "bare"),
    ("train text.csv", "text.csv"),
    ("train --checkpoint kept.npz --every 0", "every"),
    ("train --every 3", "--every"),
    ("train --keep 3", "--keep"),
    ("train --checkpoint file/run", "file"),
    ("train --retries -1", "retries"),
    ("train --model iwae --importance-samples 0", "importance_samples"),
    ("train --importance-samples 3", "--importance-samples"),
    ("train --model iwae --beta 2", "beta"),
    ("train --model conditional table.npy", "labels"),
    ("train --model semi-supervised --labels 13", "multiple of 10"),
    ("train --model semi-supervised --labels 100000", "--labels"),
    ("train --labels 100", "--labels"),
    ("train --model semi-supervised --alpha -1", "alpha"),
    ("train --alpha 1", "--alpha"),
    ("train --model semi-supervised --labelled-share 2", "labelled_share"),
    ("train --labelled-share 0.5", "--labelled-share"),
    ("train --model conditional --missing", "missing=True"),
    ("sample vae --label 3", "--label"),
    ("sample told --label 10", "--label"),
    ("interpolate told", "--label"),
    ("interpolate told --label -1", "--label"),
    ("traverse told", "--label"),
    ("traverse told --label 10", "--label"),
    ("reconstruct ten several.npz --key c", "'c'"),
    ("analogy vae --a 1 --b 2 --c 3 --labels table.npy", "64"),
    ("analogy told --a 1 --b 2 --c 3", "class of each row"),
    ("embed told table.npy", "64"),
    ("impute vae table.npy", "64"),
    ("impute plain", "Autoencoder"),
    ("impute told", "given no class"),
    ("impute vae --count 0", "--count"),
    ("impute vae --mask missing.npy", "missing.npy"),
    ("impute vae --mask mask.npy", "(40, 6)"),
    ("impute ten table.npy --mask table.npy", "float32"),
    ("impute ten table.npy --hide lower-half", "--hide-fraction"),
    ("impute vae --hide some", "some"),
    ("impute vae --hide-fraction 1", "--hide-fraction"),
    ("impute vae --hide-fraction 0.5 --hide lower-half", "--hide"),
    ("impute vae --method gibbs", "gibbs"),
    ("impute vae --samples 0", "samples"),
    ("impute vae --draws 0", "draws"),
    ("impute vae --draws 2 --out a.csv", ".npy"),
    ("impute vae --values grey", "grey"),
    ("impute vae --seed -1", "seed"),
    ("impute vae --out a.png", ".npy"),
    ("impute vae --picture a.npy", "--picture"),
    ("classify vae", "classifier"),
    ("classify semi table.npy", "64"),
    ("classify semi --out classes.png", ".csv"),
    ("evaluate vae --binarize often", "often"),
    ("evaluate told table.npy", "64"),
    ("gradcheck digits", "--model"),
    ("gradcheck --unit Cubic", "Cubic"),
    ("gradcheck --oracle jaxx", "jaxx"),
    ("gradcheck --unit SGD --oracle finite-difference", "no gradient"),
    ("gradcheck --model vae --unit Linear", "--unit"),
    ("gradcheck --model missing.npz", "missing.npz"),
    ("gradcheck --model vae table.npy", "64"),
    ("gradcheck --trials 0", "trials"),
    ("gradcheck --rows 0", "rows"),
    ("gradcheck --seed -1", "seed"),
    pytest.param("train --backend cupy", "CuPy", marks=NO_CUPY),
    pytest.param("sample vae --backend cupy", "CuPy", marks=NO_CUPY),
]


# a line of each command that is right, and what an option needs beside it to be looked at
RIGHT = {
    "train": "train digits --quiet --epochs 1 --hidden 4 --latent 2 --no-pictures",
    "sample": "sample vae --out a.npy",
    "reconstruct": "reconstruct vae --out a.npy",
    "interpolate": "interpolate vae --out a.npy",
    "analogy": "analogy vae --a 1 --b 2 --c 3 --out a.npy",
    "traverse": "traverse vae --out a.npy",
    "denoise": "denoise vae",
    "impute": "impute vae --count 2 --samples 2",
    "embed": "embed vae",
    "classify": "classify semi",
    "evaluate": "evaluate vae",
    "gradcheck": "gradcheck --unit Tanh --oracle finite-difference --trials 1",
    "info": "info vae",
}
BESIDE = {
    "--momentum": "--optimizer sgd",
    "--weight-decay": "--optimizer adamw",
    "--sigma": "--likelihood gaussian",
    "--importance-samples": "--model iwae",
    "--corrupt-level": "--corrupt masking",
    "--labels": "--model semi-supervised",
    "--alpha": "--model semi-supervised",
    "--labelled-share": "--model semi-supervised",
    "--every": "--checkpoint kept.npz",
    "--keep": "--checkpoint kept.npz",
    "--retries": "--checkpoint kept.npz",
    "--level": "--noise masking",
}
NAMED = {"--corrupt-level": "level", "--dimensions": "dimension"}  # by what is asked of them
FAR = {int: ("x", "1.5", "", str(-(10**40)), str(10**40)), float: ("x", "", "nan", "inf", "-inf", "1e999", "-1e30")}
NO_MODELS = ("missing.npz", "missing", "text.npz", "table.npy", "several.npz", "empty.npz", "bare", "file/vae")
NO_DATA = (
    ("nowhere", "nowhere"), ("text.npy", "text.npy"), ("text.csv", "text.csv"), ("bare", "bare"), ("file", "file"),
    ("empty.npy", "empty.npy"), ("nine.npy", "9 rows"), ("line.npy", "(40,)"), ("words.npy", "words.npy"),
    ("counts.npy", "int64"), ("several.npz", "--key"), ("several.npz --key c", "'c'"), ("digits --key a", "key"),
    ("mnist --data-dir bare", "bare"), ("", "DATA"),
)  # fmt: skip


def commands():
    (choices,) = (a.choices for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {
        name: {a.option_strings[-1] if a.option_strings else a.dest: a for a in parser._actions if a.nargs != 0}
        for name, parser in choices.items()
    }


def for_each_command():
    """What is wrong in the same way for many commands, made from what their parsers say."""
    for name, options in commands().items():
        right = RIGHT[name]
        yield f"{right} --colour red", "--colour"
        first = right.split()[1]
        if "model" in options:
            yield from ((right.replace(first, model, 1), str(Path(model))) for model in NO_MODELS)
        if "data" in options and name != "train":
            begin = f"{right} --model vae".replace("--unit Tanh ", "") if name == "gradcheck" else right
            yield from ((f"{begin} {data}", word) for data, word in NO_DATA if data)
            if name not in ("gradcheck", "impute"):
                yield f"{begin} --part validation", "validation"
        elif name == "train":
            yield from ((f"train {data} --quiet", word) for data, word in NO_DATA if data)
        for option, action in options.items():
            beside = BESIDE.get(option, "")
            if action.choices is not None:
                yield f"{right} {option} nosuch", "nosuch"
            elif action.type in FAR:
                yield from (
                    (f"{right} {beside} {option}={far}", NAMED.get(option, option.strip("-").split("-")[0]))
                    for far in FAR[action.type]
                )
            if option in ("--out", "--picture") and name != "train":
                yield f"{right} {option} a.gif", ".npy" if option == "--out" else ".png"
                yield f"{right} {option} file/a.{'png' if option == '--picture' else 'npy'}", "file"


WRONG = [*TYPED, *for_each_command()]


def run(words):
    try:
        return main(words)
    except SystemExit as leaving:
        return leaving.code


@pytest.mark.parametrize(("line", "names"), WRONG, ids=lambda word: str(word))
def test_what_is_wrong_ends_with_2_one_line_that_names_it_and_nothing_written(folder, capsys, line, names):
    words = line.split()
    if words[:1] == ["train"]:
        words += ["--quiet", "--epochs", "1"] if "--epochs" not in line else ["--quiet"]
    before = content(folder)
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("scratchvae") and err.endswith("\n") and err.count("\n") == 1, err
    assert names in err and "Traceback" not in err, err
    assert content(folder) == before


def content(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_run_that_fails_leaves_the_model_of_an_earlier_run_as_it_was(folder, capsys):
    model = folder / "vae" / "model.npz"
    before = model.read_bytes()
    assert run(["train", "nan.npy", "--out", "vae"]) == 2
    assert model.read_bytes() == before


@pytest.mark.parametrize("command", commands())
def test_what_is_right_is_let_in(command):
    if command != "train":  # with which the models were made
        assert run(RIGHT[command].split()) == 0


def test_every_option_of_every_command_is_got_wrong_here():
    lines = [(row.values if hasattr(row, "values") else row)[0].replace("=", " ").split() for row in WRONG]
    missed = [
        f"{name} {option}"
        for name, options in commands().items()
        for option in options
        if not any(line[:1] == [name] and option in line for line in lines) and option not in ("model", "data")
    ]
    assert missed == []
    assert set(RIGHT) == set(commands())
