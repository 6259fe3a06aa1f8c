"""Rows that are kept on a device give the same bits as rows that are copied batch by batch."""

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.backend import fake_cupy, to_numpy
from scratchvae.training import Masking
from scratchvae.training.device_rows import DeviceRows

X = uniform(0, 50, 9).astype(np.float32)
BYTES = (X * 255).astype(np.uint8)
INCOMPLETE = np.where(uniform(1, 50, 9) < 0.3, np.nan, X)
LABELS = np.arange(50) % 3
CASES = {
    "float32": {},
    "float64": {"data": X.astype(np.float64)},
    "bytes": {"data": BYTES},
    "standardized": {"data": 3 + 2 * X, "model": {"likelihood": "gaussian"}},
    "binarized": {"trainer": {"binarize": "dynamic"}},
    "binarized bytes": {"data": BYTES, "trainer": {"binarize": "dynamic"}},
    "missing": {"data": INCOMPLETE, "model": {"missing": True}},
    "conditional": {"kind": sv.ConditionalVAE, "model": {"classes": 3}, "fit": {"labels": LABELS}},
}


def train(free_memory, monkeypatch, kind=sv.VAE, data=X, model=None, trainer=None, fit=None):
    monkeypatch.setattr(fake_cupy, "FREE_MEMORY", free_memory)
    vae = kind(9, 2, (8,), backend="fake-cupy", **(model or {}))
    sv.Trainer(vae, batch_size=16, **(trainer or {})).fit(data, 2, **(fit or {}))
    return to_numpy(vae.theta)


@pytest.fixture
def gathered(monkeypatch):
    """A list that gets an entry for each batch that is gathered on the device."""
    batches, gather = [], DeviceRows.gather
    monkeypatch.setattr(DeviceRows, "gather", lambda self, *args: batches.append(self) or gather(self, *args))
    return batches


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits(case, monkeypatch, gathered):
    expected = train(0, monkeypatch, **CASES[case])
    assert not gathered
    assert np.array_equal(train(2**30, monkeypatch, **CASES[case]), expected)
    assert len(gathered) == 8


def test_rows_take_at_most_a_quarter_of_the_free_memory(monkeypatch, gathered):
    train(4 * X.nbytes - 1, monkeypatch)
    assert not gathered
    train(4 * X.nbytes, monkeypatch)
    assert len(gathered) == 8
    train(2 * X.nbytes, monkeypatch, trainer={"binarize": "dynamic"})  # 16 bits for each pixel
    assert len(gathered) == 16


@pytest.mark.parametrize(
    "case",
    [
        {"trainer": {"corrupt": Masking(0.3)}},
        {"data": INCOMPLETE, "model": {"missing": True}, "trainer": {"binarize": "dynamic"}},
        {"kind": sv.ConditionalVAE, "model": {"classes": 3}, "fit": {"labels": LABELS, "input_std": 0.1 * X}},
    ],
    ids=["corrupted", "binarized with missing values", "uncertain"],
)
def test_noise_of_the_host_is_added_on_the_host(case, monkeypatch, gathered):
    train(2**30, monkeypatch, **case)
    assert not gathered
