"""Checkpoints: a run interrupted at any moment is resumed with the same bits."""

import errno
import os
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from diverging_sgd import DivergingSGD
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, seeds, uniform

import scratchvae as sv
from scratchvae.errors import CheckpointWarning, ConfigError, DivergedError, DivergenceWarning, FileError
from scratchvae.io import archive, open_archive, write_archive
from scratchvae.optim import SGD, Adam, AdamW, Cosine, WarmUp
from scratchvae.training import KLWarmUp, Masking

ROWS = uniform(0, 37, 6).astype("float32")
HELD_OUT = uniform(1, 9, 6).astype("float32")
CLASSES = np.resize([0, 1, 2], 37)


class Killed(BaseException):
    """Simulates the end of the process; training code must not handle it."""


def killed_at(updates):
    def weight(t):
        if t == updates:
            raise Killed
        return min(1.0, 0.2 + 0.1 * t)

    weight.__qualname__ = "weight"  # the name in an uninterrupted run
    return weight


def model_of(kind, **settings):
    more = {"classes": 3} if kind in (sv.ConditionalVAE, sv.SemiSupervisedVAE) else {}
    more |= {"importance_samples": 3} if kind is sv.IWAE else {}
    return kind(6, 2, (5,), seed=1, **{**more, **settings})


def fitted(kind=sv.VAE, epochs=4, checkpoint=None, killed=None, model=None, trained=None, **options):
    """A trainer after `fit`, which ran to its end or until it was killed."""
    model = model_of(kind, **(model or {}))
    weight = {} if kind is sv.Autoencoder else {"kl_weight": killed_at(killed)}
    trainer = sv.Trainer(model, **{"batch_size": 8, "lr": 1e-2, "seed": 3, **weight, **(trained or {})})
    labels = {"labels": CLASSES} if model.classes else {}
    with suppress(Killed):
        trainer.fit(ROWS, epochs, **labels, checkpoint=checkpoint, **options)
    return trainer


def assert_same(one, other):
    assert one.model.theta.tobytes() == other.model.theta.tobytes()
    assert one.optimizer.t == other.optimizer.t
    for name, moment in one.optimizer.state.items():
        assert moment.tobytes() == other.optimizer.state[name].tobytes()
    assert [epoch._replace(seconds=0) for epoch in one.history.epochs] == [
        epoch._replace(seconds=0) for epoch in other.history.epochs
    ]
    assert (one.history.stopped, one.history.best_epoch) == (other.history.stopped, other.history.best_epoch)
    assert one.step(ROWS, CLASSES if one.model.classes else None) == other.step(
        ROWS, CLASSES if one.model.classes else None
    )


WAYS = {
    "vae": {},
    "iwae": {"kind": sv.IWAE},
    "conditional": {"kind": sv.ConditionalVAE},
    "semi-supervised": {"kind": sv.SemiSupervisedVAE, "labelled_share": None},
    "binarised": {"trained": {"binarize": "dynamic"}},
    "corrupted": {"trained": {"corrupt": Masking(0.3), "clip_norm": 0.5}},
    "learnt width": {"model": {"likelihood": "gaussian_learned", "dtype": "float64", "free_bits": 0.1}},
    "sgd": {"trained": {"lr": None, "optimizer": lambda: SGD(1e-2, 0.9)}},
    "cosine": {"trained": {"lr": None, "optimizer": lambda: AdamW(WarmUp(3, Cosine(1e-2, 20)))}},
    "patience": {"validation": HELD_OUT, "patience": 2},
}


def fresh(way):
    """A fresh copy of a training configuration, since an optimizer belongs to one trainer."""
    options = {**WAYS[way]}
    if make := options.get("trained", {}).get("optimizer"):
        options["trained"] = {**options["trained"], "optimizer": make()}
    return options


@pytest.mark.parametrize("way", WAYS)
@examples(quick=2, thorough=8)
@given(killed=st.integers(0, 19), every=st.sampled_from([None, 1, 2, 3, 7]))
def test_a_killed_and_resumed_run_gives_the_same_bits(tmp_path, way, killed, every):
    path = tmp_path / "run.npz"
    for age in ("", ".1"):
        path.with_name(f"run{age}.npz").unlink(missing_ok=True)
    uninterrupted = fitted(**fresh(way))
    fitted(**fresh(way), checkpoint=path, every=every, killed=killed)
    resumed = fitted(**fresh(way), checkpoint=path, every=every, resume=True)
    assert_same(uninterrupted, resumed)
    assert_same(
        fitted(**fresh(way)), fitted(**fresh(way), checkpoint=path, every=every, resume=True)
    )  # the run has finished


