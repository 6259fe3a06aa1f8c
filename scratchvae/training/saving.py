"""Models in files, as `scratchvae.disk.sealed` writes them. In the header of a model's file are

    "model", "config"   which model, with which settings
    "notes"             what its owner wrote to go with it

and its arrays are params/NAME, one for each of the model's parameters, as `model.params` names them. A checkpoint is
such a file too, with more in it: see `scratchvae.training.checkpoint`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from scratchvae.backend import Array, Backend, get_backend, to_numpy
from scratchvae.disk import Sealed, as_text, differing, listed, open_sealed, whole_file, write_sealed
from scratchvae.errors import BackendError, FileError
from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, Encoder, Model, SemiSupervisedVAE
from scratchvae.models.weights import PLAN
from scratchvae.settings import path_of
from scratchvae.training.parts import admit_model

KINDS: tuple[type[Model], ...] = (VAE, IWAE, ConditionalVAE, SemiSupervisedVAE, Autoencoder)
MODEL = "model.npz"  # in a folder that a training wrote
MODELS = {kind.__name__: kind for kind in KINDS}


def save(model: Model, path: str | PathLike[str]) -> None:
    """Write `model` and its notes to the .npz file `path`, whole or not at all. Raises FileError or ConfigError.

    It takes its name only once it was read again, and is on the disk.
    """
    path = path_of("path", path, "vae.npz")
    admit_model(model)
    as_text("model.notes", model.notes)
    with whole_file(path) as file, model.steady():
        write_sealed(file, {"content": "model", **header_of(model)}, on_host(arrays_of(model)))


def load(path: str | PathLike[str], backend: str | Backend = "numpy") -> Any:
    """The `VAE`, or other model, in the file `path`, bit for bit as it was saved, to compute on `backend`.

    A folder stands for the `model.npz` in it. Of a checkpoint, it is the model as it was then.

    Nothing in the file is run, and what it claims is held against its size before room is taken for it. Raises
    FileError for what is no such file, is damaged, or was written by a newer version; BackendError.
    """
    with _model_file(path) as sealed:
        model = _planned(sealed)
        model.settle(get_backend(backend))
        fill_weights(model.params, model.backend, sealed)
    return model


def load_encoder(path: str | PathLike[str], backend: str | Backend = "numpy") -> Encoder:
    """The encoder alone of the model in the file `path`; the decoder is not read. Takes and raises as `load`."""
    with _model_file(path) as sealed:
        encoder = Encoder(_planned(sealed), get_backend(backend))
        fill_weights(encoder.params, encoder.backend, sealed)
    return encoder


def describe_file(path: str | PathLike[str]) -> dict[str, Any]:
    """What kind of file of ours is at `path`, and of a checkpoint how far its training had come. Raises as `load`."""
    with _model_file(path) as sealed:
        content: str = sealed.header.get("content", "model")
        if content != "checkpoint":
            return {"file": f"{content}, format {sealed.format}"}
        return {
            "file": f"checkpoint, format {sealed.format}",
            "updates": sealed.header["run"]["updates"],
            "epochs": len(epochs := sealed.read("history/epochs")),
            "loss": float(epochs[-1, 1]) if len(epochs) else None,
            "validation loss": float(epochs[-1, 4]) if len(epochs) else None,
            "training": sealed.header["stopped"] or "not ended; go on with it by --resume",
        }


def header_of(model: Model) -> dict[str, Any]:
    """What the header of a file says of `model`."""
    return {"model": type(model).__name__, "config": model.config, "notes": model.notes}


def arrays_of(model: Model) -> dict[str, Array]:
    """What a file holds of `model`, by the names that it has there, where the model has it."""
    return {f"params/{name}": array for name, array in model.params.items()}


def on_host(arrays: dict[str, Array]) -> dict[str, Array]:
    """The same, fetched from their device."""
    return {name: to_numpy(array) for name, array in arrays.items()}


def fill_weights(params: dict[str, Array], backend: Backend, sealed: Sealed) -> None:
    """Read `params` from the file."""
    for name, view in params.items():
        backend.copy_from_host(view, sealed.read(f"params/{name}"))


@contextmanager
def _model_file(path: str | PathLike[str]) -> Iterator[Sealed]:
    path = Path(path_of("path", path, "vae.npz"))
    try:
        file = path / MODEL if path.is_dir() else path
        if file != path and not file.exists() and (others := sorted(path.glob("*.npz"), key=lambda of: len(of.name))):
            raise FileError(f"{path} has no {MODEL}, for its training has not ended; name a file, such as {others[0]}")
        with open_sealed(file) as sealed:
            yield sealed
    except FileError as error:
        expected = "" if ";" in str(error) else "; expected a model that scratchvae.save wrote"
        raise FileError(f"{error}{expected}") from None
    except OSError as error:  # a name that none can have, a folder that may not be looked into
        raise FileError(f"{path} cannot be read: {error.strerror}; expected a model of scratchvae.save") from None


def _planned(sealed: Sealed) -> Model:
    """The model of that configuration, which has taken no room yet, once the file is known to hold its weights."""
    header = sealed.header
    kind, notes = header.get("model"), header.get("notes")
    config: Any = header.get("config")
    if not isinstance(kind, str) or kind not in MODELS:
        raise FileError(
            f"it holds the model {kind!r:.40}, and this version knows {', '.join(MODELS)}: read it with the version of "
            "scratchvae that wrote it, or a newer one"
        )
    held = {name: (array.shape, array.dtype) for name, array in sealed.described.items()}
    if header.get("content") == "checkpoint":
        held = {name: array for name, array in held.items() if name.startswith("params/")}
    try:
        if len(config["hidden"]) > len(held):
            raise ValueError(f"{len(config['hidden'])} hidden layers, and arrays for fewer")
        plan = MODELS[kind](**config, backend=PLAN)
        shapes = plan.shapes
    except BackendError:
        raise
    except Exception as error:  # whatever a made-up configuration can bring about
        raise FileError(f"it holds a configuration that makes no model: {type(error).__name__}: {error}") from None
    expected = {f"params/{name}": (shape, plan.dtype) for name, shape in shapes.items()}
    if odd := differing(held, expected):
        raise FileError(f"it does not hold the parameters that its configuration asks for: see {listed(odd)}")
    plan.notes = notes if isinstance(notes, dict) else {}
    return plan
