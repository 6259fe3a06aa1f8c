"""Going back, and on with half the learning rate."""

import numpy as np
import pytest
from drawing import uniform
from touchy import Touchy

import scratchvae as sv
from scratchvae.errors import DivergedError, DivergenceWarning
from scratchvae.optim import SGD

ROWS = uniform(0, 40, 6).astype("float32")  # five steps an epoch


def trainer_of(optimizer, **more):
    return sv.Trainer(sv.VAE(6, 2, (5,), seed=1), batch_size=8, seed=3, optimizer=optimizer, **more)


def trained(at, bearable, epochs=3, retries=5, **more):
    """A trainer whose update number `at` goes wrong above that rate, of 0.5; and what was warned of."""
    trainer = trainer_of(Touchy(0.5, at, bearable))
    with pytest.warns(DivergenceWarning) as warned:
        trainer.fit(ROWS, epochs, retries=retries, **more)
    assert all(each.filename == __file__ for each in warned)
    return trainer, [str(each.message) for each in warned]


def falling(*rates):
    """SGD with the rate of each epoch."""
    return SGD(lambda t: rates[t // 5])


def test_it_goes_back_to_where_the_epoch_began_and_on_with_half_the_rate():
    trainer, told = trained(at=8, bearable=0.3)
    assert len(told) == trainer.history.halvings == 1
    assert "in step 8, epoch 2" in told[0]
    assert "Went back to epoch 2, after update 5, with a learning rate of 0.5 times" in told[0]
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
    assert len(told) == trainer.history.halvings == len(back_to)
    for epoch, line in zip(back_to, told, strict=True):
        assert f"Went back to epoch {epoch}, after update {5 * (epoch - 1)}" in line
    plain = trainer_of(falling(*rates))
    plain.fit(ROWS, 3)
    assert np.array_equal(trainer.model.theta, plain.model.theta)
    assert [epoch.epoch for epoch in trainer.history.epochs] == [1, 2, 3]


def test_in_the_first_epoch_it_goes_back_to_the_beginning_each_time():
    trainer, told = trained(at=3, bearable=0.1)
    assert all("Went back to epoch 1, after update 0" in line for line in told) and len(told) == 3
    plain = trainer_of(SGD(0.5**4))
    plain.fit(ROWS, 3)
    assert np.array_equal(trainer.model.theta, plain.model.theta)


def test_it_gives_up_after_so_many_retries_and_is_as_it_was_before_the_step():
    trainer = trainer_of(Touchy(0.5, 8, 0.0))
    with pytest.warns(DivergenceWarning) as warned, pytest.raises(DivergedError, match="step 8, epoch 2"):
        trainer.fit(ROWS, 4, retries=3)
    assert len(warned) == trainer.history.halvings == 3
    assert trainer.optimizer.t == 7 and np.isfinite(trainer.model.theta).all()


def test_the_next_fit_goes_on_with_the_rate_that_was_borne_and_counts_anew():
    trainer, _ = trained(at=8, bearable=0.3)
    trainer.fit(ROWS, 1)
    assert trainer.history.halvings == 0 and trainer.optimizer.schedule(20) == 0.25


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_halved_rate_is_kept_in_the_checkpoint(tmp_path):
    killed = [None]

    def weight(t):
        if t == killed[0]:
            raise Killed
        return 1.0

    def go(**more):
        trainer = trainer_of(Touchy(0.5, 8, 0.3), kl_weight=weight)
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
    assert again.history.halvings == 1
