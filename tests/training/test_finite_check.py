"""FiniteCheck: when it checks, what it reads from a device, and restarts after divergence."""

from math import inf, nan

import numpy as np
import pytest
from diverging_sgd import DivergingSGD
from emulated_backend import ALL_BACKENDS
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.backend import fake_cupy, to_numpy
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


# --- the check


@pytest.fixture(params=ALL_BACKENDS)
def trainer(request):
    return warm_trainer(request.param)


def warm_trainer(backend):
    trainer = sv.Trainer(sv.VAE(6, 2, (4,), backend=backend), batch_size=8)
    trainer.step(X)
    return trainer


class RecordingCheck(FiniteCheck):
    """Counts nonfinite findings and restores nothing."""

    def __init__(self, trainer, every=1, rows=X):
        super().__init__(every=every)
        model = trainer.model
        batches = Minibatches(MinibatchSource(model, rows, 8, np.random.default_rng(0), trainer._preprocess))
        self.training_state = TrainingState(
            model, trainer.optimizer, trainer.history, batches, trainer._streams, 1, None, [], settings={}
        )
        self.training_state.totals = EpochTotals(model, 8)
        self.findings = 0
        self.on_fit_begin(self.training_state)
        self.on_epoch_begin(self.training_state)

    def _roll_back(self, state, validation=False):
        self.findings += 1
        return RESTART_EPOCH

    def loss(self):
        """True if the check before an update finds the losses finite."""
        action = self.on_before_update(self.training_state)
        assert action in (None, RESTART_EPOCH)
        return action is None

    def state(self):
        """True if the check after a step finds everything finite."""
        findings = self.findings
        self.on_step_end(self.training_state)
        return self.findings == findings


