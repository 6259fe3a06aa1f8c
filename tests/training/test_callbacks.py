"""What hangs on the loop: when it is called, what it may ask for, and that it is put aside and taken up with it."""

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
from scratchvae.training.callbacks import HistoryRecorder, max_time

ROWS = uniform(0, 40, 6).astype("float32")  # five steps an epoch
HELD_OUT = uniform(1, 9, 6).astype("float32")
HOOKS = ("on_fit_begin", "on_epoch_begin", "on_before_update", "on_step_end", "on_epoch_end", "on_fit_end")


def trainer_of(**more):
    return sv.Trainer(sv.VAE(6, 2, (5,), seed=1), **{"batch_size": 8, "seed": 3, "lr": 1e-2, **more})


def fitted(*callbacks, epochs=3, trainer=None, **how):
    trainer = trainer or trainer_of()
    trainer.fit(ROWS, epochs, callbacks=list(callbacks), **how)
    return trainer


def named(given):
    """A name for what is tried, the same in each process."""
    if isinstance(given, list | tuple):
        return "[" + ",".join(named(each) for each in given) + "]"
    if isinstance(given, dict):
        return "{" + ",".join(f"{of}={named(each)}" for of, each in given.items()) + "}"
    if isinstance(given, Callback | np.ndarray) or " at 0x" in repr(given):
        return type(given).__name__
    return getattr(given, "__name__", None) or str(given)[:20]


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
    """Writes down when each of its methods is called, by its name."""

    def __init__(self, name="", told=None, error_in=None):
        self.name, self.told, self.error_in = name, [] if told is None else told, error_in

    def _tell(self, hook, state):
        self.told.append((self.name, hook, state.epoch, state.batch, state.updates))
        self.look(hook, state)
        if hook == self.error_in:
            raise KeyError(f"{self.name} in {hook}")

    def look(self, hook, state):
        pass


def _teller(hook):
    def tell(self, state):
        self._tell(hook, state)

    return tell


for _hook in HOOKS:
    setattr(Log, _hook, _teller(_hook))


def asking(hook, deed, at=None):
    """A callback that has written that method alone."""

    def method(self, state):
        return deed(state) if at is None or state.updates == at else None

    return type("Asking", (Callback,), {hook: method})()


# --- when


def test_each_method_is_called_at_its_moment():
    log = Log()
    fitted(log, epochs=2)
    told = [("on_fit_begin", 1, 0, 0)]
    for epoch in (1, 2):
        done = 5 * (epoch - 1)
        told.append(("on_epoch_begin", epoch, 0, done))
        for k in range(5):
            told += [
                ("on_before_update", epoch, k, done + k),
                ("on_step_end", epoch, k + 1, done + k + 1),
            ]
        told.append(("on_epoch_end", epoch + 1, 0, done + 5))  # which is where the next one begins
    told.append(("on_fit_end", 3, 0, 10))
    assert [each[1:] for each in log.told] == told


class Looking(Log):
    """Keeps what it may look at."""

    def look(self, hook, state):
        assert isinstance(state, TrainingState)
        self.state = state
        self.seen = getattr(self, "seen", {})
        terms, record = state.terms, state.record
        self.seen.setdefault(hook, []).append(
            (
                None if terms is None else terms.value.copy(),
                record,
                state.model.theta.copy(),
                state.model.dtheta.copy(),
                (state.stop_reason, state.error, state.finished, state.last_batch, state.batches_done),
            )
        )


def test_it_may_look_at_all_that_is_trained():
    look, trainer = Looking(), trainer_of()
    before = trainer.model.theta.copy()
    fitted(look, trainer=trainer, epochs=2, validation=HELD_OUT)
    state, seen = look.state, look.seen
    assert (state.model, state.optimizer, state.history) == (trainer.model, trainer.optimizer, trainer.history)
    assert (state.epochs, len(state.batches), state.batches.rows) == (2, 5, 40)
    assert state.validate() == trainer.history.validation[-1]
    terms, record, theta, _, _ = seen["on_fit_begin"][0]
    assert terms is None and record is None and np.array_equal(theta, before)
    for at, step in zip(seen["on_before_update"], seen["on_step_end"], strict=True):
        assert at[0].shape == (8,) and np.array_equal(at[0], step[0])  # the terms of the step
        assert at[3].any() and np.array_equal(at[3], step[3])  # the gradient, before its update and after
        assert not np.array_equal(at[2], step[2])
    assert [record for _, record, *_ in seen["on_epoch_end"]] == trainer.history.epochs
    assert [record.epoch for _, record, *_ in seen["on_epoch_end"]] == [1, 2]
    assert [of[4][4] for of in seen["on_step_end"]] == list(range(1, 11))
    assert [of[4][3] for of in seen["on_step_end"]] == [False] * 4 + [True] + [False] * 4 + [True]
    assert seen["on_fit_end"][0][4][:3] == ("finished", None, True)
    mean = -np.mean([terms for terms, *_ in seen["on_step_end"][:5]])
    assert trainer.history.loss[0] == pytest.approx(mean, rel=1e-6)


