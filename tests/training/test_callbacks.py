"""Callbacks: when they are called, what they may change, and how their state is saved and resumed."""

import json
import os
import signal
import time
from contextlib import suppress

import numpy as np
import pytest
from diverging_sgd import DivergingSGD
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, DivergenceWarning, FileError
from scratchvae.io import open_archive
from scratchvae.optim import SGD, Adam, Cosine
from scratchvae.training import (
    Callback,
    Checkpoint,
    CollapseDetector,
    EarlyStopping,
    FiniteCheck,
    MaxTime,
    Progress,
    ReduceLROnPlateau,
    TrainingState,
)
from scratchvae.training.callbacks import BusyCoresDetector, HistoryRecorder, max_time

ROWS = uniform(0, 40, 6).astype("float32")  # five steps an epoch
HELD_OUT = uniform(1, 9, 6).astype("float32")
HOOKS = ("on_fit_begin", "on_epoch_begin", "on_before_update", "on_step_end", "on_epoch_end", "on_fit_end")


def trainer_of(**more):
    return sv.Trainer(sv.VAE(6, 2, (5,), seed=1), **{"batch_size": 8, "seed": 3, "lr": 1e-2, **more})


def fitted(*callbacks, epochs=3, trainer=None, **options):
    trainer = trainer or trainer_of()
    trainer.fit(ROWS, epochs, callbacks=list(callbacks), **options)
    return trainer


