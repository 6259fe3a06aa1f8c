"""Tests that the null device finds planted faults of kinds that a GPU shows by chance, or only on some machines."""

import gc

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.errors import BackendError, DivergedError
from scratchvae.memory import HostToDeviceBuffer
from scratchvae.training import cuda_graph
from scratchvae.training.device_rows import DeviceRows

pytestmark = pytest.mark.null_device

X = np.random.default_rng(0).random((96, 9)).astype(np.float32)


def train(backend, **settings):
    """The weights after 18 steps, or None if they diverged."""
    model = sv.VAE(9, 2, (8,), backend=backend)
    try:
        sv.Trainer(model, batch_size=16, **settings).fit(X, 3)
    except DivergedError:
        return None
    return to_numpy(model.theta)


# --- transfers


class NeverWaits:
    """An event for which the host does not wait."""

    def __init__(self, event):
        self.record = event.record

    def synchronize(self):
        pass


@pytest.fixture
def plant_missing_waits(monkeypatch):
    """Return a function after which a HostToDeviceBuffer does not wait before it overwrites a pinned buffer."""
    allocate = HostToDeviceBuffer._allocate

    def allocate_without_waits(self, host):
        allocate(self, host)
        self._pinned_buffers = [(pinned, NeverWaits(event)) for pinned, event in self._pinned_buffers]

    return lambda: monkeypatch.setattr(HostToDeviceBuffer, "_allocate", allocate_without_waits)


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_a_transfer_that_does_not_wait_is_found_late(late, gpu, plant_missing_waits, cuda_graph):
    expected = train("numpy")
    np.testing.assert_allclose(train(gpu, cuda_graph=cuda_graph), expected, rtol=1e-4, atol=1e-6)
    plant_missing_waits()
    weights = train(gpu, cuda_graph=cuda_graph)
    assert weights is None or np.abs(weights - expected).max() > 1e-3


def test_a_deleted_buffer_that_does_not_wait_is_found_late(late, gpu, monkeypatch):
    def transfer_and_delete():
        batch = HostToDeviceBuffer(gpu).to_device(X[:16])
        gc.collect()
        return to_numpy(batch)

    assert np.array_equal(transfer_and_delete(), X[:16])
    monkeypatch.setattr(HostToDeviceBuffer, "__del__", lambda self: None)
    assert np.isnan(transfer_and_delete()).all()


# --- recordings


@pytest.fixture
def moving_inputs(device, monkeypatch):
    """Let each batch be a new array, of which some are kept."""
    batches, gather = [], DeviceRows.gather

    def gather_elsewhere(self, indices, own):
        batches.append(gather(self, indices, own).copy())
        del batches[:-3]
        return batches[-1]

    monkeypatch.setattr(DeviceRows, "gather", gather_elsewhere)


def test_a_recording_whose_input_has_moved_is_found(gpu, moving_inputs, monkeypatch):
    expected = train(gpu, cuda_graph=False)
    assert np.array_equal(train(gpu, cuda_graph=True), expected)
    identity = cuda_graph._identity
    monkeypatch.setattr(cuda_graph, "_identity", lambda value: getattr(value, "shape", None) or identity(value))
    weights = train(gpu, cuda_graph=True)
    assert weights is None or np.abs(weights - expected).max() > 1e-3


def test_a_product_in_another_stream_is_found(gpu, device, monkeypatch):
    class DefaultStreamAlone(type(gpu.xp._handles)):
        def of_stream(self):
            with gpu.xp.cuda.Stream.null:
                return super().of_stream()

    expected = train(gpu, cuda_graph=True)
    monkeypatch.setattr(gpu.xp, "_handles", DefaultStreamAlone(gpu.kernels, device.library))
    assert np.array_equal(train(gpu), expected)  # the recording lacks it, and is not used
    with pytest.raises(BackendError, match="its results have other bits"):
        train(gpu, cuda_graph=True)