def test_the_gradient_that_it_sees_is_clipped_and_what_it_makes_of_it_is_followed():
    def look(state):
        assert np.linalg.norm(state.model.dtheta) == pytest.approx(0.01, rel=1e-4)
        state.model.dtheta[...] = 0.0

    trainer = trainer_of(lr=None, optimizer=SGD(1.0), clip_norm=0.01)
    trainer.model.initialize_output_bias(ROWS.mean(axis=0))
    before = trainer.model.theta.copy()
    fitted(asking("on_before_update", look), trainer=trainer)
    assert np.array_equal(trainer.model.theta, before) and trainer.optimizer.t == 15


def test_several_are_called_in_the_order_in_which_they_are_given_and_at_the_end_in_reverse():
    told = []
    fitted(Log("a", told), Log("b", told), Log("c", told), epochs=1)
    for hook in HOOKS:
        names = "".join(name for name, of, *_ in told if of == hook)
        once = "cba" if hook == "on_fit_end" else "abc"
        assert names == once * (5 if hook in ("on_before_update", "on_step_end") else 1)


def test_checkpoints_are_written_after_all_others_wherever_they_stand(tmp_path):
    told = []

    class Kept(Checkpoint):
        def write(self, state, stopped=""):
            told.append(("checkpoint", "write", state.epoch, state.batch, state.updates))
            super().write(state, stopped)

    fitted(Kept(tmp_path / "run.npz", every=2), Log("a", told), epochs=1)
    moments = [(name, hook) for name, hook, *_ in told if hook in ("write", "on_epoch_begin", "on_step_end")]
    step, write = ("a", "on_step_end"), ("checkpoint", "write")
    assert moments == [("a", "on_epoch_begin"), write, step, step, write, step, step, write, step, write]


def test_finite_numbers_are_kept_once_all_others_have_done_their_part():
    told = []

    class Kept(FiniteCheck):
        def on_epoch_begin(self, state):
            told.append("epoch")
            super().on_epoch_begin(state)

        def on_step_end(self, state):
            told.append("step")
            super().on_step_end(state)

    class Others(Callback):
        def on_epoch_begin(self, state):
            told.append("others")

        def on_step_end(self, state):
            told.append("others")

    fitted(Kept(), Others(), epochs=1)
    assert told == ["others", "epoch", *["others", "step"] * 5]


def test_what_is_there_already_is_not_there_twice():
    held = []
    look = asking("on_fit_begin", lambda state: held.extend(type(each) for each in state.callbacks))
    fitted(look, epochs=1)
    assert held == [HistoryRecorder, FiniteCheck, CollapseDetector, type(look)]
    held.clear()
    fitted(CollapseDetector(), look, FiniteCheck(2), epochs=1)
    assert held == [HistoryRecorder, FiniteCheck, CollapseDetector, type(look)]


@pytest.mark.parametrize("callback", [Log(), Callback(), Progress()], ids=named)
def test_one_that_only_looks_changes_no_bit(callback):
    assert_same(fitted(), fitted(callback))


@pytest.mark.parametrize("hook", HOOKS)
def test_one_may_use_the_model_at_any_moment_and_changes_no_bit(hook):
    def use(state):
        state.model.reconstruct(HELD_OUT)
        state.model.sample(3)
        sv.score(state.model, HELD_OUT)
        state.validate()

    how = {"validation": HELD_OUT, "patience": 2}
    assert_same(fitted(**how), fitted(asking(hook, use), **how))


def test_one_may_serve_several_fits():
    stopping, log = EarlyStopping(1), Log()
    trainer = trainer_of()
    for _ in range(2):
        fitted(stopping, log, trainer=trainer, epochs=1, validation=HELD_OUT)
    assert [hook for _, hook, *_ in log.told].count("on_fit_begin") == 2
    assert len(trainer.history.epochs) == 2


# --- the end


@pytest.mark.parametrize("hook", HOOKS[:-1])
@pytest.mark.parametrize("at", [0, 3, 4, 5, 9])
def test_stop_ends_training_after_the_step_at_hand_and_history_tells_why(hook, at):
    log = Log()
    trainer = fitted(asking(hook, lambda state: state.stop("enough"), at), log, epochs=3)
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
    assert [of for _, of, *_ in log.told].count("on_fit_end") == 1
    assert [of for _, of, *_ in log.told].count("on_step_end") == done
    plain = trainer_of()
    with suppress(KeyError):
        fitted(asking("on_before_update", raising, done), trainer=plain)
    assert np.array_equal(trainer.model.theta, plain.model.theta) or done == 0


def raising(state):
    raise KeyError("on purpose")


def test_stop_without_a_reason_has_one_too():
    trainer = fitted(asking("on_step_end", lambda state: state.stop(), 2))
    assert (trainer.history.stopped, trainer.optimizer.t) == ("callback", 2)


def test_the_first_reason_stands():
    def stop(state):
        state.stop("first")
        state.stop("second")

    assert (
        fitted(asking("on_step_end", stop), asking("on_step_end", lambda s: s.stop("third"))).history.stopped == "first"
    )


