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

import fake_cupy
import numpy as np
import pytest

from scratchvae.backend import get_backend
from scratchvae.errors import BackendError

DEMOS = Path(__file__).parent.parent.parent / "demos"
EACH = pytest.mark.parametrize("name", sorted(path.stem for path in DEMOS.glob("*.py")))
ELSEWHERE = ("benchmark", "bug_museum", "gpu_check", "readme_pictures", "scale")  # a test of their own runs their main
# These take one to sixteen seconds each.
SLOW = (
    "autoencoder_beside_vae", "conditional", "disentanglement", "embedding", "imputation",
    "semi_supervised",
)  # fmt: skip

NOTEBOOK_GUARD = """if __name__ == "__main__":
    main([] if "get_ipython" in globals() else None)"""


def cells(name):
    """The cells of a demo in percent format, as pairs of their kind and their text."""
    before, *rest = re.split(r"^# %%(.*)\n", (DEMOS / f"{name}.py").read_text(encoding="utf-8"), flags=re.M)
    assert before == ""
    return list(zip(rest[::2], rest[1::2], strict=True))


def test_every_demo_is_in_the_index_and_everything_in_the_index_is_there():
    index = re.sub(r"<!--.*?-->", "", (DEMOS / "README.md").read_text(encoding="utf-8"), flags=re.S)
    links = re.findall(r"\]\(([^):]+)\)", index)
    assert [link for link in links if not (DEMOS / link).exists()] == []
    listed = [link for link in links if link.endswith(".py")]
    assert sorted(listed) == sorted({*listed}) == sorted(path.name for path in DEMOS.glob("*.py"))


def test_the_commands_of_the_recorded_runs_name_demos_and_options_that_are_there():
    text = (DEMOS / "guides" / "recorded-figures.md").read_text(encoding="utf-8")
    recorded = re.findall(r"`python demos/([a-z_]+)\.py([^`]*)`", text)
    assert recorded
    for name, words in recorded:
        text = (DEMOS / f"{name}.py").read_text(encoding="utf-8")
        assert all(f'"{word}"' in text for word in words.split() if word.startswith("--"))


@EACH
def test_every_demo_opens_as_a_notebook(name):
    (kind, title), *rest = cells(name)
    assert kind == " [markdown]" and title.startswith("# # ")
    for kind, text in rest:
        assert kind in ("", " [markdown]") and text.strip()
        if kind:
            assert all(line.startswith("#") for line in text.strip().splitlines())
        else:
            ast.parse(text)  # by itself


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in sorted(p.stem for p in DEMOS.glob("*.py"))],
)
def test_every_demo_runs_cell_by_cell_on_small_settings(name, tmp_path, monkeypatch, capsys):
    code = [text for kind, text in cells(name) if not kind]
    if any("sklearn" in text for text in code):
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    monkeypatch.chdir(tmp_path)
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
    if name not in ELSEWHERE:
        names["main"](["--quick", "--out", "drawn/picture.png"])
        assert str(Path("drawn/picture.png")) in capsys.readouterr().out
        assert (tmp_path / "drawn" / "picture.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_pictures_of_the_readme_can_be_drawn_again(tmp_path):
    main = runpy.run_path(str(DEMOS / "readme_pictures.py"))["main"]
    main(["--only", "digits", "--epochs", "1", "--out", str(tmp_path)])
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (DEMOS / "pictures").glob("digits-*.png")}


def test_your_own_layer_is_checked_in_a_few_lines(capsys):
    runpy.run_path(str(DEMOS / "check_your_layer.py"))
    right, careless, slip, kink = capsys.readouterr().out.strip().split("\n\n")
    assert "every gradient agrees" in right
    assert "wrong" in careless and "1 of 3 WRONG" in careless
    assert "at [3]" in slip
    assert "kink" in kink and "1 of 1 NOT JUDGED" in kink


def test_the_museum_shows_a_bug_its_curve_and_what_catches_it(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "bug_museum.py"))["main"]
    main(["--only", "4", "--epochs", "1", "--out", str(tmp_path / "museum.png")])
    text = capsys.readouterr().out
    assert "- dx *= self.y" in text and "loss after 1 epochs" in text
    assert "caught by  Sigmoid by finite-difference: dx wrong at" in text
    assert (tmp_path / "museum.png").stat().st_size > 10_000


