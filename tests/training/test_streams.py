"""Training on shards, sparse matrices and streams: the order, the bits and the resuming are those of arrays."""

import subprocess
import sys
import warnings
from contextlib import suppress

import numpy as np
import pytest
from diverging_sgd import DivergingSGD
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import (
    ConfigError,
    DataError,
    DivergedError,
    DivergenceWarning,
    DTypeError,
    RangeError,
    ScratchVAEError,
    ShapeError,
)
from scratchvae.rng import generator
from scratchvae.training import Callback

sparse = pytest.importorskip("scipy.sparse")

PIXELS = np.random.default_rng(0).integers(0, 256, (90, 9)).astype("u1")
PIXELS[uniform(1, 90, 9) < 0.5] = 0
ROWS = PIXELS[20:]
HELD_OUT = ROWS[:20]
CLASSES = np.resize([0, 1, 2], len(ROWS))


class Killed(BaseException):
    """Simulates the end of the process; training code must not handle it."""


class Kill(Callback):
    """Ends training after a number of updates."""

    def __init__(self, updates):
        self.updates = updates

    def on_step_end(self, state):
        if state.updates == self.updates:
            raise Killed


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for k, part in enumerate(np.split(ROWS, [3, 40, 41])):
        np.save(folder / f"{k}.npy", part)
    return folder


def forms(shards):
    """The training rows in all forms that are shuffled as one array."""
    np.save(shards.parent / "whole.npy", ROWS)
    return {
        "pattern": f"{shards}/*.npy",
        "folder": shards,
        "paths": [shards / f"{k}.npy" for k in range(4)],
        "map": np.load(shards.parent / "whole.npy", mmap_mode="r"),
        "path": str(shards.parent / "whole.npy"),
        "csr_matrix": sparse.csr_matrix(ROWS),
        "csr_array": sparse.csr_array(ROWS),
    }


def fitted(images, epochs=3, kind=sv.VAE, model=None, killed=None, batch_size=16, **options):
    """The trainer after `fit`, which ran to its end or until it was killed, and the numbers of its history."""
    model = {"classes": 3, **(model or {})} if kind is not sv.VAE else model or {}
    trainer = sv.Trainer(kind(9, 2, (8,), **model), batch_size=batch_size, seed=5)
    with suppress(Killed):
        trainer.fit(images, epochs, callbacks=[] if killed is None else [Kill(killed)], **options)
    return trainer


def assert_same(one, other):
    assert one.model.theta.tobytes() == other.model.theta.tobytes()
    assert one.model.schema.as_json() == other.model.schema.as_json()
    assert [epoch._replace(seconds=0) for epoch in one.history.epochs] == [
        epoch._replace(seconds=0) for epoch in other.history.epochs
    ]


MODELS = {
    "bytes": {},
    "scale 255": {"scale": "255"},
    "minmax": {"scale": "minmax"},
    "standardized": {"likelihood": "gaussian_learned", "scale": "standardize"},
    "missing": {"missing": True, "scale": "255"},
}


@pytest.mark.parametrize("settings", MODELS)
def test_shards_and_sparse_rows_give_the_bits_of_the_array(shards, settings):
    model = MODELS[settings]
    expected = fitted(ROWS, model=model, validation=HELD_OUT)
    for images in forms(shards).values():
        assert_same(fitted(images, model=model, validation=sparse.csr_array(HELD_OUT)), expected)


def test_validation_rows_may_be_in_files(shards):
    expected = fitted(ROWS, validation=ROWS)
    for validation in forms(shards).values():
        assert_same(fitted(ROWS, validation=validation), expected)