def id_of(value):
    """A test id of `value` that is the same in every process."""
    if isinstance(value, list | tuple):
        return "[" + ",".join(id_of(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}={id_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Callback | np.ndarray) or " at 0x" in repr(value):
        return type(value).__name__
    return getattr(value, "__name__", None) or str(value)[:20]


def without_seconds(history):
    return [epoch._replace(seconds=0) for epoch in history.epochs]


def assert_same(one, other):
    assert one.model.theta.tobytes() == other.model.theta.tobytes()
    assert one.optimizer.t == other.optimizer.t
    for name, moment in one.optimizer.state.items():
        assert moment.tobytes() == other.optimizer.state[name].tobytes()
    assert without_seconds(one.history) == without_seconds(other.history)
    assert (one.history.stopped, one.history.best_epoch) == (other.history.stopped, other.history.best_epoch)
    assert one.step(ROWS) == other.step(ROWS)


class Log(Callback):
    """A callback that records the calls of its hooks."""

    def __init__(self, name="", calls=None, error_in=None):
        self.name, self.calls, self.error_in = name, [] if calls is None else calls, error_in

    def _record(self, hook, state):
        self.calls.append((self.name, hook, state.epoch, state.batch, state.updates))
        self.inspect(hook, state)
        if hook == self.error_in:
            raise KeyError(f"{self.name} in {hook}")

    def inspect(self, hook, state):
        pass


def _recorder(hook):
    def record(self, state):
        self._record(hook, state)

    return record


for _hook in HOOKS:
    setattr(Log, _hook, _recorder(_hook))


def callback_with(hook, action, at=None):
    """A callback with one hook, called at every call or only after `at` updates."""

    def method(self, state):
        return action(state) if at is None or state.updates == at else None

    return type("Custom", (Callback,), {hook: method})()


# --- when


def test_hooks_are_called_in_order():
    log = Log()
    fitted(log, epochs=2)
    calls = [("on_fit_begin", 1, 0, 0)]
    for epoch in (1, 2):
        updates = 5 * (epoch - 1)
        calls.append(("on_epoch_begin", epoch, 0, updates))
        for k in range(5):
            calls += [
                ("on_before_update", epoch, k, updates + k),
                ("on_step_end", epoch, k + 1, updates + k + 1),
            ]
        calls.append(("on_epoch_end", epoch + 1, 0, updates + 5))  # the position where the next epoch begins
    calls.append(("on_fit_end", 3, 0, 10))
    assert [call[1:] for call in log.calls] == calls


class SnapshotLog(Log):
    """A log that also copies the state at every call."""

    def inspect(self, hook, state):
        assert isinstance(state, TrainingState)
        self.state = state
        self.snapshots = getattr(self, "snapshots", {})
        terms, record = state.terms, state.record
        self.snapshots.setdefault(hook, []).append(
            (
                None if terms is None else terms.value.copy(),
                record,
                state.model.theta.copy(),
                state.model.dtheta.copy(),
                (state.stop_reason, state.error, state.finished, state.last_batch, state.batches_done),
            )
        )


def test_a_callback_can_read_the_whole_training_state():
    probe, trainer = SnapshotLog(), trainer_of()
    before = trainer.model.theta.copy()
    fitted(probe, trainer=trainer, epochs=2, validation=HELD_OUT)
    state, snapshots = probe.state, probe.snapshots
    assert (state.model, state.optimizer, state.history) == (trainer.model, trainer.optimizer, trainer.history)
    assert (state.epochs, len(state.batches), state.batches.rows) == (2, 5, 40)
    assert state.validate() == trainer.history.validation[-1]
    terms, record, theta, _, _ = snapshots["on_fit_begin"][0]
    assert terms is None and record is None and np.array_equal(theta, before)
    for before_update, step in zip(snapshots["on_before_update"], snapshots["on_step_end"], strict=True):
        assert before_update[0].shape == (8,) and np.array_equal(before_update[0], step[0])  # the terms of the step
        assert before_update[3].any() and np.array_equal(
            before_update[3], step[3]
        )  # the gradient, before and after its update
        assert not np.array_equal(before_update[2], step[2])
    assert [record for _, record, *_ in snapshots["on_epoch_end"]] == trainer.history.epochs
    assert [record.epoch for _, record, *_ in snapshots["on_epoch_end"]] == [1, 2]
    assert [snapshot[4][4] for snapshot in snapshots["on_step_end"]] == list(range(1, 11))
    assert [snapshot[4][3] for snapshot in snapshots["on_step_end"]] == [False] * 4 + [True] + [False] * 4 + [True]
    assert snapshots["on_fit_end"][0][4][:3] == ("finished", None, True)
    mean = -np.mean([terms for terms, *_ in snapshots["on_step_end"][:5]])
    assert trainer.history.loss[0] == pytest.approx(mean, rel=1e-6)


def test_a_callback_gets_the_clipped_gradient_and_may_change_it():
    def probe(state):
        assert np.linalg.norm(state.model.dtheta) == pytest.approx(0.01, rel=1e-4)
        state.model.dtheta[...] = 0.0

    trainer = trainer_of(lr=None, optimizer=SGD(1.0), clip_norm=0.01)
    trainer.model.initialize_output_bias(ROWS.mean(axis=0))
    before = trainer.model.theta.copy()
    fitted(callback_with("on_before_update", probe), trainer=trainer)
    assert np.array_equal(trainer.model.theta, before) and trainer.optimizer.t == 15


def test_callbacks_are_called_in_list_order_and_on_fit_end_in_reverse():
    calls = []
    fitted(Log("a", calls), Log("b", calls), Log("c", calls), epochs=1)
    for hook in HOOKS:
        names = "".join(name for name, called, *_ in calls if called == hook)
        once = "cba" if hook == "on_fit_end" else "abc"
        assert names == once * (5 if hook in ("on_before_update", "on_step_end") else 1)


def test_checkpoints_are_written_after_all_other_callbacks(tmp_path):
    calls = []

    class LoggedCheckpoint(Checkpoint):
        def write(self, state, stopped=""):
            calls.append(("checkpoint", "write", state.epoch, state.batch, state.updates))
            super().write(state, stopped)

    fitted(LoggedCheckpoint(tmp_path / "run.npz", every=2), Log("a", calls), epochs=1)
    moments = [(name, hook) for name, hook, *_ in calls if hook in ("write", "on_epoch_begin", "on_step_end")]
    step, write = ("a", "on_step_end"), ("checkpoint", "write")
    assert moments == [("a", "on_epoch_begin"), write, step, step, write, step, step, write, step, write]


def test_the_finite_check_runs_after_all_other_callbacks():
    calls = []

    class LoggedFiniteCheck(FiniteCheck):
        def on_epoch_begin(self, state):
            calls.append("epoch")
            super().on_epoch_begin(state)

        def on_step_end(self, state):
            calls.append("step")
            super().on_step_end(state)

    class Others(Callback):
        def on_epoch_begin(self, state):
            calls.append("others")

        def on_step_end(self, state):
            calls.append("others")

    fitted(LoggedFiniteCheck(), Others(), epochs=1)
    assert calls == ["others", "epoch", *["others", "step"] * 5]


def test_default_callbacks_are_not_added_twice():
    kinds = []
    probe = callback_with("on_fit_begin", lambda state: kinds.extend(type(callback) for callback in state.callbacks))
    fitted(probe, epochs=1)
    assert kinds == [HistoryRecorder, FiniteCheck, CollapseDetector, BusyCoresDetector, type(probe)]
    kinds.clear()
    fitted(CollapseDetector(), probe, FiniteCheck(2), epochs=1)
    assert kinds == [HistoryRecorder, FiniteCheck, BusyCoresDetector, CollapseDetector, type(probe)]


@pytest.mark.parametrize("callback", [Log(), Callback(), Progress()], ids=id_of)
def test_a_read_only_callback_changes_no_bit(callback):
    assert_same(fitted(), fitted(callback))


@pytest.mark.parametrize("hook", HOOKS)
def test_using_the_model_in_a_callback_changes_no_bit(hook):
    def use(state):
        state.model.reconstruct(HELD_OUT)
        state.model.sample(3)
        sv.score(state.model, HELD_OUT)
        state.validate()

    options = {"validation": HELD_OUT, "patience": 2}
    assert_same(fitted(**options), fitted(callback_with(hook, use), **options))


def test_a_callback_can_be_used_in_several_fits():
    stopping, log = EarlyStopping(1), Log()
    trainer = trainer_of()
    for _ in range(2):
        fitted(stopping, log, trainer=trainer, epochs=1, validation=HELD_OUT)
    assert [hook for _, hook, *_ in log.calls].count("on_fit_begin") == 2
    assert len(trainer.history.epochs) == 2


# --- stopping


@pytest.mark.parametrize("hook", HOOKS[:-1])
@pytest.mark.parametrize("at", [0, 3, 4, 5, 9])
def test_stop_ends_training_after_the_current_step_and_history_has_the_reason(hook, at):
    log = Log()
    trainer = fitted(callback_with(hook, lambda state: state.stop("enough"), at), log, epochs=3)
    done = {
        "on_fit_begin": 0 if at == 0 else 15,
        "on_epoch_begin": at if at % 5 == 0 else 15,
        "on_before_update": at + 1,
        "on_step_end": max(1, at) if at else 15,
        "on_epoch_end": at if at == 5 else 15,
    }[hook]
    assert trainer.optimizer.t == done
    assert len(trainer.history.epochs) == done // 5
    assert trainer.history.stopped == ("finished" if done == 15 else "enough")
    assert [called for _, called, *_ in log.calls].count("on_fit_end") == 1
    assert [called for _, called, *_ in log.calls].count("on_step_end") == done
    plain = trainer_of()
    with suppress(KeyError):
        fitted(callback_with("on_before_update", raise_error, done), trainer=plain)
    assert np.array_equal(trainer.model.theta, plain.model.theta) or done == 0


def raise_error(state):
    raise KeyError("on purpose")


def test_stop_without_a_reason_has_a_default_reason():
    trainer = fitted(callback_with("on_step_end", lambda state: state.stop(), 2))
    assert (trainer.history.stopped, trainer.optimizer.t) == ("callback", 2)


def test_the_first_stop_reason_is_recorded():
    def stop(state):
        state.stop("first")
        state.stop("second")

    assert (
        fitted(
            callback_with("on_step_end", stop), callback_with("on_step_end", lambda s: s.stop("third"))
        ).history.stopped
        == "first"
    )


def test_a_stop_in_the_last_step_is_recorded_as_a_stop():
    assert fitted(callback_with("on_step_end", lambda s: s.stop("enough"), 15)).history.stopped == "enough"
    assert fitted(callback_with("on_epoch_end", lambda s: s.stop("enough"), 15)).history.stopped == "enough"


@pytest.mark.parametrize("hook", HOOKS[:-1])
def test_on_fit_end_is_called_in_reverse_when_training_raises(hook):
    calls, ends = [], []

    class End(Log):
        def inspect(self, called, state):
            if called == "on_fit_end":
                ends.append((self.name, type(state.error), state.stop_reason))

    trainer = trainer_of()
    with pytest.raises(KeyError, match=f"b in {hook}"):
        fitted(End("a", calls), End("b", calls, error_in=hook), End("c", calls), trainer=trainer)
    started = "a" if hook == "on_fit_begin" else "cba"  # a callback that raised in on_fit_begin gets no on_fit_end
    assert ends == [(name, KeyError, "failed") for name in started]
    assert calls[-1][1] == "on_fit_end"
    assert trainer.history.stopped == ("" if hook == "on_fit_begin" else "failed")
    trainer.fit(ROWS, 1)  # the model is unlocked
    assert trainer.history.stopped == "finished"


@pytest.mark.parametrize("guilty", ["a", "b", "c"])
def test_an_error_in_on_fit_end_does_not_skip_other_callbacks(guilty):
    calls = []
    logs = [Log(name, calls, error_in="on_fit_end" if name == guilty else None) for name in "abc"]
    trainer = trainer_of()
    with pytest.raises(KeyError, match=f"{guilty} in on_fit_end"):
        fitted(*logs, trainer=trainer, epochs=1)
    assert "".join(name for name, hook, *_ in calls if hook == "on_fit_end") == "cba"
    assert trainer.history.stopped == "failed" and len(trainer.history.epochs) == 1
    trainer.fit(ROWS, 1)


def test_an_error_in_on_fit_begin_leaves_the_trainer_unchanged():
    trainer = trainer_of()
    before = trainer.model.theta.copy()
    with pytest.raises(KeyError):
        fitted(callback_with("on_fit_begin", raise_error), trainer=trainer)
    assert np.array_equal(trainer.model.theta, before)
    assert_same(trainer_fitted(trainer), fitted())


def trainer_fitted(trainer, *callbacks, epochs=3, **options):
    return fitted(*callbacks, trainer=trainer, epochs=epochs, **options)


@pytest.mark.parametrize("hook", HOOKS[1:-1])
@pytest.mark.parametrize("at", [0, 4, 5, 7, 10])
@pytest.mark.parametrize("every", [None, 1, 3])
def test_training_after_an_error_in_a_callback_resumes_from_the_last_checkpoint(tmp_path, hook, at, every):
    checkpointing = {"checkpoint": tmp_path / "run.npz", "every": every}
    quiet = callback_with(hook, lambda state: None)
    guilty = callback_with(hook, raise_error, at)
    failed = trainer_of()
    if (at % 5 and hook in ("on_epoch_begin", "on_epoch_end")) or (at == 0 and hook in ("on_step_end", "on_epoch_end")):
        return  # this hook is never called at that moment
    with pytest.raises(KeyError):
        fitted(guilty, trainer=failed, **checkpointing)
    assert failed.history.stopped == "failed"
    if at or hook != "on_epoch_begin":  # before the first step is written
        with open_archive(checkpointing["checkpoint"]) as archive:
            assert archive.header["run"]["updates"] <= at and archive.header["stopped"] == ""
    assert_same(fitted(quiet), fitted(quiet, **checkpointing, resume=True))


# --- skipping an update


def test_skip_omits_the_update():
    thetas = []

    def skip(state):
        thetas.append(state.model.theta.copy())
        return "skip"

    log = Log()
    trainer = fitted(callback_with("on_before_update", skip, 7), log, epochs=2)
    assert len(thetas) == 3  # batches 7, 8 and 9: no further update
    assert all(np.array_equal(thetas[0], theta) for theta in thetas)
    assert np.array_equal(trainer.model.theta, thetas[0]) and trainer.optimizer.t == 7
    steps = [call for call in log.calls if call[1] == "on_step_end"]
    assert [call[3] for call in steps] == [1, 2, 3, 4, 5] * 2 and [call[4] for call in steps] == [*range(1, 8), 7, 7, 7]
    assert len(trainer.history.epochs) == 2 and trainer.history.stopped == "finished"


def test_skip_affects_only_one_update():
    """Every second batch is skipped: the optimizer gets only the gradients of the others."""
    first = trainer_of()
    turn = iter(range(100))
    fitted(callback_with("on_before_update", lambda state: "skip" if next(turn) % 2 else None), trainer=first, epochs=2)
    assert first.optimizer.t == 5

    class SkippingAdam(Adam):
        def step(self, dtheta):
            if next(times) % 2 == 0:
                super().step(dtheta)

    times = iter(range(100))
    second = trainer_of(lr=None, optimizer=SkippingAdam(1e-2))
    fitted(trainer=second, epochs=2)
    assert np.array_equal(first.model.theta, second.model.theta)
    assert without_seconds(first.history) == without_seconds(second.history)


def test_later_callbacks_are_not_called_after_a_skip():
    calls = []
    fitted(Log("a", calls), callback_with("on_before_update", lambda state: "skip"), Log("b", calls), epochs=1)
    assert [name for name, hook, *_ in calls if hook == "on_before_update"] == ["a"] * 5
    assert [name for name, hook, *_ in calls if hook == "on_step_end"] == ["a", "b"] * 5


# --- restarting an epoch


class RestartEpoch(Callback):
    """Restart the epoch before update number `at`, `times` times."""

    rolled_back = False

    def __init__(self, at, times=1):
        self.at, self.times = at, times

    def on_fit_begin(self, state):
        self._left = self.times
        self.thetas = []

    def on_before_update(self, state):
        if state.updates == self.at and self._left:
            self._left -= 1
            self.thetas.append(state.model.theta.copy())
            return "restart epoch"
        return None


@pytest.mark.parametrize("options", [{}, {"validation": HELD_OUT, "patience": 2}, {"retries": 2}], ids=id_of)
@pytest.mark.parametrize(
    "trained", [{}, {"binarize": "dynamic"}, {"corrupt": sv.training.Masking(0.3), "clip_norm": 0.5}], ids=str
)
@pytest.mark.parametrize("at", [0, 3, 5, 9, 12])
def test_a_restarted_epoch_gives_the_same_bits(at, options, trained):
    restart = RestartEpoch(at, times=2)
    restarted = fitted(restart, trainer=trainer_of(**trained), **options)
    assert len(restart.thetas) == 2 and np.array_equal(*restart.thetas)
    assert_same(fitted(trainer=trainer_of(**trained), **options), restarted)


def test_callbacks_get_no_second_on_epoch_begin_after_a_restart():
    log = Log()
    fitted(log, RestartEpoch(7), epochs=2)
    assert [hook for _, hook, *_ in log.calls].count("on_epoch_begin") == 2  # a restart is still the same epoch
    steps = [call[2:] for call in log.calls if call[1] == "on_step_end"]
    assert steps == [*((1, k, k) for k in range(1, 6)), (2, 1, 6), (2, 2, 7), *((2, k, 5 + k) for k in range(1, 6))]


def test_a_restart_does_not_reset_the_learning_rate():
    class Halve(RestartEpoch):
        def on_before_update(self, state):
            action = super().on_before_update(state)
            if action:
                state.scale_lr("halve", 0.5)
            return action

    restarted = fitted(Halve(7), trainer=trainer_of(lr=None, optimizer=SGD(0.5)))
    plain = fitted(trainer=trainer_of(lr=None, optimizer=SGD(lambda t: 0.5 if t < 5 else 0.25)))
    assert np.array_equal(restarted.model.theta, plain.model.theta)


def test_a_restart_resets_the_state_of_other_callbacks():
    mean = Mean()
    fitted(mean, RestartEpoch(7, times=3))
    straight = Mean()
    fitted(straight)
    assert mean.count == straight.count == 15 and mean.theta.tobytes() == straight.theta.tobytes()


@pytest.mark.parametrize(
    "action", [True, False, 0, "Skip", "stop", "", b"skip", [], ("skip",), np.ones(2), sv], ids=id_of
)
def test_an_invalid_return_value_is_refused(action):
    trainer = trainer_of()
    message = r"Custom\.on_before_update returned .*; expected None, 'skip' or 'restart epoch'"
    with pytest.raises(ConfigError, match=message):
        fitted(callback_with("on_before_update", lambda state: action), trainer=trainer)
    assert (trainer.history.stopped, trainer.optimizer.t) == ("failed", 0)


# --- saving and resuming


class Killed(BaseException):
    """Simulates the end of the process."""


class Kill(Callback):
    """Simulate the end of the process after `at` updates."""

    def __init__(self, at):
        self._at = at

    def on_before_update(self, state):
        if state.updates == self._at:
            raise Killed
        return


class Mean(Callback):
    """The sum of the weights over the steps and their number, with nested lists and dicts as further state."""

    def on_fit_begin(self, state):
        self.count, self.theta = 0, np.zeros_like(state.model.theta)
        self.nested = {"last": [0, None, "text", [1.5, True]], "arrays": [np.zeros(2), {"one": np.zeros((0, 3))}]}

    def on_step_end(self, state):
        self.count += 1
        self.theta += state.model.theta
        self.nested["last"][0] = self.count
        self.nested["arrays"][0][...] = self.count

    def state_dict(self):
        return {"count": self.count, "theta": self.theta, "nested": self.nested}

    def load_state_dict(self, state):
        self.count, self.theta, self.nested = state["count"], state["theta"], state["nested"]


class Noise(Callback):
    """Adds decreasing noise to each gradient."""

    def on_fit_begin(self, state):
        self._rng, self._level = np.random.default_rng(7), 0.1

    def on_before_update(self, state):
        dtheta = state.model.dtheta
        dtheta += self._rng.standard_normal(dtheta.size, dtheta.dtype) * self._level
        self._level *= 0.9
        return "skip" if self._rng.random() < 0.1 else None

    def state_dict(self):
        return {"rng": self._rng.bit_generator.state, "level": self._level}

    def load_state_dict(self, state):
        self._rng.bit_generator.state, self._level = state["rng"], state["level"]


class Counter(Callback):
    """Counts steps in units of `step`."""

    def __init__(self, step):
        self._step = step

    def on_fit_begin(self, state):
        self.count = 0

    def on_step_end(self, state):
        self.count += self._step

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def resumed(tmp_path, killed, every, *factories, **options):
    """Compare an uninterrupted run with a killed and resumed one; return the callbacks of both."""
    checkpointing = {"checkpoint": tmp_path / "run.npz", "every": every}
    sets = [[factory() for factory in factories] for _ in range(3)]
    uninterrupted = fitted(*sets[0], Kill(None), **options)
    with pytest.raises(Killed):
        fitted(*sets[1], Kill(killed), **options, **checkpointing)
    continued = fitted(*sets[2], Kill(None), **options, **checkpointing, resume=True)
    assert_same(uninterrupted, continued)
    return sets[0], sets[2]


EACH_MOMENT = pytest.mark.parametrize(
    ("killed", "every"), [(0, 1), (3, 1), (5, 1), (7, 2), (7, None), (10, 3), (12, None), (14, 1)]
)


@EACH_MOMENT
def test_the_state_of_a_callback_is_saved_and_resumed(tmp_path, killed, every):
    (mean,), (continued,) = resumed(tmp_path, killed, every, Mean)
    assert mean.count == continued.count == 15
    assert mean.theta.tobytes() == continued.theta.tobytes()
    assert str(mean.nested) == str(continued.nested)


@EACH_MOMENT
def test_a_callback_that_changes_gradients_is_resumed_with_the_same_bits(tmp_path, killed, every):
    killed = min(killed, 12)  # some updates are skipped
    resumed(tmp_path, killed, every, Noise, Mean)


class Drop(Callback):
    """Sets another learning rate after the first epoch and when a run is resumed."""

    def on_fit_begin(self, state):
        self._optimizer, self._dropped = state.optimizer, False

    def on_epoch_end(self, state):
        if state.record.epoch == 1:
            self._drop()

    def _drop(self):
        self._dropped, self._optimizer.lr = True, 1e-3

    def state_dict(self):
        return {"dropped": self._dropped}

    def load_state_dict(self, state):
        if state["dropped"]:
            self._drop()


@EACH_MOMENT
def test_a_callback_that_sets_the_learning_rate_is_resumed_with_the_same_bits(tmp_path, killed, every):
    resumed(tmp_path, killed, every, Drop)


def test_a_scaled_learning_rate_is_saved_in_the_checkpoint(tmp_path):
    scale = callback_with("on_step_end", lambda state: state.scale_lr("mine", 0.1), 3)
    with pytest.raises(Killed):
        fitted(scale, Kill(7), checkpoint=tmp_path / "run.npz", every=1)
    continued = fitted(Kill(None), checkpoint=tmp_path / "run.npz", resume=True)
    assert_same(fitted(scale, Kill(None)), continued)
    assert continued.optimizer.schedule(0) == pytest.approx(1e-3)


def test_learning_rate_factors_are_multiplied_and_replaced_by_name():
    def scale(state):
        state.scale_lr("mine", 0.5)
        state.scale_lr("other", 0.1)
        state.scale_lr("mine", 0.25)

    trainer = fitted(callback_with("on_step_end", scale, 3), trainer=trainer_of(lr=2.0), epochs=1)
    assert trainer.optimizer.schedule(0) == pytest.approx(0.05)
    back = fitted(callback_with("on_step_end", scale, 3), callback_with("on_step_end", unscale, 4), epochs=1)
    assert back.lr == 1e-2


def unscale(state):
    for name in ("mine", "other"):
        state.scale_lr(name, 1.0)


def test_on_epoch_begin_is_called_when_a_run_is_resumed(tmp_path):
    calls = []
    probe = callback_with("on_epoch_begin", lambda state: calls.append((state.epoch, state.batch, state.updates)))
    with pytest.raises(Killed):
        fitted(Kill(8), checkpoint=tmp_path / "run.npz", every=1)
    fitted(probe, Kill(None), checkpoint=tmp_path / "run.npz", resume=True)
    assert calls == [(2, 3, 8), (3, 0, 10)]


class DecayGradients(Callback):
    """Scales each gradient by a decreasing weight."""

    def __init__(self, factor):
        self.factor = factor

    def on_fit_begin(self, state):
        self.weight = 1.0

    def on_before_update(self, state):
        self.weight *= self.factor
        state.model.dtheta[...] *= self.weight

    def state_dict(self):
        return {"weight": self.weight}

    def load_state_dict(self, state):
        self.weight = state["weight"]


def test_the_same_callback_object_can_be_used_to_resume(tmp_path):
    decay, path = DecayGradients(0.9), tmp_path / "run.npz"
    write_killed_run(path, decay)
    continued = fitted(decay, Kill(None), checkpoint=path, resume=True)
    assert_same(fitted(DecayGradients(0.9), Kill(None)), continued)
    write_killed_run(tmp_path / "other.npz", decay)
    with pytest.raises(ConfigError, match=r"callbacks\.DecayGradients\.factor was 0\.9 and is 0\.8"):
        fitted(DecayGradients(0.8), Kill(None), checkpoint=tmp_path / "other.npz", resume=True)


def test_callbacks_of_one_class_have_separate_states(tmp_path):
    _, continued = resumed(tmp_path, 7, 1, lambda: Counter(1), lambda: Counter(10), lambda: Counter(100))
    assert [counter.count for counter in continued] == [15, 150, 1500]


def test_callback_state_is_stored_by_name_in_plain_arrays(tmp_path):
    fitted(Mean(), checkpoint=tmp_path / "run.npz")
    with open_archive(tmp_path / "run.npz") as archive:
        stored = archive.header["callbacks"]["Mean"]
        assert stored["count"] == 15 and stored["nested"]["last"] == [15, None, "text", [1.5, True]]
        assert archive.read("callbacks/Mean/theta").shape == sv.load(tmp_path / "run.npz").theta.shape
        assert archive.headers["callbacks/Mean/nested/arrays/1/one"].shape == (0, 3)
    with np.load(tmp_path / "run.npz", allow_pickle=False) as members:
        assert json.loads(str(members["scratchvae"]))["callbacks"]["Mean"] == stored


@pytest.mark.parametrize("number", [np.float32(1.5), np.float64(2.5), np.int64(3), np.bool_(True)], ids=repr)
def test_numpy_scalars_are_stored_as_plain_numbers(tmp_path, number):
    class StoresNumber(Callback):
        def __init__(self):
            self._loaded = []

        def on_fit_begin(self, state):
            self._number = None

        def on_step_end(self, state):
            self._number = number

        def state_dict(self):
            return {"number": self._number, "all": [self._number]}

        def load_state_dict(self, state):
            self._loaded.append(state)

    callback = StoresNumber()
    write_killed_run(tmp_path / "run.npz", callback)
    fitted(callback, Kill(None), checkpoint=tmp_path / "run.npz", resume=True)
    assert callback._loaded == [{"number": number, "all": [number]}]
    assert type(callback._loaded[0]["number"]) is type(number.item())


@pytest.mark.parametrize(
    "nested", [{"of": object()}, {"of": {1, 2}}, {"of": np}, {"of": "x" * 2**20}, {"of": 10**500}], ids=id_of
)
def test_an_unreadable_state_is_refused_and_nothing_is_written(tmp_path, nested):
    odd = Log()
    odd.state_dict = lambda: nested
    with pytest.raises(ConfigError):
        fitted(odd, checkpoint=tmp_path / "run.npz")
    assert not list(tmp_path.iterdir())


def write_killed_run(path, *callbacks, at=7, **options):
    with pytest.raises(Killed):
        fitted(*callbacks, Kill(at), checkpoint=path, every=1, **options)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ([EarlyStopping(5)], []),
        ([], [EarlyStopping(5)]),
        ([EarlyStopping(5)], [EarlyStopping(6)]),
        ([EarlyStopping(5)], [EarlyStopping(5, min_delta=0.1)]),
        ([ReduceLROnPlateau()], []),
        ([], [ReduceLROnPlateau()]),
        ([ReduceLROnPlateau(0.5)], [ReduceLROnPlateau(0.6)]),
        ([ReduceLROnPlateau(min_lr=0.1)], [ReduceLROnPlateau(min_lr=0.2)]),
        ([Noise()], []),
        ([], [Noise()]),
        ([Noise(), RestartEpoch(99)], [RestartEpoch(99), Noise()]),
        ([RestartEpoch(98)], [RestartEpoch(99)]),
    ],
    ids=id_of,
)
def test_a_checkpoint_of_other_callbacks_is_refused(tmp_path, first, then):
    path = tmp_path / "run.npz"
    write_killed_run(path, *first, validation=HELD_OUT)
    before, trainer = path.read_bytes(), trainer_of()
    theta = trainer.model.theta.copy()
    with pytest.raises(ConfigError, match=r"callbacks\.[\w.]+ was .* and is "):
        fitted(*then, Kill(None), trainer=trainer, checkpoint=path, resume=True, validation=HELD_OUT)
    assert path.read_bytes() == before and np.array_equal(trainer.model.theta, theta)
    assert_same(
        fitted(*first, Kill(None), validation=HELD_OUT),
        fitted(*first, Kill(None), checkpoint=path, resume=True, validation=HELD_OUT),
    )


