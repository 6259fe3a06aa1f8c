"""From the host to the device, without a new array each time, and without waiting."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend


class HostToDeviceBuffer:
    """Room on the device for batches that are made on the host: as tall as the tallest so far, and kept.

    A batch is copied into pinned memory first, from which the device fetches it while the host goes on. There are two
    such stages, used in turn: a stage is written again only once the device has fetched what was in it. CuPy reuses
    a pinned block as soon as it is freed, even with a copy in flight, so a buffer that is deleted waits for its copies.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._room: Array | None = None
        self._stages: list[tuple[Array, Any]] = []

    def __del__(self) -> None:
        self._wait()

    def to_device(self, host: Array) -> Array:
        """The rows of `host` on the device, a loan until the next call; `host` itself where that is the device."""
        if self.backend.on_host:
            return host
        if self._room is None or len(host) > len(self._room):
            self._make_room(host)
        stage, fetched = self._stages[0]
        self._stages.reverse()
        fetched.synchronize()  # at once, if nothing was ever fetched
        np.copyto(stage[: len(host)], host)
        device: Array = self._room[: len(host)]  # type: ignore[index]
        self.backend.copy_from_host(device, stage[: len(host)])
        fetched.record()
        return device

    def _make_room(self, host: Array) -> None:
        self._wait()
        self._room = self.backend.xp.empty(host.shape, host.dtype)
        self._stages = [(self.backend.pinned(host.shape, host.dtype), self.backend.event()) for _ in range(2)]

    def _wait(self) -> None:
        for _, fetched in self._stages:
            fetched.synchronize()