@pytest.mark.parametrize("kind", [sv.ConditionalVAE, sv.SemiSupervisedVAE])
def test_labels_work_with_shards_and_sparse_rows(shards, kind):
    labels = CLASSES if kind is sv.ConditionalVAE else np.where(np.arange(len(ROWS)) % 2, CLASSES, -1)
    validation = {"validation": HELD_OUT, "validation_labels": CLASSES[:20]}
    expected = fitted(ROWS, kind=kind, labels=labels, **validation)
    for images in forms(shards).values():
        assert_same(fitted(images, kind=kind, labels=labels, **validation), expected)
    with pytest.raises(ShapeError, match=r"labels have shape \(5,\); expected \(70,\)"):
        fitted(shards, kind=kind, labels=CLASSES[:5])


def test_input_std_may_be_in_files(shards):
    std = np.full(ROWS.shape, 3.0)
    np.save(shards.parent / "std.npy", std)
    labels = {"kind": sv.ConditionalVAE, "labels": CLASSES, "model": {"likelihood": "gaussian_learned"}}
    assert_same(fitted(shards, input_std=sparse.csr_array(std), **labels), fitted(ROWS, input_std=std, **labels))


@pytest.mark.parametrize("form", ["pattern", "paths", "map", "csr_array"])
@pytest.mark.parametrize("killed", [3, 5, 12])
def test_interrupted_training_on_files_and_sparse_rows_resumes_with_the_same_bits(shards, tmp_path, form, killed):
    images, options = forms(shards)[form], {"validation": HELD_OUT, "checkpoint": tmp_path / "c.npz", "every": 2}
    expected = fitted(ROWS, validation=HELD_OUT)
    fitted(images, killed=killed, **options)
    assert_same(fitted(images, resume=True, **options), expected)


def test_a_run_on_an_array_is_resumed_on_its_shards(shards, tmp_path):
    fitted(ROWS, killed=7, checkpoint=tmp_path / "c.npz", every=2)
    assert_same(fitted(shards, checkpoint=tmp_path / "c.npz", every=2, resume=True), fitted(ROWS))


def test_other_shards_are_refused_when_resuming(shards, tmp_path):
    fitted(shards, killed=7, checkpoint=tmp_path / "c.npz")
    with pytest.raises(ConfigError, match="cannot be resumed with other settings: images was"):
        fitted([shards / "0.npy", shards / "1.npy"], checkpoint=tmp_path / "c.npz", resume=True)


@pytest.mark.parametrize(
    "method", ["embed", "encode", "elbo", "terms", "reconstruct", "loss_and_grads", "score_samples", "anomaly_score"]
)
def test_methods_accept_sparse_rows(method):
    vae = fitted(ROWS).model
    for kind in (sparse.csr_matrix, sparse.csr_array):
        np.testing.assert_equal(getattr(vae, method)(kind(ROWS)), getattr(vae, method)(ROWS))


def test_other_functions_accept_sparse_rows():
    rows = sparse.csr_array(ROWS)
    vae, trainer = fitted(ROWS).model, fitted(ROWS)
    assert sv.score(vae, rows, binarize="dynamic") == sv.score(vae, ROWS, binarize="dynamic")
    np.testing.assert_equal(vae.interpolate(rows[[0]], rows[[1]]), vae.interpolate(ROWS[0], ROWS[1]))
    assert trainer.step(sparse.csr_array(ROWS[:16])) == fitted(ROWS).step(ROWS[:16])
    autoencoder = sv.Autoencoder(9, 2, (8,), scale="255")
    sv.Trainer(autoencoder).fit(rows, 1)
    np.testing.assert_equal(autoencoder.embed(rows), autoencoder.embed(ROWS))


def test_other_sparse_formats_are_refused_by_fit():
    for fit in (fitted, lambda rows: fitted(ROWS, validation=rows)):
        with pytest.raises(DTypeError, match=r"'coo'; expected CSR: pass (images|validation)\.tocsr\(\)"):
            fit(sparse.coo_array(ROWS))


