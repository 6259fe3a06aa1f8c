import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import scratchvae
from scratchvae.cli import main
from scratchvae.evaluation import active_units, log_likelihood

QUICK = ("--epochs", "1", "--hidden", "16", "--latent", "3", "--quiet", "--no-pictures")
STARTS = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".svg": b"<?xml"}


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A table of 40 rows, and models: of digits, of the table, an autoencoder, one trained on binarised digits."""
    examples = tmp_path_factory.mktemp("examples")
    np.save(examples / "table.npy", np.random.default_rng(0).random((40, 6), np.float32))
    for out, words in {
        "digits": [],
        "table": [str(examples / "table.npy")],
        "plain": ["--model", "autoencoder"],
        "binary": ["--binarize", "dynamic"],
    }.items():
        assert main(["train", *words, *QUICK, "--out", str(examples / out)]) == 0
    return examples


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, examples):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(examples, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def digits():
    return scratchvae.datasets.load("digits")


@pytest.fixture
def vae():
    return scratchvae.load("digits/model.npz")


def run(line):
    try:
        return main(line.split())
    except SystemExit as error:
        return error.code


def array_from(line):
    assert run(f"{line} --out got.npy") == 0
    return np.load("got.npy")


def test_sample_writes_the_images_of_that_seed(vae):
    images = array_from("sample digits --count 5 --seed 3")
    assert np.array_equal(images, vae.sample(5, seed=3))
    assert not np.array_equal(images, array_from("sample digits --count 5 --seed 4"))


@pytest.mark.parametrize(
    "command",
    [
        "sample digits",
        "reconstruct digits",
        "interpolate digits",
        "analogy digits --a 1 --b 2 --c 3",
        "traverse digits",
    ],
)
@pytest.mark.parametrize("suffix", STARTS)
def test_the_suffix_is_the_format_of_a_picture(folder, capsys, command, suffix):
    assert run(f"{command} --out new/picture{suffix}") == 0
    assert (folder / f"new/picture{suffix}").read_bytes().startswith(STARTS[suffix])
    assert f"picture{suffix}" in capsys.readouterr().out


def test_rows_of_a_table_are_written_as_a_table_unless_a_picture_is_asked_for(folder):
    commands = {"sample": "samples", "reconstruct": "reconstructions", "interpolate": "interpolation"}
    commands |= {"analogy --a 1 --b 2 --c 3": "analogy", "traverse": "traversal"}
    for command, stem in commands.items():
        name, *options = command.split()
        assert run(f"{name} table {' '.join(options)}") == 0
        assert (folder / f"{stem}.csv").stat().st_size and not (folder / f"{stem}.png").exists()
    for command in ("reconstruct table --out a.png", "traverse table --out b.png", "impute table --picture c.png"):
        assert run(command) == 0 and (folder / command.split()[-1]).stat().st_size
    assert run("denoise table --draws 1") == 0 and not (folder / "denoised.png").exists()


TITLES = {
    "sample table": "Samples: decoded draws from the prior",
    "reconstruct table": "Originals and reconstructions of the first rows",
    "interpolate table": "The straight line from code to code",
    "analogy table --a 1 --b 2 --c 3": "The result is to C as A is to B",
    "traverse table --reach 2": "Each latent dimension from -2 to 2",
}


@pytest.mark.parametrize("command", TITLES)
def test_the_picture_of_a_table_has_a_title_that_says_what_it_shows(monkeypatch, command):
    figures = []
    monkeypatch.setattr("scratchvae.cli.outputs.save_picture", lambda figure, path: figures.append(figure))
    assert run(f"{command} --out a.png") == 0
    assert figures[0].get_suptitle().splitlines()[0] == TITLES[command]


def test_a_table_of_samples_has_a_line_of_names_and_gives_the_numbers_back(folder, vae):
    assert run("sample digits --count 4 --out got.csv") == 0
    header, *lines = (folder / "got.csv").read_text(encoding="utf-8").splitlines()
    assert header.split(",") == [f"x{k}" for k in range(64)]
    assert np.array_equal(np.array([line.split(",") for line in lines], np.float32), vae.sample(4))


def test_reconstruct_takes_the_first_rows_of_the_test_part(vae, digits):
    assert np.array_equal(array_from("reconstruct digits --count 7"), vae.reconstruct(digits.test.images[:7]))
    train = array_from("reconstruct digits --part train --count 7")
    assert np.array_equal(train, vae.reconstruct(digits.train.images[:7]))
    assert len(array_from("reconstruct digits --count 999")) == 297


def test_interpolate_goes_from_one_reconstruction_to_another(vae, digits):
    frames = array_from("interpolate digits --from 3 --to 8 --steps 6")
    assert np.array_equal(frames, vae.interpolate(digits.test.images[3], digits.test.images[8], 6))
    ends = vae.reconstruct(digits.test.images[[3, 8]])
    np.testing.assert_allclose(frames[[0, -1]], ends, atol=1e-6)


def test_interpolate_takes_the_arc_with_kind_spherical(vae, digits):
    a, b = digits.test.images[[3, 8]]
    straight, arc = (
        array_from(f"interpolate digits --from 3 --to 8 --kind {kind}") for kind in ("linear", "spherical")
    )
    assert np.array_equal(arc, vae.interpolate(a, b, 12, "spherical"))
    assert not np.array_equal(arc, straight)


def test_analogy_answers_each_row_of_c_by_rows_or_by_all_rows_of_a_label(vae, digits):
    x, labels = digits.test
    by_rows = array_from("analogy digits --a 3 4 --b 8 --c 1 5")
    assert np.array_equal(by_rows, vae.analogy(x[[3, 4]], x[[8]], x[[1, 5]]))
    by_labels = array_from("analogy digits --labels --a 3 4 --b 8 --c 1 5")
    groups = x[(labels == 3) | (labels == 4)], x[labels == 8]
    assert np.array_equal(by_labels, vae.analogy(*groups, x[[1, 5]]))
    train = array_from("analogy digits --part train --a 3 --b 8 --c 1")
    assert np.array_equal(train, vae.analogy(*(digits.train.images[[k]] for k in (3, 8, 1))))


def test_traverse_takes_the_dimensions_from_the_highest_kl_to_the_lowest(vae, digits, capsys):
    order = np.argsort(-active_units(vae, digits.test.images).kl)
    frames = array_from("traverse digits --reach 2 --steps 5")
    expected = [vae.traverse(None, int(k), np.linspace(-2, 2, 5)) for k in order]
    assert np.array_equal(frames, np.concatenate(expected))
    out = capsys.readouterr().out
    assert [out.index(f"z{k} ") for k in order] == sorted(out.index(f"z{k} ") for k in order)


def test_traverse_starts_from_the_code_of_a_row_and_takes_the_chosen_dimensions(vae, digits):
    frames = array_from("traverse digits --row 7 --dimensions 2 0")
    assert np.array_equal(frames, np.concatenate([vae.traverse(digits.test.images[7], k) for k in (2, 0)]))


def test_an_autoencoder_reconstructs_interpolates_adds_and_embeds():
    assert array_from("reconstruct plain").shape == (297, 64)
    assert array_from("interpolate plain").shape == (12, 64)
    assert array_from("analogy plain --a 1 --b 2 --c 3 4").shape == (2, 64)
    assert array_from("embed plain").shape == (1797, 3)


def test_embed_keeps_the_order_of_the_rows_of_a_file():
    model, table = scratchvae.load("table/model.npz"), np.load("table.npy")
    codes = array_from("embed table table.npy")
    assert np.array_equal(codes, model.embed(table))
    assert np.array_equal(codes, array_from("embed table"))


def test_score_writes_the_anomaly_scores_and_prints_the_highest(vae, digits, capsys):
    images = digits.test.images
    assert np.array_equal(
        array_from("score digits --part test --samples 7 --seed 3"), vae.anomaly_score(images, samples=7, seed=3)
    )
    scores = vae.anomaly_score(images, "reconstruction")
    capsys.readouterr()
    assert run("score digits --part test --method reconstruction --out scores.csv") == 0
    out = capsys.readouterr().out
    assert f"297 rows, median {np.median(scores):.4g} nats\n" in out
    assert f"most unusual, rows counted from 1: row {scores.argmax() + 1} (" in out
    lines = Path("scores.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "anomaly_score,label"
    assert np.array_equal([float(line.split(",")[0]) for line in lines[1:]], scores.round(6))


def test_an_autoencoder_is_scored_by_reconstruction(digits):
    plain = scratchvae.load("plain/model.npz")
    assert np.array_equal(array_from("score plain"), plain.anomaly_score(digits.part("all").images))
    assert run("score plain --method elbo") == 2


def test_rows_somewhat_outside_the_range_of_the_likelihood_are_embedded(vae, digits):
    np.save("beyond.npy", digits.test.images + 0.1)
    np.testing.assert_array_equal(array_from("embed digits beyond.npy"), vae.embed(digits.test.images + 0.1))


@pytest.mark.parametrize(("part", "count"), [("train", 1500), ("test", 297), ("all", 1797)])
def test_embed_takes_the_chosen_part(vae, digits, part, count):
    codes = array_from(f"embed digits --part {part}")
    assert len(codes) == count and np.array_equal(codes, vae.embed(digits.part(part).images))


def test_a_table_of_codes_has_labels_and_gives_float32_back(folder, vae, digits):
    assert run("embed digits --part test --out codes.csv") == 0
    header, *lines = (folder / "codes.csv").read_text(encoding="utf-8").splitlines()
    assert header == "z0,z1,z2,label"
    cells = np.array([line.split(",") for line in lines])
    assert np.array_equal(cells[:, :3].astype(np.float32), vae.embed(digits.test.images))
    assert np.array_equal(cells[:, 3].astype(int), digits.test.labels)


def test_a_table_of_codes_of_data_without_labels_has_no_column_for_them(folder):
    assert run("embed table --out codes.csv") == 0
    assert (folder / "codes.csv").read_text(encoding="utf-8").startswith("z0,z1,z2\n")


@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_two_embeddings_agree_bit_for_bit(folder, suffix):
    assert [run(f"embed digits --out {name}.{suffix}") for name in "ab"] == [0, 0]
    assert (folder / f"a.{suffix}").read_bytes() == (folder / f"b.{suffix}").read_bytes()


def write_idx(folder, count):
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for axes, kind, shape in ((3, "images", (count, 2, 2)), (1, "labels", (count,))):
            header = np.array([0x0800 + axes, *shape], ">u4").tobytes()
            path = folder / f"{part}-{kind}-idx{axes}-ubyte"
            path.write_bytes(header + np.arange(np.prod(shape), dtype=np.uint8).tobytes())


@pytest.mark.parametrize("data", ["digits", "table.npy", "two.npz --key b", "sets/idx"])
def test_a_model_finds_its_training_data_again(folder, data):
    np.savez("two.npz", a=np.zeros((10, 3)), b=np.ones((10, 4)))
    write_idx(folder / "sets" / "idx", 12)
    assert main(["train", *data.split(), *QUICK, "--out", "run"]) == 0
    assert np.array_equal(array_from("embed run"), array_from(f"embed run {data}"))


@pytest.mark.parametrize("line", ["embed table --out codes.npy table.npy", "embed --out codes.npy table table.npy"])
def test_options_may_stand_before_between_and_after_model_and_data(line):
    assert run(line) == 0


def test_evaluate_prints_score_and_active_units(capsys, vae, digits):
    assert run("evaluate digits --json --seed 4") == 0
    result = json.loads(capsys.readouterr().out)
    use = active_units(vae, digits.test.images)
    assert result == {
        **scratchvae.score(vae, digits.test.images, seed=4)._asdict(),
        "binarize": None,
        "active": use.active,
        "kl_per_dimension": use.kl.tolist(),
    }


@pytest.mark.parametrize(("option", "binarize"), [("", "dynamic"), (" --binarize none", None)])
def test_evaluate_binarises_as_in_training_by_default(capsys, digits, option, binarize):
    assert run(f"evaluate binary --json{option}") == 0
    result = json.loads(capsys.readouterr().out)
    expected = scratchvae.score(scratchvae.load("binary/model.npz"), digits.test.images, binarize=binarize)
    assert (result["binarize"], result["value"]) == (binarize, expected.value)


@pytest.mark.parametrize("model", ["digits", "table", "binary", "plain"])
def test_evaluate_agrees_with_what_training_reported(folder, capsys, model):
    assert run(f"evaluate {model} --json") == 0
    result = json.loads(capsys.readouterr().out)
    reported = json.loads((folder / model / "config.json").read_text(encoding="utf-8"))["result"]["test"]
    assert reported.items() <= result.items()


def test_a_single_row_is_evaluated_without_what_needs_several(capsys, digits):
    np.save("row.npy", digits.test.images[:1])
    assert run("evaluate digits row.npy --part all") == 0
    out = capsys.readouterr().out
    assert "row.npy: 1 row (all)" in out and "±" not in out and "nan" not in out and "active units" not in out
    assert run("evaluate digits row.npy --part all --json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["standard_error"] is None and report["active"] is None and np.isfinite(report["value"])


def test_evaluate_estimates_the_log_likelihood(capsys, vae, digits):
    expected = log_likelihood(vae, digits.test.images, samples=400, seed=4)
    assert run("evaluate digits --samples 400 --seed 4 --json") == 0
    result = json.loads(capsys.readouterr().out)
    found = result["log_likelihood"]
    assert (found["value"], found["standard_error"]) == (expected.value, expected.standard_error)
    assert found["samples"] == 400 and found["value"] > result["value"]
    assert found["monte_carlo_error"] == pytest.approx(np.linalg.norm(expected.monte_carlo_error) / len(expected.rows))
    assert run("evaluate digits --samples 400 --seed 4") == 0
    out = capsys.readouterr().out
    assert f"  log-likelihood {expected.value:.2f} ± {expected.standard_error:.2f} nats per row (400 draws of z" in out
    assert f": at least {found['bias']:.2g} too low)" in out


def test_evaluate_says_when_draws_are_too_few_for_the_log_likelihood(capsys):
    assert run("evaluate digits --samples 2") == 0
    assert "nats per row (2 draws of z per row: too few, with an effective sample size of 1." in capsys.readouterr().out
    assert run("evaluate digits --samples 2 --json") == 0
    assert json.loads(capsys.readouterr().out)["log_likelihood"]["bias"] is None


def test_evaluate_refuses_the_log_likelihood_of_an_autoencoder(capsys):
    scratchvae.save(scratchvae.Autoencoder(64, 2, (8,)), "autoencoder.npz")
    assert run("evaluate autoencoder.npz digits --samples 5") == 2
    assert "--samples needs a density" in capsys.readouterr().err


def test_a_score_that_is_not_finite_is_an_error_and_null_in_json(capsys, vae):
    vae.params["encoder.2.b"][...] = 1e4
    scratchvae.save(vae, "large.npz")
    assert run("evaluate large.npz digits") == 2
    out, err = capsys.readouterr()
    assert not out and "large.npz gives no finite ELBO of digits: its weights or the data are too large" in err
    assert run("evaluate large.npz digits --json") == 0
    assert json.loads(capsys.readouterr().out)["value"] is None


def test_evaluate_prints_an_elbo_for_a_vae_only(capsys):
    assert run("evaluate digits") == 0
    out = capsys.readouterr().out
    assert "ELBO" in out and "297 rows" in out and "active units" in out
    assert run("evaluate plain") == 0
    out = capsys.readouterr().out
    assert "ELBO" not in out and "active units" not in out


def test_evaluate_names_a_beta_other_than_1(capsys):
    assert run("evaluate digits") == 0
    assert "beta" not in capsys.readouterr().out
    scratchvae.save(scratchvae.VAE(64, 2, (8,), beta=4.0), "beta.npz")
    assert run("evaluate beta.npz digits") == 0
    assert "objective with beta 4 " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["digits", "digits/model.npz"])
def test_info_describes_a_model_by_its_folder_or_its_file(capsys, vae, name):
    assert run(f"info {name} --json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model"] == "VAE" and vae.to_config().items() <= facts.items()
    assert {"data": "digits", "binarize": None}.items() <= facts["metadata"].items()
    assert facts["parameters"]["encoder.0.W"] == [64, 16]


def test_a_bound_of_several_draws_and_its_objective_have_their_names(capsys):
    vae = scratchvae.VAE(64, 3, (8,), objective=scratchvae.objectives.ImportanceWeighted(4))
    scratchvae.save(vae, "own.npz")
    assert run("evaluate own.npz digits") == 0
    out = capsys.readouterr().out
    assert "bound of 4 draws" in out and "ELBO" not in out and "one draw" not in out
    assert run("info own.npz --json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["objective"] == {"class": "ImportanceWeighted", "config": {"draws": 4}}


def test_info_describes_the_installation(capsys):
    assert run("info --json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["scratchvae"] == scratchvae.__version__ and facts["numpy"] == np.__version__
    for line in ("info", "info digits"):
        assert run(line) == 0
        assert all(line.strip() for line in capsys.readouterr().out.splitlines())


def test_info_describes_a_numpy_without_blas(capsys, monkeypatch):
    monkeypatch.setattr(np, "show_config", lambda mode: {"Build Dependencies": {}})
    assert run("info --json") == 0
    assert json.loads(capsys.readouterr().out)["BLAS"] == "unknown"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train --chekpoint", "scratchvae train: unknown option --chekpoint; did you mean --checkpoint?"),
        ("train digits --xyzzy=3", "scratchvae train: unknown option --xyzzy (see scratchvae train --help)"),
        ("embed run digits --outt x", "did you mean --out?"),
    ],
)
def test_an_unknown_option_is_refused_with_a_suggestion(capsys, line, words):
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    assert words in capsys.readouterr().err


def test_analogies_of_rows_that_are_of_a_already_are_warned_of(digits, capsys):
    labels = digits.test.labels
    of_a, of_b = int(np.flatnonzero(labels == 8)[0]), int(np.flatnonzero(labels == 3)[0])
    assert run(f"analogy digits --labels --a 8 --b 3 --c {of_b}") == 0
    assert capsys.readouterr().err == ""
    assert run(f"analogy digits --labels --a 8 --b 3 --c {of_b} {of_a}") == 0
    err = capsys.readouterr().err
    assert f"warning: rows of --c are of the labels of --a already: {of_a} (8); choose rows that are like --b\n" in err


def test_a_folder_of_photographs_is_trained_on_sampled_and_found_again(folder, capsys):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for k in range(24):
        (folder / "photos" / f"roll{k % 2}" / "scans").mkdir(parents=True, exist_ok=True)
        picture = image.fromarray(rng.integers(0, 256, (9 + k % 3, 12, 3), np.uint8))
        picture.save(folder / "photos" / f"roll{k % 2}" / "scans" / f"{k}.png")
    settings = "--color rgb --size 8 6 --architecture conv"
    assert run(f"train photos {settings} --epochs 1 --hidden 8 --latent 2 --quiet --out colours") == 0
    model = scratchvae.load("colours")
    assert model.image_shape == (8, 6, 3) and model.config["architecture"] == "conv"
    assert (model.metadata["color"], model.metadata["size"]) == ("rgb", [8, 6])
    assert run("train --config colours --epochs 2 --quiet --no-pictures --out again") == 0
    assert scratchvae.load("again").image_shape == (8, 6, 3)
    for command in (
        "sample colours --count 4",
        "reconstruct colours",
        "traverse colours",
        "impute colours --hide left-half",
    ):
        capsys.readouterr()
        assert run(command) == 0, capsys.readouterr().err
    for name in ("samples.png", "reconstructions.png", "traversal.png", "imputed.png", "colours/reconstructions.png"):
        with image.open(folder / name) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        assert (np.ptp(pixels, axis=2) > 60).any(), name
    assert run("train photos --epochs 1 --quiet --out grey") == 2
    err = capsys.readouterr().err
    assert "height and width 11 × 12, " in err and "give --size height width" in err and "Traceback" not in err
    assert run("train photos --size 8 6 --epochs 1 --quiet --out grey") == 2
    assert "--color rgb" in capsys.readouterr().err


def picture_folder(folder, name, height, width, colour, count=12):
    image, rng = pytest.importorskip("PIL.Image"), np.random.default_rng(0)
    (folder / name).mkdir()
    for k in range(count):
        pixels = rng.integers(0, 256, (height, width, 3) if colour else (height, width), np.uint8)
        image.fromarray(pixels).save(folder / name / f"{k}.png")


def test_new_pictures_are_read_as_those_of_the_training_and_others_are_refused_by_their_shape(folder, capsys):
    for name, shape in {"colours": (6, 4), "large": (12, 9), "turned": (4, 6)}.items():
        picture_folder(folder, name, *shape, True)
    picture_folder(folder, "grey", 6, 12, False)
    assert run("train colours --color rgb --size 6 4 --epochs 1 --hidden 8 --quiet --no-pictures --out m") == 0
    for name in ("large", "turned", "grey"):  # scaled, and with three channels, as the model knows
        assert array_from(f"embed m {name}").shape == (12, 10)
    capsys.readouterr()
    np.save("turned.npy", np.zeros((12, 4, 6, 3), np.uint8))
    for words in ("grey --color grey --size 6 12", "turned --size 4 6", "turned.npy"):
        assert run(f"embed m {words}") == 2
        err = capsys.readouterr().err
        assert "but m was trained on pictures of 6 × 4 × 3" in err
        assert words.endswith(".npy") or "load it with --color rgb --size 6 4" in err
    np.save("flat.npy", np.zeros((12, 72), np.uint8))
    assert run("embed m flat.npy --out got.npy") == 0
    assert run("train grey --epochs 1 --hidden 8 --quiet --no-pictures --out plain_grey") == 0
    capsys.readouterr()
    assert run("embed plain_grey large --size 6 4 --color rgb") == 2
    assert "load it with --color grey --size 6 12" in capsys.readouterr().err


def test_files_that_are_no_images_are_named_in_a_warning_of_the_command(folder, capsys):
    picture_folder(folder, "mixed", 5, 4, False)
    (folder / "mixed" / "notes.txt").write_text("notes", encoding="utf-8")
    assert run("train mixed --epochs 1 --hidden 8 --quiet --no-pictures --out m") == 0
    assert run("embed m mixed") == 0
    err = capsys.readouterr().err.splitlines()
    assert [line.partition(" warning: ")[0] for line in err] == ["scratchvae train:", "scratchvae embed:"]
    assert all("1 not read, as not images: notes.txt" in line for line in err)