def test_a_nonfinite_loss_is_found_until_the_sums_are_reset(trainer):
    model, check = trainer.model, RecordingCheck(trainer)
    assert check.loss() and check.state()
    x, eps = model.validator.to_device(X), model.validator.to_device(normal(0, 8, 2))
    totals = check.training_state.totals
    totals.add(model.forward(x, eps))
    assert check.loss() and check.state()
    model.params["encoder.2.b"][...] = 200.0  # finite weights, infinite KL
    with np.errstate(over="ignore", invalid="ignore"):
        totals.add(model.forward(x, eps))
    model.params["encoder.2.b"][...] = 0.0
    for _ in range(2):
        assert check.loss() == (not model.backend.on_host)  # a device is not synchronized at each step
        assert not check.state()
        with np.errstate(over="ignore", invalid="ignore"):
            totals.add(model.forward(x, eps))
    totals.reset()
    assert check.loss() and check.state()


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_one_nonfinite_number_of_weights_or_moments_is_found(trainer, value):
    check = RecordingCheck(trainer)
    for array in (trainer.model.theta, *trainer.optimizer.state.values()):
        for place in (0, array.size // 2, array.size - 1):
            before = array.copy()
            array[place] = value
            assert not check.state()
            array[...] = before
            assert check.state()


def test_a_device_is_read_once_for_the_state_and_never_for_the_loss():
    check = RecordingCheck(warm_trainer(fake_cupy.FAKE_CUPY))
    reads = fake_cupy.reads
    assert check.loss() and fake_cupy.reads == reads
    assert check.state() and fake_cupy.reads == reads + 1


@pytest.fixture
def checks(monkeypatch):
    """A list, extended at each check of the weights."""
    checked = []

    def counted(*arrays):
        checked.append(arrays)
        return all_finite(*arrays)

    monkeypatch.setattr(finite_check, "all_finite", counted)
    return checked


def test_the_check_runs_every_so_many_updates_and_at_the_end_of_an_epoch(checks):
    check, due_steps = RecordingCheck(warm_trainer("numpy"), every=3, rows=ROWS), []
    for k in range(12):
        before = len(checks)
        check.training_state.batch = (
            len(check.training_state.batches) if k in (4, 9) else 1
        )  # the last batch of its epoch, or not
        check.on_step_end(check.training_state)
        due_steps.append(len(checks) > before)
    assert [k for k, due in enumerate(due_steps) if due] == [2, 4, 7, 9]
    assert FiniteCheck().every == finite_check.EVERY == 128


@pytest.mark.parametrize(("every", "expected"), [(1, 10), (2, 6), (3, 4), (5, 2), (128, 2)])
def test_fit_checks_as_often_as_set(checks, every, expected):
    trainer_of(SGD(0.1)).fit(ROWS, 2, callbacks=[FiniteCheck(every=every)])
    assert len(checks) == expected


@pytest.mark.parametrize("every", [1, 2, 128])
def test_the_interval_of_checks_changes_no_bit(every):
    plain, checked = trainer_of(SGD(0.1)), trainer_of(SGD(0.1))
    plain.fit(ROWS, 3)
    checked.fit(ROWS, 3, callbacks=[FiniteCheck(retries=2, every=every)])
    assert np.array_equal(plain.model.theta, checked.model.theta)


@pytest.mark.parametrize("every", [1, 2, 128])
def test_the_diverged_step_is_found_for_any_interval(every):
    trainer = trainer_of(DivergingSGD(0.5, 8, 0.0))
    with pytest.raises(DivergedError, match="step 8, epoch 2"):
        trainer.fit(ROWS, 3, callbacks=[FiniteCheck(every=every)])
    assert trainer.optimizer.t == 7 and np.isfinite(trainer.model.theta).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_finite_arrays_with_overflowing_sums_are_finite(dtype):
    most = np.full((3, 5), np.finfo(dtype).max, dtype)
    assert all_finite(most) and all_finite(most, -most) and find_nonfinite(most) is None
    assert largest(most) == float(np.finfo(dtype).max)
    most[1, 2] = nan
    assert not all_finite(most) and not all_finite(np.ones(2), most)
    finding = find_nonfinite(most)
    assert (finding.nonfinite, finding.position) == (1, (1, 2)) and np.isnan(finding.value)


def test_opposite_infinities_are_found_and_missing_values_are_ignored():
    x = np.array([[1.0, inf, -inf], [nan, 2.0, 3.0]])
    assert find_nonfinite(x)[:2] == (3, (0, 1)) and find_nonfinite(x, nan_allowed=True)[:2] == (2, (0, 1))
    assert find_nonfinite(x[1:], nan_allowed=True) is None and not all_finite(x[:1])
    assert largest(x) == 3.0 and largest() == 0.0 and largest(np.array([nan])) == 0.0
    assert find_nonfinite(np.empty((3, 0))) is None and find_nonfinite(np.array(inf)) == (1, (), inf)
    assert to_numpy(x) is x


# --- restarts with half the learning rate


def trainer_of(optimizer, **more):
    return sv.Trainer(sv.VAE(6, 2, (5,), seed=1), batch_size=8, seed=3, optimizer=optimizer, **more)


def trained(at, bearable, epochs=3, retries=5, **more):
    """Train with lr 0.5; update `at` diverges if lr > `bearable`. Return the trainer and the warnings."""
    trainer = trainer_of(DivergingSGD(0.5, at, bearable))
    with pytest.warns(DivergenceWarning) as caught:
        trainer.fit(ROWS, epochs, retries=retries, **more)
    assert all(warning.filename == __file__ for warning in caught)
    return trainer, [str(warning.message) for warning in caught]


def sgd_with_epoch_rates(*rates):
    """SGD with one learning rate per epoch."""
    return SGD(lambda t: rates[t // 5])


def test_a_diverged_epoch_is_restarted_with_half_the_learning_rate():
    trainer, messages = trained(at=8, bearable=0.3)
    assert len(messages) == trainer.history.lr_halvings == 1
    assert "in step 8, epoch 2" in messages[0]
    assert "Restarted epoch 2 after update 5 with the learning rate multiplied by 0.5" in messages[0]
    plain = trainer_of(sgd_with_epoch_rates(0.5, 0.25, 0.25))
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
        (0.1, [3, 2, 3], (0.5, 0.125, 0.0625)),  # epoch 2 was completed again and is a valid restart again
        (0.05, [3, 2, 3, 2], (0.5, 0.03125, 0.03125)),
    ],
)
def test_repeated_divergence_restarts_the_epoch_before(bearable, back_to, rates):
    trainer, messages = trained(at=12, bearable=bearable)
    assert len(messages) == trainer.history.lr_halvings == len(back_to)
    for epoch, line in zip(back_to, messages, strict=True):
        assert f"Restarted epoch {epoch} after update {5 * (epoch - 1)}" in line
    plain = trainer_of(sgd_with_epoch_rates(*rates))
    plain.fit(ROWS, 3)
    assert np.array_equal(trainer.model.theta, plain.model.theta)
    assert [epoch.epoch for epoch in trainer.history.epochs] == [1, 2, 3]


def test_divergence_in_the_first_epoch_restarts_from_the_beginning():
    trainer, messages = trained(at=3, bearable=0.1)
    assert all("Restarted epoch 1 after update 0" in line for line in messages) and len(messages) == 3
    plain = trainer_of(SGD(0.5**4))
    plain.fit(ROWS, 3)
    assert np.array_equal(trainer.model.theta, plain.model.theta)


def test_after_the_last_retry_the_state_before_the_step_is_restored():
    trainer = trainer_of(DivergingSGD(0.5, 8, 0.0))
    with pytest.warns(DivergenceWarning) as caught, pytest.raises(DivergedError, match="step 8, epoch 2"):
        trainer.fit(ROWS, 4, retries=3)
    assert len(caught) == trainer.history.lr_halvings == 3
    assert trainer.optimizer.t == 7 and np.isfinite(trainer.model.theta).all()


def test_the_next_fit_uses_the_halved_rate_and_resets_the_count():
    trainer, _ = trained(at=8, bearable=0.3)
    trainer.fit(ROWS, 1)
    assert trainer.history.lr_halvings == 0 and trainer.optimizer.schedule(20) == 0.25


def test_the_callback_is_equivalent_to_retries():
    trainer, _ = trained(at=8, bearable=0.3)
    resumed, _ = trained(at=8, bearable=0.3, retries=0, callbacks=[FiniteCheck(retries=5)])
    assert np.array_equal(trainer.model.theta, resumed.model.theta)
    assert resumed.history.lr_halvings == 1


def test_two_finite_checks_work_together():
    trainer, _ = trained(at=8, bearable=0.3)
    resumed, _ = trained(
        at=8, bearable=0.3, retries=0, callbacks=[FiniteCheck(every=1000), FiniteCheck(retries=3, every=1)]
    )
    assert resumed.history.lr_halvings == 1 and resumed.history.stopped == "finished"
    assert np.array_equal(trainer.model.theta, resumed.model.theta)


def test_a_nonfinite_validation_loss_restarts_the_epoch():
    vae = sv.VAE(6, 2, (5,), likelihood="gaussian")
    vae.params["encoder.0.W"][...] = 0.0  # so that the encoder ignores its input
    trainer = sv.Trainer(vae, lr=1e-3, batch_size=8)
    far = np.full((4, 6), 1e30)  # finite, but the square is infinite
    with pytest.warns(DivergenceWarning) as caught, pytest.raises(DivergedError, match="likelihood") as raised:
        trainer.fit(ROWS, 3, validation=far, retries=2)
    assert (raised.value.step, raised.value.epoch, trainer.history.lr_halvings) == (None, 1, 2)
    assert len(caught) == 2 and all("Restarted epoch 1 after update 0" in str(warning.message) for warning in caught)
    assert (trainer.optimizer.t, trainer.history.epochs, trainer.history.stopped) == (0, [], "diverged")


class StepCounter(Callback):
    """Counts steps in an array and in a number."""

    def on_fit_begin(self, state):
        self.steps, self.counts = 0, np.zeros(2)

    def on_step_end(self, state):
        self.steps += 1
        self.counts += 1.0

    def state_dict(self):
        return {"steps": self.steps, "counts": self.counts}

    def load_state_dict(self, state):
        self.steps, self.counts = state["steps"], state["counts"]  # continues in the same array


class NotRolledBack(StepCounter):
    rolled_back = False


@pytest.mark.parametrize("bearable", [0.3, 0.1, 0.05])
def test_the_state_of_a_callback_is_rolled_back_unless_disabled(bearable):
    back, forward = StepCounter(), NotRolledBack()
    trained(at=8, bearable=bearable, callbacks=[back, forward])
    assert back.steps == 15 and (back.counts == 15.0).all()
    assert forward.steps > 15 and (forward.counts == forward.steps).all()


class Killed(BaseException):
    """Simulates the end of the process."""


def test_a_halved_rate_is_saved_in_the_checkpoint(tmp_path):
    killed = [None]

    def weight(t):
        if t == killed[0]:
            raise Killed
        return 1.0

    def run(**more):
        trainer = trainer_of(DivergingSGD(0.5, 8, 0.3), kl_weight=weight)
        trainer.fit(ROWS, 4, retries=5, **more)
        return trainer

    with pytest.warns(DivergenceWarning):
        uninterrupted = run()
    killed[0], checkpointing = 16, {"checkpoint": tmp_path / "run.npz", "every": 1}
    with pytest.warns(DivergenceWarning), pytest.raises(Killed):
        run(**checkpointing)
    killed[0] = None
    resumed = run(**checkpointing, resume=True)  # without a warning: the halved rate was saved
    assert np.array_equal(resumed.model.theta, uninterrupted.model.theta)
    assert resumed.optimizer.schedule(7) == uninterrupted.optimizer.schedule(7) == 0.25
    assert resumed.history.lr_halvings == 1
