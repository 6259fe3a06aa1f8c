"""The state of a trainer between two fits, as a flat dict that `numpy.savez` and `pickle` keep.

weights/NAME       the parameters of the model; optimizer/NAME, the arrays of the optimizer
updates            the number of updates
lr_factors         the factors by which the learning rate was multiplied, as after a divergence
history/epochs     the records of the epochs; history/kl, the KL of each latent dimension
schema, random, label_settings     texts of JSON: the schema of the data, the states of the random streams, and
                   the settings of the loss for labels
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.errors import ConfigError, ScratchVAEError
from scratchvae.io import diff_keys
from scratchvae.models import Model
from scratchvae.models.schema import Schema
from scratchvae.optim import Optimizer, ScaledSchedule, Schedule
from scratchvae.training.history import Epoch, epochs_from_arrays, epochs_to_arrays
from scratchvae.training.state import Streams, set_states, states_of
from scratchvae.validation import check_int, check_positive, join_choices, short_repr, shorten

TEXTS = ("schema", "random", "label_settings")


class TrainerState(NamedTuple):
    """The checked contents of a state; `arrays` are those of the model and the optimizer, with their targets."""

    arrays: list[tuple[Array, Array]]
    updates: int
    schedule: Schedule
    epochs: list[Epoch]
    schema: Schema
    random: dict[str, Any]
    label_settings: dict[str, Any] | None


def write_state(
    model: Model,
    optimizer: Optimizer,
    streams: Streams,
    epochs: list[Epoch],
    label_settings: dict[str, Any] | None,
) -> dict[str, Any]:
    """The state as a dict of copies."""
    numbers, kl = epochs_to_arrays(epochs)
    texts = {"schema": model.schema.as_json(), "random": states_of(streams), "label_settings": label_settings}
    return {
        **{name: to_numpy(array).copy() for name, array in _targets(model, optimizer).items()},
        "updates": optimizer.t,
        "lr_factors": np.array(_without_factors(optimizer.schedule)[1], np.float64),
        "history/epochs": numbers,
        "history/kl": kl,
        **{name: json.dumps(content) for name, content in texts.items()},
    }


def read_state(state: Any, model: Model, optimizer: Optimizer, streams: Streams) -> TrainerState:
    """The contents of a state for these objects, which are not changed. Raises ConfigError."""
    targets = _targets(model, optimizer)
    if not isinstance(state, Mapping):
        raise ConfigError(f"state={short_repr(state)}: expected a dict, as state_dict returns")
    others = ("updates", "lr_factors", "history/epochs", "history/kl", *TEXTS)
    expected: dict[str, Any] = {**dict.fromkeys(others, ""), **{name: _describe(a) for name, a in targets.items()}}
    found = {name: _describe(state[name]) if name in targets else "" for name in state}
    if different := diff_keys(found, expected):
        name = different[0]
        if name in found and name in expected:
            given = f"{shorten(name, 40)} is {found[name]}; expected {expected[name]}"
        else:
            verb = "lacks" if name in expected else "has an unknown entry,"
            given = f"it {verb} {short_repr(name)}" + f" and {len(different) - 1} more" * (len(different) > 1)
        raise ConfigError(f"the state is not that of this trainer: {given}; make model and optimizer as before")
    name = ""
    try:
        contents = {}
        for name in TEXTS:
            contents[name] = json.loads(np.asarray(state[name]).item())
        name = "schema"
        schema = Schema.from_json(contents[name], model.input_dim, model.classes)
        name = "random"
        if set(contents[name]) != set(streams):
            raise ValueError(f"expected {join_choices(sorted(streams), 60)}")
        for stream, rng in streams.items():
            type(rng.bit_generator)().state = contents[name][stream]  # raises for what is no such state
        name = "label_settings"
        if not (contents[name] is None or isinstance(contents[name], dict)):
            raise TypeError("expected a dict or None")
        name = "lr_factors"
        schedule = _without_factors(optimizer.schedule)[0]
        for factor in reversed(np.asarray(state[name], np.float64).reshape(-1).tolist()):
            schedule = ScaledSchedule(schedule, check_positive(name, factor))
        name = "updates"
        updates = check_int(name, np.asarray(state[name]).item(), minimum=0)
        name = "history/epochs"
        epochs = epochs_from_arrays(np.asarray(state[name]), np.asarray(state["history/kl"]))
    except Exception as error:  # a wrong entry may cause any exception
        reason = error.message if isinstance(error, ScratchVAEError) else error
        raise ConfigError(f"{name} of the state is damaged: {shorten(reason, 100)}; save the state again") from None
    arrays = [(target, np.asarray(state[key])) for key, target in targets.items()]
    return TrainerState(arrays, updates, schedule, epochs, schema, contents["random"], contents["label_settings"])


def apply_state(state: TrainerState, model: Model, optimizer: Optimizer, streams: Streams) -> None:
    """Set the objects to a state that was read for them."""
    model.schema = state.schema
    for target, array in state.arrays:
        model.backend.copy_from_host(target, array)
    optimizer.t, optimizer.schedule = state.updates, state.schedule
    set_states(streams, state.random)


def _targets(model: Model, optimizer: Optimizer) -> dict[str, Array]:
    weights = {f"weights/{name}": array for name, array in model.params.items()}
    return {**weights, **{f"optimizer/{name}": array for name, array in optimizer.state.items()}}


def _describe(value: Any) -> str:
    """The shape and the dtype of an array; the type of another value."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return short_repr(value)
    return f"{short_repr(tuple(value.shape))} of {shorten(value.dtype, 20)}"


def _without_factors(schedule: Schedule) -> tuple[Schedule, list[float]]:
    """A schedule without the factors on it, and these, from the outermost."""
    factors = []
    while isinstance(schedule, ScaledSchedule):
        factors.append(schedule.factor)
        schedule = schedule.schedule
    return schedule, factors
