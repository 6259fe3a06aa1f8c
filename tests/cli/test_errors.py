import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from scratchvae.cli import main


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
    for name in ("text.npy", "text.npz", "file"):
        (shelf / name).write_text("no numbers\n")
    (shelf / "bare").mkdir()
    for out, data, kind in (("vae", "digits", "vae"), ("plain", "digits", "autoencoder"), ("ten", "table.npy", "vae")):
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
WRONG = [
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
    ("train --latent 1000000000000000", "memory"),
    ("train --hidden 0", "hidden"),
    ("train --likelihood poisson", "poisson"),
    ("train --sigma 0.5", "sigma=0.5 does nothing"),
    ("train --likelihood gaussian --sigma 0", "sigma=0"),
    ("train --likelihood gaussian --sigma -1", "sigma=-1"),
    ("train --likelihood gaussian --sigma wide", "--sigma"),
    ("train --likelihood gaussian --binarize dynamic", "likelihood='bernoulli'"),
    ("train nan.npy --likelihood gaussian", "NaN"),
    ("train infinite.npy --likelihood gaussian_learnt", "infinite"),
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
    ("sample vae --count 1000000000000000", "memory"),
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
    ("walk plain", "Autoencoder"),
    ("walk vae --row 297", "--row 297"),
    ("walk vae --dimensions 0 3", "dimensions 0 to 2"),
    ("walk vae --steps 0", "--steps"),
    ("walk vae --reach 0", "--reach"),
    ("walk vae --reach nan", "--reach"),
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
    pytest.param("train --backend cupy", "CuPy", marks=NO_CUPY),
    pytest.param("sample vae --backend cupy", "CuPy", marks=NO_CUPY),
]


def run(words):
    try:
        return main(words)
    except SystemExit as leaving:
        return leaving.code


@pytest.mark.parametrize(("line", "names"), WRONG)
def test_what_is_wrong_ends_with_2_one_line_that_names_it_and_nothing_written(folder, capsys, line, names):
    words = line.split()
    if words[:1] == ["train"]:
        words += ["--quiet", "--epochs", "1"] if "--epochs" not in words else ["--quiet"]
    before = sorted(folder.rglob("*"))
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("scratchvae") and err.endswith("\n") and err.count("\n") == 1
    assert names in err
    assert sorted(folder.rglob("*")) == before


def test_a_run_that_fails_leaves_the_model_of_an_earlier_run_as_it_was(folder, capsys):
    model = folder / "vae" / "model.npz"
    before = model.read_bytes()
    assert run(["train", "nan.npy", "--out", "vae"]) == 2
    assert model.read_bytes() == before