def test_the_balance_is_moved_in_six_ways_and_each_is_told(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "balance.py"))["main"]
    main(["--quick", "--out", str(tmp_path / "balance.png")])
    lines = capsys.readouterr().out.splitlines()
    elbos = {line[:16].strip(): float(line[16:24]) for line in lines[2:-1]}
    assert list(elbos) == ["plain", "beta 4", "beta 1/4", "warm-up", "cycles", "free bits 0.1"]
    assert all(-32 < elbo < -24 for elbo in elbos.values()) and len(set(elbos.values())) > 3
    assert (tmp_path / "balance.png").stat().st_size > 10_000


def test_noise_of_each_kind_is_taken_away_and_measured(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "denoising.py"))["main"]
    main(["--quick", "--out", str(tmp_path / "denoising.png")])
    lines = capsys.readouterr().out.splitlines()[2:-1]
    assert [line.partition("(")[0] for line in lines] == ["Masking", "SaltAndPepper", "GaussianNoise"]
    for line in lines:
        noisy, _, denoised, gain = map(float, line[24:].split()[:4])
        assert gain == pytest.approx(denoised - noisy, abs=0.011)
    assert (tmp_path / "denoising.png").stat().st_size > 10_000


def test_faces_that_are_not_there_are_told_in_a_line_and_digits_take_their_place(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SCRATCHVAE_DATA", raising=False)
    main, out = runpy.run_path(str(DEMOS / "faces.py"))["main"], tmp_path / "faces.png"
    nowhere = ["--data-dir", str(tmp_path), "--out", str(out)]
    main([*nowhere, "--quick", "--latent", "3"])
    missing, settings, *told, wrote = capsys.readouterr().out.splitlines()
    assert missing.startswith("no frey-faces: ") and settings.startswith("digits, ") and str(out) in wrote
    numbers = {line[2:29].strip(): float(line[29:].split()[0].rstrip(",")) for line in told[1:]}
    of_unit, of_bytes = numbers["ELBO, pixels in [0, 1]"], numbers["with pixels in 0 to 255"]
    assert of_unit - of_bytes == pytest.approx(64 * np.log(255), abs=0.11)
    assert 0.1 < numbers["σ"] < 0.16 and out.stat().st_size > 10_000
    with pytest.raises(SystemExit, match="no olivetti: ") as stop:  # who asks for them by name is given nothing else
        main([*nowhere, "--data", "olivetti"])
    assert "\n" not in stop.value.code


@pytest.mark.slow
def test_what_each_latent_number_tells_of_each_factor_is_told(tmp_path, capsys):
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
    return runpy.run_path(str(DEMOS / "benchmark.py"))["main"]


@pytest.mark.slow
def test_the_benchmark_takes_turns_with_contenders_of_the_same_loss(benchmark, tmp_path, capsys):
    kept, drawn = tmp_path / "grid.json", tmp_path / "grid.png"
    sizes = ["--batch", "4", "--hidden", "8", "--rounds", "2", "--seconds", "0.01"]
    benchmark([*sizes, "--only", "products", "jax", "--json", str(kept)])
    told = capsys.readouterr().out
    record = json.loads(kept.read_text(encoding="utf-8"))
    (cell,) = record["cells"]
    assert set(cell["milliseconds"]) == {"step", "encode", "encode-one"}
    assert {"products", "scratchvae"} <= set(cell["milliseconds"]["step"])
    assert all(time > 0 for of in cell["milliseconds"].values() for times in of.values() for time in times)
    assert all(10 < peak < 5000 for peak in cell["peak_MB"].values())
    assert record["versions"]["numpy"] in told and record["date"] in told and record["machine"]["cores"] >= 1
    assert "step, batch 4, hidden 8" in told
    benchmark(["--from", str(kept), "--picture", str(drawn)])
    again = capsys.readouterr().out
    assert again.startswith(told[told.index(record["date"]) :])
    assert drawn.stat().st_size > 10_000


def test_the_peak_told_of_a_process_is_not_that_of_whoever_started_it():
    held = np.ones(2**25)  # 256 MB
    told = subprocess.run(
        [sys.executable, "-c", "from measuring.machine import peak_MB; print(peak_MB())"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONPATH": str(DEMOS)},
    )
    assert held.nbytes / 2**20 > 200 > float(told.stdout) > 5


def test_the_benchmark_refuses_in_one_line_what_it_cannot_do(benchmark, tmp_path):
    (tmp_path / "old.json").write_text("[]", encoding="utf-8")
    refused = [
        ("--from", tmp_path / "old.json", "is not a file written by --json"),
        ("--picture", tmp_path / "grid.txt", "expected a name that ends in .png"),
    ]
    try:
        get_backend("cupy")
    except BackendError:
        refused.append(("--backend", "cupy", "backend 'cupy'"))
    for option, value, reason in refused:
        with pytest.raises(SystemExit, match=reason) as stop:
            benchmark([option, str(value)])
        assert "\n" not in stop.value.code  # which, being words, is printed, and the exit code is 1


@pytest.mark.slow
def test_pytorch_computes_the_loss_that_scratchvae_computes(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.contender import Problem
    from contenders.ours import Ours
    from contenders.pytorch import PyTorch, PyTorchFused

    problem = Problem(4, 8)
    ours = Ours(problem)
    for kind in (PyTorch, PyTorchFused):
        theirs = kind(problem)
        assert theirs.loss() == pytest.approx(ours.loss(), rel=1e-6)
        theirs.step()
        theirs.encode(1)
        assert theirs.loss() != ours.loss()


def test_a_step_on_a_gpu_waits_for_nothing_and_comes_to_the_same(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    from contenders.contender import Problem
    from contenders.on_gpu import OursOnGPU
    from contenders.ours import Ours

    here, there = Ours(Problem(4, 8)), OursOnGPU(Problem(4, 8, backend=fake_cupy.FAKE_CUPY))
    assert there.loss() == pytest.approx(here.loss(), rel=1e-6)
    reads = fake_cupy.reads
    for _ in range(2):
        here.step()
        there.step()
    assert fake_cupy.reads == reads
    for name, view in here.vae.params.items():
        np.testing.assert_allclose(there.vae.params[name].get(), view, rtol=1e-5, atol=1e-7)


def test_the_check_of_a_gpu_says_in_a_line_that_there_is_none(monkeypatch):
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


def test_the_check_of_a_gpu_tells_of_a_check_that_crashes_and_one_that_hangs(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(DEMOS))
    check = runpy.run_path(str(DEMOS / "gpu_check.py"))
    crashes = subprocess.Popen([sys.executable, "-c", "raise OSError('no card')"], stderr=-2, stdout=-1, text=True)
    assert "no card" in check["collect"]("gradient", crashes, time.monotonic(), tmp_path)["error"]
    hangs = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=-1, text=True)
    found = check["collect"]("gradient", hangs, time.monotonic() - 100, tmp_path)
    assert "took longer" in check["line"]("gradient", found) and "WRONG" in check["line"]("gradient", found)


@pytest.fixture
def scale(monkeypatch):
    monkeypatch.syspath_prepend(str(DEMOS))
    return runpy.run_path(str(DEMOS / "scale.py"))


@pytest.mark.slow
def test_what_size_costs_is_told_drawn_and_kept(scale, tmp_path, capsys):
    kept, drawn = tmp_path / "scale.json", tmp_path / "scale.png"
    quick = ["--quick", "--rounds", "2", "--seconds", "0.001"]
    scale["main"]([*quick, "--json", str(kept), "--out", str(drawn)])
    told = capsys.readouterr().out
    record = json.loads(kept.read_text(encoding="utf-8"))
    assert set(record["sweeps"]) == set(record["hundredfold"]) == {"batch", "width", "depth", "latent", "rows"}
    for name, of in record["sweeps"].items():
        assert len(of["sizes"]) == len(of["seconds"]) >= 5
        assert f"time ∝ {name}^k with k = {of['k']:.2f}" in told
    assert record["sweeps"]["rows"]["counted"] == pytest.approx(1)
    assert record["sweeps"]["width"]["counted"] == pytest.approx(1, abs=0.01)
    assert drawn.stat().st_size > 10_000


def test_the_exponent_is_that_of_the_upper_half(scale):
    sizes = [1, 2, 4, 8, 16, 32]
    k, error = scale["exponent"](sizes, [7, 7, 7, *(3 * size**1.5 for size in sizes[3:])])
    assert (k, error) == (pytest.approx(1.5), pytest.approx(0, abs=1e-9))


@pytest.mark.parametrize("sizes", [{"width": 700}, {"batch": 1000, "depth": 3, "width": 64}, {"latent": 300}])
def test_what_training_holds_is_what_was_counted(scale, sizes):
    sizes = scale["Sizes"](**sizes)
    tracemalloc.start()
    step = scale["Step"](sizes)
    step()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert step.vae.theta.size == sizes.parameters
    assert held == pytest.approx(sizes.memory, rel=0.02)