def test_a_stop_in_the_last_step_of_all_is_told_as_a_stop():
    assert fitted(asking("on_step_end", lambda s: s.stop("enough"), 15)).history.stopped == "enough"
    assert fitted(asking("on_epoch_end", lambda s: s.stop("enough"), 15)).history.stopped == "enough"


@pytest.mark.parametrize("hook", HOOKS[:-1])
def test_the_end_is_told_in_reverse_also_when_training_raises(hook):
    told, ends = [], []

    class End(Log):
        def look(self, of, state):
            if of == "on_fit_end":
                ends.append((self.name, type(state.error), state.stop_reason))

    trainer = trainer_of()
    with pytest.raises(KeyError, match=f"b in {hook}"):
        fitted(End("a", told), End("b", told, error_in=hook), End("c", told), trainer=trainer)
    begun = "a" if hook == "on_fit_begin" else "cba"  # whoever refuses to begin is not told of the end
    assert ends == [(name, KeyError, "failed") for name in begun]
    assert told[-1][1] == "on_fit_end"
    assert trainer.history.stopped == ("" if hook == "on_fit_begin" else "failed")
    trainer.fit(ROWS, 1)  # nothing is left locked
    assert trainer.history.stopped == "finished"


@pytest.mark.parametrize("guilty", ["a", "b", "c"])
def test_one_that_raises_at_the_end_keeps_no_other_from_it(guilty):
    told = []
    logs = [Log(name, told, error_in="on_fit_end" if name == guilty else None) for name in "abc"]
    trainer = trainer_of()
    with pytest.raises(KeyError, match=f"{guilty} in on_fit_end"):
        fitted(*logs, trainer=trainer, epochs=1)
    assert "".join(name for name, hook, *_ in told if hook == "on_fit_end") == "cba"
    assert trainer.history.stopped == "failed" and len(trainer.history.epochs) == 1
    trainer.fit(ROWS, 1)


def test_what_raises_at_the_begin_leaves_all_as_it_was():
    trainer = trainer_of()
    before = trainer.model.theta.copy()
    with pytest.raises(KeyError):
        fitted(asking("on_fit_begin", raising), trainer=trainer)
    assert np.array_equal(trainer.model.theta, before)
    assert_same(trainer_fitted(trainer), fitted())


def trainer_fitted(trainer, *callbacks, epochs=3, **how):
    return fitted(*callbacks, trainer=trainer, epochs=epochs, **how)


@pytest.mark.parametrize("hook", HOOKS[1:-1])
@pytest.mark.parametrize("at", [0, 4, 5, 7, 10])
@pytest.mark.parametrize("every", [None, 1, 3])
def test_one_that_raises_ends_training_and_the_last_checkpoint_stands_and_is_gone_on_from(tmp_path, hook, at, every):
    kept = {"checkpoint": tmp_path / "run.npz", "every": every}
    quiet = asking(hook, lambda state: None)
    guilty = asking(hook, raising, at)
    failed = trainer_of()
    if (at % 5 and hook in ("on_epoch_begin", "on_epoch_end")) or (at == 0 and hook in ("on_step_end", "on_epoch_end")):
        return  # it does not come to that
    with pytest.raises(KeyError):
        fitted(guilty, trainer=failed, **kept)
    assert failed.history.stopped == "failed"
    if at or hook != "on_epoch_begin":  # before the first step is written
        with open_archive(kept["checkpoint"]) as archive:
            assert archive.header["run"]["updates"] <= at and archive.header["stopped"] == ""
    assert_same(fitted(quiet), fitted(quiet, **kept, resume=True))


# --- leaving an update out


def test_skip_leaves_an_update_out():
    seen = []

    def skip(state):
        seen.append(state.model.theta.copy())
        return "skip"

    log = Log()
    trainer = fitted(asking("on_before_update", skip, 7), log, epochs=2)
    assert len(seen) == 3  # of the batches 7, 8 and 9: no update, and so no seventh
    assert all(np.array_equal(seen[0], each) for each in seen)
    assert np.array_equal(trainer.model.theta, seen[0]) and trainer.optimizer.t == 7
    steps = [of for of in log.told if of[1] == "on_step_end"]
    assert [of[3] for of in steps] == [1, 2, 3, 4, 5] * 2 and [of[4] for of in steps] == [*range(1, 8), 7, 7, 7]
    assert len(trainer.history.epochs) == 2 and trainer.history.stopped == "finished"


def test_skip_is_for_the_one_update():
    """Each second batch is passed over: the optimizer sees the gradients of the others alone."""
    first = trainer_of()
    turn = iter(range(100))
    fitted(asking("on_before_update", lambda state: "skip" if next(turn) % 2 else None), trainer=first, epochs=2)
    assert first.optimizer.t == 5

    class Zero(Adam):
        def step(self, dtheta):
            if next(times) % 2 == 0:
                super().step(dtheta)

    times = iter(range(100))
    second = trainer_of(lr=None, optimizer=Zero(1e-2))
    fitted(trainer=second, epochs=2)
    assert np.array_equal(first.model.theta, second.model.theta)
    assert without_seconds(first.history) == without_seconds(second.history)


