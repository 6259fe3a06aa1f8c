import ast
import json
import os
import re
import runpy
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from parallel.mpi import needs_mpiexec

from scratchvae.backend import fake_cupy, get_backend
from scratchvae.errors import BackendError
from scratchvae.evaluation import log_likelihood
from scratchvae.verification.museum import KNOWN_BUGS

DEMOS = Path(__file__).parent.parent.parent / "demos"
EACH = pytest.mark.parametrize("name", sorted(path.stem for path in DEMOS.glob("*.py")))
# other tests run their main
TESTED_SEPARATELY = (
    "benchmark", "bug_museum", "gpu_check", "published_results", "readme_pictures", "scale", "several_processes",
    "subnormals",
)  # fmt: skip
# These take one to sixteen seconds each.
SLOW = (
    "anomalies", "autoencoder_beside_vae", "bound", "change_it_yourself", "conditional", "convolutions",
    "disentanglement", "embedding", "imputation", "semi_supervised", "trust_nobodys_backward",
)  # fmt: skip

NOTEBOOK_GUARD = """if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)"""


def cells(name):
    """The cells of a demo in percent format: pairs (kind, text)."""
    before, *rest = re.split(r"^# %%(.*)\n", (DEMOS / f"{name}.py").read_text(encoding="utf-8"), flags=re.M)
    assert before == ""
    return list(zip(rest[::2], rest[1::2], strict=True))


def test_the_index_lists_every_demo_and_all_its_links_exist():
    index = re.sub(r"<!--.*?-->", "", (DEMOS / "README.md").read_text(encoding="utf-8"), flags=re.S)
    links = re.findall(r"\]\(([^):]+)\)", index)
    assert [link for link in links if not (DEMOS / link).exists()] == []
    listed = [link for link in links if link.endswith(".py")]
    assert sorted(listed) == sorted({*listed}) == sorted(path.name for path in DEMOS.glob("*.py"))


def test_the_commands_of_the_recorded_figures_are_valid():
    text = (DEMOS / "guides" / "recorded-figures.md").read_text(encoding="utf-8")
    recorded = re.findall(r"`python demos/([a-z_]+)\.py([^`]*)`", text)
    assert recorded
    for name, words in recorded:
        text = (DEMOS / f"{name}.py").read_text(encoding="utf-8")
        assert all(f'"{word}"' in text for word in words.split() if word.startswith("--"))


@EACH
def test_every_demo_is_a_valid_notebook(name):
    (kind, title), *rest = cells(name)
    assert kind == " [markdown]" and title.startswith("# # ")
    for kind, text in rest:
        assert kind in ("", " [markdown]") and text.strip()
        if kind:
            assert all(line.startswith("#") for line in text.strip().splitlines())
        else:
            ast.parse(text)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in sorted(p.stem for p in DEMOS.glob("*.py"))],
)
def test_every_demo_runs_cell_by_cell(name, tmp_path, monkeypatch, capsys):
    code = [text for kind, text in cells(name) if not kind]
    if any("sklearn" in text for text in code):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    # a notebook runs in its own folder; those with a main write pictures, here into another one
    monkeypatch.chdir(tmp_path if "main(" in code[-1] else DEMOS)
    monkeypatch.syspath_prepend(str(DEMOS))
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    names = {"__name__": "__main__", "get_ipython": None}
    last = code.pop()
    for text in code:  # without __file__, as in a notebook
        exec(compile(text, f"{name}.py", "exec"), names)
    if "main" not in names:
        exec(compile(last, f"{name}.py", "exec"), names)
        assert capsys.readouterr().out
        return
    assert last.startswith(NOTEBOOK_GUARD)
    if name not in TESTED_SEPARATELY:
        names["main"](["--quick", "--out", "drawn/picture.png"])
        assert str(Path("drawn/picture.png")) in capsys.readouterr().out
        assert (tmp_path / "drawn" / "picture.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_pictures_of_the_readme_can_be_drawn(tmp_path):
    main = runpy.run_path(str(DEMOS / "readme_pictures.py"))["main"]
    main(["--only", "digits", "--epochs", "1", "--out", str(tmp_path)])
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (DEMOS / "pictures").glob("digits-*.png")}


