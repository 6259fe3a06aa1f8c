import csv
from types import SimpleNamespace

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.training import Progress
from scratchvae.training.history import Epoch, History

EPOCHS = [Epoch(1, 5.5, -5.0, 0.5, 5.75, 0.125), Epoch(2, 5.25, -4.75, 0.5, None, 0.25)]


def test_csv_has_a_line_of_names_and_a_line_an_epoch(tmp_path):
    history = History()
    history.epochs = EPOCHS
    history.to_csv(tmp_path / "history.csv")
    rows = list(csv.reader((tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["epoch", "loss", "reconstruction", "kl", "validation", "seconds"]
    assert rows[1:] == [["1", "5.5", "-5.0", "0.5", "5.75", "0.125"], ["2", "5.25", "-4.75", "0.5", "", "0.25"]]


def test_the_kl_has_a_table_of_its_own(tmp_path):
    history = History()
    kl = [(0.25, 0.0078125, 0.5), (0.25, 0.0, 0.0)]
    history.epochs = [
        e._replace(kl_weight=k / 4, kl_per_dimension=of) for k, (e, of) in enumerate(zip(EPOCHS, kl, strict=True))
    ]
    assert history.active_units == [2, 1]
    assert history.kl_weight == [0, 0.25] and history.kl_per_dimension == kl
    history.kl_to_csv(tmp_path / "kl.csv")
    assert (tmp_path / "kl.csv").read_text(encoding="utf-8").splitlines() == [
        "epoch,kl_weight,active_units,z0,z1,z2",
        "1,0.0,2,0.25,0.0078125,0.5",
        "2,0.25,1,0.25,0.0,0.0",
    ]
    history.to_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()[1] == "1,5.5,-5.0,0.5,5.75,0.125"


def test_the_kl_of_each_dimension_is_the_mean_over_the_rows_of_the_epoch_whatever_the_last_batch():
    images = uniform(0, 50, 4).astype("float32")
    vae = sv.VAE(4, 3, (3,))
    vae.initialize_output_bias(images.mean(axis=0))
    trainer = sv.Trainer(vae, optimizer=sv.optim.SGD(1e-30), batch_size=16)
    history = trainer.fit(images, 2)
    expected = sv.evaluation.active_units(vae, images).kl
    for epoch in history.epochs:
        np.testing.assert_allclose(epoch.kl_per_dimension, expected, rtol=1e-5)
    assert history.active_units == [sum(expected > 0.01)] * 2
    assert sv.Trainer(sv.Autoencoder(4, 3, (3,))).fit(images, 1).kl_per_dimension == [()]


def test_without_a_terminal_progress_is_a_line_an_epoch_on_standard_error(capsys):
    images = uniform(0, 20, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, (3,))).fit(images, 3, validation=images, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[:2] for line in err.splitlines()] == [["epoch", "1"], ["epoch", "2"], ["epoch", "3"]]
    assert all(word in err for word in ("loss", "validation", "reconstruction", "KL"))


def test_progress_tells_the_weight_while_it_is_on_its_way(capsys):
    images = uniform(0, 20, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, (3,)), kl_weight=lambda t: t / 2).fit(images, 3, progress=True)
    first, second, third = capsys.readouterr().err.splitlines()
    assert " × 0.00" in first and " × 0.50" in second and "×" not in third


def test_without_progress_nothing_is_printed(capsys):
    images = uniform(0, 20, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, (3,))).fit(images, 3)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_progress_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    state = SimpleNamespace(epochs=2, batches=range(3), batches_done=0, record=EPOCHS[0])
    bar = Progress()
    bar.on_fit_begin(state)
    bar.on_epoch_begin(state)
    for state.batches_done in (1, 2, 3):
        bar.on_step_end(state)
    bar.on_epoch_end(state)
    bar.on_fit_end(state)
    err = capsys.readouterr().err
    assert "3/6" in err and "epoch 1" in err and "validation 5.75" in err


@pytest.mark.parametrize("rows", [1, 700])
def test_a_score_is_the_mean_of_the_rows_with_its_standard_error(rows):
    vae = sv.VAE(4, 2, (3,), dtype="float64")
    images = uniform(0, rows, 4)
    score = sv.score(vae, images, seed=3)
    value = vae.elbo(images, seed=3).value
    np.testing.assert_allclose(score.value, value.mean())
    if rows > 1:
        np.testing.assert_allclose(score.standard_error, value.std(ddof=1) / np.sqrt(rows))
    assert score.rows == rows


def test_a_binarised_score_is_the_same_each_time():
    vae, images = sv.VAE(4, 2, (3,)), uniform(0, 30, 4)
    once, again = (sv.score(vae, images, binarize="dynamic") for _ in range(2))
    assert once == again
    assert once != sv.score(vae, images)
