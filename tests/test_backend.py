"""Tests of the backends: selection, errors, and equal results with another array module."""

import sys
import types

import numpy as np
import pytest
from strategies import in_support, normal, uniform
from trained_state import state_after

import scratchvae as sv
from scratchvae.backend import NUMPY, backend_of, fake_cupy, get_backend, to_numpy, translate_device_errors
from scratchvae.backend.fake_cupy import FAKE_CUPY, DeviceArray
from scratchvae.errors import BackendError, DeviceError, DTypeError
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.optim import SGD, Adam, AdamW

IMAGES = uniform(0, 50, 9).astype("float32")


def install_module(monkeypatch, **content):
    module = types.ModuleType("cupy")
    module.__version__ = "14.2.0"
    for name, value in content.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(sys.modules, "cupyx", types.ModuleType("cupyx"))


def raising(error):
    def call(*_args, **_kwargs):
        raise error

    return call


def test_numpy_is_found_and_unknown_names_are_refused():
    assert get_backend("numpy") is NUMPY
    assert get_backend(FAKE_CUPY) is FAKE_CUPY
    with pytest.raises(BackendError, match="choose 'numpy', 'native', 'cupy' or 'auto'"):
        get_backend("torch")


def test_a_missing_cupy_is_refused_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match=r"not installed.*pip install 'scratchvae\[cuda12x\]'"):
        sv.VAE(4, 2, backend="cupy")
    assert get_backend("auto") is NUMPY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"is_available": lambda: False}, "no working CUDA device"),
        ({"is_available": raising(RuntimeError("cudaErrorNoDevice:\n no device"))}, "cudaErrorNoDevice: no device"),
        ({"is_available": lambda: True, "ones": raising(ImportError("libcublas.so.12"))}, "libcublas.so.12"),
    ],
)
def test_a_cupy_that_does_not_work_is_refused_in_one_line(monkeypatch, content, message):
    install_module(monkeypatch, **content)
    with pytest.raises(BackendError, match=message) as caught:
        get_backend("cupy")
    assert "\n" not in str(caught.value)
    assert get_backend("auto") is NUMPY


def test_a_cupy_that_fails_at_import_is_refused(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise AttributeError("module 'numpy' has no attribute 'product'")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(BackendError, match="CuPy cannot be imported"):
        get_backend("cupy")
    assert get_backend("auto") is NUMPY


def test_a_stream_for_each_thread_is_refused(monkeypatch):
    install_module(monkeypatch, is_available=lambda: True)
    monkeypatch.setenv("CUPY_CUDA_PER_THREAD_DEFAULT_STREAM", "1")
    with pytest.raises(BackendError, match=r"CUPY_CUDA_PER_THREAD_DEFAULT_STREAM.*unset it"):
        get_backend("cupy")


def test_the_real_cupy_without_a_gpu_is_refused():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        working = cupy.is_available()
    except Exception:
        working = False
    if working:
        pytest.skip("this machine has a GPU")
    with pytest.raises(BackendError, match="nvidia-smi"):
        get_backend("cupy")


def test_to_numpy_returns_host_arrays():
    x = normal(0, 3)
    assert to_numpy(x) is x
    assert np.array_equal(to_numpy(DeviceArray(x)), x)
    with pytest.raises(DTypeError, match=r"array is \[1.0\]; expected a NumPy or CuPy array"):
        backend_of([1.0])


def test_arrays_of_another_device_are_refused():
    vae = sv.VAE(9, 2, (8,), backend=FAKE_CUPY)
    host, device = IMAGES[:4], FAKE_CUPY.upload(IMAGES[:4])
    with pytest.raises(DeviceError, match=r"x, which is a numpy.ndarray.*fake_cupy"):
        vae.encoder.forward(host)
    vae.forward(device, FAKE_CUPY.upload(normal(0, 4, 2).astype("float32")))
    with pytest.raises(DeviceError, match=r"dy, which is a numpy\.ndarray"):
        vae.decoder.backward(host)
    with pytest.raises(DeviceError, match="eps"):
        vae.forward(device, normal(0, 4, 2).astype("float32"))
    with pytest.raises(DTypeError, match=r"x is a DeviceArray, an array of another device.*scratchvae.to_numpy"):
        sv.VAE(9, 2, (8,)).encode(device)


COMBINATIONS = [(activation, "bernoulli") for activation in ACTIVATIONS]
COMBINATIONS += [("relu", likelihood) for likelihood in LIKELIHOODS if likelihood != "bernoulli"]


@pytest.mark.parametrize(("activation", "likelihood"), COMBINATIONS)
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
def test_a_model_trains_to_the_same_bits_with_another_array_module(kind, activation, likelihood):
    thetas, images = [], in_support(likelihood, IMAGES)
    for backend in ("numpy", FAKE_CUPY):
        model = kind(9, 2, (8, 4), activation, likelihood, seed=1, backend=backend)
        binarize = "dynamic" if likelihood == "bernoulli" else None
        trainer = sv.Trainer(model, batch_size=16, seed=2, clip_norm=5.0, binarize=binarize)
        history = trainer.fit(images, 3, validation=images[:20], patience=3)
        thetas.append((to_numpy(model.theta), history.loss, history.validation))
    assert np.array_equal(thetas[0][0], thetas[1][0])
    assert thetas[0][1:] == thetas[1][1:]


@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW])
def test_every_optimizer_gives_the_same_bits_with_another_array_module(optimizer):
    thetas = []
    for backend in ("numpy", FAKE_CUPY):
        vae = sv.VAE(9, 2, (8,), backend=backend)
        trainer = sv.Trainer(vae, optimizer=optimizer(1e-2), batch_size=16)
        for _ in range(5):
            trainer.step(IMAGES[:10])
        thetas.append(to_numpy(vae.theta))
    assert np.array_equal(*thetas)


