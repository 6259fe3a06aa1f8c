"""Asynchronous copies from the host to the device, into a reused buffer."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchvae.backend import Array, Backend


class HostToDeviceBuffer:
    """A reused device buffer for batches from the host; it grows to the largest batch so far.

    A batch is copied to pinned memory first, and from there to the device while the host continues. Two pinned buffers
    alternate: each is overwritten only after its copy to the device has completed. CuPy reuses freed pinned memory even
    while a copy is in flight, so a deleted HostToDeviceBuffer waits for its copies.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._device_buffer: Array | None = None
        self._pinned_buffers: list[tuple[Array, Any]] = []  # each with the event that records its copy

    def __del__(self) -> None:
        self._wait()

    def to_device(self, host: Array) -> Array:
        """Return `host` (B, …) on the device, valid until the next call; `host` itself if that is the device."""
        if self.backend.on_host:
            return host
        if self._device_buffer is None or len(host) > len(self._device_buffer):
            self._allocate(host)
        pinned, copied = self._pinned_buffers[0]
        self._pinned_buffers.reverse()
        copied.synchronize()  # returns at once if nothing was recorded
        np.copyto(pinned[: len(host)], host)
        device: Array = self._device_buffer[: len(host)]  # type: ignore[index]
        self.backend.copy_from_host(device, pinned[: len(host)])
        copied.record()
        return device

    def _allocate(self, host: Array) -> None:
        self._wait()
        self._device_buffer = self.backend.xp.empty(host.shape, host.dtype)
        self._pinned_buffers = [(self.backend.pinned(host.shape, host.dtype), self.backend.event()) for _ in range(2)]

    def _wait(self) -> None:
        for _, copied in self._pinned_buffers:
            copied.synchronize()