def test_two_callbacks_in_another_order_are_refused(tmp_path):
    write_killed_run(tmp_path / "run.npz", Noise())
    with pytest.raises(ConfigError, match=r"callbacks\.order was .*Noise, Kill.* and is .*Kill, Noise"):
        fitted(Kill(None), Noise(), checkpoint=tmp_path / "run.npz", resume=True)


@pytest.mark.parametrize(
    ("first", "then"),
    [([Mean()], []), ([], [Mean()]), ([Mean(), Mean()], [Mean()]), ([Counter(1)], []), ([], [Counter(1)])],
    ids=id_of,
)
def test_a_checkpoint_with_the_state_of_other_callbacks_is_refused(tmp_path, first, then):
    path = tmp_path / "run.npz"
    write_killed_run(path, *first)
    before, trainer = path.read_bytes(), trainer_of()
    theta = trainer.model.theta.copy()
    with pytest.raises(FileError, match=r"it does not match the state of this training: see callbacks/(Mean|Counter)"):
        fitted(*then, Kill(None), trainer=trainer, checkpoint=path, resume=True)
    assert path.read_bytes() == before and np.array_equal(trainer.model.theta, theta)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ([], [MaxTime(600), FiniteCheck(3, every=2)]),
        ([MaxTime(600)], [Progress(), Log(error_in="")]),
        ([FiniteCheck(retries=1)], []),
        ([callback_with("on_step_end", lambda state: None)], []),
    ],
    ids=id_of,
)
def test_callbacks_that_change_no_weights_may_be_added_or_removed(tmp_path, first, then):
    path = tmp_path / "run.npz"
    then = [callback for callback in then if not isinstance(callback, Log)]
    write_killed_run(path, *first)
    assert_same(fitted(Kill(None)), fitted(*then, Kill(None), checkpoint=path, resume=True))


