"""Numbers that are not finite: when they are looked for, what that asks of a device, and going back."""

from math import inf, nan

import fake_cupy
import numpy as np
import pytest
from diverging_sgd import DivergingSGD
from emulated_backend import ALL_BACKENDS
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.errors import DivergedError, DivergenceWarning
from scratchvae.optim import SGD
from scratchvae.training import Callback, FiniteCheck, TrainingState
from scratchvae.training.callback import RESTART_EPOCH
from scratchvae.training.callbacks import finite_check
from scratchvae.training.minibatches import Minibatches, MinibatchSource
from scratchvae.training.nonfinite import all_finite, find_nonfinite, largest
from scratchvae.training.totals import EpochTotals

X = uniform(0, 8, 6).astype("float32")
ROWS = uniform(0, 40, 6).astype("float32")  # five steps an epoch


# --- what is looked at, and when


@pytest.fixture(params=ALL_BACKENDS)
def trainer(request):
    return warm_trainer(request.param)


def warm_trainer(backend):
    trainer = sv.Trainer(sv.VAE(6, 2, (4,), backend=backend), batch_size=8)
    trainer.step(X)
    return trainer


class Looking(FiniteCheck):
    """Tells what it sees, and leaves it."""

    def __init__(self, trainer, every=1, rows=X):
        super().__init__(every=every)
        model = trainer.model
        batches = Minibatches(MinibatchSource(model, rows, 8, np.random.default_rng(0), trainer._preprocess))
        self.at = TrainingState(
            model, trainer.optimizer, trainer.history, batches, trainer._streams, 1, None, [], settings={}
        )
        self.at.totals = EpochTotals(model, 8)
        self.seen = 0
        self.on_fit_begin(self.at)
        self.on_epoch_begin(self.at)

    def _roll_back(self, state, validation=False):
        self.seen += 1
        return RESTART_EPOCH

    def loss(self):
        """Whether the losses are found finite before an update."""
        answer = self.on_before_update(self.at)
        assert answer in (None, RESTART_EPOCH)
        return answer is None

    def state(self):
        """Whether all is found finite after a step."""
        seen = self.seen
        self.on_step_end(self.at)
        return self.seen == seen


