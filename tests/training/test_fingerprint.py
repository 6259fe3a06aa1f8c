"""Fingerprints of data: the same for the same rows, and distinguished from those of another version."""

import json

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import ConfigError
from scratchvae.io import open_archive, write_archive
from scratchvae.training.fingerprint import ALGORITHM, digest

ROWS = uniform(0, 20, 6)


def test_a_fingerprint_names_its_algorithm_and_has_a_fixed_value():
    rows = np.arange(6, dtype="<f4").reshape(2, 3)
    assert digest(rows) == f"{ALGORITHM}:2 × 3 of float32, e2c0a71510b5394d"


def test_equal_rows_have_equal_fingerprints_in_any_memory_layout():
    for same in (np.asfortranarray(ROWS), ROWS[::-1][::-1], ROWS.astype(">f8"), ROWS.tolist()):
        assert digest(same) == digest(ROWS)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble", "uint8"])
def test_a_change_of_one_number_changes_the_fingerprint(dtype):
    rows = (100 * ROWS).astype(dtype)
    changed = rows.copy()
    changed[7, 3] = changed[7, 3] + 1 if dtype == "uint8" else np.nextafter(changed[7, 3], changed.dtype.type(1e3))
    assert changed[7, 3] != rows[7, 3] and digest(changed) != digest(rows)
    assert digest(rows[:-1]) != digest(rows) != digest(rows.reshape(6, 20))


def test_the_padding_of_long_doubles_does_not_count():
    rows = ROWS.astype("longdouble")
    padded = np.frombuffer(rows.tobytes(), "uint8").copy()
    if rows.itemsize == 16 and np.finfo("longdouble").nmant == 63:
        padded.reshape(-1, 16)[:, 10:] = 0xAB
    padded = padded.view("longdouble").reshape(rows.shape)
    assert np.array_equal(padded, rows) and digest(padded) == digest(rows)


def fit(path, rows=ROWS, epochs=4, **settings):
    trainer = sv.Trainer(sv.VAE(6, 2, (4,)), **{"batch_size": 8, **settings})
    return trainer.fit(rows, epochs, validation=ROWS[:5], checkpoint=path, resume=path.exists())


def rewrite_settings(path, change):
    with open_archive(path) as archive:
        header = {name: value for name, value in archive.header.items() if name not in ("format", "arrays")}
        arrays = {name: archive.read(name) for name in archive.headers}
    change(header["settings"])
    with path.open("w+b") as file:
        write_archive(file, json.loads(json.dumps(header)), arrays)


OTHER = [lambda text: text.rpartition(":")[2], lambda text: text.replace(ALGORITHM, "blake3/2")]


@pytest.mark.parametrize("other", OTHER)
def test_a_fingerprint_of_another_version_is_not_told_as_other_data(tmp_path, other):
    path = tmp_path / "run.npz"
    fit(path, epochs=1)

    def change(settings):
        for name in ("images", "validation"):
            settings[name] = other(settings[name])

    rewrite_settings(path, change)
    with pytest.raises(ConfigError, match="images, validation was made by another version; ") as refusal:
        fit(path)
    assert "other settings" not in str(refusal.value) and "resume it with that version" in str(refusal.value)
    with pytest.raises(ConfigError, match="other settings: batch_size was 8 and is 4; restore"):
        fit(path, batch_size=4)


def test_other_data_are_told_as_such(tmp_path):
    path = tmp_path / "run.npz"
    fit(path, epochs=1)
    with pytest.raises(ConfigError, match="other settings: images was '20 × 6 of float64, "):
        fit(path, rows=1 - ROWS)
    assert len(fit(path).epochs) == 4