# --- built-in callbacks


@EACH_MOMENT
@pytest.mark.parametrize("more", [{}, {"min_delta": 0.02}], ids=id_of)
def test_early_stopping_is_resumed(tmp_path, killed, every, more):
    resumed(tmp_path, killed, every, lambda: EarlyStopping(1, **more), validation=HELD_OUT)


def test_early_stopping_is_equivalent_to_patience():
    def trained(*callbacks, **options):
        return fitted(*callbacks, trainer=trainer_of(lr=0.1), epochs=60, validation=HELD_OUT, **options)

    one, other = trained(patience=3), trained(EarlyStopping(3))
    assert_same(one, other)
    assert one.history.stopped == "early"


def test_an_improvement_below_min_delta_does_not_count():
    free = fitted(EarlyStopping(3), trainer=trainer_of(lr=1e-3), epochs=30, validation=HELD_OUT)
    strict = fitted(EarlyStopping(3, min_delta=50.0), trainer=trainer_of(lr=1e-3), epochs=30, validation=HELD_OUT)
    assert (free.history.stopped, free.history.best_epoch) == ("finished", 30)
    assert (strict.history.stopped, strict.history.best_epoch, len(strict.history.epochs)) == ("early", 1, 4)
    assert -sv.score(strict.model, HELD_OUT).value == strict.history.validation[0]


