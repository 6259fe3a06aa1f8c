"""Memory-mapped data: training and scores are the same as in memory, with a constant amount of memory."""

import subprocess
import sys

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv

IMAGES = uniform(0, 90, 9).astype("float32")

VIEWS = {
    "whole": lambda x: x,
    "first rows": lambda x: x[:70],
    "every second": lambda x: x[::2],
    "pictures": lambda x: x.reshape(90, 3, 3)[4:].reshape(86, -1),
}


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    return tmp_path / "images.npy"


def train(images, **settings):
    vae = sv.VAE(9, 2, (8,))
    trainer = sv.Trainer(vae, batch_size=16, **settings)
    history = trainer.fit(images, 2, validation=images)
    trainer.step(images[:5])
    return vae, [epoch[:5] for epoch in history.epochs]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("view", VIEWS)
def test_mapped_data_give_the_same_bits_as_data_in_memory(path, view, mode, dtype):
    np.save(path, IMAGES.astype(dtype))
    mapped = VIEWS[view](np.load(path, mmap_mode=mode))
    copied = np.array(mapped)
    for settings in ({}, {"binarize": "dynamic"}):
        (vae, history), (reference, expected) = train(mapped, **settings), train(copied, **settings)
        assert vae.theta.tobytes() == reference.theta.tobytes()
        assert history == expected
        assert sv.score(vae, mapped, **settings) == sv.score(vae, copied, **settings)
    for method in ("embed", "reconstruct", "encode", "elbo", "loss_and_grads"):
        np.testing.assert_equal(getattr(vae, method)(mapped), getattr(vae, method)(copied))


def test_changes_of_a_copy_on_write_map_are_used_and_preserved(path):
    mapped = np.load(path, mmap_mode="c")
    mapped[::3] = 0.25
    expected = np.array(mapped)
    assert train(mapped)[0].theta.tobytes() == train(expected)[0].theta.tobytes()
    assert np.array_equal(mapped, expected)
    assert np.array_equal(np.load(path), IMAGES)


@pytest.mark.parametrize("method", ["embed", "encode", "elbo", "loss_and_grads", "reconstruct", "terms"])
def test_methods_accept_read_only_arrays(method):
    vae = sv.VAE(9, 2, (8,))
    read_only = IMAGES.copy()
    read_only.flags.writeable = False
    np.testing.assert_equal(getattr(vae, method)(read_only), getattr(vae, method)(IMAGES))


def test_fit_accepts_read_only_arrays():
    read_only = IMAGES.copy()
    read_only.flags.writeable = False
    for settings in ({}, {"binarize": "dynamic"}, {"clip_norm": 0.1}):
        assert train(read_only, **settings)[0].theta.tobytes() == train(IMAGES, **settings)[0].theta.tobytes()


TRUNCATED = """
import os, sys, numpy as np, scratchvae as sv
from scratchvae.evaluation import active_units
mapped = np.load(sys.argv[1], mmap_mode="r")
copied = np.array(mapped)
vae = sv.VAE(9, 2, (8,))
trainer = sv.Trainer(vae, batch_size=16)
before = vae.theta.copy()
os.truncate(sys.argv[1], 200)
calls = dict(
    step=lambda: trainer.step(mapped),
    fit=lambda: trainer.fit(mapped, 1),
    validation=lambda: trainer.fit(copied, 1, validation=mapped[:20]),
    score=lambda: sv.score(vae, mapped),
    binarize=lambda: sv.score(vae, mapped, binarize="dynamic"),
    active_units=lambda: active_units(vae, mapped),
    interpolate=lambda: vae.interpolate(mapped[70], mapped[80]),
    decode=lambda: vae.decode(mapped[:, :2]),
    eps=lambda: vae.elbo(copied, mapped[:, :2]),
    **{name: lambda name=name: getattr(vae, name)(mapped)
       for name in ("encode", "embed", "elbo", "reconstruct", "loss_and_grads", "terms")},
)
for name, call in calls.items():
    try:
        call()
        print(name, "was accepted")
    except sv.errors.DataError as error:
        assert "was truncated to 200 bytes" in str(error), error
        assert np.array_equal(vae.theta, before) and not trainer.history.epochs
print("done")
"""

not_on_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows truncates no mapped file")


def run(code, *arguments):
    # a separate process: access to truncated pages would end it, and its peak memory is measured
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=120
    )