def test_the_demo_of_layer_checks_reports_each_layer(capsys):
    runpy.run_path(str(DEMOS / "check_your_layer.py"))
    right, careless, slip, kink, layer = capsys.readouterr().out.strip().split("\n\n")
    assert "every gradient agrees" in right
    assert "wrong" in careless and "1 of 3 WRONG" in careless
    assert "at [3]" in slip
    assert "kink" in kink and "1 of 1 NOT JUDGED" in kink
    assert "every gradient agrees" in layer and "at its own parameters and at perturbed ones" in layer


@pytest.fixture
def trust(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    return runpy.run_path(str(DEMOS / "trust_nobodys_backward.py"), run_name="trust")


@pytest.mark.parametrize("seeds", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_every_published_layer_passes_and_each_of_their_bugs_is_found(trust, seeds, capsys):
    alarms, misses = trust["compare"](trust["LAYERS"], {"scratchvae": trust["ours"]}, seeds)
    assert (alarms, misses) == ({"scratchvae": 0}, {"scratchvae": 0})
    assert len({layer.bug for layer in trust["LAYERS"]}) == len(trust["LAYERS"]) == 12


@pytest.mark.slow
def test_the_other_checkers_find_most_of_the_bugs(trust, capsys):
    checkers = trust["installed"]()
    if len(checkers) < 4:
        pytest.skip("PyTorch or JAX is not installed")
    alarms, misses = trust["compare"](trust["LAYERS"], checkers, 1)
    assert sum(alarms.values()) <= 1 and 1 <= max(misses.values()) <= 6  # of 12: each works as it is used here


def test_the_museum_shows_a_bug_its_curve_and_its_check(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "bug_museum.py"))["main"]
    main(["--only", "4", "--epochs", "1", "--out", str(tmp_path / "museum.png")])
    text = capsys.readouterr().out
    assert "- dx *= self.y" in text and "loss after 1 epochs" in text
    assert "caught by  Sigmoid by finite-difference: dx wrong at" in text
    assert (tmp_path / "museum.png").stat().st_size > 10_000


def test_the_museum_runs_without_autograd_and_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr("scratchvae.verification.oracles.find_spec", lambda name: None)
    main = runpy.run_path(str(DEMOS / "bug_museum.py"))["main"]
    main(["--only", "4", "18", "--epochs", "1"])
    text = capsys.readouterr().out
    assert "caught by  Sigmoid by finite-difference: dx wrong at" in text
    assert "caught by  Sigmoid by autograd: not run, autograd is missing" in text
    assert f"2 of the museum's {len(KNOWN_BUGS)} bugs" in text
    assert text.endswith("for the checks that were not run: pip install autograd\n")


def test_the_balance_demo_reports_six_settings(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "balance.py"))["main"]
    main(["--quick", "--out", str(tmp_path / "balance.png")])
    lines = capsys.readouterr().out.splitlines()
    elbos = {line[:16].strip(): float(line[16:24]) for line in lines[2:-1]}
    assert list(elbos) == ["plain", "beta 4", "beta 1/4", "warm-up", "cycles", "free bits 0.1"]
    assert all(-32 < elbo < -24 for elbo in elbos.values()) and len(set(elbos.values())) > 3
    assert (tmp_path / "balance.png").stat().st_size > 10_000


def test_the_denoising_demo_reports_the_gain_for_each_corruption(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "denoising.py"))["main"]
    main(["--quick", "--out", str(tmp_path / "denoising.png")])
    lines = capsys.readouterr().out.splitlines()[2:-1]
    assert [line.partition("(")[0] for line in lines] == ["Masking", "SaltAndPepper", "GaussianNoise"]
    for line in lines:
        noisy, _, denoised, gain = map(float, line[24:].split()[:4])
        assert gain == pytest.approx(denoised - noisy, abs=0.011)
    assert (tmp_path / "denoising.png").stat().st_size > 10_000