def test_an_early_stopped_run_is_not_continued(tmp_path):
    options = {"checkpoint": tmp_path / "run.npz", "validation": HELD_OUT}
    never = 50.0  # more than any improvement
    first = fitted(EarlyStopping(2, never), epochs=9, **options)
    continued = fitted(EarlyStopping(2, never), epochs=9, **options, resume=True)
    assert_same(first, continued)
    assert (first.history.stopped, len(first.history.epochs)) == ("early", 3)


def test_a_run_early_stopped_in_its_last_epoch_is_not_continued(tmp_path):
    options = {"checkpoint": tmp_path / "run.npz", "validation": HELD_OUT}
    first = fitted(EarlyStopping(2, 50.0), epochs=3, **options)
    assert (first.history.stopped, len(first.history.epochs)) == ("early", 3)
    assert_same(first, fitted(EarlyStopping(2, 50.0), epochs=3, **options, resume=True))


def halved_rates(patience, epochs, lr=0.5, least=0.0):
    """Learning rate of each epoch if only the first epoch improves."""
    rates = [lr]
    for epoch in range(2, epochs + 1):
        rates.append(rates[-1])
        if (epoch - 2) % patience == 0 and epoch > 2 and rates[-1] / 2 >= least:
            rates[-1] /= 2
    return rates