@not_on_windows
def test_every_method_refuses_a_file_truncated_after_mapping(tmp_path):
    np.save(tmp_path / "images.npy", uniform(0, 5000, 9).astype("float32"))  # many pages
    done = run(TRUNCATED, tmp_path / "images.npy")
    assert done.stdout == "done\n", done.stderr


TRUNCATED_DURING_FIT = """
import os, sys, numpy as np, scratchvae as sv
mapped = np.load(sys.argv[1], mmap_mode="r")
vae = sv.VAE(9, 2, (8,))
trainer = sv.Trainer(vae, batch_size=100)
forward = vae.forward
def truncating_forward(x, eps):
    if trainer.optimizer.t == int(sys.argv[2]):
        os.truncate(sys.argv[1], 200)
    return forward(x, eps)
vae.forward = truncating_forward
try:
    trainer.fit(mapped, 3)
except sv.errors.DataError as error:
    print(trainer.optimizer.t, len(trainer.history.epochs), np.isfinite(vae.theta).all(), error)
"""


@not_on_windows
@pytest.mark.parametrize(("updates", "epochs"), [(49, 1), (60, 1), (99, 2)])
def test_a_file_truncated_during_training_ends_it_at_the_next_batch(tmp_path, updates, epochs):
    np.save(tmp_path / "images.npy", uniform(0, 5000, 9).astype("float32"))
    done = run(TRUNCATED_DURING_FIT, tmp_path / "images.npy", updates)
    assert done.stdout.startswith(f"{updates + 1} {epochs} True images is in "), done.stderr


PEAK = """
import sys, numpy as np, scratchvae as sv
from resource import RUSAGE_SELF, getrusage
def peak():
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024
images = np.memmap(sys.argv[1], "f4", "w+", shape=(60_000, 784))  # 188 MB of zeros, none of them on the disk
vae = sv.VAE(784, 2, (4,))
subset = np.array(images[:4000])
def everything(x):
    yield "fit", sv.Trainer(vae, batch_size=1000).fit(x, 1)
    yield "validation", sv.Trainer(vae, batch_size=1000).fit(subset, 1, validation=x)
    yield "score", sv.score(vae, x)
    yield "binarize", sv.score(vae, x, binarize="dynamic")
    yield "every second", sv.Trainer(vae, batch_size=1000, binarize="dynamic").fit(x[::2], 1)
    for method in ("encode", "elbo", "terms"):
        yield method, getattr(vae, method)(x)
    trainer = sv.Trainer(vae)
    for start in range(0, len(x), 1000):
        trainer.step(x[start : start + 1000])
    yield "step", trainer
for _ in everything(subset):
    pass
before = peak()
for name, _ in everything(images):
    print(name, peak() - before)
"""


PEAK_OF_SHARDS = """
import sys, numpy as np, scratchvae as sv
from resource import RUSAGE_SELF, getrusage
def peak():
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024
for k in range(4):  # 188 MB of zeros, none of them on the disk
    np.lib.format.open_memmap(f"{sys.argv[1]}/{k}.npy", "w+", "u1", (60_000, 784))[0] = 255
vae = sv.VAE(784, 2, (4,))
few = np.zeros((4000, 784), "u1")
few[0] = 255
def everything(x):
    yield "fit", sv.Trainer(vae, batch_size=4000).fit(x, 1, validation=x)
    rows = x if x is few else sv.datasets.load(x).part("all").images
    yield "score", sv.score(vae, rows)
    yield "embed", vae.embed(rows)
for _ in everything(few):
    pass
before = peak()
for name, _ in everything(sys.argv[1]):
    print(name, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux returns pages at once and reports enough detail")
@pytest.mark.slow
def test_shards_of_bytes_are_read_with_little_memory(tmp_path):
    done = run(PEAK_OF_SHARDS, tmp_path)
    assert done.returncode == 0, done.stderr
    grown = [float(line.split()[-1]) for line in done.stdout.splitlines()]
    assert len(grown) == 3
    assert max(grown) < 100, grown


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux returns pages at once and reports enough detail")
@pytest.mark.slow
def test_mapped_data_are_read_with_little_memory(tmp_path):
    done = run(PEAK, tmp_path / "zeros")
    assert done.returncode == 0, done.stderr
    grown = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in done.stdout.splitlines()}
    assert len(grown) == 9
    assert max(grown.values()) < 100, grown