@examples(quick=3, thorough=30)
@given(seed=seeds)
def test_a_run_killed_many_times_gives_the_same_bits(tmp_path, seed):
    path = tmp_path / f"{seed}.npz"
    at = 0
    for step in np.random.default_rng(seed).integers(1, 5, 4):
        at += int(step)
        fitted(checkpoint=path, every=1, killed=at, resume=True)
    assert_same(fitted(), fitted(checkpoint=path, every=1, resume=True))


def test_checkpoints_change_no_bit_of_training(tmp_path):
    assert_same(fitted(), fitted(checkpoint=tmp_path / "run.npz", every=2))


def test_a_resumed_run_does_not_write_the_state_that_it_has_just_read(tmp_path, monkeypatch):
    path, written = tmp_path / "run.npz", []
    fitted(checkpoint=path, every=2, killed=5)
    original = sv.training.Checkpoint.write
    monkeypatch.setattr(
        sv.training.Checkpoint,
        "write",
        lambda self, state, *rest: written.append(state.updates) or original(self, state, *rest),
    )
    fitted(checkpoint=path, every=2, resume=True)
    assert written[0] == 6 and len(written) == len(set(written))


def test_a_finished_run_can_be_resumed_with_more_epochs(tmp_path):
    path = tmp_path / "run.npz"
    fitted(epochs=2, checkpoint=path)
    assert_same(fitted(epochs=5), fitted(epochs=5, checkpoint=path, resume=True))


def test_a_second_fit_is_resumed_with_the_history_of_both(tmp_path):
    def twice(killed=None, checkpoint=None, resume=False):
        trainer = sv.Trainer(model_of(sv.VAE), batch_size=8, seed=3, kl_weight=killed_at(killed))
        if not resume:
            trainer.fit(ROWS, 1)
        checkpointing = {"checkpoint": checkpoint, "every": 1, "resume": resume} if checkpoint else {}
        with suppress(Killed):
            trainer.fit(ROWS, 3, **checkpointing)
        return trainer

    twice(killed=13, checkpoint=tmp_path / "run.npz")
    assert_same(twice(), twice(checkpoint=tmp_path / "run.npz", resume=True))


def test_a_run_interrupted_by_ctrl_c_is_resumed_with_the_same_bits(tmp_path):
    import signal

    def interrupting(t):
        if t == 7:
            signal.raise_signal(signal.SIGINT)
        return killed_at(None)(t)

    interrupting.__qualname__ = "weight"
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        stopped = fitted(checkpoint=tmp_path / "run.npz", trained={"kl_weight": interrupting})
    finally:
        signal.signal(signal.SIGINT, previous)
    assert (stopped.history.stopped, stopped.optimizer.t) == ("interrupted", 8)
    assert_same(fitted(), fitted(checkpoint=tmp_path / "run.npz", resume=True))


def test_the_model_of_a_checkpoint_can_be_loaded_alone(tmp_path):
    trainer = fitted(checkpoint=tmp_path / "run.npz")
    assert sv.load(tmp_path / "run.npz").theta.tobytes() == trainer.model.theta.tobytes()
    x = sv.load_encoder(tmp_path / "run.npz").embed(ROWS)
    assert x.tobytes() == trainer.model.embed(ROWS).tobytes()


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_checkpoints_are_retained(tmp_path, keep):
    path = tmp_path / "run.npz"
    fitted(epochs=5, checkpoint=path, keep=keep, every=1)
    names = ["run.npz", "run.1.npz", "run.2.npz"][:keep]
    assert {file.name for file in tmp_path.iterdir()} == set(names)
    updates = []
    for name in names:
        with open_archive(tmp_path / name) as checkpoint:
            updates.append(checkpoint.header["run"]["updates"])
    assert updates == [25, 24, 23][:keep]


