import csv
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.rng import generator
from scratchvae.training import Progress
from scratchvae.training.history import Epoch, History
from scratchvae.training.scoring import standard_error

EPOCHS = [Epoch(1, 5.5, -5.0, 0.5, 5.75, 0.125), Epoch(2, 5.25, -4.75, 0.5, None, 0.25)]


def test_csv_has_a_header_and_one_row_per_epoch(tmp_path):
    history = History()
    history.epochs = EPOCHS
    history.to_csv(tmp_path / "history.csv")
    rows = list(csv.reader((tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["epoch", "loss", "reconstruction", "kl", "validation", "seconds"]
    assert rows[1:] == [["1", "5.5", "-5.0", "0.5", "5.75", "0.125"], ["2", "5.25", "-4.75", "0.5", "", "0.25"]]


def test_the_kl_is_written_to_its_own_table(tmp_path):
    history = History()
    kl = [(0.25, 0.0078125, 0.5), (0.25, 0.0, 0.0)]
    history.epochs = [
        e._replace(kl_weight=k / 4, kl_per_dimension=kl_of_epoch)
        for k, (e, kl_of_epoch) in enumerate(zip(EPOCHS, kl, strict=True))
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


def test_the_kl_per_dimension_is_the_mean_over_all_rows_of_an_epoch():
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


def test_without_a_terminal_progress_prints_lines_to_stderr(capsys):
    images = uniform(0, 20, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, (3,))).fit(images, 3, validation=images, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[:2] for line in err.splitlines()] == [["epoch", "1/3"], ["epoch", "2/3"], ["epoch", "3/3"]]
    assert all(word in err for word in ("ELBO -", "validation -", "reconstruction -", "KL "))


@pytest.mark.parametrize("epochs", [1, 20, 21, 500])
def test_progress_prints_about_20_lines_with_the_first_and_last_epoch(capsys, epochs):
    images = uniform(0, 2, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, ())).fit(images, epochs, progress=True)
    numbers = [int(line.split()[1].split("/")[0]) for line in capsys.readouterr().err.splitlines()]
    assert len(numbers) <= 21 and len(set(numbers)) == len(numbers)
    assert (numbers[0], numbers[-1]) == (1, epochs)


def test_progress_prints_the_last_epoch_of_a_stopped_run(capsys):
    images = uniform(0, 2, 4).astype("float32")

    class Stop(sv.training.Callback):
        def on_epoch_end(self, state):
            if state.record.epoch == 7:
                state.stop()

    sv.Trainer(sv.VAE(4, 2, ())).fit(images, 500, progress=True, callbacks=[Stop()])
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["1/500", "7/500"]


def test_progress_shows_the_objective_with_the_name_and_sign_of_a_score(capsys):
    images = uniform(0, 20, 4).astype("float32")
    for model, name in (
        (sv.VAE(4, 2, (3,)), "ELBO"),
        (sv.VAE(4, 2, (3,), beta=4), "objective"),
        (sv.VAE(4, 2, (3,), free_bits=9), "ELBO"),
        (sv.IWAE(4, 2, (3,)), "bound"),
        (sv.Autoencoder(4, 2, (3,)), "log-likelihood"),
    ):
        trainer = sv.Trainer(model, optimizer=sv.optim.SGD(1e-30), batch_size=20)
        history = trainer.fit(images, 1, validation=images, progress=True)
        line = capsys.readouterr().err
        value, validation = (float(line.split(f"{word} ")[1].split()[0]) for word in (name, "validation"))
        assert value == pytest.approx(validation, abs=0.5) and value < 0
        assert validation == pytest.approx(-history.validation[0], abs=0.01)


def test_progress_shows_the_kl_weight_while_it_rises(capsys):
    images = uniform(0, 20, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, (3,)), kl_weight=lambda t: t / 2).fit(images, 3, progress=True)
    first, second, third = capsys.readouterr().err.splitlines()
    assert "(weight 0.00)" in first and "(weight 0.50)" in second and "weight" not in third


def test_without_tqdm_progress_prints_lines_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    images = uniform(0, 20, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, (3,))).fit(images, 1, progress=True)
    assert capsys.readouterr().err.startswith("epoch 1/1  ELBO -")


def test_progress_is_a_bar_in_a_notebook(capsys, monkeypatch):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    images = uniform(0, 20, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, (3,))).fit(images, 2, progress=True)
    assert "epoch 2/2 100%|" in capsys.readouterr().err


