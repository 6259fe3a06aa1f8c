"""The state of a trainer as a dict, and new trainings that begin with the weights of a checkpoint."""

import json
import pickle
import threading

import numpy as np
import pytest
from diverging_sgd import DivergingSGD
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import BusyError, CheckpointWarning, ConfigError, DivergenceWarning, FileError
from scratchvae.optim import SGD, AdamW, Cosine
from scratchvae.training import Callback, Checkpoint, KLWarmUp, Masking

ROWS = uniform(0, 37, 6).astype("float32")
OTHERS = uniform(1, 50, 6).astype("float32")
CLASSES = np.resize([0, 1, 2], 37)

SETTINGS = {
    "adam": {},
    "sgd": {"optimizer": lambda: SGD(1e-2, 0.9)},
    "adamw": {"optimizer": lambda: AdamW(Cosine(1e-2, 30), 0.1)},
    "noise": {"binarize": "dynamic", "corrupt": Masking(0.3), "kl_weight": KLWarmUp(20)},
    "semi-supervised": {"kind": sv.SemiSupervisedVAE},
    "scaled": {"model": {"likelihood": "gaussian_learned", "scale": "standardize", "dtype": "float64"}},
}


def make(kind=sv.VAE, model=None, optimizer=None, **settings):
    classes = {"classes": 3} if kind is sv.SemiSupervisedVAE else {}
    vae = kind(6, 2, (5,), **classes, **(model or {}))
    return sv.Trainer(vae, batch_size=8, seed=3, optimizer=None if optimizer is None else optimizer(), **settings)


def fit(trainer, epochs=2):
    labels = {"labels": CLASSES} if trainer.model.classes else {}
    trainer.fit(ROWS, epochs, **labels)
    return trainer


def assert_same(one, other):
    assert one.model.theta.tobytes() == other.model.theta.tobytes()
    assert one.model.schema.as_json() == other.model.schema.as_json()
    assert one.optimizer.t == other.optimizer.t
    for name, moment in one.optimizer.state.items():
        assert moment.tobytes() == other.optimizer.state[name].tobytes()
    assert [epoch._replace(seconds=0) for epoch in one.history.epochs] == [
        epoch._replace(seconds=0) for epoch in other.history.epochs
    ]
    labels = CLASSES if one.model.classes else None
    assert one.step(ROWS, labels) == other.step(ROWS, labels)


def through_pickle(state, path):
    return pickle.loads(pickle.dumps(state))


def through_savez(state, path):
    np.savez(path / "state.npz", **state)
    with np.load(path / "state.npz") as file:
        return dict(file)


@pytest.mark.parametrize("keep", [through_pickle, through_savez])
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_loaded_state_goes_on_with_the_same_bits(settings, keep, tmp_path):
    trainer = fit(make(**SETTINGS[settings]))
    state = keep(trainer.state_dict(), tmp_path)
    other = make(**SETTINGS[settings])
    other.load_state_dict(state)
    assert_same(fit(other), fit(trainer))


def test_the_state_of_a_new_trainer_is_that_of_its_beginning():
    state, other = make().state_dict(), fit(make())
    other.load_state_dict(state)
    assert not other.history.epochs
    assert_same(fit(other), fit(make()))


def test_the_state_is_a_copy():
    trainer = fit(make())
    state = trainer.state_dict()
    before = {name: np.array(value) for name, value in state.items()}
    fit(trainer)
    for name, value in state.items():
        np.testing.assert_array_equal(value, before[name])


def test_an_open_file_is_a_state(tmp_path):
    trainer = fit(make())
    np.savez(tmp_path / "state.npz", **trainer.state_dict())
    other = make()
    with np.load(tmp_path / "state.npz") as file:
        other.load_state_dict(file)
    assert_same(other, trainer)


def test_a_learning_rate_that_was_halved_remains_halved():
    trainer = make(optimizer=lambda: DivergingSGD(1e-2, 7, 6e-3))
    with pytest.warns(DivergenceWarning):
        trainer.fit(ROWS, 2, retries=2)
    other = make(optimizer=lambda: DivergingSGD(1e-2, 7, 6e-3))
    other.load_state_dict(trainer.state_dict())
    assert other.optimizer.schedule(20) == trainer.optimizer.schedule(20) == 0.005
    other.load_state_dict(trainer.state_dict())  # replaces the factor
    assert other.optimizer.schedule(20) == 0.005
    assert_same(fit(other), fit(trainer))