def test_a_damaged_checkpoint_is_replaced_by_the_previous_one_with_a_warning(tmp_path):
    path = tmp_path / "run.npz"
    fitted(checkpoint=path, every=1, killed=13)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(CheckpointWarning, match=r"run\.1\.npz, is used instead"):
        resumed = fitted(checkpoint=path, every=1, resume=True)
    assert_same(fitted(), resumed)


def test_resuming_without_a_readable_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    path.write_bytes(b"PK nothing")
    with pytest.raises(FileError, match=r"run\.npz"):
        fitted(checkpoint=path, resume=True)
    sv.save(model_of(sv.VAE), path)
    with pytest.raises(FileError, match="not a checkpoint"):
        fitted(checkpoint=path, resume=True)


def test_an_unfinished_run_is_not_overwritten_without_resume(tmp_path):
    path = tmp_path / "run.npz"
    fitted(checkpoint=path, every=1, killed=6)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="resume=True"):
        fitted(checkpoint=path)
    assert path.read_bytes() == before
    fitted(checkpoint=path, resume=True)
    fitted(checkpoint=path)  # a finished run may be overwritten


OTHER_WAYS = {
    "model.latent_dim": {"kind": lambda *_, **settings: sv.VAE(6, 3, (5,), seed=1)},
    "model.beta": {"model": {"beta": 2.0}},
    "batch_size": {"trained": {"batch_size": 7}},
    "seed": {"trained": {"seed": 4}},
    "clip_norm": {"trained": {"clip_norm": 1.0}},
    "optimizer.schedule.lr": {"trained": {"lr": 1e-3}},
    "kl_weight": {"trained": {"kl_weight": KLWarmUp(5)}},
    "corrupt.kind": {"trained": {"corrupt": Masking(0.5)}},
    "validation": {"validation": HELD_OUT},
}


@pytest.mark.parametrize("name", OTHER_WAYS)
def test_a_changed_setting_is_refused_by_name_and_changes_nothing(tmp_path, name):
    path = tmp_path / "run.npz"
    fitted(checkpoint=path, every=1, killed=6)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=rf"{name}(\.\w+)? was .* and is "):
        fitted(checkpoint=path, resume=True, **OTHER_WAYS[name])
    assert path.read_bytes() == before


NEARLY = ROWS.copy()
NEARLY[19, 3] = np.nextafter(NEARLY[19, 3], np.float32(1))


@pytest.mark.parametrize(
    "rows", [ROWS[::-1], ROWS[:-1], ROWS.astype(float), NEARLY], ids=["reversed", "fewer", "float64", "one bit"]
)
def test_other_data_is_refused(tmp_path, rows):
    path = tmp_path / "run.npz"
    fitted(checkpoint=path, every=1, killed=6)
    trainer = sv.Trainer(model_of(sv.VAE), batch_size=8, lr=1e-2, seed=3, kl_weight=killed_at(None))
    theta = trainer.model.theta.copy()
    with pytest.raises(ConfigError, match="images was '37 × 6 of float32"):
        trainer.fit(rows, 4, checkpoint=path, resume=True)
    assert np.array_equal(trainer.model.theta, theta)


@pytest.mark.parametrize(
    "settings",
    [
        {"every": 3},
        {"resume": True},
        {"checkpoint": "run.txt"},
        {"checkpoint": "."},
        {"checkpoint": "run.npz", "every": 0},
        {"checkpoint": "run.npz", "every": 2.5},
        {"checkpoint": "run.npz", "keep": 0},
        {"checkpoint": "run.npz", "resume": 1},
        {"retries": -1},
        {"checkpoint": 7},
    ],
    ids=str,
)
def test_invalid_checkpoint_settings_are_refused_by_name(tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=list(settings)[-1]):
        sv.Trainer(model_of(sv.VAE)).fit(ROWS, 1, **settings)
    assert not list(tmp_path.iterdir())


def test_a_second_run_on_a_locked_checkpoint_is_refused(tmp_path):
    path, refusals = tmp_path / "run.npz", []

    def second(t):
        if t == 3:
            with pytest.raises(FileError, match="locked") as refusal:
                fitted(checkpoint=path, resume=True)
            refusals.append(refusal)
        return 1.0

    fitted(checkpoint=path, trained={"kl_weight": second})
    assert len(refusals) == 1


