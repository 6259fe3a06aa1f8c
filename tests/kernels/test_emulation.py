"""How many launches a step takes, and whether it waits; and that the machine this is counted on is strict."""

import emulated
import numpy as np
import pytest
import standin
from drawing import uniform
from emulated import EMULATED
from standin import STANDIN, DeviceArray

import scratchvae as sv
from scratchvae.backend import to_numpy

pytestmark = pytest.mark.skipif(emulated.COMPILER is None, reason="no C++ compiler to run the kernels with")


@pytest.mark.parametrize(("backend", "most"), [(EMULATED, 29), (STANDIN, 80)])
def test_a_step_of_the_reference_network_is_under_thirty_launches_and_waits_for_nothing(backend, most):
    trainer = sv.Trainer(sv.VAE(backend=backend), batch_size=8)
    x = backend.upload(uniform(0, 8, 784).astype("float32"))
    for _ in range(2):
        trainer.steps.update(x)
    launches, reads = standin.launches, standin.reads
    trainer.steps.update(x)
    assert standin.launches - launches <= most
    assert standin.reads == reads


def test_the_emulation_refuses_what_a_device_refuses():
    kernel = emulated.ElementwiseKernel("T x, T k", "T y", "y = k * x", "scratchvae_test")
    x, y = EMULATED.upload(np.ones(3)), EMULATED.upload(np.zeros(3))
    kernel(x, 2.0, y)
    assert to_numpy(y).tolist() == [2, 2, 2]
    for wrong, why in (
        ((np.ones(3), 2.0, y), "ndarray"),
        ((x, 2.0, EMULATED.upload(np.zeros(4))), "shape"),
        ((x, 2.0, EMULATED.upload(np.zeros(3, "float32"))), "stands for"),
        ((x, 2.0), "takes 3"),
    ):
        with pytest.raises((TypeError, ValueError), match=why):
            kernel(*wrong)
    assert isinstance(y, DeviceArray)
