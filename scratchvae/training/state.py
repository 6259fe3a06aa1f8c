"""Where a run of training is, so that it can be put back there."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from scratchvae.backend import Array

Record = dict[str, Any]  # plain values, as JSON can hold them
Streams = dict[str, np.random.Generator]


class Resumable(Protocol):
    """What can be put aside: `arrays`, which change in place, by name, and a `record` of all else."""

    @property
    def arrays(self) -> dict[str, Array]:
        """What changes in place."""

    @property
    def record(self) -> Record:
        """All else."""

    def recall(self, record: Record) -> None:
        """Be where `record` says."""


class Kept:
    """A copy in memory of where a run was."""

    def __init__(self, run: Resumable) -> None:
        self._run = run
        self._arrays = {name: array.copy() for name, array in run.arrays.items()}
        self._record = run.record

    def keep(self) -> None:
        """Copy where the run is now."""
        self._record = self._run.record
        for name, array in self._run.arrays.items():
            self._arrays[name][...] = array

    def put_back(self) -> None:
        """Let the run be where it was."""
        for name, array in self._run.arrays.items():
            array[...] = self._arrays[name]
        self._run.recall(self._record)


def states_of(streams: Streams) -> Record:
    """Where each stream is, as JSON can hold it."""
    return {purpose: rng.bit_generator.state for purpose, rng in streams.items()}


def set_states(streams: Streams, states: Record) -> None:
    """Let each stream go on from there."""
    for purpose, rng in streams.items():
        rng.bit_generator.state = states[purpose]
