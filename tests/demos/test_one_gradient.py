"""The numbers of the picture of one gradient are those of the package."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv

DEMO = Path(__file__).parents[2] / "demos" / "one_gradient.py"


@pytest.fixture(scope="module")
def demo():
    return runpy.run_path(str(DEMO), run_name="demo")


@pytest.fixture
def way(demo):
    vae = sv.VAE(64, 2, hidden=(16,), dtype="float64", seed=3)
    rng = np.random.default_rng(0)
    x, eps = rng.random((1, 64)), rng.standard_normal((1, 2))
    return vae, x, eps, demo["trace"](vae, x, eps)


def test_the_way_ends_at_the_loss_and_the_gradients_of_the_model(way):
    vae, x, eps, numbers = way
    loss, gradients = vae.loss_and_grads(x, eps)
    assert numbers["kl"][0] - numbers["log_p"][0] == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(numbers["dW"], gradients["encoder.0.W"], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(numbers["dmu"], numbers["dz"] + numbers["mu"], rtol=1e-13)
    np.testing.assert_allclose(numbers["dt"], numbers["mean"] - x, rtol=1e-13)


@pytest.mark.parametrize("name", ["mu", "logvar"])
def test_its_gradients_are_those_of_differences(demo, way, name):
    vae, _, _, numbers = way
    np.testing.assert_allclose(demo["by_differences"](vae, numbers, name), numbers[f"d{name}"], rtol=1e-7)


def test_the_picture_shows_the_numbers(demo, way, tmp_path):
    *_, numbers = way
    figure = demo["draw"](numbers)
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    for name in ("mu", "logvar", "eps", "z", "dz", "dmu", "dlogvar", "dmu_z", "dlogvar_kl"):
        assert demo["text_of"](numbers[name]) in texts, name
    assert f"L = {numbers['kl'][0] - numbers['log_p'][0]:.2f}" in texts


def test_it_prints_the_same_gradient_by_hand_and_by_differences(demo, tmp_path, capsys):
    demo["main"](["--quick", "--row", "5", "--out", str(tmp_path / "way.png")])
    _, *rows, _ = capsys.readouterr().out.splitlines()
    assert len(rows) == 2
    for row in rows:
        by_hand, by_differences = re.findall(r"\(.*?\)", row)
        assert by_hand == by_differences
    with pytest.raises(SystemExit):
        demo["main"](["--row", "297"])
    assert "--row 297: expected a test digit, 0 to 296" in capsys.readouterr().err