def test_the_faces_demo_reports_missing_faces_and_uses_digits(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SCRATCHVAE_DATA", raising=False)
    main, out = runpy.run_path(str(DEMOS / "faces.py"))["main"], tmp_path / "faces.png"
    arguments = ["--data-dir", str(tmp_path), "--out", str(out)]
    main([*arguments, "--quick", "--latent", "3"])
    missing, settings, *figures, wrote = capsys.readouterr().out.splitlines()
    assert missing.startswith("no frey-faces: ") and settings.startswith("digits, ") and str(out) in wrote
    numbers = {line[2:29].strip(): float(line[29:].split()[0].rstrip(",")) for line in figures[1:]}
    of_unit, of_bytes = numbers["ELBO, pixels in [0, 1]"], numbers["with pixels in 0 to 255"]
    assert of_unit - of_bytes == pytest.approx(64 * np.log(255), abs=0.11)
    assert 0.1 < numbers["σ"] < 0.16 and out.stat().st_size > 10_000
    with pytest.raises(SystemExit, match="no olivetti: ") as stop:  # faces requested by name are not replaced
        main([*arguments, "--data", "olivetti"])
    assert "\n" not in stop.value.code


@pytest.mark.slow
def test_the_disentanglement_demo_reports_mutual_information(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "disentanglement.py"))["main"]
    main(["--quick", "--out", str(tmp_path / "disentanglement.png")])
    lines = capsys.readouterr().out.splitlines()[1:-1]
    models = [lines[start : start + 7] for start in range(0, len(lines), 7)]
    assert [title.partition(", ")[0] for title, *_ in models] == ["β = 1", "β = 4", "β from 8 to 1"]
    for title, _, *factors in models:
        assert [line.split()[0] for line in factors] == ["shape", "scale", "rotation", "x", "y"]
        shares, gaps = np.split(np.array([line.split()[1:] for line in factors], float), [6], axis=1)
        largest = np.sort(shares, axis=1)
        assert shares.min() >= 0 and shares.max() <= 1
        np.testing.assert_allclose(gaps[:, 0], largest[:, -1] - largest[:, -2], atol=0.011)
        assert float(title.partition("MIG ")[2][:5]) == pytest.approx(gaps.mean(), abs=0.006)
    assert (tmp_path / "disentanglement.png").stat().st_size > 10_000


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    return runpy.run_path(str(DEMOS / "benchmark.py"))


@pytest.mark.parametrize(
    "contenders",
    [["products"], pytest.param(["products", "torch-flush", "torch", "jax", "jax-undonated"], marks=pytest.mark.slow)],
    ids=len,
)
def test_the_benchmark_measures_contenders_and_redraws_its_table(benchmark, contenders, tmp_path, capsys):
    json_file, picture = tmp_path / "grid.json", tmp_path / "grid.png"
    sizes = ["--batch", "16", "--hidden", "8", "--rounds", "2", "--seconds", "0.01", "--after", "9", "4", "--busy", "1"]
    benchmark["main"]([*sizes, "--data", "digits", "--only", *contenders, "--json", str(json_file)])
    output = capsys.readouterr().out
    record = json.loads(json_file.read_text(encoding="utf-8"))
    (cell,) = record["cells"]
    assert list(cell["milliseconds"]) == [
        "step after 4", "step after 9", "encode", "encode-one", "embed", "impute", "log_likelihood"
    ]  # fmt: skip
    names = ["scratchvae", *contenders]
    assert list(cell["milliseconds"]["step after 4"]) == list(cell["peak_MB"]) == names
    assert list(cell["milliseconds"]["embed"]) == [
        name for name in names if name not in ("torch-flush", "jax-undonated")
    ]
    assert list(cell["milliseconds"]["impute"]) == ["scratchvae"]
    assert all(time > 0 for tasks in cell["milliseconds"].values() for times in tasks.values() for time in times)
    assert all(10 < peak < 5000 for peak in cell["peak_MB"].values())
    assert cell["used_by_others"] is None or 0 <= cell["used_by_others"] <= 1
    assert record["versions"]["numpy"] in output and record["date"] in output and record["machine"]["cores"] >= 1
    assert "digits, 1,500 rows of 8×8 pixels, padded with zeros to 784; 2 rounds of 0.01 s a turn; 1 other" in output
    assert "training step after 4 steps, batch 16, hidden 8" in output
    benchmark["main"](["--from", str(json_file), str(json_file), "--picture", str(picture)])
    second_output = capsys.readouterr().out
    assert second_output == 2 * output[output.index(record["date"]) :] + f"wrote {picture}\n"
    assert picture.stat().st_size > 10_000