def test_a_loss_that_is_not_finite_is_seen_until_the_sum_begins_anew(trainer):
    model, check = trainer.model, Looking(trainer)
    assert check.loss() and check.state()
    x, eps = model.validator.to_device(X), model.validator.to_device(normal(0, 8, 2))
    totals = check.at.totals
    totals.add(model.forward(x, eps))
    assert check.loss() and check.state()
    model.params["encoder.2.b"][...] = 200.0  # an infinite KL of finite weights
    with np.errstate(over="ignore", invalid="ignore"):
        totals.add(model.forward(x, eps))
    model.params["encoder.2.b"][...] = 0.0
    for _ in range(2):
        assert check.loss() == (not model.backend.on_host)  # a device is not waited for at each step
        assert not check.state()
        with np.errstate(over="ignore", invalid="ignore"):
            totals.add(model.forward(x, eps))
    totals.reset()
    assert check.loss() and check.state()


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_one_number_of_the_parameters_or_of_any_moment_is_seen(trainer, value):
    check = Looking(trainer)
    for array in (trainer.model.theta, *trainer.optimizer.state.values()):
        for place in (0, array.size // 2, array.size - 1):
            before = array.copy()
            array[place] = value
            assert not check.state()
            array[...] = before
            assert check.state()


def test_a_device_is_read_once_for_the_state_and_never_for_the_loss():
    check = Looking(warm_trainer(fake_cupy.FAKE_CUPY))
    reads = fake_cupy.reads
    assert check.loss() and fake_cupy.reads == reads
    assert check.state() and fake_cupy.reads == reads + 1


@pytest.fixture
def looks(monkeypatch):
    """A list that grows with each look at the weights."""
    made = []

    def counted(*arrays):
        made.append(arrays)
        return all_finite(*arrays)

    monkeypatch.setattr(finite_check, "all_finite", counted)
    return made


def test_it_is_time_after_every_so_many_updates_and_after_the_last(looks):
    check, asked = Looking(warm_trainer("numpy"), every=3, rows=ROWS), []
    for k in range(12):
        before = len(looks)
        check.at.batch = len(check.at.batches) if k in (4, 9) else 1  # the last of its epoch, or not
        check.on_step_end(check.at)
        asked.append(len(looks) > before)
    assert [k for k, due in enumerate(asked) if due] == [2, 4, 7, 9]
    assert FiniteCheck().every == finite_check.EVERY == 128


@pytest.mark.parametrize(("every", "expected"), [(1, 10), (2, 6), (3, 4), (5, 2), (128, 2)])
def test_fit_looks_as_often_as_it_is_told_to(looks, every, expected):
    trainer_of(SGD(0.1)).fit(ROWS, 2, callbacks=[FiniteCheck(every=every)])
    assert len(looks) == expected


@pytest.mark.parametrize("every", [1, 2, 128])
def test_how_often_it_looks_changes_no_bit(every):
    plain, checked = trainer_of(SGD(0.1)), trainer_of(SGD(0.1))
    plain.fit(ROWS, 3)
    checked.fit(ROWS, 3, callbacks=[FiniteCheck(retries=2, every=every)])
    assert np.array_equal(plain.model.theta, checked.model.theta)


@pytest.mark.parametrize("every", [1, 2, 128])
def test_however_seldom_it_looks_the_step_is_found(every):
    trainer = trainer_of(DivergingSGD(0.5, 8, 0.0))
    with pytest.raises(DivergedError, match="step 8, epoch 2"):
        trainer.fit(ROWS, 3, callbacks=[FiniteCheck(every=every)])
    assert trainer.optimizer.t == 7 and np.isfinite(trainer.model.theta).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_sums_that_overflow_are_no_finding(dtype):
    most = np.full((3, 5), np.finfo(dtype).max, dtype)
    assert all_finite(most) and all_finite(most, -most) and find_nonfinite(most) is None
    assert largest(most) == float(np.finfo(dtype).max)
    most[1, 2] = nan
    assert not all_finite(most) and not all_finite(np.ones(2), most)
    found = find_nonfinite(most)
    assert (found.nonfinite, found.position) == (1, (1, 2)) and np.isnan(found.value)


def test_what_cancels_is_seen_and_what_is_missing_is_passed_over():
    x = np.array([[1.0, inf, -inf], [nan, 2.0, 3.0]])
    assert find_nonfinite(x)[:2] == (3, (0, 1)) and find_nonfinite(x, nan_allowed=True)[:2] == (2, (0, 1))
    assert find_nonfinite(x[1:], nan_allowed=True) is None and not all_finite(x[:1])
    assert largest(x) == 3.0 and largest() == 0.0 and largest(np.array([nan])) == 0.0
    assert find_nonfinite(np.empty((3, 0))) is None and find_nonfinite(np.array(inf)) == (1, (), inf)
    assert to_numpy(x) is x


# --- going back, and on with half the learning rate


def trainer_of(optimizer, **more):
    return sv.Trainer(sv.VAE(6, 2, (5,), seed=1), batch_size=8, seed=3, optimizer=optimizer, **more)


def trained(at, bearable, epochs=3, retries=5, **more):
    """A trainer whose update number `at` goes wrong above that rate, of 0.5; and what was warned of."""
    trainer = trainer_of(DivergingSGD(0.5, at, bearable))
    with pytest.warns(DivergenceWarning) as warned:
        trainer.fit(ROWS, epochs, retries=retries, **more)
    assert all(each.filename == __file__ for each in warned)
    return trainer, [str(each.message) for each in warned]


def falling(*rates):
    """SGD with the rate of each epoch."""
    return SGD(lambda t: rates[t // 5])


def test_it_goes_back_to_where_the_epoch_began_and_on_with_half_the_rate():
    trainer, told = trained(at=8, bearable=0.3)
    assert len(told) == trainer.history.lr_halvings == 1
    assert "in step 8, epoch 2" in told[0]
    assert "Restarted epoch 2 after update 5 with the learning rate multiplied by 0.5" in told[0]
    plain = trainer_of(falling(0.5, 0.25, 0.25))
    plain.fit(ROWS, 3)
    assert np.array_equal(trainer.model.theta, plain.model.theta)
    assert [epoch._replace(seconds=0) for epoch in trainer.history.epochs] == [
        epoch._replace(seconds=0) for epoch in plain.history.epochs
    ]
    assert (trainer.history.stopped, len(trainer.history.epochs)) == ("finished", 3)


@pytest.mark.parametrize(
    ("bearable", "back_to", "rates"),
    [
        (0.2, [3, 2], (0.5, 0.125, 0.125)),
        (0.1, [3, 2, 3], (0.5, 0.125, 0.0625)),  # the second epoch was run to its end again, and is trusted again
        (0.05, [3, 2, 3, 2], (0.5, 0.03125, 0.03125)),
    ],
)
def test_when_that_does_not_help_it_goes_back_one_epoch_more(bearable, back_to, rates):
    trainer, told = trained(at=12, bearable=bearable)
    assert len(told) == trainer.history.lr_halvings == len(back_to)
    for epoch, line in zip(back_to, told, strict=True):
        assert f"Restarted epoch {epoch} after update {5 * (epoch - 1)}" in line
    plain = trainer_of(falling(*rates))
    plain.fit(ROWS, 3)
    assert np.array_equal(trainer.model.theta, plain.model.theta)
    assert [epoch.epoch for epoch in trainer.history.epochs] == [1, 2, 3]


def test_in_the_first_epoch_it_goes_back_to_the_beginning_each_time():
    trainer, told = trained(at=3, bearable=0.1)
    assert all("Restarted epoch 1 after update 0" in line for line in told) and len(told) == 3
    plain = trainer_of(SGD(0.5**4))
    plain.fit(ROWS, 3)
    assert np.array_equal(trainer.model.theta, plain.model.theta)


def test_it_gives_up_after_so_many_retries_and_is_as_it_was_before_the_step():
    trainer = trainer_of(DivergingSGD(0.5, 8, 0.0))
    with pytest.warns(DivergenceWarning) as warned, pytest.raises(DivergedError, match="step 8, epoch 2"):
        trainer.fit(ROWS, 4, retries=3)
    assert len(warned) == trainer.history.lr_halvings == 3
    assert trainer.optimizer.t == 7 and np.isfinite(trainer.model.theta).all()


def test_the_next_fit_goes_on_with_the_rate_that_was_borne_and_counts_anew():
    trainer, _ = trained(at=8, bearable=0.3)
    trainer.fit(ROWS, 1)
    assert trainer.history.lr_halvings == 0 and trainer.optimizer.schedule(20) == 0.25


def test_a_callback_does_what_the_argument_does():
    trainer, _ = trained(at=8, bearable=0.3)
    again, _ = trained(at=8, bearable=0.3, retries=0, callbacks=[FiniteCheck(retries=5)])
    assert np.array_equal(trainer.model.theta, again.model.theta)
    assert again.history.lr_halvings == 1


def test_two_of_them_go_together():
    trainer, _ = trained(at=8, bearable=0.3)
    again, _ = trained(
        at=8, bearable=0.3, retries=0, callbacks=[FiniteCheck(every=1000), FiniteCheck(retries=3, every=1)]
    )
    assert again.history.lr_halvings == 1 and again.history.stopped == "finished"
    assert np.array_equal(trainer.model.theta, again.model.theta)


def test_a_validation_loss_that_is_not_finite_is_found_and_gone_back_from():
    vae = sv.VAE(6, 2, (5,), likelihood="gaussian")
    vae.params["encoder.0.W"][...] = 0.0  # so that the encoder does not see it
    trainer = sv.Trainer(vae, lr=1e-3, batch_size=8)
    far = np.full((4, 6), 1e30)  # finite, and so large that its square is not
    with pytest.warns(DivergenceWarning) as warned, pytest.raises(DivergedError, match="likelihood") as raised:
        trainer.fit(ROWS, 3, validation=far, retries=2)
    assert (raised.value.step, raised.value.epoch, trainer.history.lr_halvings) == (None, 1, 2)
    assert len(warned) == 2 and all("Restarted epoch 1 after update 0" in str(each.message) for each in warned)
    assert (trainer.optimizer.t, trainer.history.epochs, trainer.history.stopped) == (0, [], "diverged")


class Counting(Callback):
    """Adds up in an array, and in a number, in how many steps it was asked."""

    def on_fit_begin(self, state):
        self.steps, self.each = 0, np.zeros(2)

    def on_step_end(self, state):
        self.steps += 1
        self.each += 1.0

    def state_dict(self):
        return {"steps": self.steps, "each": self.each}

    def load_state_dict(self, state):
        self.steps, self.each = state["steps"], state["each"]  # and goes on in that very array


class Forward(Counting):
    rolled_back = False


@pytest.mark.parametrize("bearable", [0.3, 0.1, 0.05])
def test_the_state_of_a_callback_goes_back_as_well_unless_it_says_no(bearable):
    back, forward = Counting(), Forward()
    trained(at=8, bearable=bearable, callbacks=[back, forward])
    assert back.steps == 15 and (back.each == 15.0).all()
    assert forward.steps > 15 and (forward.each == forward.steps).all()


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_halved_rate_is_kept_in_the_checkpoint(tmp_path):
    killed = [None]

    def weight(t):
        if t == killed[0]:
            raise Killed
        return 1.0

    def go(**more):
        trainer = trainer_of(DivergingSGD(0.5, 8, 0.3), kl_weight=weight)
        trainer.fit(ROWS, 4, retries=5, **more)
        return trainer

    with pytest.warns(DivergenceWarning):
        whole = go()
    killed[0], kept = 16, {"checkpoint": tmp_path / "run.npz", "every": 1}
    with pytest.warns(DivergenceWarning), pytest.raises(Killed):
        go(**kept)
    killed[0] = None
    again = go(**kept, resume=True)  # with no warning: it need not find out anew
    assert np.array_equal(again.model.theta, whole.model.theta)
    assert again.optimizer.schedule(7) == whole.optimizer.schedule(7) == 0.25
    assert again.history.lr_halvings == 1