def test_after_one_that_answers_no_other_is_asked():
    told = []
    fitted(Log("a", told), asking("on_before_update", lambda state: "skip"), Log("b", told), epochs=1)
    assert [name for name, hook, *_ in told if hook == "on_before_update"] == ["a"] * 5
    assert [name for name, hook, *_ in told if hook == "on_step_end"] == ["a", "b"] * 5


# --- going back to where the epoch began


class Again(Callback):
    """Asks once for the epoch to be run again, before the update of that number."""

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


@pytest.mark.parametrize("how", [{}, {"validation": HELD_OUT, "patience": 2}, {"retries": 2}], ids=named)
@pytest.mark.parametrize(
    "trained", [{}, {"binarize": "dynamic"}, {"corrupt": sv.training.Masking(0.3), "clip_norm": 0.5}], ids=str
)
@pytest.mark.parametrize("at", [0, 3, 5, 9, 12])
def test_restart_epoch_goes_back_to_its_begin_and_on_with_the_same_bits(at, how, trained):
    again = Again(at, times=2)
    restarted = fitted(again, trainer=trainer_of(**trained), **how)
    assert len(again.thetas) == 2 and np.array_equal(*again.thetas)
    assert_same(fitted(trainer=trainer_of(**trained), **how), restarted)


def test_what_is_told_of_an_epoch_that_was_run_again():
    log = Log()
    fitted(log, Again(7), epochs=2)
    assert [hook for _, hook, *_ in log.told].count("on_epoch_begin") == 2  # it is the same epoch still
    steps = [of[2:] for of in log.told if of[1] == "on_step_end"]
    assert steps == [*((1, k, k) for k in range(1, 6)), (2, 1, 6), (2, 2, 7), *((2, k, 5 + k) for k in range(1, 6))]


def test_the_learning_rate_of_now_stays_when_the_epoch_is_run_again():
    class Halve(Again):
        def on_before_update(self, state):
            answer = super().on_before_update(state)
            if answer:
                state.scale_lr("halve", 0.5)
            return answer

    restarted = fitted(Halve(7), trainer=trainer_of(lr=None, optimizer=SGD(0.5)))
    plain = fitted(trainer=trainer_of(lr=None, optimizer=SGD(lambda t: 0.5 if t < 5 else 0.25)))
    assert np.array_equal(restarted.model.theta, plain.model.theta)


def test_the_state_of_others_goes_back_as_well():
    mean = Mean()
    fitted(mean, Again(7, times=3))
    straight = Mean()
    fitted(straight)
    assert mean.count == straight.count == 15 and mean.theta.tobytes() == straight.theta.tobytes()


@pytest.mark.parametrize(
    "answer", [True, False, 0, "Skip", "stop", "", b"skip", [], ("skip",), np.ones(2), sv], ids=named
)
def test_another_answer_is_refused(answer):
    trainer = trainer_of()
    said = r"Asking\.on_before_update returned .*; expected None, 'skip' or 'restart epoch'"
    with pytest.raises(ConfigError, match=said):
        fitted(asking("on_before_update", lambda state: answer), trainer=trainer)
    assert (trainer.history.stopped, trainer.optimizer.t) == ("failed", 0)


# --- put aside, and taken up again


class Killed(BaseException):
    """Stands for the end of the process."""


class Kill(Callback):
    """Ends the process before the update of that number."""

    def __init__(self, at):
        self._at = at

    def on_before_update(self, state):
        if state.updates == self._at:
            raise Killed
        return


class Mean(Callback):
    """The mean of the weights over the steps, in an array and a number, with a list and a nested table beside."""

    def on_fit_begin(self, state):
        self.count, self.theta = 0, np.zeros_like(state.model.theta)
        self.kept = {"last": [0, None, "text", [1.5, True]], "arrays": [np.zeros(2), {"one": np.zeros((0, 3))}]}

    def on_step_end(self, state):
        self.count += 1
        self.theta += state.model.theta
        self.kept["last"][0] = self.count
        self.kept["arrays"][0][...] = self.count

    def state_dict(self):
        return {"count": self.count, "theta": self.theta, "kept": self.kept}

    def load_state_dict(self, state):
        self.count, self.theta, self.kept = state["count"], state["theta"], state["kept"]


class Noise(Callback):
    """Adds noise of its own to each gradient, ever less of it."""

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
    """Counts steps, so many at once."""

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


def resumed(tmp_path, killed, every, *make, **how):
    """A training that runs through, and one that was killed and gone on with; the callbacks of both."""
    kept = {"checkpoint": tmp_path / "run.npz", "every": every}
    sets = [[of() for of in make] for _ in range(3)]
    whole = fitted(*sets[0], Kill(None), **how)
    with pytest.raises(Killed):
        fitted(*sets[1], Kill(killed), **how, **kept)
    again = fitted(*sets[2], Kill(None), **how, **kept, resume=True)
    assert_same(whole, again)
    return sets[0], sets[2]


EACH_MOMENT = pytest.mark.parametrize(
    ("killed", "every"), [(0, 1), (3, 1), (5, 1), (7, 2), (7, None), (10, 3), (12, None), (14, 1)]
)