def test_pictures_in_shards_must_have_the_shape_of_the_model(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS.reshape(90, 3, 3))
    rows = fitted(PIXELS, model={"image_shape": (3, 3)})
    assert_same(fitted(tmp_path, model={"image_shape": (3, 3)}), rows)
    np.save(tmp_path / "a.npy", PIXELS.reshape(90, 9, 1))
    with pytest.raises(
        ShapeError, match=r"images has shape \(90, 9, 1\); expected rows \(B, 9\), of pictures \(B, 3, 3\)"
    ):
        fitted(tmp_path, model={"image_shape": (3, 3)})


# --- streams of batches


def batches_of(order):
    for start in range(0, len(order), 16):
        yield ROWS[order[start : start + 16]]


def shuffled(epoch):
    """The batches of an epoch in random order."""
    return batches_of(np.random.default_rng(epoch).permutation(len(ROWS)))


def endless(epoch=1):
    while True:
        yield from shuffled(epoch)


class Repeatable:
    """An iterable of the same batches each time."""

    def __iter__(self):
        return shuffled(1)


STEPS = -(-len(ROWS) // 16)


def test_a_stream_in_the_order_of_an_array_gives_its_bits():
    orders = generator(5, "training order")
    orders = [orders.permutation(len(ROWS)) for _ in range(3)]
    model = {"likelihood": "gaussian_learned", "scale": "255"}
    trained = [sv.VAE(9, 2, (8,), **model) for _ in range(2)]
    for vae in trained:
        vae.schema = fitted(ROWS, model=model).model.schema
        vae.initialize_output_bias(np.full(9, 0.3))  # its own, because a mean depends on the order of the rows
    one, other = (sv.Trainer(vae, batch_size=16, seed=5) for vae in trained)
    one.fit(ROWS, 3, validation=HELD_OUT)
    other.fit(lambda epoch: batches_of(orders[epoch - 1]), 3, validation=HELD_OUT, steps_per_epoch=STEPS)
    assert_same(one, other)


def test_functions_iterables_lists_and_iterators_give_the_same_bits():
    listed = list(shuffled(1))
    expected = fitted(lambda: shuffled(1), steps_per_epoch=STEPS)
    for images in (Repeatable(), listed, tuple(listed), lambda: iter(listed), endless(), iter(listed * 3)):
        assert_same(fitted(images, steps_per_epoch=STEPS), expected)
    assert fitted(shuffled, steps_per_epoch=STEPS).model.theta.tobytes() != expected.model.theta.tobytes()


def test_one_array_that_is_filled_again_for_each_batch_is_a_stream():
    buffer = np.empty((16, 9), "u1")

    def refilled():
        for batch in shuffled(1):
            buffer[: len(batch)] = batch
            yield buffer[: len(batch)]

    expected = fitted(lambda: shuffled(1), steps_per_epoch=STEPS, epochs=1)
    assert_same(fitted(refilled, steps_per_epoch=STEPS, epochs=1), expected)
    assert_same(fitted(refilled(), steps_per_epoch=STEPS, epochs=1), expected)


def test_batches_may_be_sparse_or_lists():
    expected = fitted(lambda: shuffled(1), steps_per_epoch=STEPS, model={"scale": "255"})
    for kind in (sparse.csr_array, np.ndarray.tolist):
        stream = lambda kind=kind: map(kind, shuffled(1))  # noqa: E731
        assert_same(fitted(stream, steps_per_epoch=STEPS, model={"scale": "255"}), expected)


def test_batches_may_be_tables():
    pandas = pytest.importorskip("pandas")
    names = list("abcdefghi")

    def frames():
        for k, batch in enumerate(shuffled(1)):
            yield pandas.DataFrame(batch, columns=names)[names if k % 2 else names[::-1]]

    trained = fitted(frames, steps_per_epoch=STEPS, model={"scale": "255"})
    assert trained.model.schema.columns == tuple(reversed(names))


def test_an_epoch_is_its_first_batches():
    expected = fitted(lambda: list(shuffled(1))[:3], steps_per_epoch=3)
    assert_same(fitted(lambda: shuffled(1), steps_per_epoch=3), expected)
    assert expected.optimizer.t == 9


def test_the_history_is_the_mean_over_the_rows_that_came():
    seen = []

    class Collect(Callback):
        def on_step_end(self, state):
            seen.append((float(state.model.objective.loss(state.terms)), len(state.terms.value)))

    history = sv.Trainer(sv.VAE(9, 2, (8,)), batch_size=16).fit(
        shuffled, 1, steps_per_epoch=STEPS, callbacks=[Collect()]
    )
    assert [rows for _, rows in seen] == [16, 16, 16, 16, 6]
    assert history.loss[0] == pytest.approx(sum(loss * rows for loss, rows in seen) / 70, rel=1e-5)


def test_the_scale_is_learned_from_the_first_batches(monkeypatch):
    monkeypatch.setattr("scratchvae.training.streams.FIRST_ROWS", 20)
    first = np.concatenate(list(shuffled(1))[:2]).astype(float)
    settings = {"likelihood": "gaussian_learned", "scale": "standardize"}
    vae = fitted(shuffled, epochs=1, steps_per_epoch=STEPS, model=settings).model
    np.testing.assert_allclose(vae.schema.scale.shift, first.mean(axis=0))
    np.testing.assert_allclose(vae.schema.scale.factor, first.std(axis=0))
    again = sv.Trainer(vae, batch_size=16).fit(lambda: shuffled(7), 1, steps_per_epoch=STEPS)
    assert again
    np.testing.assert_allclose(vae.schema.scale.shift, first.mean(axis=0))  # a known scale remains


@pytest.mark.parametrize("killed", [3, 5, 8, 12])
@pytest.mark.parametrize("stream", [shuffled, Repeatable(), endless], ids=["numbered", "repeatable", "iterator"])
def test_an_interrupted_stream_resumes_with_the_same_bits(tmp_path, stream, killed):
    def images():
        return endless() if stream is endless else stream

    options = {"steps_per_epoch": STEPS, "validation": HELD_OUT}
    expected = fitted(images(), **options)
    fitted(images(), killed=killed, checkpoint=tmp_path / "c.npz", every=2, **options)
    assert_same(fitted(images(), checkpoint=tmp_path / "c.npz", every=2, resume=True, **options), expected)


def test_another_stream_is_refused_when_resuming(tmp_path):
    fitted(shuffled, killed=7, steps_per_epoch=STEPS, checkpoint=tmp_path / "c.npz")
    for images, steps in ((lambda: shuffled(9), STEPS), (shuffled, STEPS - 1)):
        with pytest.raises(ConfigError, match="cannot be resumed with other settings"):
            fitted(images, steps_per_epoch=steps, checkpoint=tmp_path / "c.npz", resume=True)


def test_an_epoch_of_a_stream_restarts_after_a_divergence():
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, batch_size=16, optimizer=DivergingSGD(1e-3, 7, 6e-4))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DivergenceWarning)
        trainer.fit(shuffled, 3, steps_per_epoch=STEPS, retries=2)
    assert len(caught) == trainer.history.lr_halvings == 1
    assert len(trainer.history.epochs) == 3
    assert np.isfinite(vae.theta).all()


