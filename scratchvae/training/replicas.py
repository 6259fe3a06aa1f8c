"""Checks that several processes train replicas of one model: with the same settings, data and weights."""

from __future__ import annotations

from typing import Any

from scratchvae.errors import ConfigError
from scratchvae.parallel import ProcessGroup
from scratchvae.training.callbacks import Checkpoint, FiniteCheck
from scratchvae.training.fingerprint import flat, without_algorithm
from scratchvae.training.hooks import Hooks
from scratchvae.training.state import TrainingState


def require_same_course(group: ProcessGroup, trainer: Any, hooks: Hooks, **arguments: Any) -> None:
    """Raise ConfigError in all processes unless they are to do the same steps, and to check and save after the same.

    arguments   those of `fit` on which this depends
    """
    if trainer.cuda_graph:
        raise ConfigError(
            "cuda_graph=True cannot be used with comm=, which sums the gradients in between: leave it out"
        )
    checkpoint, finite_check = hooks.find(Checkpoint), hooks.find(FiniteCheck)
    group.require_same_versions()
    group.require_same(
        {
            **arguments,
            "batch_size": trainer.batch_size,
            "checkpoint": checkpoint is not None,
            "every": checkpoint and checkpoint.every,
            "resume": checkpoint and checkpoint.resume,
            "retries": finite_check.retries,
            "every of FiniteCheck": finite_check.every,
        }
    )
    group.require_own_devices(trainer.model.backend)


def require_same_state(group: ProcessGroup, state: TrainingState) -> None:
    """Raise ConfigError in all processes unless their model, settings, data and weights are the same.

    Also if there are more processes than rows of a batch.
    """
    if state.batches.batch_size < group.size:
        raise ConfigError(
            f"batch_size={state.batches.batch_size} is less than the number of processes, {group.size}: make it "
            "larger, or start fewer"
        )
    group.require_same({name: without_algorithm(value) for name, value in flat(state.settings).items()})
    state.require_same_weights()
