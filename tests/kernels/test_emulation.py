"""Tests of the number of kernel launches and device reads in a training step, and of the emulated kernels."""

import emulated_backend
import numpy as np
import pytest
from emulated_backend import EMULATED
from strategies import uniform
from trained_state import state_after

import scratchvae as sv
from scratchvae.backend import fake_cupy, to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY, DeviceArray

pytestmark = pytest.mark.skipif(emulated_backend.COMPILER is None, reason="no C++ compiler for the kernels")


# A training step also sums up the epoch: the terms of the objective and, for the history, the KL of each latent
# dimension.
@pytest.mark.parametrize(("backend", "update", "step"), [(EMULATED, 24, 26), (FAKE_CUPY, 74, 81)])
def test_the_launches_of_an_update_and_of_a_step_which_reads_nothing_from_the_device(backend, update, step):
    model = sv.VAE(backend=backend)
    trainer = sv.Trainer(model, batch_size=8)
    state = state_after(trainer, uniform(0, 16, 784))
    x, eps = (backend.upload(uniform(0, 8, width).astype("float32")) for width in (784, 20))
    state.train_step(x)
    launches, reads = fake_cupy.launches, fake_cupy.reads
    state.train_step(x)
    assert (fake_cupy.launches - launches, fake_cupy.reads - reads) == (step, 0)
    launches = fake_cupy.launches
    model.forward(x, eps)
    model.backward()
    trainer.optimizer.step(model.dtheta)
    assert (fake_cupy.launches - launches, fake_cupy.reads - reads) == (update, 0)


def count_launches(call):
    before = fake_cupy.launches
    call()
    return fake_cupy.launches - before


def test_fused_variants_take_one_launch_and_plain_classes_several():
    fused_vae, plain_vae = (sv.VAE(9, 2, (8,), backend=backend) for backend in (EMULATED, FAKE_CUPY))
    x = EMULATED.upload(uniform(0, 5, 9).astype("float32"))
    eps = EMULATED.upload(uniform(1, 5, 2).astype("float32"))
    launch_counts = {}
    for name, vae in (("fused", fused_vae), ("plain", plain_vae)):
        vae.forward(x, eps)
        vae.backward()
        h, z = vae.encoder.forward(x), vae.posterior.forward(vae.encoder.forward(x), eps)
        kl, row = vae.kl.forward(z), EMULATED.upload(uniform(2, 5).astype("float32"))
        terms, sums = vae.objective.forward(row, kl), vae.objective.zeros(5)
        logits = vae.decoder.forward(z)
        launch_counts[name] = [
            count_launches(lambda vae=vae: vae.encoder.forward(x)),
            count_launches(lambda vae=vae, h=h: vae.posterior.forward(h, eps)),
            count_launches(lambda vae=vae, z=z: vae.kl.forward(z)),
            count_launches(lambda vae=vae, logits=logits: vae.likelihood.forward(logits, x)),
            count_launches(lambda vae=vae, kl=kl, row=row: vae.objective.forward(row, kl)),
            count_launches(lambda vae=vae, terms=terms, sums=sums: vae.objective.accumulate(terms, sums)),
            count_launches(lambda vae=vae, row=row: vae.likelihood.backward(row)),
        ]
    assert launch_counts["fused"] == [3, 1, 1, 1, 1, 1, 1]
    assert all(
        fused_count <= plain_count
        for fused_count, plain_count in zip(launch_counts["fused"], launch_counts["plain"], strict=True)
    )
    assert sum(launch_counts["plain"]) > 3 * sum(launch_counts["fused"])


def test_the_emulation_refuses_arguments_that_a_device_refuses():
    kernel = emulated_backend.ElementwiseKernel("T x, T k", "T y", "y = k * x", "scratchvae_test")
    x, y = EMULATED.upload(np.ones(3)), EMULATED.upload(np.zeros(3))
    kernel(x, 2.0, y)
    assert to_numpy(y).tolist() == [2, 2, 2]
    for wrong, message in (
        ((np.ones(3), 2.0, y), "ndarray"),
        ((x, 2.0, EMULATED.upload(np.zeros(4))), "shape"),
        ((x, 2.0, EMULATED.upload(np.zeros(3, "float32"))), "the arrays have dtypes"),
        ((x, 2.0), "takes 3"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            kernel(*wrong)
    assert isinstance(y, DeviceArray)