@EACH_MOMENT
def test_the_state_of_a_callback_is_kept_and_gone_on_from(tmp_path, killed, every):
    (mean,), (again,) = resumed(tmp_path, killed, every, Mean)
    assert mean.count == again.count == 15
    assert mean.theta.tobytes() == again.theta.tobytes()
    assert str(mean.kept) == str(again.kept)


@EACH_MOMENT
def test_one_that_changes_training_is_gone_on_with_to_the_bit(tmp_path, killed, every):
    killed = min(killed, 12)  # for some updates are left out
    resumed(tmp_path, killed, every, Noise, Mean)


class Drop(Callback):
    """Sets another rate after the first epoch, and again where a training is resumed."""

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
def test_a_rate_that_is_set_again_is_gone_on_with_to_the_bit(tmp_path, killed, every):
    resumed(tmp_path, killed, every, Drop)


def test_a_rate_that_was_scaled_is_kept_without_further_ado(tmp_path):
    scale = asking("on_step_end", lambda state: state.scale_lr("mine", 0.1), 3)
    with pytest.raises(Killed):
        fitted(scale, Kill(7), checkpoint=tmp_path / "run.npz", every=1)
    again = fitted(Kill(None), checkpoint=tmp_path / "run.npz", resume=True)
    assert_same(fitted(scale, Kill(None)), again)
    assert again.optimizer.schedule(0) == pytest.approx(1e-3)


def test_factors_of_several_are_multiplied_and_each_replaces_its_own():
    def scale(state):
        state.scale_lr("mine", 0.5)
        state.scale_lr("other", 0.1)
        state.scale_lr("mine", 0.25)

    trainer = fitted(asking("on_step_end", scale, 3), trainer=trainer_of(lr=2.0), epochs=1)
    assert trainer.optimizer.schedule(0) == pytest.approx(0.05)
    back = fitted(asking("on_step_end", scale, 3), asking("on_step_end", unscale, 4), epochs=1)
    assert back.lr == 1e-2


def unscale(state):
    for name in ("mine", "other"):
        state.scale_lr(name, 1.0)


def test_where_a_training_is_resumed_its_epoch_begins_for_the_callbacks(tmp_path):
    told = []
    look = asking("on_epoch_begin", lambda state: told.append((state.epoch, state.batch, state.updates)))
    with pytest.raises(Killed):
        fitted(Kill(8), checkpoint=tmp_path / "run.npz", every=1)
    fitted(look, Kill(None), checkpoint=tmp_path / "run.npz", resume=True)
    assert told == [(2, 3, 8), (3, 0, 10)]


class Sagging(Callback):
    """Weighs each gradient less than the one before, and says by how much."""

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


def test_the_very_callback_that_was_there_may_be_used_again(tmp_path):
    sagging, path = Sagging(0.9), tmp_path / "run.npz"
    killed_into(path, sagging)
    again = fitted(sagging, Kill(None), checkpoint=path, resume=True)
    assert_same(fitted(Sagging(0.9), Kill(None)), again)
    killed_into(tmp_path / "other.npz", sagging)
    with pytest.raises(ConfigError, match=r"callbacks\.Sagging\.factor was 0\.9 and is 0\.8"):
        fitted(Sagging(0.8), Kill(None), checkpoint=tmp_path / "other.npz", resume=True)


def test_two_of_one_class_have_a_state_each(tmp_path):
    _, again = resumed(tmp_path, 7, 1, lambda: Counter(1), lambda: Counter(10), lambda: Counter(100))
    assert [each.count for each in again] == [15, 150, 1500]


def test_the_state_is_kept_by_name_and_in_plain_arrays(tmp_path):
    fitted(Mean(), checkpoint=tmp_path / "run.npz")
    with open_archive(tmp_path / "run.npz") as archive:
        kept = archive.header["callbacks"]["Mean"]
        assert kept["count"] == 15 and kept["kept"]["last"] == [15, None, "text", [1.5, True]]
        assert archive.read("callbacks/Mean/theta").shape == sv.load(tmp_path / "run.npz").theta.shape
        assert archive.headers["callbacks/Mean/kept/arrays/1/one"].shape == (0, 3)
    with np.load(tmp_path / "run.npz", allow_pickle=False) as members:
        assert json.loads(str(members["scratchvae"]))["callbacks"]["Mean"] == kept


@pytest.mark.parametrize("number", [np.float32(1.5), np.float64(2.5), np.int64(3), np.bool_(True)], ids=repr)
def test_the_numbers_of_numpy_are_kept_as_numbers(tmp_path, number):
    class Keeping(Callback):
        def __init__(self):
            self._seen = []

        def on_fit_begin(self, state):
            self._number = None

        def on_step_end(self, state):
            self._number = number

        def state_dict(self):
            return {"number": self._number, "all": [self._number]}

        def load_state_dict(self, state):
            self._seen.append(state)

    keeping = Keeping()
    killed_into(tmp_path / "run.npz", keeping)
    fitted(keeping, Kill(None), checkpoint=tmp_path / "run.npz", resume=True)
    assert keeping._seen == [{"number": number, "all": [number]}]
    assert type(keeping._seen[0]["number"]) is type(number.item())


