import pytest

import null_device


@pytest.fixture
def device(request):
    """The null device; skip the test if this process does not use it."""
    if null_device.device is None:
        pytest.skip(f"{null_device.VARIABLE} is not set: run  nox -s null_device")
    request.getfixturevalue("gpu")  # the backend computes a first product
    null_device.device.library.runtime_deviceSynchronize(0)
    null_device.device.reset()
    yield null_device.device
    null_device.device.set("late", null_device.device.mode == "late")
    null_device.device.set("noise", null_device.device.mode == "noise")
    null_device.device.library.runtime_deviceSynchronize(0)


@pytest.fixture
def late(device):
    """The device in the mode "late"."""
    device.set("late", True)
    return device