@pytest.mark.parametrize(("patience", "least"), [(1, 0.0), (2, 0.0), (3, 0.0), (1, 0.1), (1, 0.125)])
def test_the_learning_rate_is_halved_after_each_plateau(patience, least):
    epochs = 8
    rates = halved_rates(patience, epochs, least=least)
    reducing = ReduceLROnPlateau(0.5, patience, min_delta=1e3, min_lr=least)
    one = fitted(reducing, trainer=trainer_of(lr=None, optimizer=SGD(0.5)), epochs=epochs)
    other = fitted(trainer=trainer_of(lr=None, optimizer=SGD(lambda t: rates[min(t // 5, 7)])), epochs=epochs)
    assert np.array_equal(one.model.theta, other.model.theta)
    assert one.optimizer.schedule(0) >= least


def with_validation_losses(*losses):
    """A callback that replaces the validation loss of each epoch."""
    remaining = iter(losses)

    def replace(state):
        state.record = state.record._replace(validation=next(remaining))

    return callback_with("on_epoch_end", replace)


@pytest.mark.parametrize(
    ("losses", "patience", "min_delta", "reductions"),
    [
        ((5.0, 4.0, 3.0, 2.0), 1, 0.0, 0),
        ((5.0, 6.0, 7.0, 8.0), 1, 0.0, 3),
        ((5.0, 5.0, 4.0, 4.0), 1, 0.0, 2),
        ((5.0, 6.0, 4.0, 7.0), 2, 0.0, 0),
        ((5.0, 6.0, 7.0, 4.0), 2, 0.0, 1),
        ((5.0, 4.5, 4.0, 3.5), 1, 0.5, 2),
        ((5.0, 4.4, 3.8, 3.2), 1, 0.5, 0),
    ],
)
def test_the_plateau_is_judged_by_the_validation_loss(losses, patience, min_delta, reductions):
    reducing = ReduceLROnPlateau(0.1, patience, min_delta)
    trainer = fitted(with_validation_losses(*losses), reducing, epochs=4, validation=HELD_OUT)
    assert trainer.optimizer.schedule(0) == pytest.approx(1e-2 * 0.1**reductions)


def test_a_schedule_is_scaled_as_a_whole():
    cosine = Cosine(0.5, 40)
    one = fitted(ReduceLROnPlateau(0.5, 1, min_delta=1e3), trainer=trainer_of(lr=None, optimizer=SGD(cosine)), epochs=3)
    assert [one.optimizer.schedule(t) for t in (0, 20)] == [cosine(0) / 4, cosine(20) / 4]


@EACH_MOMENT
def test_a_reduced_learning_rate_is_resumed(tmp_path, killed, every):
    resumed(tmp_path, killed, every, lambda: ReduceLROnPlateau(0.5, 1, min_delta=1e3))


def test_the_next_fit_uses_the_reduced_learning_rate():
    trainer = fitted(ReduceLROnPlateau(0.5, 1, min_delta=1e3), trainer=trainer_of(lr=None, optimizer=SGD(0.5)))
    assert trainer.optimizer.schedule(0) == 0.125
    fitted(ReduceLROnPlateau(0.5, 1, min_delta=1e3), trainer=trainer)
    assert trainer.optimizer.schedule(0) == 0.125 / 4


def test_reduce_on_plateau_works_with_retries(tmp_path):
    def trained(**options):
        trainer = trainer_of(lr=None, optimizer=DivergingSGD(0.5, 8, 0.3))
        return fitted(
            ReduceLROnPlateau(0.5, 1, min_delta=1e3),
            Kill(options.pop("at", None)),
            trainer=trainer,
            retries=3,
            **options,
        )

    with pytest.warns(DivergenceWarning):
        uninterrupted = trained()
    assert (uninterrupted.history.lr_halvings, uninterrupted.optimizer.schedule(0)) == (1, 0.5 / 2 / 4)
    checkpointing = {"checkpoint": tmp_path / "run.npz", "every": 1}
    with pytest.warns(DivergenceWarning), pytest.raises(Killed):
        trained(at=12, **checkpointing)
    continued = trained(**checkpointing, resume=True)
    assert_same(uninterrupted, continued)
    assert continued.history.lr_halvings == 1


@pytest.fixture
def clock(monkeypatch):
    """A fake clock; `advance` moves it by one second per step."""
    now = [100.0]
    monkeypatch.setattr(max_time.time, "monotonic", lambda: now[0])
    return now


def advance(now):
    def add_second(state):
        now[0] += 1.0

    return callback_with("on_before_update", add_second)


@pytest.mark.parametrize(("seconds", "steps"), [(0.5, 1), (1, 1), (7.5, 8), (10, 10), (99, 15)])
def test_max_time_stops_after_the_current_step(clock, seconds, steps):
    trainer = fitted(advance(clock), MaxTime(seconds))
    assert trainer.optimizer.t == steps
    assert trainer.history.stopped == ("max_time" if steps < 15 else "finished")


def test_a_run_stopped_by_max_time_is_resumed_with_the_full_time(clock, tmp_path):
    checkpointing = {"checkpoint": tmp_path / "run.npz"}
    for done in (6, 12, 15):
        trainer = fitted(advance(clock), MaxTime(6), **checkpointing, resume=True)
        assert trainer.optimizer.t == done
    assert_same(fitted(advance(clock)), trainer)


def test_max_time_uses_the_real_clock():
    began = time.monotonic()
    plain = sv.Trainer(sv.Autoencoder(6, 2, (5,)), batch_size=8)
    trainer = fitted(MaxTime(0.2), trainer=plain, epochs=10**6)
    assert trainer.history.stopped == "max_time" and 0.2 <= time.monotonic() - began < 20


def updates_in(path):
    with open_archive(path) as archive:
        return archive.header["run"]["updates"]


def test_two_checkpoints_are_written_at_their_own_intervals(tmp_path):
    often, seldom = Checkpoint(tmp_path / "often.npz", every=2, keep=3), Checkpoint(tmp_path / "seldom.npz")
    with pytest.raises(Killed):
        fitted(often, seldom, Kill(13))
    assert [updates_in(tmp_path / f"often{age}.npz") for age in ("", ".1", ".2")] == [12, 8, 6]  # an epoch ends at 10
    assert [updates_in(tmp_path / f"seldom{age}.npz") for age in ("", ".1")] == [10, 5]
    assert not (tmp_path / "seldom.2.npz").exists()
    for path in ("often.npz", "seldom.npz"):
        other = tmp_path / ("seldom.npz" if path == "often.npz" else "often.npz")
        continued = fitted(
            Checkpoint(tmp_path / path, resume=True), Checkpoint(other.with_name(f"new-{path}")), Kill(None)
        )
        assert_same(fitted(Kill(None)), continued)


@pytest.mark.parametrize("order", [1, -1])
def test_the_more_recent_of_two_checkpoints_is_resumed(tmp_path, order):
    def two(**options):
        return [
            Checkpoint(tmp_path / "often.npz", every=1, **options),
            Checkpoint(tmp_path / "seldom.npz", every=4, **options),
        ][::order]

    with pytest.raises(Killed):
        fitted(*two(), Kill(7))
    started = []
    probe = callback_with("on_epoch_begin", lambda state: started.append(state.updates))
    continued = fitted(*two(resume=True), probe, Kill(None))
    assert started[0] == 7
    assert_same(fitted(Kill(None)), continued)


def test_two_checkpoints_of_one_path_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(FileError, match="locked"):
        fitted(Checkpoint(path), Checkpoint(path, every=3))
    assert not list(tmp_path.iterdir())
    fitted(Checkpoint(path))  # the path is unlocked


def test_the_checkpoint_callback_is_equivalent_to_the_argument(tmp_path):
    trainer_of().fit(ROWS, 2, callbacks=[Checkpoint(tmp_path / "a.npz", every=2)])
    trainer_of().fit(ROWS, 2, checkpoint=tmp_path / "b.npz", every=2)
    headers = []
    for name in "ab":
        with open_archive(tmp_path / f"{name}.npz") as archive:
            run = {key: value for key, value in archive.header["run"].items() if key != "seconds"}
            headers.append((run, archive.header["settings"], archive.header["callbacks"], archive.header["stopped"]))
    assert headers[0] == headers[1]


@pytest.mark.parametrize(
    ("options", "callback", "name"),
    [
        ({"patience": 3, "validation": HELD_OUT}, EarlyStopping(3), "patience= and EarlyStopping"),
        ({"retries": 1}, FiniteCheck(1), "retries= and FiniteCheck"),
        ({"progress": True}, Progress(), "progress= and Progress"),
        ({"checkpoint": "a.npz"}, Checkpoint("b.npz"), "checkpoint= and Checkpoint"),
    ],
)
def test_an_argument_and_a_callback_of_the_same_kind_are_refused(tmp_path, monkeypatch, options, callback, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"{name} among the callbacks exclude each other; leave one out"):
        fitted(callback, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "callbacks", [None, Log(), "early", {}, {EarlyStopping(1)}, (EarlyStopping(1) for _ in "a")], ids=id_of
)
def test_callbacks_that_are_no_list_are_refused(callbacks):
    with pytest.raises(ConfigError, match=r"callbacks=.*expected a list of callbacks, such as \[EarlyStopping\(5\)\]"):
        trainer_of().fit(ROWS, 1, callbacks=callbacks)


@pytest.mark.parametrize("odd", [None, 3, EarlyStopping, print, "early"], ids=id_of)
def test_an_object_that_is_no_callback_is_refused(odd):
    with pytest.raises(ConfigError, match=r"callbacks\[1\]=.*expected a callback, such as EarlyStopping\(5\)"):
        trainer_of().fit(ROWS, 1, callbacks=[Log(), odd])


def test_ctrl_c_and_stop_work_together():
    def press(state):
        os.kill(os.getpid(), signal.SIGINT)
        state.stop("enough")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        trainer = fitted(callback_with("on_step_end", press, 7))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (trainer.history.stopped, trainer.optimizer.t) == ("enough", 7)


def test_an_unknown_hook_is_refused_and_the_hooks_are_named():
    class Keras(Callback):
        def on_batch_end(self, state):
            raise AssertionError("this is never called")

    with pytest.raises(
        ConfigError, match=r"Keras.on_batch_end is never called; the hooks are on_before_update, .*on_step_end"
    ):
        fitted(Keras())


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ([1], r"returned \[1\]; expected a dict"),
        ({"a": {"b": object()}}, r"Odd/a/b in the state of a callback is <object"),
    ],
)
def test_a_state_no_file_can_store_is_refused_by_callback_and_key(tmp_path, state, says):
    class Odd(Callback):
        def state_dict(self):
            return state

    with pytest.raises(ConfigError, match=says):
        fitted(Odd(), checkpoint=tmp_path / "run.npz")
