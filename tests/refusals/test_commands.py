"""Mistakes on the command line: one line of at most 200 characters, the exit code 2, and no file touched.

A mistake that a checker finds has one row here. That each command calls the checkers is tested once for a command: the
value of each of its options is made wrong, and the message must name the option as it is typed.
"""

import re
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from scratchvae.cli import main
from scratchvae.cli.parser import make_parser


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Unusable data, files that are no models, and five models."""
    examples = tmp_path_factory.mktemp("examples")
    table = np.random.default_rng(0).random((40, 6), np.float32)
    for name, value in {"nan": np.nan, "infinite": np.inf, "minus": -0.1, "two": 2.0}.items():
        invalid = table.copy()
        invalid[12, 3] = value
        np.save(examples / f"{name}.npy", invalid)
    np.save(examples / "table.npy", table)
    np.save(examples / "unlabelled.npy", np.random.default_rng(1).random((40, 64), np.float32))
    np.save(examples / "counts.npy", np.arange(680).reshape(40, 17) % 17)
    np.save(examples / "empty.npy", table[:0])
    np.save(examples / "nine.npy", table[:9])
    np.save(examples / "line.npy", table[:, 0])
    np.save(examples / "words.npy", np.full((40, 6), "a"))
    np.savez(examples / "several.npz", a=table, b=table)
    np.save(examples / "mask.npy", table > 0.5)
    for name in ("text.npy", "text.npz", "text.csv", "text.json", "file"):
        (examples / name).write_text("no numbers\n", encoding="utf-8")
    for name, settings in {"list": "[1, 2]", "unknown": '{"colour": 1}', "latent": '{"latent": 0}'}.items():
        (examples / f"{name}.json").write_text(settings, encoding="utf-8")
    (examples / "empty.npz").write_bytes(b"")
    (examples / "bare").mkdir()
    (examples / "tables").mkdir()
    pets = "".join(f"{('cat', 'dog')[k % 2]},{k / 2},{k % 4}\n" for k in range(40))
    for name in ("pets.csv", "tables/pets.csv"):
        (examples / name).write_text(f"kind,weight,visits\n{pets}", encoding="utf-8")
    np.save(examples / "cells.npy", np.ones((40, 4), bool))
    for out, data, kind in (
        ("pets", "pets.csv", "vae"),
        ("vae", "digits", "vae"), ("plain", "digits", "autoencoder"), ("ten", "table.npy", "vae"),
        ("conditional", "digits", "conditional"), ("semi", "digits", "semi-supervised"),
    ):  # fmt: skip
        source = data if data == "digits" else str(examples / data)
        words = f"--model {kind} --epochs 1 --hidden 8 --latent 3 --quiet --no-pictures".split()
        assert main(["train", source, *words, "--out", str(examples / out)]) == 0
    return examples


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, examples):
    shutil.copytree(examples, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


NO_CUPY = pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is installed")

# a command line, and words of the message
MISTAKES = [
    # what is typed
    ("", "no COMMAND was given; start with scratchvae train (see scratchvae --help)"),
    ("trian", "unknown command trian; did you mean train?"),
    ("frobnicate", "unknown command frobnicate; expected one of train, evaluate"),
    ("help trian", "unknown command trian; did you mean train? (see scratchvae --help)"),
    ("--verison", "unknown option --verison; did you mean --version? (see scratchvae --help)"),
    ("--foo", "unknown option --foo (see scratchvae --help)"),
    ("--foo train", "unknown option --foo (see scratchvae --help)"),
    ("--debug --foo=3 train", "unknown option --foo (see scratchvae --help)"),
    ("-x", "unknown option -x"),
    ("--debug", "no COMMAND was given"),
    ("--latent 3 train", "--latent stands after COMMAND, as in scratchvae train --latent"),
    ("train --learning-rate 0.1", "unknown option --learning-rate; did you mean --lr?"),
    ("train --z_dim 3", "unknown option --z_dim; did you mean --latent?"),
    ("sample vae --n-samples 3", "unknown option --n-samples; did you mean --count?"),
    ("train --palette red", "unknown option --palette (see scratchvae train --help)"),
    ("train --colour red", "unknown option --colour; did you mean --color?"),
    ("train digits --color rgb", "--color rgb is only for a folder of images"),
    ("train digits --size 8 8", "is only for a folder of images"),
    ("train --latnet 3", "unknown option --latnet; did you mean --latent?"),
    ("train --l 3", "--l is ambiguous: expected one of"),
    ("train digits table.npy", "unexpected argument table.npy"),
    ("train --latent x", "--latent x: expected a whole number"),
    ("train --latent 1.5", "--latent 1.5: expected a whole number"),
    ("train --latent=", "--latent '': expected a whole number"),
    ("train --lr fast", "--lr fast: expected a number"),
    ("train --lr", "--lr: expected a value after it"),
    ("train --hidden 8 digits", "--hidden digits: expected a whole number; DATA stands before --hidden"),
    ("traverse --dimensions 1 vae", "expected a whole number; MODEL and DATA stand before --dimensions"),
    ("train --hidden 64,32", "expected a whole number; separate several by spaces: --hidden 64 32 (see"),
    ("train --hidden [64,32]", "separate several by spaces: --hidden 64 32"),
    ("train --hidden 64, 32", "separate several by spaces: --hidden 64"),
    ("train --hidden 64,a", "expected a whole number; DATA stands before --hidden"),
    ("analogy vae --a 1,2 --b 3 --c 4", "separate several by spaces: --a 1 2"),
    ("train --quiet=yes", "--quiet takes no value"),
    ("train --likelihood gausian", "--likelihood gausian is unknown; did you mean gaussian?"),
    ("train --optimizer Adam", "--optimizer Adam is unknown; did you mean adam?"),
    ("train --likelihood laplace", "--likelihood laplace is unknown; expected one of bernoulli, continuous_bernoulli"),
    ("gradcheck --unit Cubic", "--unit Cubic is unknown; expected one of Linear"),
    ("gradcheck --unit Linaer", "--unit Linaer is unknown; did you mean Linear?"),
    ("gradcheck --oracle jaxx", "--oracle jaxx is unknown; did you mean jax?"),
    ("sample", "missing: MODEL; MODEL is a model file or the folder of a run"),
    ("analogy vae --a one --b 3 --c 4", "--a one: expected numbers of rows, or --labels for labels\n"),
    ("analogy vae --a 1 --b 2", "missing: --c"),
    ("analogy vae --a", "--a: expected one or more values after it"),
    # data
    ("train mnsit", "there is no data mnsit; did you mean mnist?"),
    ("train tabel.npy", "there is no data tabel.npy; did you mean table.npy?"),
    ("train nowhere", "there is no data nowhere: expected a data set such as digits"),
    ("train nan.npy", "NaN"),
    ("train infinite.npy", "infinite"),
    ("train minus.npy --likelihood bernoulli", "minus.npy holds values from -0.1"),
    ("train two.npy --likelihood bernoulli", "use --scale minmax"),
    ("train counts.npy --likelihood bernoulli", "(--scale 255)"),
    ("train empty.npy", "(0, 6)"),
    ("train nine.npy", "9 rows"),
    ("train line.npy", "(40,)"),
    ("train words.npy", "words.npy"),
    ("train text.npy", "text.npy"),
    ("train text.csv", "text.csv"),
    ("train file", "file"),
    ("train bare", "bare"),
    ("train several.npz", "name one with --key"),
    ("train several.npz --key c", "'c'"),
    ("train --key a", "--key a"),
    ("train mnist --data-dir bare", "bare"),
    ("train nan.npy --likelihood gaussian", "NaN"),
    ("train infinite.npy --likelihood gaussian_learned", "infinite"),
    # tables of several kinds of columns
    ("train pets.csv --likelihood bernoulli", "--likelihood has no effect on a table of several kinds of columns"),
    ("train pets.csv --sigma 1", "--sigma has no effect on a table of several kinds of columns"),
    ("train pets.csv --scale minmax", "--scale minmax is not for a table of several kinds of columns"),
    ("train pets.csv --binarize dynamic", "--binarize dynamic is not for a table of several kinds of columns"),
    ("train pets.csv --corrupt masking", "--corrupt masking is not for a table of several kinds of columns: leave it"),
    ("train pets.csv --corrupt-level 1", "--corrupt-level has no effect on a table of several kinds of columns"),
    ("train pets.csv --architecture conv", "--architecture conv is for pictures, and pets.csv has rows of 4 numbers"),
    ("train pets.csv --model conditional", "name the column of the classes label"),
    ("train pets.csv --mmap", "--mmap is only for .npy files, and 'pets.csv' is none: leave it out"),
    ("train pets.csv --kinds auto --mmap", "--mmap is only for .npy files, and 'pets.csv' is none: leave it out"),
    ("train pets.csv --size 8 8", "--size 8 8 is only for a folder of images"),
    ("train tables", "tables names tables; expected a single .csv or .tsv file: join them into one"),
    ("train tables/*.csv", "tables/*.csv names tables; expected a single .csv or .tsv file: join them into one"),
    ("train pets.csv --kinds kinds=count", "--kinds kinds=count: pets.csv has no column 'kinds'; did you mean 'kind'?"),
    ("train pets.csv --kinds seed=count", "--kinds seed=count: pets.csv has no column 'seed'; expected some of kind"),
    ("train pets.csv --kinds visits=int", "--kinds visits=int: 'int' is no kind; choose one of number, date, boolean"),
    ("train pets.csv --kinds visits=counts", "--kinds visits=counts: 'counts' is no kind; did you mean count?"),
    ("train pets.csv --kinds visits", "--kinds visits: expected NAME=KIND, such as year=category, or auto alone"),
    ("train --kinds visits=count pets.csv", "--kinds pets.csv: expected NAME=KIND, such as year=category, or auto"),
    ("train pets.csv --kinds auto visits=count", "--kinds auto: expected NAME=KIND, such as year=category, or auto"),
    ("train pets.csv --kinds", "--kinds: expected one or more values after it"),
    ("train pets.csv --kinds visits=count visits=number", "--kinds names the column 'visits' twice: choose one kind"),
    ("train pets.csv --kinds visits=count,weight=number", "by spaces: visits=count weight=number"),
    ("train pets.csv --kinds kind=number", "pets.csv: column 'kind' holds 'cat' in row 1; expected a number: correct"),
    (
        "train pets.csv --kinds weight=count",
        "in row 2; expected counts, 0, 1, 2, …: correct it, or choose another kind",
    ),
    ("train digits --kinds auto", "--kinds is for .csv and .tsv files, and digits is none: leave it out"),
    ("train pest.csv --kinds auto", "there is no data pest.csv; did you mean pets.csv?"),
    ("embed pets digits", "digits is no table; expected a .csv or .tsv file"),
    ("embed pets table.npy", "table.npy is no table; expected a .csv or .tsv file"),
    ("embed pets pets.csv --mmap", "--mmap is only for .npy files, and 'pets.csv' is none: leave it out"),
    ("embed pets tables", "tables names tables; expected a single .csv or .tsv file"),
    ("evaluate pets --binarize dynamic", "--binarize has no effect on a table of several kinds of columns"),
    ("denoise pets", "pets is of a table of several kinds of columns, which has no noise to remove; scratchvae impute"),
    ("export pets --part decoder", "--part decoder: pets is of a table of several kinds of columns"),
    ("sample pets --out a.npy", "--out a.npy: expected a name that ends in .csv, for a table of several kinds"),
    ("impute pets --out a.npy", "--out a.npy: expected a name that ends in .csv"),
    ("impute pets --hide lower-half", "--hide lower-half: pets was not trained on images; use --hide-fraction"),
    ("impute pets --mask cells.npy", "shape (40, 4); expected booleans of shape (40, 3), one for each cell"),
    ("sample pets --label cat", "--label cat: pets is a VAE, which has no classes"),
    # a model
    ("sample nothing", "there is no model nothing: expected a model file, or the folder of a run"),
    ("sample vea", "there is no model vea; did you mean vae?"),
    ("sample text.npz", "text.npz"),
    ("sample table.npy", "table.npy"),
    ("sample several.npz", "several.npz"),
    ("sample empty.npz", "empty.npz"),
    ("sample bare", "bare"),
    ("sample file/vae", "there is no model file/vae"),
    ("sample plain", "plain is an Autoencoder; sample needs a VAE"),
    ("traverse plain", "plain is an Autoencoder; traverse needs a VAE"),
    ("impute plain", "plain is an Autoencoder; impute needs a VAE"),
    ("denoise plain --draws 2", "--draws 2: plain is an Autoencoder"),
    ("classify vae", "vae is a VAE, which has no classifier"),
    # rows for the model
    ("evaluate ten minus.npy", "-0.1"),
    ("reconstruct ten nan.npy --part all", "NaN"),
    ("embed vae --part validation", "validation"),
    ("interpolate vae --from 297", "--from 297: expected a row from 0 to 296"),
    ("traverse vae --row 297", "--row 297: expected a row from 0 to 296"),
    ("traverse vae --dimensions 0 3", "0 to 2"),
    ("analogy vae --a 1 --b 2 --c 297", "--c 297: expected a row from 0 to 296"),
    ("analogy vae --a 297 --b 2 --c 3", "--a 297: expected a row from 0 to 296, those of --part test"),
    ("analogy vae --labels --a 3 --b 12 --c 3", "--b 12: no row has this label"),
    ("analogy ten --labels --a 3 --b 2 --c 3", "--labels"),
    # files to write
    ("sample vae --out new/picture.jpg", "--out new/picture.jpg: expected a name that ends in .png"),
    ("sample vae --out new/picture", "--out new/picture: expected a name that ends in .png"),
    ("sample vae --out file/picture.png", "file"),
    ("embed vae --out codes.png", "--out codes.png: expected a name that ends in .npy"),
    ("denoise vae --picture denoised.npy", "--picture denoised.npy: expected"),
    ("explore vae --out page.htm", "--out page.htm: expected a name that ends in .html"),
    ("explore vae --out file/page.html", "file"),
    ("explore vae --rows 0 --part test", "--part has no effect with --rows 0"),
    ("explore vae digits --rows 0", "digits has no effect with --rows 0"),
    ("explore vae --max-mb 0.001", "--max-mb 0.001 is less than the page needs"),
    ("explore conditional unlabelled.npy", "unlabelled.npy has no labels, but a ConditionalVAE needs the class"),
    ("explore ten --part validation", "has no part 'validation'"),
    ("export vae --out encoder.py", "--out encoder.py: expected a name that ends in .onnx"),
    ("export vae --format torch --out weights.pt", "--out weights.pt: expected a name that ends in .npz"),
    ("export vae --format numpy --out file/encoder.py", "file"),
    ("export vae --format numpy --out my-encoder.py", "--out 'my-encoder.py': expected a file that Python can import"),
    ("export vae --format numpy --out numpy.py", "a name that no module of Python or NumPy has"),
    ("export vae --format numpy --out vae/model.py", "vae/model.npz is a model file"),
    ("export vae --format torch --out vae/model.npz", "vae/model.npz is a model file"),
    ("export vae --format torch --part decoder", "--part has no effect with --format torch"),
    ("train --out file/run", "file"),
    ("train --checkpoint kept", "--checkpoint kept: expected a name that ends in .npz"),
    ("train --checkpoint file/run", "file"),
    # settings
    ("train --latent 1000000000000", "memory"),
    ("train --latent 1000000000000000", "--latent 1000000000000000: expected a whole number of at most"),
    ("sample vae --count 1000000000000", "memory"),
    ("train --lr -1", "--lr -1.0: expected a positive number, such as 1e-3"),
    ("train --lr 0", "--lr 0.0: expected a positive number, such as 1e-3"),
    ("train --likelihood gaussian --sigma -1", "--sigma -1.0: expected a positive number, such as 1e-3"),
    ("train --likelihood gaussian --sigma 0", "--sigma 0.0: expected a positive number, such as 1e-3"),
    ("train --corrupt masking --corrupt-level -1", "--corrupt-level -1.0: expected a positive number, such as 1e-3"),
    ("denoise vae --level -1", "--level -1.0: expected a positive number, such as 1e-3"),
    ("traverse vae --reach -1", "--reach -1.0: expected a positive number, such as 1e-3"),
    ("train --clip-norm -1", "--clip-norm -1.0: expected a positive number, such as 1e-3"),
    ("train --sigma 0.5", "--sigma 0.5"),
    ("train --likelihood gaussian --binarize dynamic", "--likelihood"),
    ("train --momentum 0.9", "--momentum has no effect with --optimizer adam"),
    ("train --weight-decay 0.9", "--weight-decay has no effect with --optimizer adam"),
    ("train --free-bits 1 --model autoencoder", "--free-bits has no effect with --model autoencoder"),
    ("train --kl-warmup 1 --model autoencoder", "--kl-warmup has no effect with --model autoencoder"),
    ("train --importance-samples 3", "--importance-samples has no effect with --model vae"),
    ("train --model iwae --beta 2", "--beta"),
    ("train --kl-cycles 1000", "--kl-cycles 1000: expected at most 12, the number of training steps"),
    ("train --kl-cycles 2 --kl-warmup 1", "--kl-warmup and --kl-cycles exclude each other"),
    ("train --corrupt masking --corrupt-level 2", "--corrupt-level 2.0: expected"),
    ("train --corrupt-level 0.1", "--corrupt-level has no effect without noise"),
    ("train --every 3", "--every has no effect without checkpoints"),
    ("train --keep 3", "--keep has no effect without checkpoints"),
    ("train --model conditional --missing", "--missing"),
    ("train --config missing.json", "missing.json"),
    ("train --config text.json", "text.json"),
    ("train --config list.json", "list.json"),
    ("train --config unknown.json", "colour"),
    ("train --config latent.json", "--latent 0: expected"),
    ("train --config bare", "bare"),
    ("denoise vae --noise none --level 0.1", "--level has no effect with --noise none"),
    ("denoise vae --clean table.npy", "--noise none"),
    ("denoise vae --noise none --clean table.npy", "(4, 6)"),
    ("denoise vae --noise none --clean missing.npy", "missing.npy"),
    ("impute vae --mask missing.npy", "missing.npy"),
    ("impute vae --mask mask.npy", "(40, 6)"),
    ("impute ten table.npy --mask table.npy", "float32"),
    ("impute ten table.npy --hide lower-half", "--hide-fraction"),
    ("impute vae --hide-fraction 0.5 --hide lower-half", "--hide and --hide-fraction exclude each other"),
    ("impute vae --draws 2 --out a.csv", ".npy"),
    ("score vae --samples 0", "--samples 0: expected a whole number of at least 1"),
    ("score vae --method reconstruction --samples 3", "--samples has no effect for the score by reconstruction"),
    ("score vae --out scores.txt", "--out scores.txt: expected a name that ends in .npy, .csv"),
    ("gradcheck digits", "add --model"),
    ("gradcheck --unit SGD --oracle finite-difference", "no gradient"),
    ("gradcheck --model vae --unit Linear", "--unit"),
    # labels
    ("train --model conditional table.npy", "table.npy has no class labels"),
    ("train --labels 100", "--labels has no effect with --model vae"),
    ("train --model semi-supervised --labels 13", "--labels 13: expected a multiple of 10"),
    ("train --model semi-supervised --labels 100000", "--labels 100000 needs 10000 rows of each class"),
    ("sample vae --label 3", "--label 3: vae is a VAE"),
    ("sample conditional --label 10", "--label 10: expected a class, 0 to 9"),
    ("interpolate conditional", "add --label"),
    ("traverse conditional", "add --label"),
    ("analogy conditional --a 1 --b 2 --c 3", "conditional is a ConditionalVAE"),
    ("impute conditional", "ConditionalVAE"),
    ("embed conditional unlabelled.npy", "no labels"),
    pytest.param("train --backend cupy", "CuPy", marks=NO_CUPY),
]

# a correct line of each command, and what some options need beside them
CORRECT = {
    "train": "train digits --quiet --epochs 1 --hidden 4 --latent 2 --no-pictures",
    "sample": "sample vae --out a.npy",
    "reconstruct": "reconstruct vae --out a.npy",
    "interpolate": "interpolate vae --out a.npy",
    "analogy": "analogy vae --a 1 --b 2 --c 3 --out a.npy",
    "traverse": "traverse vae --out a.npy",
    "denoise": "denoise vae",
    "impute": "impute vae --count 2 --samples 2",
    "explore": "explore vae --out a.html",
    "embed": "embed vae",
    "score": "score vae --samples 2",
    "classify": "classify semi",
    "evaluate": "evaluate vae",
    "export": "export vae --format numpy",
    "gradcheck": "gradcheck --unit Tanh --oracle finite-difference --trials 1",
    "info": "info vae",
    "help": "help train",
}
NEEDED = {
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
    "--level": "--noise masking",
}
OTHER = {
    "--label",
    "--a",
    "--b",
    "--key",
    "--data-dir",
    "--config",
    "--clean",
    "--mask",
    "--checkpoint",
    "--kinds",
}  # each with rows above
PYTHON = re.compile(r"[a-z_]+(\[\d+\])?=")


def commands():
    parser = make_parser()
    return {name: parser.commands[name].options for name in parser.commands}


def wrong_values(command):
    """The command line, and words of the message, for a wrong value of each option of the command."""
    correct = CORRECT[command]
    name = correct.split()[1]
    for option in commands()[command].values():
        line = f"{correct} {NEEDED.get(option.flag, '')} {option.flag}"
        if option.choices is not None and not option.positional:
            yield f"{line} nosuch", f"{option.flag} nosuch is unknown"
        elif option.nargs == 2:
            yield f"{line} 0 0", f"{option.flag}"
            yield f"{line} 3", f"{option.flag}: expected 2 values after it"
        elif option.type is int:
            yield f"{line}={-(10**40)}", f"{option.flag} -1000"
        elif option.type is float:
            yield f"{line}=nan", f"{option.flag} nan"
            yield f"{line}=-1e30", f"{option.flag} -1e+30"
        elif option.flag in ("--out", "--picture"):
            yield f"{line} file/a.png", "file"
        elif option.flag == "MODEL":
            yield correct.replace(name, "missing.npz", 1), "missing.npz"
        elif option.flag == "--model":
            yield "gradcheck --model missing.npz", "missing.npz"
        elif option.flag == "DATA" and command != "train":
            begin = "gradcheck --model vae" if command == "gradcheck" else correct
            yield from ((f"{begin} {data}", data) for data in ("nowhere", "table.npy"))


def run(words):
    try:
        return main(words)
    except SystemExit as error:
        return error.code


def check_refusal(folder, capsys, line, words):
    typed = line.split()
    if typed[:1] == ["train"]:
        typed += ["--quiet"] if "--epochs" in line else ["--quiet", "--epochs", "1"]
    before = content(folder)
    assert run(typed) == 2, line
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("scratchvae") and err.endswith("\n") and err.count("\n") == 1, err
    assert words in err and "Traceback" not in err, err
    assert len(err) <= 201, err
    assert "--kinds" in line or not PYTHON.search(err), err  # NAME=KIND is typed
    assert content(folder) == before


def content(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(("line", "words"), MISTAKES, ids=lambda text: str(text)[:60])
def test_a_mistake_ends_with_2_one_line_that_names_it_and_no_file_written(folder, capsys, line, words):
    check_refusal(folder, capsys, line, words)


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_a_wrong_value_of_each_option_is_refused_by_the_name_of_the_option(folder, capsys, command):
    for line, words in wrong_values(command):
        check_refusal(folder, capsys, line, words)


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "line",
    [
        "LONG", "help LONG", "train LONG", "train --LONG", "train --LONG=3", "train --latent LONG",
        "train --quiet=LONG", "train --latent 9xLONG", "train --likelihood LONG", "train --optimizer LONG",
        "train --out LONG", "train --out LONG/LONG", "train --key LONG", "train several.npz --key LONG",
        "train mnist --data-dir LONG", "train --config LONG", "train --checkpoint LONG",
        "train --checkpoint LONG.npz", "sample LONG", "sample vae LONG", "sample vae --out LONG",
        "sample vae --out LONG.png", "sample vae --count xLONG", "embed vae LONG.npy", "impute vae --mask LONG",
        "denoise vae --noise none --clean LONG", "gradcheck --unit LONG", "gradcheck --model LONG",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", [LONG, "9" * 10_000, "a 😀\n" * 2_500])
def test_a_message_is_short_whatever_was_typed(folder, capsys, line, text):
    words = [word.replace("LONG", text) for word in line.split()]
    assert run([*words, "--quiet"] if words[0] == "train" else words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("scratchvae") and err.count("\n") == 1 and len(err) <= 201, err


def test_a_run_that_fails_leaves_the_model_of_an_earlier_run_as_it_was(folder, capsys):
    model = folder / "vae" / "model.npz"
    before = model.read_bytes()
    assert run(["train", "nan.npy", "--out", "vae"]) == 2
    assert model.read_bytes() == before


@pytest.mark.parametrize("command", commands())
def test_a_correct_line_is_accepted(command):
    if command != "train":  # which made the models
        assert run(CORRECT[command].split()) == 0


def test_every_option_of_every_command_is_made_wrong_here():
    mistakes = [(row.values if hasattr(row, "values") else row)[0] for row in MISTAKES]
    for name, options in commands().items():
        lines = [line.replace("=", " ").split() for line, _ in wrong_values(name)]
        for option in options.values():
            if option.type is bool or option.positional:
                continue
            assert any(option.flag in line for line in lines) or (
                option.flag in OTHER and any(option.flag in line.split() for line in mistakes)
            ), (name, option.flag)
    assert set(CORRECT) == set(commands())