def test_the_table_of_the_benchmark_has_ratios_and_their_quartiles(benchmark):
    times = {"scratchvae": [6.0, 8.0, 10.0], "native": [3.0, 4.0, 5.0], "torch": [6.0, 5.0, 5.0]}
    cell = {"batch": 128, "hidden": 512, "milliseconds": {"step after 7": times}, "used_by_others": 0.25}
    cell["peak_MB"] = {"scratchvae": 80.0, "native": 81.0, "torch": 340.0}
    _, title, _, *lines, _, others = benchmark["table"]({"backend": "numpy"}, cell).splitlines()
    assert title == "training step after 7 steps, batch 128, hidden 512"
    assert [line.split() for line in lines] == [
        ["scratchvae", "NumPy", "8.000", "0.50", "0.50–0.50", "80"],
        ["scratchvae", "native", "4.000", "2.00", "2.00–2.00", "81"],
        ["torch", "5.000", "0.80", "0.65–0.90", "1.60", "1.30–1.80", "340"],
    ]
    assert others == "other processes used 25.0% of the processors' time"


def test_the_benchmark_takes_digits_where_mnist_is_missing(benchmark, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SCRATCHVAE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert benchmark["default_data"]() == "digits" and "no binarized-mnist" in capsys.readouterr().out


def test_the_contenders_take_every_row_once_per_epoch_in_the_same_order(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.contender import Problem

    problem = Problem(125, 8, rows=250)
    pixels = problem.first_rows(250)
    assert pixels.shape == (250, 784) and not pixels[:, 64:].any() and {*np.unique(pixels)} == {0, 1}
    batches, others = problem.batches(), problem.save(tmp_path).batches()
    epochs = [np.concatenate([next(batches), next(batches)]) for _ in range(2)]
    assert not np.array_equal(*epochs) and epochs[0].dtype == np.float32
    for epoch in epochs:
        assert sorted(row.tobytes() for row in epoch) == sorted(row.tobytes() for row in pixels)
        np.testing.assert_array_equal(epoch, np.concatenate([next(others), next(others)]))
    assert [Problem(batch, 8, rows=250).steps_per_epoch for batch in (100, 125, 250, 300)] == [2, 2, 1, 1]
    assert len(next(Problem(300, 8, rows=250).batches())) == 300


def test_a_job_gives_each_step_another_batch_and_the_other_jobs_their_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.contender import Contender, Problem
    from contenders.process import STEPS_PER_TURN, Job

    class Recorder(Contender):
        def __init__(self, problem):
            self.problem, self.inputs = problem, []

        def upload(self, rows):
            time.sleep(0.002)  # outside the clock
            return rows

        def step(self, x):
            self.inputs.append(x.tobytes())

        encode = step

    problem = Problem(20, 8)
    contender = Recorder(problem)
    job = Job(contender, "step")
    job.repeat(10)
    assert job.turn(60) < 0.001 and job.done == len(contender.inputs) == 10 + STEPS_PER_TURN
    batches = problem.batches()
    assert contender.inputs == [next(batches).tobytes() for _ in range(job.done)]
    assert len({*contender.inputs}) == job.done
    for name, rows in (("encode", 20), ("encode-one", 1), ("embed", 10_000)):
        contender = Recorder(problem)
        assert Job(contender, name).turn(0) < 0.1 and len(contender.inputs) == 6  # three of them to warm up
        assert {*contender.inputs} == {problem.first_rows(rows).tobytes()}


def test_contenders_with_different_losses_are_refused(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.process import refuse_different_losses

    refuse_different_losses({"scratchvae": 100.0, "products": None, "torch": 100.0009}, 1e-5)
    for loss in (100.002, float("nan")):
        with pytest.raises(SystemExit, match=f"torch computes a loss of {loss}, scratchvae one of 100.0"):
            refuse_different_losses({"scratchvae": 100.0, "torch": loss}, 1e-5)


def test_the_work_of_others_excludes_our_own(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(DEMOS))
    from measuring.machine import OtherWork, busy_seconds

    ticks = os.sysconf("SC_CLK_TCK")
    counts = [ticks * seconds for seconds in (100, 20, 3, 4000, 4000, 0.5, 0.25, 7)]
    (tmp_path / "stat").write_text(f"cpu {' '.join(f'{count:.0f}' for count in counts)} 9 9\ncpu0 1", encoding="utf-8")
    before, start = busy_seconds(tmp_path / "stat"), time.process_time()
    assert before == pytest.approx(130.75 - sum(os.times()[:4]), abs=0.1)
    while time.process_time() < start + 0.5:
        pass
    assert before - busy_seconds(tmp_path / "stat") == pytest.approx(0.5, abs=0.1)
    assert busy_seconds(tmp_path / "missing") is None
    clock = iter([(100.0, 7.0), (110.0, 7.0 + 5 * os.cpu_count())])
    monkeypatch.setattr("measuring.machine.processor_clock", lambda: next(clock))
    with OtherWork() as other_work:
        pass
    assert other_work.share == 0.5


def test_busy_processes_end_with_their_context_and_with_their_parent(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    from measuring.machine import busy_processes

    with busy_processes(2) as processes:
        assert [process.poll() for process in processes] == [None, None]
    assert all(process.returncode for process in processes)
    code = "import os; from measuring.machine import busy_processes; c = busy_processes(1); c.__enter__(); "
    subprocess.run(
        [sys.executable, "-c", code + "os._exit(0)"],
        stdout=subprocess.PIPE,  # which closes only when the busy process has ended too
        timeout=30,
        check=True,
        env={**os.environ, "PYTHONPATH": str(DEMOS)},
    )


def test_the_peak_memory_of_a_process_excludes_its_parent():
    array = np.ones(2**25)  # 256 MB
    completed = subprocess.run(
        [sys.executable, "-c", "from measuring.machine import peak_MB; print(peak_MB())"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONPATH": str(DEMOS)},
    )
    assert array.nbytes / 2**20 > 200 > float(completed.stdout) > 5


def test_the_benchmark_refuses_invalid_arguments_in_one_line(benchmark, tmp_path):
    (tmp_path / "old.json").write_text("[]", encoding="utf-8")
    refused = [
        ("--from", tmp_path / "old.json", "is not a file written by --json"),
        ("--picture", tmp_path / "grid.txt", "expected a name that ends in .png"),
        ("--json", tmp_path / "old.json" / "grid.json", "old.json"),
    ]
    try:
        get_backend("cupy")
    except BackendError:
        refused.append(("--backend", "cupy", "backend 'cupy'"))
    for option, value, reason in refused:
        with pytest.raises(SystemExit, match=reason) as stop:
            benchmark["main"]([option, str(value)])
        assert "\n" not in stop.value.code  # a text: it is printed, and the exit code is 1


@pytest.mark.parametrize(
    "arguments",
    ["--rounds 1", "--batch 128 0", "--after -1", "--busy -1", "--only torch-graph", "--data olivetti", "--jobs none"],
)
def test_the_benchmark_refuses_settings_that_cannot_be_measured(benchmark, arguments, capsys):
    with pytest.raises(SystemExit):
        benchmark["main"](arguments.split())
    assert f"{arguments.split()[0]}" in capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def subnormals(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    return runpy.run_path(str(DEMOS / "subnormals.py"))


SMALL_TRAINING = ["--data", "digits", "--rows", "80", "--epochs", "2", "--batch", "16", "--hidden", "8"]


@pytest.mark.parametrize(
    "contenders",
    [["scratchvae", "without-flush"], pytest.param(["scratchvae", "torch", "jax"], marks=pytest.mark.slow)],
    ids=len,
)
def test_the_demo_of_subnormals_trains_contenders_and_redraws_its_table(subnormals, contenders, tmp_path, capsys):
    json_file, picture = tmp_path / "epochs.json", tmp_path / "epochs.png"
    subnormals["main"]([*SMALL_TRAINING, "--only", *contenders, "--json", str(json_file)])
    output = capsys.readouterr().out
    record = json.loads(json_file.read_text(encoding="utf-8"))
    assert [*record["epochs"]] == contenders and record["batches"] == 5
    for name, (first, second) in record["epochs"].items():
        assert second["loss"] < first["loss"] and first["subnormal"] == second["subnormal"] == 0
        assert all(turn[clock] > 0 for turn in second["turns"] for clock in ("seconds", "wall", "processor"))
        assert (name in ("scratchvae", "without-flush")) == (first["digest"] is not None) and name in output
    assert len({results[-1]["digest"] for results in record["epochs"].values()} - {None}) == 1
    last, second = (sum(turn["seconds"] for turn in record["epochs"][contenders[0]][k]["turns"]) for k in (-1, 1))
    assert f"{last:.2f}{last / second:>10.2f}" in output  # two epochs: the last is the second
    assert (record["used_by_others"] is None) == ("other processes used" not in output)
    subnormals["main"](["--from", str(json_file), "--out", str(picture)])
    second_output = capsys.readouterr().out
    assert second_output.startswith(output[output.index(record["date"]) :])
    assert picture.stat().st_size > 10_000


def test_the_demo_of_subnormals_stops_if_the_flush_changes_weights(subnormals):
    results = {name: [{"digest": name}] for name in ("scratchvae", "without-flush")}
    with pytest.raises(SystemExit, match="the weights after epoch 1 differ"):
        subnormals["refuse_different_weights"](results, 0)


def test_the_demo_of_subnormals_refuses_invalid_arguments_in_one_line(subnormals, tmp_path):
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    for arguments, reason in (
        (["--from", str(tmp_path / "old.json")], "is not a file written by --json"),
        (["--out", "epochs.txt"], "expected a name that ends in .png"),
        (["--data", "digits", "--rows", "8"], "--rows 8: less than a batch of 128"),
        (["--data", "nothing"], "nothing"),
    ):
        with pytest.raises(SystemExit, match=reason) as stop:
            subnormals["main"](arguments)
        assert "\n" not in stop.value.code


def test_the_share_of_subnormal_numbers_is_counted(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.epochs import share_of_subnormals

    assert share_of_subnormals([np.float32([0, 1e-40, -1e-44, 1]), np.float32([[2e-38], [-1]])]) == 2 / 6


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_pytorch_and_jax_compute_the_same_loss_as_scratchvae(monkeypatch, architecture):
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.contender import Problem
    from contenders.in_jax import Jax, JaxUndonated
    from contenders.ours import Ours
    from contenders.pytorch import PyTorch, PyTorchFused

    problem = Problem(16, 8, architecture=architecture)
    ours = Ours(problem)
    first, second = ours.loss(), train_two_steps(ours)
    for kind in (PyTorch, PyTorchFused, Jax, JaxUndonated):
        contender = kind(problem)
        assert contender.loss() == pytest.approx(first, rel=1e-5)
        assert first != train_two_steps(contender) == pytest.approx(second, rel=0.01)
        contender.encode(contender.upload(problem.first_rows(1)))


def train_two_steps(contender):
    batches = contender.problem.batches()
    for _ in range(2):
        contender.step(contender.upload(next(batches)))
    return contender.loss()


def test_a_step_on_a_gpu_reads_nothing_back_and_gives_the_same(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.contender import Problem
    from contenders.on_gpu import OursOnGPU
    from contenders.ours import Ours

    host, device = Ours(Problem(4, 8)), OursOnGPU(Problem(4, 8, backend=fake_cupy.FAKE_CUPY))
    assert device.loss() == pytest.approx(host.loss(), rel=1e-6)
    batches = [next(host.problem.batches()) for _ in range(2)]
    on_device = [device.upload(batch) for batch in batches]
    reads = fake_cupy.reads
    for x, device_x in zip(batches, on_device, strict=True):
        host.step(x)
        device.step(device_x)
    assert fake_cupy.reads == reads
    for name, view in host.vae.params.items():
        np.testing.assert_allclose(device.vae.params[name].get(), view, rtol=1e-5, atol=1e-7)


def test_the_benchmark_estimates_the_same_log_likelihood_in_pytorch(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.contender import DRAWS, Problem
    from contenders.ours import Ours
    from contenders.pytorch import PyTorch

    problem = Problem(4, 8)
    ours, theirs, x = Ours(problem), PyTorch(problem), problem.first_rows(20)
    expected = log_likelihood(ours.vae, x, DRAWS)
    found = theirs.log_likelihood(theirs.upload(x)).numpy()
    assert np.array_equal(ours.log_likelihood(x), expected.rows)
    assert (np.abs(found - expected.rows) < 8 * expected.monte_carlo_error).all()


def test_gpu_check_reports_a_missing_gpu_in_one_line(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    check = runpy.run_path(str(DEMOS / "gpu_check.py"))
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--only", "gradient"])
    try:
        get_backend("cupy")
    except BackendError:
        with pytest.raises(SystemExit, match="gpu_check: backend 'cupy'"):
            check["main"]()
    else:
        pytest.skip("there is a GPU")


def test_gpu_check_reports_crashed_and_hanging_checks(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(DEMOS))
    check = runpy.run_path(str(DEMOS / "gpu_check.py"))
    crashes = subprocess.Popen([sys.executable, "-c", "raise OSError('no card')"], stderr=-2, stdout=-1, text=True)
    assert "no card" in check["collect"]("gradient", crashes, time.monotonic(), tmp_path)["error"]
    hangs = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=-1, text=True)
    result = check["collect"]("gradient", hangs, time.monotonic() - 100, tmp_path)
    assert "took longer" in check["line"]("gradient", result) and "WRONG" in check["line"]("gradient", result)


@pytest.fixture
def scale(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    return runpy.run_path(str(DEMOS / "scale.py"))


@pytest.mark.slow
def test_the_scale_demo_reports_draws_and_saves_its_figures(scale, tmp_path, capsys):
    json_file, picture = tmp_path / "scale.json", tmp_path / "scale.png"
    quick = ["--quick", "--rounds", "2", "--seconds", "0.001"]
    scale["main"]([*quick, "--json", str(json_file), "--out", str(picture)])
    output = capsys.readouterr().out
    record = json.loads(json_file.read_text(encoding="utf-8"))
    assert set(record["sweeps"]) == set(record["hundredfold"]) == {"batch", "width", "depth", "latent", "rows"}
    for name, sweep in record["sweeps"].items():
        assert len(sweep["sizes"]) == len(sweep["seconds"]) >= 5
        assert f"time ∝ {name}^k with k = {sweep['k']:.2f}" in output
    assert record["sweeps"]["rows"]["counted"] == pytest.approx(1)
    assert record["sweeps"]["width"]["counted"] == pytest.approx(1, abs=0.01)
    assert picture.stat().st_size > 10_000


def test_the_exponent_is_fitted_to_the_upper_half(scale):
    sizes = [1, 2, 4, 8, 16, 32]
    k, error = scale["exponent"](sizes, [7, 7, 7, *(3 * size**1.5 for size in sizes[3:])])
    assert (k, error) == (pytest.approx(1.5), pytest.approx(0, abs=1e-9))


@pytest.mark.parametrize("sizes", [{"width": 700}, {"batch": 1000, "depth": 3, "width": 64}, {"latent": 300}])
def test_the_memory_of_training_equals_the_counted_memory(scale, sizes):
    sizes = scale["Sizes"](**sizes)
    tracemalloc.start()
    step = scale["Step"](sizes)
    step()
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert step.vae.theta.size == sizes.parameters
    assert allocated == pytest.approx(sizes.memory, rel=0.02)


@needs_mpiexec
def test_the_demo_of_several_processes_compares_them_with_threads(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    runpy.run_path(str(DEMOS / "several_processes.py"))["main"](["--quick"])
    output = capsys.readouterr().out
    assert "one process, 2 threads" in output and "2 processes, one thread" in output
    (losses,) = re.findall(r"losses \[(.*)\]", output)
    assert "," not in losses  # that of both is the same
    assert "predicted speed relative to one process" in output


def test_the_predicted_speed_of_several_processes_is_that_of_the_formula(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    predicted = runpy.run_path(str(DEMOS / "several_processes.py"))["predicted"]
    # 0.4 s, 10⁶ numbers: a message of 2 · 3 · 1 ms + 2 · 7/8 · 4 MB / (1 GB/s) = 13 ms
    assert predicted(0.4, 1e6, 1e-3, 1e9, 8, weak=False) == pytest.approx(0.4 / (0.05 + 0.013))
    assert predicted(0.4, 1e6, 1e-3, 1e9, 8, weak=True) == pytest.approx(8 * 0.4 / (0.4 + 0.013))
    assert predicted(0.4, 1e6, 1e-3, 1e9, 1, weak=False) == 1.0
