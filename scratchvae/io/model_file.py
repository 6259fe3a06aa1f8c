"""Saving and loading of models. `scratchvae.io` describes the format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO, Any

from scratchvae.backend import Array, Backend, get_backend, to_numpy
from scratchvae.disk import atomic_write, check_writable_object, is_file_object, join_names, write_to_object
from scratchvae.errors import BackendError, ConfigError, FileError
from scratchvae.io.archive import Archive, as_text, check_json, diff_keys, open_archive, write_archive
from scratchvae.io.migration import migrate, resume_command
from scratchvae.models import IWAE, VAE, Autoencoder, ConditionalVAE, Encoder, Model, SemiSupervisedVAE
from scratchvae.models.model import META
from scratchvae.models.parts import custom_class_names, custom_classes
from scratchvae.models.schema import Schema
from scratchvae.validation import check_path, check_type, short_repr, shorten, suggest_arguments

MODEL_CLASSES: tuple[type[Model], ...] = (VAE, IWAE, ConditionalVAE, SemiSupervisedVAE, Autoencoder)
MODELS = {kind.__name__: kind for kind in MODEL_CLASSES}
MODEL = "model.npz"  # the model file in a run folder
LAST_FINITE = "last-finite.npz"  # in a run folder, if its training diverged: the model before the step that diverged


@suggest_arguments
def save(model: Model, path: str | PathLike[str] | IO[bytes]) -> None:
    """Save `model` and its metadata to the .npz file `path`. Raises FileError or ConfigError.

    path   a file name, or a binary file object that is open for writing: it need not be seekable, and stays open

    The write is atomic: an existing file is replaced only after the new one was verified and flushed to the disk. A
    file object is written after the contents were verified in memory, and flushed. What `load` could not read is
    refused: metadata that JSON would change, and parts that cannot be made again from their `config()`.
    """
    is_estimator = hasattr(model, "get_params")
    hint = "; save its vae_, or pickle the estimator" if is_estimator else ""
    check_type("model", model, Model, f"a model, such as VAE(784, 20){hint}")
    if is_file_object(path):
        check_writable_object(path)
    else:
        path = check_path("path", path, "vae.npz")
    header = {"content": "model", **header_of(model)}
    if is_file_object(path):
        content = BytesIO()
        _write_model(content, header, model)
        write_to_object(path, content.getbuffer())
    else:
        with atomic_write(path) as file:  # type: ignore[arg-type]
            _write_model(file, header, model)


@suggest_arguments
def load(path: str | PathLike[str] | IO[bytes], backend: str | Backend = "numpy", classes: Iterable[type] = ()) -> Any:
    """Load the model in the file `path`, bit for bit as it was saved, onto `backend`.

    path      a model file or a checkpoint, or a folder with a model.npz; or a binary file object that is open for
              reading. It is read from its position on and stays open; it need not be seekable, then it is read into
              memory
    classes   the custom classes of the model: layers, a prior, a likelihood, or a subclass of `Model`

    Loading runs no code from the file, and checks the sizes that the file declares before memory is allocated. Raises
    FileError for another kind of file, a damaged file, or a file of a newer version; BackendError.
    """
    with _model_file(path) as archive:
        model = _build_model(archive, classes)
        model.initialize(get_backend(backend))
        load_parameters(model.params, model.backend, archive)
    return model


@suggest_arguments
def load_encoder(
    path: str | PathLike[str] | IO[bytes], backend: str | Backend = "numpy", classes: Iterable[type] = ()
) -> Encoder:
    """Load only the encoder of the model in the file `path`. Arguments and errors are those of `load`."""
    with _model_file(path) as archive:
        encoder = Encoder(_build_model(archive, classes), get_backend(backend))
        load_parameters(encoder.params, encoder.backend, archive)
    return encoder


@suggest_arguments
def describe_file(path: str | PathLike[str] | IO[bytes]) -> dict[str, Any]:
    """The kind and format of the file `path` and, for a checkpoint, its progress. Argument and errors as in `load`."""
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
            "training": archive.header["stopped"] or f"not ended; resume it by {resume_command(archive.format)}",
        }


def find_model_file(path: Path) -> Path:
    """The model file that `path` names: `path` itself, or the model.npz in this folder.

    Raises FileError for the folder of a training that diverged or has not ended.
    """
    if not path.is_dir():
        return path
    file, last_finite = path / MODEL, path / LAST_FINITE
    if last_finite.exists():
        if file.exists():
            raise FileError(
                f"the last training in {path} diverged: {MODEL} is of an earlier one, and {LAST_FINITE} holds the last "
                f"finite weights; name one of the two, such as {file}"
            )
        raise FileError(
            f"the training in {path} diverged: {LAST_FINITE} holds the last finite weights; name that file, or train "
            "again with a lower learning rate or with retries=5"
        )
    others = [] if file.exists() else sorted(path.glob("*.npz"), key=lambda other: len(other.name))
    if others:
        raise FileError(
            f"{path} has no {MODEL}: training has not ended, or it failed; name a file, such as {others[0]}"
        )
    return file


def check_classes(classes: Iterable[type]) -> dict[str, type]:
    """Check that `classes` is a list of classes; return them by name. Raises ConfigError."""
    try:
        checked = list(classes)
    except TypeError:
        checked = [None]  # type: ignore[list-item]
    for kind in checked:
        if not isinstance(kind, type):
            raise ConfigError(f"classes={short_repr(classes)}: expected a list of classes, such as [MyLayer]")
    return {kind.__name__: kind for kind in checked}


def header_of(model: Model) -> dict[str, Any]:
    """The entries for `model` in the header of a file. Raises ConfigError if `load` could not make the model of them.

    That is tried: a model is made of them, without memory for its parameters.
    """
    import json

    if not isinstance(model.metadata, dict):
        raise ConfigError(f"model.metadata={short_repr(model.metadata)} cannot be written to a file; use a dict")
    check_json("model.metadata", model.metadata)
    header = {
        "model": type(model).__name__,
        "config": model.to_config(),
        "notes": model.metadata,
        "schema": model.schema.as_json(),
    }
    text = as_text("the configuration", header)
    expected = {name: (array.shape, model.dtype) for name, array in arrays_of(model).items()}
    try:
        rebuilt = _build(json.loads(text), expected, _classes_of(model).values())
        if json.dumps(rebuilt.to_config()) != json.dumps(header["config"]):
            raise FileError("it gives a model of another configuration")
    except FileError as error:
        reason = error.message.removeprefix("its configuration is invalid: ")
        raise ConfigError(
            f"the {shorten(type(model).__name__, 30)} could not be loaded from its file: {shorten(reason, 80)}; let "
            "config() return the arguments of the constructor"
        ) from None
    return header


def _classes_of(model: Model) -> dict[str, type]:
    """The custom classes by name that the file of a model needs. Raises ConfigError if a name is not clear."""
    kind, classes = type(model), custom_classes(model.custom_parts)
    if kind is MODELS.get(kind.__name__):
        return classes
    if kind.__name__ in MODELS or kind.__name__ in classes:
        other = "a model of scratchvae" if kind.__name__ in MODELS else "a part of it"
        raise ConfigError(
            f"the class of the model and that of {other} are both named {shorten(kind.__name__)}; rename one, because "
            "a file refers to classes by name"
        )
    return {**classes, kind.__name__: kind}


def arrays_of(model: Model) -> dict[str, Array]:
    """The parameters of `model` by their names in a file; views, on the model's device."""
    return {f"params/{name}": array for name, array in model.params.items()}


