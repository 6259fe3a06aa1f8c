"""The VAE on one page computes what the package computes."""

import ast
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv

DEMO = Path(__file__).parents[2] / "demos" / "vae_in_one_file.py"
NAMES = [f"{part}.{layer}.{name}" for part in ("encoder", "decoder") for layer in (0, 2) for name in ("W", "b")]


@pytest.fixture(scope="module")
def page():
    """The functions of the demo, without a training."""
    return runpy.run_path(str(DEMO), run_name="page")


def test_it_needs_numpy_alone_and_fits_on_a_page():
    text = DEMO.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported == {"numpy", "pathlib"}
    assert len(text.splitlines()) <= 120


@pytest.mark.parametrize("seed", [0, 1])
def test_its_losses_and_gradients_are_the_package_s_over_steps_of_adam(page, seed):
    D, H, Z = (page[name] for name in "DHZ")
    vae = sv.VAE(D, Z, hidden=(H,), dtype="float64", seed=seed)
    trainer = sv.Trainer(vae, lr=1e-3)
    rng, images = np.random.default_rng(seed), sv.datasets.load("digits").train.images.astype(float)
    for name, array in zip(NAMES, page["initialize"](rng), strict=True):
        vae.params[name][...] = array
    theta = [vae.params[name].copy() for name in NAMES]
    m, v = [0] * 8, [0] * 8
    for step, rows in enumerate((100, 100, 37, 1, 100, 100), start=1):
        x, eps = images[rng.integers(len(images), size=rows)], rng.standard_normal((rows, Z))
        log_p, kl, saved = page["forward"](theta, x, eps)
        gradients = page["backward"](theta, x, eps, saved)
        loss, expected = vae.loss_and_grads(x, eps)
        np.testing.assert_allclose(np.mean(kl - log_p), loss, rtol=1e-12)
        scale = np.linalg.norm(vae.dtheta)
        for name, gradient in zip(NAMES, gradients, strict=True):
            assert np.linalg.norm(gradient - expected[name]) <= 1e-12 * scale, (step, name)
            assert np.linalg.norm(expected[name]) > 1e-3 * scale or name.startswith("encoder"), name
        page["adam"](theta, gradients, m, v, step)
        trainer.optimizer.step(vae.dtheta)
        for name, array in zip(NAMES, theta, strict=True):
            assert np.linalg.norm(array - vae.params[name]) <= 1e-12 * np.linalg.norm(vae.theta), (step, name)


def test_it_trains_a_vae_as_good_as_the_package_s(capsys):
    runpy.run_path(str(DEMO), run_name="__main__")
    text = capsys.readouterr().out
    elbo = float(re.search(r"test ELBO (\S+) nats", text)[1])
    data = sv.datasets.load("digits")
    vae = sv.VAE(64, 10, hidden=(256,), dtype="float64")
    sv.Trainer(vae, lr=1e-3, batch_size=100).fit(data.train.images, 50)
    assert elbo == pytest.approx(sv.score(vae, data.test.images).value, abs=0.3)
    *_, blank, picture = text.rpartition("\n\n")
    lines = picture.splitlines()
    assert blank and len(lines) == 8 and {len(line) for line in lines} == {5 * 16 + 4 * 3}
    assert set(" ░▒▓█") == set(picture) - {"\n"}
