"""Batches on their way to a device."""

import fake_cupy
import numpy as np
import pytest
from strategies import normal

from scratchvae.backend import NUMPY, Backend, to_numpy
from scratchvae.memory import HostToDeviceBuffer


class Late:
    """A device that fetches a batch only when it is waited for, and looks whether that is still there."""

    def __init__(self):
        self.stages, self.under_way, self.now = [], [], None
        self.landing = HostToDeviceBuffer(
            Backend("late", fake_cupy.Module, fake_cupy.DeviceArray, self.pinned, lambda: Event(self))
        )

    def pinned(self, shape, dtype):
        for earlier in self.stages:
            earlier.fill(np.nan)  # what nobody holds any more may be handed out again
        self.stages.append(np.zeros(shape, dtype))
        return self.stages[-1]

    def to_device(self, rows):
        self.now = rows
        assert np.array_equal(to_numpy(self.landing.to_device(rows)), rows)

    def fetch(self, flight):
        _, stage, rows = flight
        self.under_way.remove(flight)
        assert np.array_equal(stage[: len(rows)], rows), "overwritten before it was fetched"


class Event:
    def __init__(self, device):
        self.device = device

    def record(self):
        rows = self.device.now
        stage = next(stage for stage in self.device.stages if np.array_equal(stage[: len(rows)], rows))
        self.device.under_way.append((self, stage, rows))

    def synchronize(self):
        for flight in [flight for flight in self.device.under_way if flight[0] is self]:
            self.device.fetch(flight)


@pytest.mark.parametrize("heights", [(4, 4, 4, 4, 4), (4, 2, 4, 3, 1), (2, 4, 5, 1, 5)])
def test_what_is_under_way_is_not_overwritten(heights):
    device = Late()
    for k, rows in enumerate(heights):
        device.to_device(normal(k, rows, 3))
    for flight in list(device.under_way):
        device.fetch(flight)


def test_two_batches_may_be_under_way_at_once():
    device = Late()
    for k in range(2):
        device.to_device(normal(k, 4, 3))
    assert len(device.under_way) == 2


def test_one_that_is_deleted_waits_for_what_is_under_way():
    device = Late()
    for k in range(2):
        device.to_device(normal(k, 4, 3))
    del device.landing
    assert device.under_way == []


def test_room_is_made_once_and_nothing_is_copied_where_the_host_is_the_device():
    host = normal(0, 4, 3)
    assert HostToDeviceBuffer(NUMPY).to_device(host) is host
    device = Late()
    for k in range(5):
        device.to_device(normal(k, 4 - k % 2, 3))
    assert len(device.stages) == 2
