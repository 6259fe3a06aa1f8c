"""The encoder of a model on its own, for embeddings without a decoder in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scratchvae.backend import Array, Backend, to_numpy
from scratchvae.models.model import META, Model
from scratchvae.models.parts import custom_classes
from scratchvae.models.schema import Schema
from scratchvae.validation import suggest_arguments

UNUSED_PARTS = ("decoder", "likelihood", "prior", "objective")


class Encoder:
    """The encoder of a model without the decoder: about half the weights, the same `encode` and `embed`, bit for bit.

    Made by `scratchvae.load_encoder`. `config`, `metadata` and `schema` are those of the whole model. `model` is that
    model, in which the other parts are missing.
    """

    def __init__(self, model: Model, backend: Backend, sharing: Model | None = None) -> None:
        """Allocate the encoder of a model that was made on META, without its other parts. Raises BackendError."""
        self.model = model
        model.allocate(backend, UNUSED_PARTS, sharing)
        self.config, self.metadata, self.schema = model.config, model.metadata, model.schema
        self.input_dim, self.latent_dim, self.dtype = model.input_dim, model.latent_dim, model.dtype
        self.backend = backend

    def clone(self) -> Encoder:
        """An encoder that shares the weights and has buffers of its own, so that two threads compute at the same time.

        Write to the weights only while neither is in use. A `copy.copy` has weights of its own.
        """
        model = self.model
        other = type(model).from_config(model.to_config(), META, custom_classes(model.custom_parts))
        other.metadata, other.schema = model.metadata, model.schema
        return Encoder(other, self.backend, model)

    def __reduce__(self) -> tuple[Callable[..., Encoder], tuple[Any, ...]]:
        """Copy as a `Model` does."""
        with self.model.lock:
            weights = to_numpy(self.model.theta).copy()
        model = self.model
        return _rebuild, (
            type(model),
            model.to_config(),
            self.backend,
            weights,
            self.metadata,
            custom_classes(model.custom_parts),
            self.schema,
        )

    def __repr__(self) -> str:
        size = self.model.theta.size
        return f"<Encoder of {type(self.model).__name__}, {self.input_dim} to {self.latent_dim}, {size:,} parameters>"

    @property
    def params(self) -> dict[str, Array]:
        """The parameters by name, as in the whole model. To set one, write `params[name][...] = new`."""
        return self.model.params

    @suggest_arguments
    def encode(self, x: Any, labels: Any = None) -> Any:
        """The model's `encode`: mu and logvar, (B, Z) each, for a VAE; the codes (B, Z) for an Autoencoder.

        labels (B,) are for class-conditional models. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        return self.model.encode(x, labels)  # type: ignore[attr-defined]

    @suggest_arguments
    def embed(self, x: Any, labels: Any = None) -> Array:
        """The model's `embed`: the code (B, Z) of each row of x (B, D). Arguments and errors are those of `encode`."""
        return self.model.embed(x, labels)


def _rebuild(
    kind: type[Model],
    config: dict[str, Any],
    backend: Backend,
    theta: Array,
    metadata: dict[str, Any],
    classes: Mapping[str, type],
    schema: Schema,
) -> Encoder:
    model = kind.from_config(config, META, classes)
    model.metadata, model.schema = dict(metadata), schema
    encoder = Encoder(model, backend)
    backend.copy_from_host(model.theta, theta)
    return encoder
