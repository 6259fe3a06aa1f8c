"""Models in files.

One .npz, so that any NumPy reads it, and no pickle, so that reading runs nothing. Its members:

    scratchvae          JSON text: {"format": 1, "model": "VAE", "config": {…}, "notes": {…}}
    params/NAME         one array for each of the model's parameters, as `model.params` names them
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from scratchvae.backend import Backend, to_numpy
from scratchvae.disk import read_arrays, whole_file
from scratchvae.errors import BackendError, ConfigError, FileError
from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, Model, SemiSupervisedVAE

FORMAT = 1
KINDS: tuple[type[Model], ...] = (VAE, IWAE, ConditionalVAE, SemiSupervisedVAE, Autoencoder)
MODELS = {kind.__name__: kind for kind in KINDS}


def save(model: Model, path: str | PathLike[str]) -> None:
    """Write `model` and its notes to the .npz file `path`, whole or not at all. Raises FileError or ConfigError."""
    import json

    header = {"format": FORMAT, "model": type(model).__name__, "config": model.config, "notes": model.notes}
    try:
        text = json.dumps(header)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"model.notes={model.notes!r} cannot be written as JSON ({error}); keep plain values"
        ) from None
    members = {f"params/{name}": to_numpy(array) for name, array in model.params.items()}
    with whole_file(path) as file:
        np.savez(file, scratchvae=np.array(text), **members)  # type: ignore[arg-type]


def load(path: str | PathLike[str], backend: str | Backend = "numpy") -> Any:
    """The `VAE`, or other model, in the file `path`, bit for bit as it was saved, to compute on `backend`.

    A folder stands for the `model.npz` in it.

    Raises FileError for what is no such file, BackendError.
    """
    import json

    path = Path(path)
    path = path / "model.npz" if path.is_dir() else path
    try:
        arrays = read_arrays(path, lambda names: names)
    except FileError as error:
        raise FileError(f"{error}; expected a model written by scratchvae.save") from None
    if "scratchvae" not in arrays:
        raise FileError(f"{path} is no model of scratchvae; expected a file written by scratchvae.save")
    try:
        header = json.loads(str(arrays.pop("scratchvae")))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} has a damaged header: {error}") from None
    return _rebuild(path, header, arrays, backend)


def _rebuild(path: Path, header: Any, arrays: dict[str, Any], backend: str | Backend) -> Model:
    form, kind = (header.get("format"), header.get("model")) if isinstance(header, dict) else (None, None)
    if form != FORMAT or kind not in list(MODELS):
        raise FileError(
            f"{path} has format {form} and model {kind}; expected format {FORMAT} and one of {', '.join(MODELS)}: read "
            "it with the version of scratchvae that wrote it, or a newer one"
        )
    try:
        model = MODELS[kind](**header["config"], backend=backend)
    except BackendError:
        raise
    except Exception as error:  # whatever a made-up configuration can bring about
        raise FileError(f"{path} holds a configuration that makes no model: {type(error).__name__}: {error}") from None
    expected = {f"params/{name}": (view.shape, view.dtype) for name, view in model.params.items()}
    given = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    if expected != given:
        odd = sorted(name for name in expected.keys() | given.keys() if expected.get(name) != given.get(name))
        raise FileError(f"{path} does not hold the parameters that its configuration asks for: see {', '.join(odd)}")
    for name, view in model.params.items():
        model.backend.copy_from_host(view, arrays[f"params/{name}"])
    notes = header.get("notes")
    model.notes = notes if isinstance(notes, dict) else {}
    return model