def test_another_rate_and_batch_size_are_kept():
    state, other = fit(make()).state_dict(), sv.Trainer(sv.VAE(6, 2, (5,)), lr=0.5, batch_size=3)
    other.load_state_dict(state)
    assert other.optimizer.schedule(0) == 0.5
    assert other.batch_size == 3


def changed(name, value):
    return lambda state: {**state, name: value}


def altered(name, change):
    return lambda state: {**state, name: change(state[name])}


W = "weights/encoder.0.W"
DAMAGED = {
    "no dict": (lambda state: 3, "state=3: expected a dict, as state_dict returns"),
    "a list": (list, "expected a dict"),
    "an entry missing": (lambda state: {k: v for k, v in state.items() if k != "updates"}, "it lacks 'updates'"),
    "several missing": (lambda state: {}, "more; make model and optimizer as before"),
    "an unknown entry": (changed("more", 1), "it has an unknown entry, 'more'"),
    "another shape": (altered(W, lambda a: a[:-1]), "is (5, 5) of float32; expected (6, 5) of float32"),
    "another dtype": (altered(W, lambda a: a.astype(float)), "is (6, 5) of float64; expected (6, 5) of float32"),
    "no array": (changed(W, "text"), f"{W} is 'text'; expected (6, 5) of float32"),
    "another moment": (altered("optimizer/m", lambda a: a[1:]), "optimizer/m is"),
    "updates below 0": (changed("updates", -1), "updates of the state is damaged"),
    "updates of no number": (changed("updates", "many"), "updates of the state is damaged"),
    "a factor of 0": (changed("lr_factors", np.zeros(1)), "lr_factors of the state is damaged"),
    "factors of no number": (changed("lr_factors", "half"), "lr_factors of the state is damaged"),
    "no JSON": (changed("schema", "{"), "schema of the state is damaged"),
    "no text": (changed("random", np.ones(3)), "random of the state is damaged"),
    "another schema": (changed("schema", "{}"), "schema of the state is damaged: the schema of the data is damaged"),
    "no streams": (changed("random", "{}"), "random of the state is damaged: expected training"),
    "another stream": (
        altered("random", lambda text: json.dumps({key: {"bit_generator": "MT19937"} for key in json.loads(text)})),
        "random of the state is damaged",
    ),
    "settings of labels": (changed("label_settings", "3"), "label_settings of the state is damaged"),
    "a history of texts": (changed("history/epochs", np.array(["a"])), "history/epochs of the state is damaged"),
    "a history of another length": (altered("history/epochs", lambda a: a[1:]), "history/epochs of the state is"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_state_of_another_trainer_changes_nothing(name):
    damage, message = DAMAGED[name]
    trainer, untouched = fit(make()), fit(make())
    with pytest.raises(ConfigError) as caught:
        trainer.load_state_dict(damage(fit(make(), 3).state_dict()))
    assert message in caught.value.message
    assert len(caught.value.message) <= 200
    assert_same(trainer, untouched)


@pytest.mark.parametrize("other", ["sgd", "semi-supervised", "scaled"])
def test_the_state_of_another_model_or_optimizer_is_refused(other):
    with pytest.raises(ConfigError, match="the state is not that of this trainer"):
        make(**SETTINGS[other]).load_state_dict(fit(make()).state_dict())


def test_a_state_cannot_be_loaded_while_another_thread_fits():
    trainer, state, errors = make(), fit(make()).state_dict(), []

    class Load(Callback):
        def on_step_end(self, training):
            thread = threading.Thread(target=load)
            thread.start()
            thread.join()
            training.stop()

    def load():
        try:
            trainer.load_state_dict(state)
        except BusyError as error:
            errors.append(str(error))

    trainer.fit(ROWS, 1, callbacks=[Load()])
    assert errors
    assert errors[0].startswith("load_state_dict was called while another thread's fit is training")


# --- resume="weights"


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "c.npz"
    trainer = make(model={"likelihood": "gaussian_learned", "scale": "standardize"})
    trainer.fit(ROWS, 2, checkpoint=path)
    return path


def second(settings=None, **model):
    return sv.Trainer(
        sv.VAE(6, 2, (5,), **{"likelihood": "gaussian_learned", "scale": "standardize", **model}),
        **{"lr": 1e-4, "batch_size": 16, "seed": 9, **(settings or {})},
    )


@pytest.mark.parametrize("as_callback", [False, True])
def test_weights_and_schema_begin_a_training_of_other_data(checkpoint, as_callback):
    first, expected = sv.load(checkpoint), second()
    expected.model.theta[...], expected.model.schema = first.theta, first.schema
    expected.fit(OTHERS, 2)
    trainer = second()
    if as_callback:
        trainer.fit(OTHERS, 2, callbacks=[Checkpoint(checkpoint, resume="weights")])
    else:
        trainer.fit(OTHERS, 2, checkpoint=checkpoint, resume="weights")
    assert trainer.optimizer.t == 8
    assert_same(trainer, expected)
    assert len(trainer.history.epochs) == 2
    assert trainer.model.schema.scale.kind == "standardize"
    np.testing.assert_array_equal(trainer.model.schema.scale.shift, first.schema.scale.shift)


def test_the_new_training_has_checkpoints_of_its_own(checkpoint):
    expected = second()
    before = sv.load(checkpoint)
    expected.model.theta[...], expected.model.schema = before.theta, before.schema
    expected.fit(OTHERS, 3)

    class Kill(Callback):
        def on_step_end(self, state):
            if state.updates == 6:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        second().fit(OTHERS, 3, checkpoint=checkpoint, every=1, resume="weights", callbacks=[Kill()])
    resumed = second()
    resumed.fit(OTHERS, 3, checkpoint=checkpoint, every=1, resume=True)
    assert_same(resumed, expected)


def test_weights_of_an_unfinished_training_are_taken(tmp_path):
    class Kill(Callback):
        def on_step_end(self, state):
            if state.updates == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        second().fit(ROWS, 2, checkpoint=tmp_path / "c.npz", every=1, callbacks=[Kill()])
    with pytest.raises(ConfigError, match="is of a run that has not ended"):
        second().fit(OTHERS, 1, checkpoint=tmp_path / "c.npz")
    second().fit(OTHERS, 1, checkpoint=tmp_path / "c.npz", resume="weights")


def test_the_weights_of_the_previous_version_are_taken_if_the_last_is_damaged(checkpoint):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.warns(CheckpointWarning, match="the previous checkpoint"):
        second().fit(OTHERS, 1, checkpoint=checkpoint, resume="weights")


OTHER_MODELS = {
    "width": ({"likelihood": "gaussian_learned", "scale": "standardize"}, (7,), "of other shapes or dtype"),
    "dtype": ({"scale": "standardize", "likelihood": "gaussian_learned", "dtype": "float64"}, (5,), "shapes or dtype"),
    "activation": (
        {"scale": "standardize", "likelihood": "gaussian_learned", "activation": "tanh"},
        (5,),
        "its activation was 'relu' and is 'tanh'",
    ),
    "likelihood": ({}, (5,), "its likelihood was 'gaussian_learned' and is 'bernoulli'"),
    "scale": ({"likelihood": "gaussian_learned", "scale": "none"}, (5,), "with the scale 'standardize', and the model"),
}


@pytest.mark.parametrize("name", OTHER_MODELS)
def test_weights_of_another_model_are_refused(checkpoint, name):
    settings, hidden, message = OTHER_MODELS[name]
    vae = sv.VAE(6, 2, hidden, **settings)
    before = vae.theta.copy()
    with pytest.raises(ConfigError) as caught:
        sv.Trainer(vae).fit(OTHERS, 1, checkpoint=checkpoint, resume="weights")
    assert message in caught.value.message
    assert np.array_equal(vae.theta, before)
    assert vae.schema.scale is None


def test_an_error_of_the_data_leaves_model_and_schema_unchanged(checkpoint):
    trainer = second()
    before = trainer.model.theta.copy()
    with pytest.raises(sv.errors.RangeError):
        trainer.fit(np.full((20, 6), np.nan), 1, checkpoint=checkpoint, resume="weights")
    assert np.array_equal(trainer.model.theta, before)
    assert trainer.model.schema.scale is None


def test_weights_need_a_checkpoint(tmp_path):
    with pytest.raises(FileError, match=r"there is no checkpoint .*c\.npz to take the weights from"):
        second().fit(ROWS, 1, checkpoint=tmp_path / "c.npz", resume="weights")
    with pytest.raises(ConfigError, match="resume need a checkpoint"):
        second().fit(ROWS, 1, resume="weights")
    for resume in ("weight", "", "True"):
        with pytest.raises(ConfigError, match="expected True, False or 'weights'"):
            second().fit(ROWS, 1, checkpoint=tmp_path / "c.npz", resume=resume)
    with pytest.raises(ConfigError, match="resume=1: expected True or False"):
        second().fit(ROWS, 1, checkpoint=tmp_path / "c.npz", resume=1)