def test_the_divergence_of_an_iterator_is_reported_without_its_place():
    vae = sv.VAE(9, 2, (8,))
    with pytest.raises(DivergedError, match="the batches of an iterator cannot be repeated"):
        sv.Trainer(vae, batch_size=16, optimizer=DivergingSGD(1e-3, 7, 6e-4)).fit(endless(), 3, steps_per_epoch=STEPS)
    assert np.isfinite(vae.theta).all()


def late(batch):
    """A stream whose last batch is replaced, after the first ones of which the scale is learned."""

    def batches():
        yield from list(shuffled(1))[:-1]
        yield batch

    return batches


GENERATOR = (batch for batch in ())
REFUSED = {
    "no steps": (shuffled, {"steps_per_epoch": None}, ConfigError, "pass steps_per_epoch="),
    "steps of an array": (ROWS, {}, ConfigError, "steps_per_epoch=5 is for a stream of batches"),
    "steps of no number": (shuffled, {"steps_per_epoch": 2.5}, ConfigError, "steps_per_epoch=2.5"),
    "no steps at all": (shuffled, {"steps_per_epoch": 0}, ConfigError, "steps_per_epoch=0"),
    "an empty function": (lambda: [], {}, DataError, "images had no batches in epoch 1; expected 5"),
    "an empty iterator": (lambda: None, {}, ConfigError, "returned None; expected an iterable of batches"),
    "too few batches": (lambda: shuffled(1), {"steps_per_epoch": 6}, DataError, "had 5 batches in epoch 1; expected 6"),
    "the same iterator twice": (lambda: GENERATOR, {}, DataError, "no batches"),
    "no rows": (lambda: [ROWS[:0]] * 5, {}, ShapeError, "batch 1 of epoch 1 of images has shape (0, 9)"),
    "too many rows": (lambda: [ROWS[:17]] * 5, {}, ShapeError, "make the trainer with batch_size=17"),
    "another width": (lambda: [ROWS[:9, :3]] * 5, {}, ShapeError, "has shape (9, 3); expected (B, 9) with B from 1 to"),
    "no numbers": (lambda: [["a"]] * 5, {}, DTypeError, "batch 1 of epoch 1 of images"),
    "labels": (shuffled, {"labels": CLASSES}, ConfigError, "labels cannot be used with a stream"),
    "input_std": (shuffled, {"input_std": ROWS}, ConfigError, "input_std cannot be used with a stream"),
    "labelled_share": (shuffled, {"labelled_share": 0.5}, ConfigError, "labelled_share cannot be used with a stream"),
    "a model with labels": (shuffled, {"kind": sv.ConditionalVAE}, ConfigError, "ConditionalVAE needs labels"),
    "a stream to validate": (shuffled, {"validation": shuffled}, ConfigError, "is a stream; expected an array"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_stream_is_refused_before_anything_changes(name):
    images, options, error, message = REFUSED[name]
    vae = sv.VAE(9, 2, (8,))
    if "kind" in options:
        vae = sv.ConditionalVAE(9, 2, (8,), classes=3)
        options = {}
    before = vae.theta.copy()
    with pytest.raises(error) as caught:
        sv.Trainer(vae, batch_size=16).fit(images, 3, **{"steps_per_epoch": STEPS, **options})
    assert message in caught.value.message
    assert len(caught.value.message) <= 200
    assert np.array_equal(vae.theta, before)
    assert vae.schema.scale is None


LATE = {
    "another width": (late(ROWS[:9, :3]), ShapeError, "batch 5 of epoch 1 of images has shape (9, 3)"),
    "too many rows": (late(ROWS[:17]), ShapeError, "batch 5 of epoch 1 of images has shape (17, 9)"),
    "no rows": (late(ROWS[:0]), ShapeError, "batch 5 of epoch 1 of images has shape (0, 9)"),
    "values out of range": (late(ROWS[:9] + 300.0), RangeError, "batch 5 of epoch 1 of images holds values"),
    "NaN": (late(np.full((9, 9), np.nan)), RangeError, "batch 5 of epoch 1 of images holds NaN"),
    "nothing": (late(None), DTypeError, "batch 5 of epoch 1 of images"),
    "its end": (lambda: list(shuffled(1))[:4], DataError, "had 4 batches in epoch 1; expected 5"),
    "the end of an iterator": (iter(list(shuffled(1)) * 2), DataError, "had 10 batches; expected 15, epochs × steps"),
}


@pytest.mark.parametrize("name", LATE)
def test_a_stream_that_changes_or_ends_early_ends_training_by_name(name, tmp_path, monkeypatch):
    monkeypatch.setattr("scratchvae.training.streams.FIRST_ROWS", 20)
    images, error, message = LATE[name]
    trainer = sv.Trainer(sv.VAE(9, 2, (8,)), batch_size=16)
    with pytest.raises(error) as caught:
        trainer.fit(images, 3, steps_per_epoch=STEPS, checkpoint=tmp_path / "c.npz")
    assert message in caught.value.message
    assert trainer.optimizer.t == (10 if "iterator" in name else 4)
    assert np.isfinite(trainer.model.theta).all()


def test_a_function_that_returns_one_iterator_again_is_refused():
    iterator = endless()
    with pytest.raises(ConfigError, match="returned the same iterator twice; expected a fresh one for each epoch"):
        fitted(lambda: iterator, steps_per_epoch=STEPS)


def test_an_iterator_cannot_restart_an_epoch():
    with pytest.raises(ConfigError, match="retries restart an epoch, and images is an iterator"):
        fitted(endless(), steps_per_epoch=STEPS, retries=1)

    class Restart(Callback):
        def on_before_update(self, state):
            return "restart epoch" if state.updates == 3 else None

    with pytest.raises(ConfigError, match="images is an iterator, which cannot go back"):
        sv.Trainer(sv.VAE(9, 2, (8,)), batch_size=16).fit(endless(), 1, steps_per_epoch=STEPS, callbacks=[Restart()])


@pytest.mark.parametrize("value", [{1.0}, {"a": 1}, b"ab", object(), sv.VAE], ids=lambda value: type(value).__name__)
def test_other_objects_are_no_streams(value):
    with pytest.raises(ScratchVAEError, match="images"):
        fitted(value)


# --- devices, and files that change


def test_a_device_gets_the_same_rows(shards):
    host, device = (
        {"backend": backend, "dtype": "float64", "likelihood": "gaussian_learned", "scale": "255"}
        for backend in ("numpy", FAKE_CUPY)
    )
    on_device = lambda epoch: (FAKE_CUPY.upload(batch.astype(float)) for batch in shuffled(epoch))  # noqa: E731
    for images, steps in ((shards, None), (sparse.csr_array(ROWS), None), (shuffled, STEPS), (on_device, STEPS)):
        options = {"steps_per_epoch": steps, "validation": sparse.csr_array(HELD_OUT)}
        expected = fitted(shuffled if steps else ROWS, model=host, **options)
        trained = fitted(images, model=device, **options)
        assert np.array_equal(to_numpy(trained.model.theta), expected.model.theta)
        rows = sparse.csr_array(ROWS)
        assert np.array_equal(to_numpy(trained.model.embed(rows)), expected.model.embed(rows))


TRUNCATED = """
import os, sys, scratchvae as sv
class Truncate(sv.training.Callback):
    def on_step_end(self, state):
        if state.updates == 3:
            os.truncate(sys.argv[1] + "/1.npy", 200)
trainer = sv.Trainer(sv.VAE(9, 2, (8,)), batch_size=16)
try:
    trainer.fit(sys.argv[1], 3, callbacks=[Truncate()])
except sv.errors.DataError as error:
    print(trainer.optimizer.t, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows truncates no mapped file")
def test_a_shard_that_is_truncated_during_training_ends_it(shards):
    line = [sys.executable, "-c", TRUNCATED, str(shards)]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", timeout=120)
    assert done.stdout.startswith("3 images is in "), done.stderr
    assert "1.npy, which was truncated" in done.stdout


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial"])
def test_counts_in_sparse_rows_and_shards_give_the_bits_of_the_array(shards, likelihood):
    expected = fitted(ROWS, model={"likelihood": likelihood}, validation=HELD_OUT)
    for images in forms(shards).values():
        assert_same(fitted(images, model={"likelihood": likelihood}, validation=HELD_OUT), expected)
    with pytest.raises(RangeError, match="expected counts"):
        fitted(sparse.csr_array(ROWS / 3), model={"likelihood": likelihood})
