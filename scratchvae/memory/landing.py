"""From the host to the device, without a new array each time."""

from __future__ import annotations

from scratchvae.backend import Array, Backend


class Landing:
    """Room on the device for batches that are made on the host: as tall as the tallest so far, and kept."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._room: Array | None = None

    def bring(self, host: Array) -> Array:
        """The rows of `host` on the device, a loan until the next call; `host` itself where that is the device."""
        if self.backend.on_host:
            return host
        if self._room is None or len(host) > len(self._room):
            self._room = self.backend.xp.empty(host.shape, host.dtype)
        device = self._room[: len(host)]
        self.backend.copy_from_host(device, host)
        return device
