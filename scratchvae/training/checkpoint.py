"""Models in files.

One .npz, so that any NumPy reads it, and no pickle, so that reading runs nothing. Its members:

    scratchvae          JSON text: {"format": 1, "model": "VAE", "config": {…}, "notes": {…}}
    params/NAME         one array for each of the model's parameters, as `model.params` names them
"""

from __future__ import annotations

import json
import zipfile
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.backend import Backend, to_numpy
from scratchvae.disk import whole_file
from scratchvae.errors import FileError
from scratchvae.models import VAE, Autoencoder, Model

FORMAT = 1
MODELS: dict[str, type[Model]] = {"VAE": VAE, "Autoencoder": Autoencoder}


def save(model: Model, path: str | PathLike[str]) -> None:
    """Write `model` to the .npz file `path`, whole or not at all. Raises FileError."""
    header = {"format": FORMAT, "model": type(model).__name__, "config": model.config, "notes": model.notes}
    members = {f"params/{name}": to_numpy(array) for name, array in model.params.items()}
    with whole_file(path) as file:
        np.savez(file, scratchvae=np.array(json.dumps(header)), **members)  # type: ignore[arg-type]


def load(path: str | PathLike[str], backend: str | Backend = "numpy") -> Any:
    """The `VAE` or `Autoencoder` in the file `path`, bit for bit as it was saved, to compute on `backend`.

    Raises FileError for what is no such file, BackendError.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as members:
            if not isinstance(members, np.lib.npyio.NpzFile) or "scratchvae" not in members:
                raise FileError(f"{path} is no model of scratchvae; expected a file written by scratchvae.save")
            header = json.loads(str(members["scratchvae"]))
            arrays = {name.removeprefix("params/"): members[name] for name in members if name.startswith("params/")}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{path} cannot be read as a model: {getattr(error, 'strerror', None) or error}") from None
    return _rebuild(path, header, arrays, backend)


def _rebuild(path: Path, header: Any, arrays: dict[str, Any], backend: str | Backend) -> Model:
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("model") not in MODELS:
        given = (header.get("format"), header.get("model")) if isinstance(header, dict) else header
        raise FileError(
            f"{path} has format {given}; expected ({FORMAT}, one of {', '.join(MODELS)}): read it with the version of "
            "scratchvae that wrote it, or a newer one"
        )
    try:
        model = MODELS[header["model"]](**header["config"], backend=backend)
    except (TypeError, KeyError) as error:
        raise FileError(f"{path} holds a configuration that makes no model: {error}") from None
    expected = {name: (view.shape, view.dtype) for name, view in model.params.items()}
    given = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    if expected != given:
        odd = sorted(name for name in expected.keys() | given.keys() if expected.get(name) != given.get(name))
        raise FileError(f"{path} does not hold the parameters that its configuration asks for: see {', '.join(odd)}")
    for name, view in model.params.items():
        model.backend.copy_from_host(view, arrays[name])
    notes = header.get("notes")
    model.notes = notes if isinstance(notes, dict) else {}
    return model