def test_the_public_methods_give_the_same_bits_with_another_array_module(tmp_path):
    host, device = (sv.VAE(9, 2, (8,), backend=backend, dtype="float64") for backend in ("numpy", FAKE_CUPY))
    x = IMAGES[:5]

    def results(vae, x):
        yield from vae.encode(x)
        yield from (vae.reconstruct(x), vae.sample(3), vae.interpolate(x[0], x[1], 4), *vae.elbo(x))
        yield from vae.loss_and_grads(x)[1].values()
        vae.forward(vae.validator.to_device(x), vae.validator.to_device(normal(0, 5, 2)))
        yield from vae.backward_to_inputs()[:2]

    for expected, from_host, from_device in zip(
        results(host, x), results(device, x), results(device, FAKE_CUPY.upload(x)), strict=True
    ):
        assert type(from_host) is type(from_device) is DeviceArray
        assert np.array_equal(to_numpy(from_host), expected)
        assert np.array_equal(to_numpy(from_device), expected)
    sv.save(device, tmp_path / "vae.npz")
    assert np.array_equal(sv.load(tmp_path / "vae.npz").theta, host.theta)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_training_step_on_a_device_reads_no_values_back(likelihood):
    vae = sv.VAE(9, 2, (8,), likelihood=likelihood, backend=FAKE_CUPY)
    images = in_support(likelihood, IMAGES)
    state = state_after(sv.Trainer(vae, batch_size=16, clip_norm=1.0), images)
    before = fake_cupy.reads
    state.train_step(FAKE_CUPY.upload(images[:16]))
    assert fake_cupy.reads == before


def device_error(name, base):
    return type(name, (base,), {"__module__": "cupy.cuda.somewhere"})("out of memory\nallocating 8 bytes")


FATAL = [("OutOfMemoryError", MemoryError, "smaller batch_size"), ("CUDARuntimeError", RuntimeError, "nvidia-smi")]


@pytest.mark.parametrize(("name", "base", "message"), FATAL)
@pytest.mark.parametrize("call", ["fit", "step", "encode", "decode", "loss_and_grads", "elbo", "VAE"])
def test_a_failing_device_is_reported_in_one_line_by_every_method(monkeypatch, tmp_path, name, base, message, call):
    vae = sv.VAE(9, 2, (8,), backend=FAKE_CUPY)
    trainer = sv.Trainer(vae, batch_size=16)
    trainer.fit(IMAGES, 1)
    sv.save(vae, tmp_path / "vae.npz")
    saved = (tmp_path / "vae.npz").read_bytes()
    monkeypatch.setattr(fake_cupy.Module, "matmul", raising(device_error(name, base)))
    monkeypatch.setattr(fake_cupy.Module, "zeros", raising(device_error(name, base)))
    calls = {
        "fit": lambda: trainer.fit(IMAGES, 2, validation=IMAGES, patience=1),
        "step": lambda: trainer.step(IMAGES),
        "encode": lambda: vae.encode(IMAGES),
        "decode": lambda: vae.decode(np.zeros((3, 2))),
        "loss_and_grads": lambda: vae.loss_and_grads(IMAGES),
        "elbo": lambda: vae.elbo(IMAGES),
        "VAE": lambda: sv.VAE(9, 2, (8,), backend=FAKE_CUPY),
    }
    with pytest.raises(BackendError, match=message) as caught:
        calls[call]()
    assert "\n" not in str(caught.value)
    assert trainer.history.stopped == ("failed" if call == "fit" else "finished")
    assert (tmp_path / "vae.npz").read_bytes() == saved


def test_pinned_memory_that_runs_out_is_no_broken_process():
    error = type("CUDARuntimeError", (RuntimeError,), {"__module__": "cupy_backends.cuda.api.runtime"})
    with pytest.raises(BackendError, match="the GPU or the host has no memory left"), translate_device_errors():
        raise error("cudaErrorMemoryAllocation: out of memory")


def test_other_exceptions_are_not_changed(monkeypatch):
    vae = sv.VAE(9, 2, (8,), backend=FAKE_CUPY)
    monkeypatch.setattr(fake_cupy.Module, "matmul", raising(MemoryError("of the host")))
    with pytest.raises(MemoryError, match="of the host"):
        vae.encode(IMAGES)