@pytest.mark.parametrize("call", [0, 1, 4])
@pytest.mark.parametrize(
    ("owner", "name"),
    [(archive, "write_arrays"), (os, "fsync"), (os, "link"), (Path, "replace")],
    ids=lambda value: str(value)[-9:],
)
def test_a_disk_error_is_reported_and_the_previous_checkpoint_is_readable(tmp_path, monkeypatch, owner, name, call):
    path, real, calls = tmp_path / "run.npz", getattr(owner, name), iter(range(10_000))

    def failing(*arguments, **keywords):
        if next(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **keywords)

    monkeypatch.setattr(owner, name, failing)
    try:
        fitted(checkpoint=path, every=1, keep=3)
    except FileError as error:
        assert "No space left" in str(error) and "run.npz" in str(error)
        assert ("continue from the last checkpoint by resume=True" in str(error)) == path.exists()
    else:
        assert name == "link"  # without hard links the file is copied
    monkeypatch.undo()
    if call > 3:
        with open_archive(path) as checkpoint:
            assert checkpoint.header["run"]["updates"] >= 1
    assert_same(fitted(), fitted(checkpoint=path, every=1, resume=True))
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


@given(flips=st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, 255)), min_size=1, max_size=3))
def test_a_checkpoint_with_damaged_bytes_is_refused_or_gives_the_same_bits(tmp_path, flips):
    path, damaged = tmp_path / "run.npz", tmp_path / "damaged.npz"
    if not path.exists():
        fitted(checkpoint=path, every=1, killed=9, keep=1)
        fitted(checkpoint=tmp_path / "whole.npz")
    content = bytearray(path.read_bytes())
    for place, flip in flips:
        content[place % len(content)] ^= flip
    damaged.write_bytes(content)
    try:
        resumed = fitted(checkpoint=damaged, resume=True, keep=1)
    except (FileError, ConfigError):
        return
    assert sv.load(tmp_path / "whole.npz").theta.tobytes() == resumed.model.theta.tobytes()


def test_the_checkpoint_of_a_diverged_run_is_from_before_the_divergence(tmp_path):
    path = tmp_path / "run.npz"

    def trainer():
        return sv.Trainer(model_of(sv.VAE), optimizer=DivergingSGD(0.1, at=8, max_lr=0.01), batch_size=8)

    first = trainer()
    with pytest.raises(DivergedError, match="continue from it with resume=True and retries=5") as error:
        first.fit(ROWS, 4, checkpoint=path)
    assert error.value.step == 8
    assert first.optimizer.t == 7 and np.isfinite(first.model.theta).all()
    converging = trainer()
    converging.fit(ROWS, 1)
    assert np.array_equal(sv.load(path).theta, converging.model.theta)
    for retries in (0, 2):
        with warnings.catch_warnings(), pytest.raises(DivergedError):
            warnings.simplefilter("ignore", DivergenceWarning)
            trainer().fit(ROWS, 4, checkpoint=path, resume=True, retries=retries)
    resumed = trainer()
    with pytest.warns(DivergenceWarning):
        resumed.fit(ROWS, 4, checkpoint=path, resume=True, retries=4)
    assert (resumed.history.stopped, resumed.history.lr_halvings) == ("finished", 4)


def test_an_optimizer_of_another_class_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    fitted(checkpoint=path, every=1, killed=6, trained={"lr": None, "optimizer": Adam(1e-2)})
    with pytest.raises(ConfigError, match=r"optimizer\.kind was 'Adam' and is 'AdamW'"):
        fitted(checkpoint=path, resume=True, trained={"lr": None, "optimizer": AdamW(1e-2, weight_decay=0.0)})


@pytest.mark.parametrize("name", ["history/epochs", "history/kl"])
def test_a_history_that_is_not_float_is_refused(tmp_path, name):
    path = tmp_path / "run.npz"
    fitted(checkpoint=path, every=1, killed=9, keep=1)
    with open_archive(path) as checkpoint:
        header, arrays = checkpoint.header, {key: checkpoint.read(key) for key in checkpoint.headers}
    with path.open("w+b") as file:
        write_archive(file, header, {**arrays, name: arrays[name].astype(complex)})
    with pytest.raises(FileError, match="complex128"):
        fitted(checkpoint=path, resume=True)
