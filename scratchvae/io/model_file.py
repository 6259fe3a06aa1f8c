"""Models in files. The format stands in `scratchvae.io`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from scratchvae.backend import Array, Backend, get_backend, to_numpy
from scratchvae.disk import atomic_write, join_names
from scratchvae.errors import BackendError, ConfigError, FileError
from scratchvae.io.archive import Archive, as_text, diff_keys, open_archive, write_archive
from scratchvae.io.migration import resume_command, migrate
from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, Encoder, Model, SemiSupervisedVAE
from scratchvae.models.model import META
from scratchvae.models.parts import custom_class_names
from scratchvae.validation import check_path, check_type, short_repr

KINDS: tuple[type[Model], ...] = (VAE, IWAE, ConditionalVAE, SemiSupervisedVAE, Autoencoder)
MODEL = "model.npz"  # in a folder that a training wrote
MODELS = {kind.__name__: kind for kind in KINDS}


def save(model: Model, path: str | PathLike[str]) -> None:
    """Write `model` and its notes to the .npz file `path`, whole or not at all. Raises FileError or ConfigError.

    It takes its name only once it was read again, and is on the disk.
    """
    path = check_path("path", path, "vae.npz")
    check_type("model", model, Model, "a model, such as VAE(784, 20)")
    as_text("model.notes", model.metadata)
    with atomic_write(path) as file, model.locks.read_lock():
        write_archive(file, {"content": "model", **header_of(model)}, on_host(arrays_of(model)))


def load(path: str | PathLike[str], backend: str | Backend = "numpy", classes: Iterable[type] = ()) -> Any:
    """The `VAE`, or other model, in the file `path`, bit for bit as it was saved, to compute on `backend`.

    A folder stands for the `model.npz` in it. Of a checkpoint, it is the model as it was then. `classes` are those of
    your own that the model was built from: layers, a prior, a likelihood, or a kind of model.

    Nothing in the file is run, and what it claims is held against its size before room is taken for it. Raises
    FileError for what is no such file, is damaged, or was written by a newer version; BackendError.
    """
    with _model_file(path) as archive:
        model = _planned(archive, classes)
        model.initialize(get_backend(backend))
        fill_weights(model.params, model.backend, archive)
    return model


def load_encoder(path: str | PathLike[str], backend: str | Backend = "numpy", classes: Iterable[type] = ()) -> Encoder:
    """The encoder alone of the model in the file `path`; the decoder is not read. Takes and raises as `load`."""
    with _model_file(path) as archive:
        encoder = Encoder(_planned(archive, classes), get_backend(backend))
        fill_weights(encoder.params, encoder.backend, archive)
    return encoder


def describe_file(path: str | PathLike[str]) -> dict[str, Any]:
    """What kind of file of ours is at `path`, and of a checkpoint how far its training had come. Raises as `load`."""
    with _model_file(path) as archive:
        content: str = archive.header.get("content", "model")
        if content != "checkpoint":
            return {"file": f"{content}, format {archive.format}"}
        return {
            "file": f"checkpoint, format {archive.format}",
            "updates": archive.header["run"]["updates"],
            "epochs": len(epochs := archive.read("history/epochs")),
            "loss": float(epochs[-1, 1]) if len(epochs) else None,
            "validation loss": float(epochs[-1, 4]) if len(epochs) else None,
            "training": archive.header["stopped"] or f"not ended; go on with it by {resume_command(archive.format)}",
        }


def check_classes(classes: Iterable[type]) -> dict[str, type]:
    """The classes by name. Raises ConfigError."""
    try:
        given = list(classes)
    except TypeError:
        given = [None]  # type: ignore[list-item]
    for kind in given:
        if not isinstance(kind, type):
            raise ConfigError(f"classes={short_repr(classes)}: expected a list of classes, such as [MyLayer]")
    return {kind.__name__: kind for kind in given}


def header_of(model: Model) -> dict[str, Any]:
    """What the header of a file says of `model`."""
    return {"model": type(model).__name__, "config": model.to_config(), "notes": model.metadata}


def arrays_of(model: Model) -> dict[str, Array]:
    """What a file holds of `model`, by the names that it has there, where the model has it."""
    return {f"params/{name}": array for name, array in model.params.items()}


def on_host(arrays: dict[str, Array]) -> dict[str, Array]:
    """The same, fetched from their device."""
    return {name: to_numpy(array) for name, array in arrays.items()}


def fill_weights(params: dict[str, Array], backend: Backend, archive: Archive) -> None:
    """Read `params` from the file."""
    for name, view in params.items():
        backend.copy_from_host(view, archive.read(f"params/{name}"))


@contextmanager
def _model_file(path: str | PathLike[str]) -> Iterator[Archive]:
    path = Path(check_path("path", path, "vae.npz"))
    try:
        file = path / MODEL if path.is_dir() else path
        if file != path and not file.exists() and (others := sorted(path.glob("*.npz"), key=lambda of: len(of.name))):
            raise FileError(f"{path} has no {MODEL}, for its training has not ended; name a file, such as {others[0]}")
        with open_archive(file) as archive:
            yield archive
    except FileError as error:
        expected = "" if ";" in str(error) else "; expected a model that scratchvae.save wrote"
        raise FileError(f"{error}{expected}") from None
    except OSError as error:  # a name that none can have, a folder that may not be looked into
        raise FileError(f"{path} cannot be read: {error.strerror}; expected a model of scratchvae.save") from None


def _planned(archive: Archive, classes: Iterable[type]) -> Model:
    """The model of that configuration, without memory yet, once the file is known to hold its weights."""
    own = check_classes(classes)
    kinds = {**MODELS, **{name: kind for name, kind in own.items() if issubclass(kind, Model)}}
    header = migrate(archive.header, archive.format)
    kind, notes = header.get("model"), header.get("notes")
    config: Any = header.get("config")
    if not isinstance(kind, str) or kind not in kinds:
        raise FileError(
            f"it holds the model {kind!r:.40}, and this version knows {', '.join(MODELS)}: read it with the version of "
            "scratchvae that wrote it, or name the class in load(path, classes=[…])"
        )
    held = {name: (array.shape, array.dtype) for name, array in archive.headers.items()}
    if header.get("content") == "checkpoint":
        held = {name: array for name, array in held.items() if name.startswith("params/")}
    if lacking := sorted(set(custom_class_names(config)) - set(own)):
        names = ", ".join(lacking)
        raise FileError(f"it needs classes that are not scratchvae's; name them, as in load(path, classes=[{names}])")
    try:
        built = not (isinstance(config.get("encoder"), dict) and isinstance(config.get("decoder"), dict))
        if built and len(config["hidden"]) > len(held):
            raise ValueError(f"{len(config['hidden'])} hidden layers, and arrays for fewer")
        plan = kinds[kind].from_config(config, META, own)
        shapes = plan.shapes
    except BackendError:
        raise
    except ConfigError as error:
        raise FileError(f"it holds a configuration that makes no model: {error}") from None
    except Exception as error:  # whatever a made-up configuration can bring about
        raise FileError(f"it holds a configuration that makes no model: {type(error).__name__}: {error}") from None
    expected = {f"params/{name}": (shape, plan.dtype) for name, shape in shapes.items()}
    if odd := diff_keys(held, expected):
        raise FileError(f"it does not hold the parameters that its configuration asks for: see {join_names(odd)}")
    plan.metadata = notes if isinstance(notes, dict) else {}
    return plan
