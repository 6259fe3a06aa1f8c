"""GPUs of several processes: one for each, and sums over them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from scratchvae.backend import Array, Backend, NCCLSum, backend_of, find_nccl, to_numpy
from scratchvae.errors import ConfigError, ProcessError
from scratchvae.parallel.messages import Messages, yield_core


def use_device(messages: Messages, backend: Backend, machine: str) -> None:
    """Make the GPU with the number that this process has on its machine the current one. Raises ConfigError."""
    machines = messages.gather(machine)
    if backend.devices is None:
        return
    devices = messages.gather(backend.devices.number())
    for name, count in zip(machines, devices, strict=True):
        if machines.count(name) > count:
            raise ConfigError(
                f"{machines.count(name)} processes are on {name}, which has {count} GPU{'s' * (count != 1)}: start one "
                "process for each GPU"
            )
    backend.devices.use(machines[: messages.rank].count(machine))


def require_own_devices(messages: Messages, backend: Backend, machine: str) -> None:
    """Raise ConfigError in all processes if two of them use the same GPU."""
    mine = None if backend.devices is None else (machine, backend.devices.name())
    used = messages.gather(mine)
    for rank, device in enumerate(used):
        if device is not None and (first := used.index(device)) != rank:
            raise ConfigError(
                f"processes {first} and {rank} use the same GPU, {device[1]} of {device[0]}: start one process for "
                "each GPU, and call ProcessGroup.use_device before the model is made"
            )


def make_device_sum(messages: Messages, array: Array) -> Callable[[Array], None]:
    """A function that replaces an array on the device by its sum over the processes, by NCCL if all have it."""
    nccl = find_nccl(array)
    if not messages.lowest(int(nccl is not None)):
        return lambda array: sum_on_host(messages, array)
    unique_id = messages.broadcast(nccl.get_unique_id() if messages.rank == 0 else None, 0)
    begin_sum = NCCLSum(nccl, messages.size, unique_id, messages.rank)

    def sum_by_nccl(array: Array) -> None:
        event: Any = begin_sum(array)
        deadline = time.monotonic() + messages.timeout
        while not event.done:
            if time.monotonic() > deadline:
                raise ProcessError(messages.stalled())
            yield_core()

    return sum_by_nccl


def sum_on_host(messages: Messages, array: Array) -> None:
    """Replace an array on a device by its sum over the processes, which is computed in host memory."""
    host = to_numpy(array)
    messages.sum(host)
    backend_of(array).copy_from_host(array, host)