@pytest.mark.parametrize(
    "kept", [{"of": object()}, {"of": {1, 2}}, {"of": np}, {"of": "x" * 2**20}, {"of": 10**500}], ids=named
)
def test_a_state_that_could_not_be_read_again_is_refused_and_nothing_is_written(tmp_path, kept):
    odd = Log()
    odd.state_dict = lambda: kept
    with pytest.raises(ConfigError):
        fitted(odd, checkpoint=tmp_path / "run.npz")
    assert not list(tmp_path.iterdir())


def killed_into(path, *callbacks, at=7, **how):
    with pytest.raises(Killed):
        fitted(*callbacks, Kill(at), checkpoint=path, every=1, **how)


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
        ([Noise(), Again(99)], [Again(99), Noise()]),
        ([Again(98)], [Again(99)]),
    ],
    ids=named,
)
def test_a_checkpoint_of_other_callbacks_is_refused(tmp_path, first, then):
    path = tmp_path / "run.npz"
    killed_into(path, *first, validation=HELD_OUT)
    before, trainer = path.read_bytes(), trainer_of()
    theta = trainer.model.theta.copy()
    with pytest.raises(ConfigError, match=r"callbacks\.[\w.]+ was .* and is "):
        fitted(*then, Kill(None), trainer=trainer, checkpoint=path, resume=True, validation=HELD_OUT)
    assert path.read_bytes() == before and np.array_equal(trainer.model.theta, theta)
    assert_same(
        fitted(*first, Kill(None), validation=HELD_OUT),
        fitted(*first, Kill(None), checkpoint=path, resume=True, validation=HELD_OUT),
    )


@pytest.mark.parametrize(
    ("first", "then"),
    [([Mean()], []), ([], [Mean()]), ([Mean(), Mean()], [Mean()]), ([Counter(1)], []), ([], [Counter(1)])],
    ids=named,
)
def test_a_checkpoint_that_keeps_the_state_of_others_is_refused(tmp_path, first, then):
    path = tmp_path / "run.npz"
    killed_into(path, *first)
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
        ([asking("on_step_end", lambda state: None)], []),
    ],
    ids=named,
)
def test_what_changes_no_weights_may_be_added_or_left_out(tmp_path, first, then):
    path = tmp_path / "run.npz"
    then = [each for each in then if not isinstance(each, Log)]
    killed_into(path, *first)
    assert_same(fitted(Kill(None)), fitted(*then, Kill(None), checkpoint=path, resume=True))


# --- those that there are


@EACH_MOMENT
@pytest.mark.parametrize("more", [{}, {"min_delta": 0.02}], ids=named)
def test_early_stopping_is_gone_on_with(tmp_path, killed, every, more):
    resumed(tmp_path, killed, every, lambda: EarlyStopping(1, **more), validation=HELD_OUT)


def test_early_stopping_is_what_patience_is():
    def trained(*callbacks, **how):
        return fitted(*callbacks, trainer=trainer_of(lr=0.1), epochs=60, validation=HELD_OUT, **how)

    one, other = trained(patience=3), trained(EarlyStopping(3))
    assert_same(one, other)
    assert one.history.stopped == "early"


def test_progress_of_less_than_min_delta_is_none():
    free = fitted(EarlyStopping(3), trainer=trainer_of(lr=1e-3), epochs=30, validation=HELD_OUT)
    held = fitted(EarlyStopping(3, min_delta=50.0), trainer=trainer_of(lr=1e-3), epochs=30, validation=HELD_OUT)
    assert (free.history.stopped, free.history.best_epoch) == ("finished", 30)
    assert (held.history.stopped, held.history.best_epoch, len(held.history.epochs)) == ("early", 1, 4)
    assert -sv.score(held.model, HELD_OUT).value == held.history.validation[0]


def test_a_training_that_stopped_early_is_not_gone_on_with(tmp_path):
    how = {"checkpoint": tmp_path / "run.npz", "validation": HELD_OUT}
    never = 50.0  # a progress that there is not
    first = fitted(EarlyStopping(2, never), epochs=9, **how)
    again = fitted(EarlyStopping(2, never), epochs=9, **how, resume=True)
    assert_same(first, again)
    assert (first.history.stopped, len(first.history.epochs)) == ("early", 3)


def test_nor_is_one_that_did_so_in_its_last_epoch(tmp_path):
    how = {"checkpoint": tmp_path / "run.npz", "validation": HELD_OUT}
    first = fitted(EarlyStopping(2, 50.0), epochs=3, **how)
    assert (first.history.stopped, len(first.history.epochs)) == ("early", 3)
    assert_same(first, fitted(EarlyStopping(2, 50.0), epochs=3, **how, resume=True))


def halving(patience, epochs, lr=0.5, least=0.0):
    """SGD with the rate of each epoch when there is no progress but in the first."""
    rates = [lr]
    for epoch in range(2, epochs + 1):
        rates.append(rates[-1])
        if (epoch - 2) % patience == 0 and epoch > 2 and rates[-1] / 2 >= least:
            rates[-1] /= 2
    return rates


