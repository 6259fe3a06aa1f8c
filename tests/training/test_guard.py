"""Going back, and on with half the learning rate."""

import numpy as np
import pytest
from drawing import uniform

import scratchvae as sv
from scratchvae.errors import DivergedError, DivergenceWarning
from scratchvae.optim import SGD

ROWS = uniform(0, 40, 6).astype("float32")


def trainer_with(rate, **more):
    return sv.Trainer(sv.VAE(6, 2, (5,), seed=1), batch_size=8, seed=3, optimizer=SGD(rate), **more)


def rates_of(trainer):
    """The rates of the updates that were made and not taken back, by their number."""
    rates, step = {}, trainer.optimizer.step

    def told(dtheta):
        rates[trainer.optimizer.t] = trainer.optimizer.schedule(trainer.optimizer.t)
        step(dtheta)

    trainer.optimizer.step = told
    return rates


# A rate of 2^131 sends any weight beyond float32 in one update.
def test_it_goes_back_to_where_the_epoch_began_and_halves_the_rate_until_it_holds():
    trainer = trainer_with(lambda t: 0.5 if t < 7 else 2.0**131)
    rates = rates_of(trainer)
    with pytest.warns(DivergenceWarning) as warned:
        history = trainer.fit(ROWS, 2, retries=200)
    assert history.stopped == "finished" and len(history.epochs) == 2
    assert 100 < len(warned) < 200 and all(w.filename == __file__ for w in warned)
    times = len(warned)
    assert f"a learning rate of {0.5**times:g} times" in str(warned[-1].message)
    assert "step 8, epoch 2" in str(warned[0].message)
    assert [rates[t] for t in (0, 4)] == [0.5, 0.5]
    assert [rates[t] for t in (5, 6, 7)] == [0.5 * 0.5**times, 0.5 * 0.5**times, 2.0**131 * 0.5**times]


def test_what_follows_is_what_a_run_with_that_rate_would_have_given():
    broken = trainer_with(lambda t: 0.5 if t < 5 else 2.0**131)
    with pytest.warns(DivergenceWarning) as warned:
        broken.fit(ROWS, 2, retries=200)
    factor = 0.5 ** len(warned)
    whole = trainer_with(lambda t: 0.5 if t < 5 else 2.0**131 * factor)
    whole.fit(ROWS, 2)
    assert np.array_equal(broken.model.theta, whole.model.theta)


def test_it_gives_up_after_so_many_retries_and_is_as_it_was_before_the_step():
    trainer = trainer_with(lambda t: 0.5 if t < 7 else 1e300)
    with pytest.warns(DivergenceWarning) as warned, pytest.raises(DivergedError, match="step 8, epoch 2"):
        trainer.fit(ROWS, 4, retries=3)
    assert len(warned) == 3
    assert trainer.optimizer.t == 7 and np.isfinite(trainer.model.theta).all()


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_halved_rate_is_kept_in_the_checkpoint(tmp_path):
    killed = [None]

    def rate(t):
        return 2.0**131 if t == 7 else 0.5

    def weight(t):
        if t == killed[0]:
            raise Killed
        return 1.0

    def go(**more):
        trainer = trainer_with(rate, kl_weight=weight)
        trainer.fit(ROWS, 4, retries=200, **more)
        return trainer

    with pytest.warns(DivergenceWarning):
        whole = go()
    killed[0], kept = 16, {"checkpoint": tmp_path / "run.npz", "every": 1}
    with pytest.warns(DivergenceWarning), pytest.raises(Killed):
        go(**kept)
    killed[0] = None
    again = go(**kept, resume=True)  # with no warning: it need not find out anew
    assert np.array_equal(again.model.theta, whole.model.theta)
    assert again.optimizer.schedule(7) == whole.optimizer.schedule(7) < 2.0**131