def on_host(arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays, copied from their device to the host."""
    return {name: to_numpy(array) for name, array in arrays.items()}


def load_parameters(params: dict[str, Array], backend: Backend, archive: Archive) -> None:
    """Read the values of `params` from the file, in place."""
    for name, view in params.items():
        backend.copy_from_host(view, archive.read(f"params/{name}"))


def _write_model(file: IO[bytes], header: dict[str, Any], model: Model) -> None:
    with model.locks.read_lock():
        write_archive(file, header, on_host(arrays_of(model)))


@contextmanager
def _model_file(path: str | PathLike[str] | IO[bytes]) -> Iterator[Archive]:
    source: Any = path if is_file_object(path) else Path(check_path("path", path, "vae.npz"))
    try:
        with open_archive(find_model_file(source) if isinstance(source, Path) else source) as archive:
            yield archive
    except FileError as error:
        expected = "" if ";" in error.message else "; expected a file written by scratchvae.save"
        raise FileError(f"{error.message}{expected}") from None
    except OSError as error:  # an invalid name, or a folder without permission to read
        raise FileError(f"{path} cannot be read: {error.strerror}; expected a file of scratchvae.save") from None


def _build_model(archive: Archive, classes: Iterable[type]) -> Model:
    """The model of the configuration, on META, after a check that the file has its parameters."""
    found = {name: (array.shape, array.dtype) for name, array in archive.headers.items()}
    if archive.header.get("content") == "checkpoint":
        found = {name: array for name, array in found.items() if name.startswith("params/")}
    return _build(migrate(archive.header, archive.format), found, classes)


def _build(header: dict[str, Any], found: dict[str, Any], classes: Iterable[type]) -> Model:
    """The model of a header, on META; `found` has the shape and the dtype of each array of its file."""
    custom = check_classes(classes)
    kinds = {**MODELS, **{name: kind for name, kind in custom.items() if issubclass(kind, Model)}}
    kind, metadata = header.get("model"), header.get("notes")
    config: Any = header.get("config")
    if not isinstance(kind, str) or kind not in kinds:
        raise FileError(
            f"it holds a model {kind!r:.40}, which this version lacks; use the version that wrote it, or name the "
            "class in load(path, classes=[…])"
        )
    if missing := sorted(set(custom_class_names(config)) - set(custom)):
        names = shorten(", ".join(missing))
        raise FileError(f"it needs custom classes; pass them, as in load(path, classes=[{names}])")
    try:
        has_mlp = not (isinstance(config.get("encoder"), dict) and isinstance(config.get("decoder"), dict))
        if has_mlp and len(config["hidden"]) > len(found):
            raise ValueError(f"{len(config['hidden'])} hidden layers, but fewer arrays")
        model = kinds[kind].from_config(config, META, custom)
        shapes = model.shapes
    except BackendError:
        raise
    except ConfigError as error:
        raise FileError(f"its configuration is invalid: {shorten(error, 150)}") from None
    except Exception as error:  # a forged configuration may cause any exception
        raise FileError(f"its configuration is invalid: {type(error).__name__}: {shorten(error, 120)}") from None
    expected = {f"params/{name}": (shape, model.dtype) for name, shape in shapes.items()}
    if different := diff_keys(found, expected):
        raise FileError(f"its parameters are not those of its configuration: see {join_names(different)}")
    model.metadata = metadata if isinstance(metadata, dict) else {}
    if "schema" in header:
        try:
            model.schema = Schema.from_json(header["schema"], model.input_dim, model.classes)
        except (ConfigError, TypeError, AttributeError) as error:
            raise FileError(f"its schema is invalid: {shorten(error, 150)}") from None
    return model