@pytest.mark.parametrize(("patience", "least"), [(1, 0.0), (2, 0.0), (3, 0.0), (1, 0.1), (1, 0.125)])
def test_the_rate_is_halved_each_time_that_there_was_no_progress(patience, least):
    epochs = 8
    rates = halving(patience, epochs, least=least)
    reducing = ReduceLROnPlateau(0.5, patience, min_delta=1e3, min_lr=least)
    one = fitted(reducing, trainer=trainer_of(lr=None, optimizer=SGD(0.5)), epochs=epochs)
    other = fitted(trainer=trainer_of(lr=None, optimizer=SGD(lambda t: rates[min(t // 5, 7)])), epochs=epochs)
    assert np.array_equal(one.model.theta, other.model.theta)
    assert one.optimizer.schedule(0) >= least


def validated(*losses):
    """Lets one epoch after the other have such a validation loss."""
    of = iter(losses)

    def replace(state):
        state.record = state.record._replace(validation=next(of))

    return asking("on_epoch_end", replace)


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
def test_it_watches_validation_where_there_is_any(losses, patience, min_delta, reductions):
    reducing = ReduceLROnPlateau(0.1, patience, min_delta)
    trainer = fitted(validated(*losses), reducing, epochs=4, validation=HELD_OUT)
    assert trainer.optimizer.schedule(0) == pytest.approx(1e-2 * 0.1**reductions)


def test_a_schedule_is_reduced_as_a_whole():
    cosine = Cosine(0.5, 40)
    one = fitted(ReduceLROnPlateau(0.5, 1, min_delta=1e3), trainer=trainer_of(lr=None, optimizer=SGD(cosine)), epochs=3)
    assert [one.optimizer.schedule(t) for t in (0, 20)] == [cosine(0) / 4, cosine(20) / 4]


@EACH_MOMENT
def test_a_reduced_rate_is_gone_on_with(tmp_path, killed, every):
    resumed(tmp_path, killed, every, lambda: ReduceLROnPlateau(0.5, 1, min_delta=1e3))


def test_the_next_fit_goes_on_with_the_reduced_rate():
    trainer = fitted(ReduceLROnPlateau(0.5, 1, min_delta=1e3), trainer=trainer_of(lr=None, optimizer=SGD(0.5)))
    assert trainer.optimizer.schedule(0) == 0.125
    fitted(ReduceLROnPlateau(0.5, 1, min_delta=1e3), trainer=trainer)
    assert trainer.optimizer.schedule(0) == 0.125 / 4


def test_it_goes_together_with_retries(tmp_path):
    def trained(**how):
        trainer = trainer_of(lr=None, optimizer=DivergingSGD(0.5, 8, 0.3))
        return fitted(
            ReduceLROnPlateau(0.5, 1, min_delta=1e3), Kill(how.pop("at", None)), trainer=trainer, retries=3, **how
        )

    with pytest.warns(DivergenceWarning):
        whole = trained()
    assert (whole.history.lr_halvings, whole.optimizer.schedule(0)) == (1, 0.5 / 2 / 4)
    kept = {"checkpoint": tmp_path / "run.npz", "every": 1}
    with pytest.warns(DivergenceWarning), pytest.raises(Killed):
        trained(at=12, **kept)
    again = trained(**kept, resume=True)
    assert_same(whole, again)
    assert again.history.lr_halvings == 1


@pytest.fixture
def clock(monkeypatch):
    """A time that passes one second a step."""
    now = [100.0]
    monkeypatch.setattr(max_time.time, "monotonic", lambda: now[0])
    return now


def passing(now):
    def pass_a_second(state):
        now[0] += 1.0

    return asking("on_before_update", pass_a_second)


@pytest.mark.parametrize(("seconds", "steps"), [(0.5, 1), (1, 1), (7.5, 8), (10, 10), (99, 15)])
def test_time_is_up_after_the_step_at_hand(clock, seconds, steps):
    trainer = fitted(passing(clock), MaxTime(seconds))
    assert trainer.optimizer.t == steps
    assert trainer.history.stopped == ("max_time" if steps < 15 else "finished")


def test_a_training_that_took_too_long_can_be_gone_on_with_and_has_the_time_anew(clock, tmp_path):
    kept = {"checkpoint": tmp_path / "run.npz"}
    for done in (6, 12, 15):
        trainer = fitted(passing(clock), MaxTime(6), **kept, resume=True)
        assert trainer.optimizer.t == done
    assert_same(fitted(passing(clock)), trainer)


def test_real_time_passes_too():
    began = time.monotonic()
    plain = sv.Trainer(sv.Autoencoder(6, 2, (5,)), batch_size=8)
    trainer = fitted(MaxTime(0.2), trainer=plain, epochs=10**6)
    assert trainer.history.stopped == "max_time" and 0.2 <= time.monotonic() - began < 20


def updates_in(path):
    with open_archive(path) as archive:
        return archive.header["run"]["updates"]


def test_two_checkpoints_are_written_each_in_its_time(tmp_path):
    often, seldom = Checkpoint(tmp_path / "often.npz", every=2, keep=3), Checkpoint(tmp_path / "seldom.npz")
    with pytest.raises(Killed):
        fitted(often, seldom, Kill(13))
    assert [updates_in(tmp_path / f"often{age}.npz") for age in ("", ".1", ".2")] == [12, 8, 6]  # at 10 an epoch ends
    assert [updates_in(tmp_path / f"seldom{age}.npz") for age in ("", ".1")] == [10, 5]
    assert not (tmp_path / "seldom.2.npz").exists()
    for path in ("often.npz", "seldom.npz"):
        other = tmp_path / ("seldom.npz" if path == "often.npz" else "often.npz")
        again = fitted(Checkpoint(tmp_path / path, resume=True), Checkpoint(other.with_name(f"new-{path}")), Kill(None))
        assert_same(fitted(Kill(None)), again)


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_to_be_resumed_the_one_that_came_further_is_gone_on_from(tmp_path, order):
    def two(**how):
        return [
            Checkpoint(tmp_path / "often.npz", every=1, **how),
            Checkpoint(tmp_path / "seldom.npz", every=4, **how),
        ][::order]

    with pytest.raises(Killed):
        fitted(*two(), Kill(7))
    begun = []
    look = asking("on_epoch_begin", lambda state: begun.append(state.updates))
    again = fitted(*two(resume=True), look, Kill(None))
    assert begun[0] == 7
    assert_same(fitted(Kill(None)), again)


def test_two_checkpoints_of_one_path_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(FileError, match="locked"):
        fitted(Checkpoint(path), Checkpoint(path, every=3))
    assert not list(tmp_path.iterdir())
    fitted(Checkpoint(path))  # nothing is left locked


def test_a_checkpoint_is_what_the_argument_is(tmp_path):
    trainer_of().fit(ROWS, 2, callbacks=[Checkpoint(tmp_path / "a.npz", every=2)])
    trainer_of().fit(ROWS, 2, checkpoint=tmp_path / "b.npz", every=2)
    headers = []
    for name in "ab":
        with open_archive(tmp_path / f"{name}.npz") as archive:
            run = {of: value for of, value in archive.header["run"].items() if of != "seconds"}
            headers.append((run, archive.header["settings"], archive.header["callbacks"], archive.header["stopped"]))
    assert headers[0] == headers[1]


@pytest.mark.parametrize(
    ("how", "callback", "name"),
    [
        ({"patience": 3, "validation": HELD_OUT}, EarlyStopping(3), "patience= and EarlyStopping"),
        ({"retries": 1}, FiniteCheck(1), "retries= and FiniteCheck"),
        ({"progress": True}, Progress(), "progress= and Progress"),
        ({"checkpoint": "a.npz"}, Checkpoint("b.npz"), "checkpoint= and Checkpoint"),
    ],
)
def test_an_argument_and_a_callback_of_the_same_kind_are_refused(tmp_path, monkeypatch, how, callback, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"{name} among the callbacks exclude each other; leave one out"):
        fitted(callback, **how)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "given", [None, Log(), "early", {}, {EarlyStopping(1)}, (EarlyStopping(1) for _ in "a")], ids=named
)
def test_what_is_no_list_of_callbacks_is_refused(given):
    with pytest.raises(ConfigError, match=r"callbacks=.*expected a list of callbacks, such as \[EarlyStopping\(5\)\]"):
        trainer_of().fit(ROWS, 1, callbacks=given)


@pytest.mark.parametrize("odd", [None, 3, EarlyStopping, print, "early"], ids=named)
def test_what_is_no_callback_is_refused(odd):
    with pytest.raises(ConfigError, match=r"callbacks\[1\]=.*expected a callback, such as EarlyStopping\(5\)"):
        trainer_of().fit(ROWS, 1, callbacks=[Log(), odd])


def test_ctrl_c_and_a_stop_go_together():
    def press(state):
        os.kill(os.getpid(), signal.SIGINT)
        state.stop("enough")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        trainer = fitted(asking("on_step_end", press, 7))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (trainer.history.stopped, trainer.optimizer.t) == ("enough", 7)


def test_a_hook_that_nothing_calls_is_refused_with_those_that_there_are():
    class Keras(Callback):
        def on_batch_end(self, state):
            raise AssertionError("this is never called")

    with pytest.raises(
        ConfigError, match=r"Keras.on_batch_end is never called; the hooks are on_before_update, .*on_step_end"
    ):
        fitted(Keras())


@pytest.mark.parametrize(
    ("state", "says"),
    [([1], r"returned \[1\]; expected a dict"), ({"a": {"b": object()}}, r"Odd/a/b in the state of a callback is <object")],
)
def test_a_state_that_no_file_can_hold_is_refused_with_the_callback_and_the_key(tmp_path, state, says):
    class Odd(Callback):
        def state_dict(self):
            return state

    with pytest.raises(ConfigError, match=says):
        fitted(Odd(), checkpoint=tmp_path / "run.npz")
