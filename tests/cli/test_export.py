"""Tests of `scratchvae export`: each format, its file, and the line that says how to use it."""

import subprocess
import sys

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.cli import main


@pytest.fixture(scope="module")
def vae():
    data = sv.datasets.load("digits")
    vae = sv.VAE(input_dim=64, latent_dim=3, hidden=(8,), image_shape=(8, 8))
    sv.Trainer(vae, seed=0).fit(data.train.images, epochs=1)
    return vae


@pytest.fixture
def run(vae, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sv.save(vae, "model.npz")
    np.save("x.npy", np.random.default_rng(0).random((5, 64), np.float32))

    def run(line):
        assert main(f"export model.npz {line}".split()) == 0
        out, err = capsys.readouterr()
        assert err == "" and out.count("\n") == 1
        return out.rstrip()

    return run


def test_numpy_writes_a_file_that_is_used_as_the_line_says(run, vae):
    line = run("--format numpy --out codes.py")
    assert line == "wrote codes.py and codes.npz: from codes import encode; mu, logvar = encode(x)"
    code = f"import sys, numpy as np; sys.path.insert(0, '.'); x = np.load('x.npy'); {line.partition(': ')[2]}"
    subprocess.run([sys.executable, "-c", f"{code}; np.save('mu.npy', mu)"], check=True, timeout=60)
    assert (np.load("mu.npy") == vae.embed(np.load("x.npy"))).all()


def test_the_default_files_are_named_by_the_part(run):
    assert run("--format numpy --part decoder").startswith(
        "wrote decoder.py and decoder.npz: from decoder import decode"
    )
    assert run("--format torch").startswith("wrote weights.npz: 8 arrays; {k: torch.from_numpy(a) for k, a in")


def test_torch_writes_the_state_dict(run, vae):
    run("--format torch --out torch.npz")
    with np.load("torch.npz") as file:
        state = dict(file)
    expected = sv.export.to_torch_state_dict(vae)
    assert list(state) == list(expected) and all((state[name] == array).all() for name, array in expected.items())


def test_onnx_is_the_default_and_is_used_as_the_line_says(run, vae):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    line = run("--part reconstruct")
    assert line == (
        'wrote reconstruct.onnx: mean, = onnxruntime.InferenceSession("reconstruct.onnx").run(None, {"x": x})'
    )
    x = np.load("x.npy")
    (mean,) = onnxruntime.InferenceSession("reconstruct.onnx").run(None, {"x": x})
    np.testing.assert_allclose(mean, vae.reconstruct(x), rtol=1e-5, atol=1e-6)
