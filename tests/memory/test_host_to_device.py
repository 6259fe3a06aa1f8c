"""Tests of the transfer of batches to a device."""

import numpy as np
import pytest
from strategies import normal

from scratchvae.backend import NUMPY, Backend, fake_cupy, to_numpy
from scratchvae.memory import HostToDeviceBuffer


class SlowDevice:
    """A device that reads a buffer only when the host waits for it, and checks that the batch is still in it."""

    def __init__(self):
        self.buffers, self.pending, self.current_batch = [], [], None
        self.transfer_buffer = HostToDeviceBuffer(
            Backend("slow", fake_cupy.Module, fake_cupy.DeviceArray, self.pinned, lambda: Event(self))
        )

    def pinned(self, shape, dtype):
        for buffer in self.buffers:
            buffer.fill(np.nan)  # an allocator may reuse a buffer that was released
        self.buffers.append(np.zeros(shape, dtype))
        return self.buffers[-1]

    def to_device(self, batch):
        self.current_batch = batch
        assert np.array_equal(to_numpy(self.transfer_buffer.to_device(batch)), batch)

    def transfer_now(self, transfer):
        _, buffer, batch = transfer
        self.pending.remove(transfer)
        assert np.array_equal(buffer[: len(batch)], batch), "overwritten before it was transferred"


class Event:
    def __init__(self, device):
        self.device = device

    def record(self):
        batch = self.device.current_batch
        buffer = next(buffer for buffer in self.device.buffers if np.array_equal(buffer[: len(batch)], batch))
        self.device.pending.append((self, buffer, batch))

    def synchronize(self):
        for transfer in [transfer for transfer in self.device.pending if transfer[0] is self]:
            self.device.transfer_now(transfer)


@pytest.mark.parametrize("batch_sizes", [(4, 4, 4, 4, 4), (4, 2, 4, 3, 1), (2, 4, 5, 1, 5)])
def test_a_buffer_is_not_overwritten_before_it_is_transferred(batch_sizes):
    device = SlowDevice()
    for k, rows in enumerate(batch_sizes):
        device.to_device(normal(k, rows, 3))
    for transfer in list(device.pending):
        device.transfer_now(transfer)


def test_two_batches_can_be_in_transfer_at_once():
    device = SlowDevice()
    for k in range(2):
        device.to_device(normal(k, 4, 3))
    assert len(device.pending) == 2


def test_deletion_waits_for_pending_transfers():
    device = SlowDevice()
    for k in range(2):
        device.to_device(normal(k, 4, 3))
    del device.transfer_buffer
    assert device.pending == []


def test_buffers_are_allocated_once_and_the_host_backend_copies_nothing():
    host = normal(0, 4, 3)
    assert HostToDeviceBuffer(NUMPY).to_device(host) is host
    device = SlowDevice()
    for k in range(5):
        device.to_device(normal(k, 4 - k % 2, 3))
    assert len(device.buffers) == 2
