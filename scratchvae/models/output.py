"""Where a decoder's last layer begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend, to_numpy
from scratchvae.layers import LabelledLinear, Linear, Sequential
from scratchvae.models.door import Door, within
from scratchvae.models.synchronized import Synchronized, synchronized
from scratchvae.probability import Likelihood


class Output(Synchronized):
    """What a model does with the last layer of its decoder before the first step."""

    decoder: Sequential
    likelihood: Likelihood
    door: Door
    backend: Backend
    dtype: np.dtype[Any]

    def scale_output(self) -> None:
        """Let the last weights begin as small as the likelihood asks for."""
        self._last.W *= self.likelihood.output_scale

    @synchronized
    def start_output_bias(self, mean: Array) -> None:
        """Let an untrained decoder begin at the data: its last bias becomes the `output_bias` of mean (D,).

        A last bias that is not zero any more is left alone. Raises RangeError.
        """
        within(mean, "mean", self.door.reach(self.likelihood.support))
        last = self._last
        if isinstance(last, Linear) and not to_numpy(last.b).any():
            with self.updating:
                self.backend.copy_from_host(last.b, self.likelihood.output_bias(mean).astype(self.dtype))

    @property
    def _last(self) -> Linear | LabelledLinear:
        last = self.decoder.layers[-1]
        assert isinstance(last, Linear | LabelledLinear)
        return last
