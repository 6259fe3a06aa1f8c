"""A nonfinite number injected during training is found by name at the step where it appeared."""

from math import inf, nan

import numpy as np
import pytest
from emulated_backend import ALL_BACKENDS, covering, needs_compiler
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import fake_cupy, to_numpy
from scratchvae.errors import DivergedError
from scratchvae.optim import Adam
from scratchvae.rng import generator

N, D, BATCH, CLASSES = 40, 6, 8, 3  # five steps an epoch
KINDS = {
    "vae": lambda **more: sv.VAE(D, 2, (4,), likelihood="gaussian_learned", **more),
    "missing": lambda **more: sv.VAE(D, 2, (4,), missing=True, **more),
    "iwae": lambda **more: sv.IWAE(D, 2, (4,), importance_samples=3, **more),
    "conditional": lambda **more: sv.ConditionalVAE(D, 2, (4,), classes=CLASSES, **more),
    "semi-supervised": lambda **more: sv.SemiSupervisedVAE(D, 2, (4,), classes=CLASSES, **more),
    "autoencoder": lambda **more: sv.Autoencoder(D, 2, (4,), **more),
}


class Saboteur(Adam):
    """Adam that also calls `action` in update number `at`, every time or only `once`."""

    def __init__(self, at, action, once=False):
        super().__init__(1e-3)
        self.at, self.action, self.once, self.done = at, action, once, 0

    def step(self, dtheta):
        super().step(dtheta)
        if self.t == self.at and not (self.once and self.done):
            self.done += 1
            self.action()


def train(kind, action, at, once=False, backend="numpy", epochs=3):
    """Train until the error; return the model, its trainer and the error."""
    images = uniform(0, N, D).astype("float32")
    if kind == "missing":
        images[uniform(1, N, D) < 0.2] = nan
    model = KINDS[kind](backend=backend)
    optimizer = Saboteur(at, lambda: action(model, images), once)
    trainer = sv.Trainer(model, batch_size=BATCH, optimizer=optimizer, seed=3)
    with pytest.raises(DivergedError) as raised:
        trainer.fit(images, epochs, labels=np.arange(N) % CLASSES if model.classes else None)
    assert trainer.history.stopped == "diverged"
    for array in (model.theta, *optimizer.state.values()):
        assert np.isfinite(to_numpy(array)).all()
    return model, trainer, raised.value


@pytest.mark.parametrize(("kind", "backend", "value"), covering(KINDS, value=[nan, inf, -inf]))
def test_a_nonfinite_number_written_by_an_update_is_found_in_that_update(kind, backend, value):
    for number, name in enumerate(KINDS[kind]().params):

        def action(model, images, name=name):
            view = model.params[name]
            view[tuple(size - 1 for size in view.shape)] = value

        at = 3 + number  # in the first epoch, at its end, and in the second
        model, trainer, error = train(kind, action, at, backend=backend)
        shape = model.params[name].shape
        assert (error.tensor, error.finding.kind, error.step) == (name, "update", at)
        assert error.epoch == (at - 1) // 5 + 1
        assert error.finding.position == tuple(size - 1 for size in shape) and error.finding.nonfinite == 1
        assert trainer.optimizer.t == at - 1


@pytest.mark.parametrize(
    ("kind", "backend"), [*((kind, "numpy") for kind in KINDS), pytest.param("vae", "native", marks=needs_compiler)]
)
def test_a_nonfinite_number_written_once_is_named_before_it_spreads(kind, backend):
    for number, name in enumerate(KINDS[kind]().params):

        def action(model, images, name=name):
            model.params[name].reshape(-1)[0] = nan

        at = 3 + number
        _, _, error = train(kind, action, at, once=True, backend=backend)
        assert (error.tensor, error.finding.kind, error.step) == (name, "weights", at + 1)
        assert error.finding.nonfinite == 1 and "other tensors" not in str(error)


@pytest.mark.parametrize(("kind", "backend"), covering(KINDS))
def test_a_nonfinite_number_of_the_data_is_found_in_its_step_by_row_and_column(kind, backend, monkeypatch):
    monkeypatch.setattr(fake_cupy, "FREE_MEMORY", 0)  # so that each batch is read from the array
    order = generator(3, "training order").permutation(N)
    for row, column in ((0, 0), (17, 3), (N - 1, D - 1)):

        def action(model, images, row=row, column=column):
            images[row, column] = inf

        _, _, error = train(kind, action, 1, backend=backend)
        finding = error.finding
        assert (error.tensor, error.layer, finding.kind) == ("x", "batch", "data")
        assert (finding.row, finding.position[1]) == (row, column)
        assert f"row {row} of the data" in str(error)
        place = int(np.flatnonzero(order == row)[0])
        if place >= BATCH:  # otherwise its batch has passed and comes again in the second epoch
            assert (error.step, error.epoch, finding.position[0]) == (place // BATCH + 1, 1, place % BATCH)
        else:
            assert error.epoch == 2


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_an_overflowing_update_is_found_in_its_step(backend):
    model = sv.VAE(D, 2, (4,), backend=backend)
    trainer = sv.Trainer(model, lr=lambda t: 1e39 if t == 6 else 1e-3, batch_size=BATCH)
    with pytest.raises(DivergedError, match="smaller learning rate") as raised:
        trainer.fit(uniform(0, N, D).astype("float32"), 3)
    assert (raised.value.step, raised.value.epoch, raised.value.finding.kind) == (7, 2, "update")
    assert trainer.optimizer.t == 6 and np.isfinite(to_numpy(model.theta)).all()