def test_without_progress_nothing_is_printed(capsys):
    images = uniform(0, 20, 4).astype("float32")
    sv.Trainer(sv.VAE(4, 2, (3,))).fit(images, 3)
    assert capsys.readouterr() == ("", "")


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    model = sv.VAE(4, 2, (3,))
    counts = {"epochs": 2, "first_epoch": 0, "batches": range(3), "batches_done": 0}
    state = SimpleNamespace(**counts, record=EPOCHS[0], model=model, is_root=True)
    bar = Progress()
    bar.on_fit_begin(state)
    bar.on_epoch_begin(state)
    for state.batches_done in (1, 2, 3):
        bar.on_step_end(state)
    bar.on_epoch_end(state)
    bar.on_fit_end(state)
    err = capsys.readouterr().err
    last = err.strip().rpartition("\r")[2]
    assert "epoch 1/2  50%" in last and "left, ELBO -5.50, validation -5.75" in last
    assert max(len(line) for line in err.strip().split("\r")) <= 80


@pytest.mark.parametrize("rows", [1, 700])
def test_a_score_is_the_mean_over_rows_with_standard_error(rows):
    vae = sv.VAE(4, 2, (3,), dtype="float64")
    images = uniform(0, rows, 4)
    score = sv.score(vae, images, seed=3)
    value = vae.elbo(images, seed=3).value
    np.testing.assert_allclose(score.value, value.mean())
    if rows > 1:
        np.testing.assert_allclose(score.standard_error, value.std(ddof=1) / np.sqrt(rows))
    assert score.rows == rows


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_a_score_and_the_validation_take_the_label_of_each_row(kind):
    model, images = kind(4, 2, (3,), classes=3, dtype="float64"), uniform(0, 700, 4)
    labels = np.random.default_rng(1).integers(-1 if kind is sv.SemiSupervisedVAE else 0, 3, 700)
    trainer = sv.Trainer(model, optimizer=sv.optim.SGD(1e-200))
    history = trainer.fit(images[:3], 1, images, labels=range(3), validation_labels=labels)
    eps = generator(0, "noise").standard_normal((700, 2))
    total = sum(model.terms(images[labels == k], eps[labels == k], labels=k).value.sum() for k in set(labels.tolist()))
    assert sv.score(model, images, labels=labels).value == pytest.approx(total / 700, rel=1e-12)
    assert history.validation == pytest.approx([-total / 700], rel=1e-12)


def test_a_binarized_score_is_reproducible():
    vae, images = sv.VAE(4, 2, (3,)), uniform(0, 30, 4)
    first, second = (sv.score(vae, images, binarize="dynamic") for _ in range(2))
    assert first == second
    assert first != sv.score(vae, images)


def column_of(history, name):
    header, *rows = [line.split() for line in repr(history).splitlines()[1:]]
    return [row[header.index(name)] for row in rows if row[0] != "…"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    {
        (0.00306, 0.0037, 0.0125): ["0.0031", "0.0037", "0.0125"],
        (12.5, 0.25, 0.0): ["12.50", "0.25", "0.00"],
        (1e-8, 1.0, np.nan): ["1.00e-08", "1.00e+00", "nan"],
        (1e300, 1.0, np.inf): ["1.00e+300", "1.00e+00", "inf"],
    }.items(),
)
def test_the_numbers_of_a_column_have_the_same_decimals(seconds, shown):
    history = History()
    history.epochs = [EPOCHS[0]._replace(epoch=k + 1, seconds=value) for k, value in enumerate(seconds)]
    assert column_of(history, "seconds") == shown
    assert column_of(history, "loss") == ["5.50"] * 3


@pytest.mark.parametrize(
    ("count", "shown"),
    {5: "1 2 3 4 5", 6: "1 2 3 4 5 6", 7: "1 … 3 4 5 6 7", 9: "1 … 5 6 7 8 9"}.items(),
)
def test_omitted_epochs_are_marked(count, shown):
    history = History()
    history.epochs = [Epoch(k + 1, 9.0 - k, -5.0, 0.5, None, 0.25) for k in range(count)]
    assert [line.split()[0] for line in repr(history).splitlines()[2:]] == shown.split()


def test_the_standard_error_of_values_of_any_size():
    for scale in (1e-300, 1.0, 1e300):
        values = 1 + uniform(0, 9)
        expected = values.std(ddof=1) / 3 * scale
        np.testing.assert_allclose(standard_error(values * scale), expected, rtol=1e-12)
    assert standard_error(np.array([1.7e308, -1.7e308])) == pytest.approx(1.7e308)
    for undefined in ([], [3.0], [1.0, np.nan], [1.0, np.inf]):
        assert np.isnan(standard_error(np.array(undefined)))
