"""Half a model: what makes embeddings, without what makes pictures of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scratchvae.backend import Array, Backend, to_numpy
from scratchvae.models.model import META, Model
from scratchvae.models.parts import classes_in

LEFT_OUT = ("decoder", "likelihood", "prior", "objective")


class Encoder:
    """The encoder of a model, alone: half the weights, and the same bits that `encode` and `embed` of the whole give.

    Made by `scratchvae.load_encoder`. `config` and `metadata` are those of the whole model.
    """

    def __init__(self, plan: Model, backend: Backend) -> None:
        """From the plan of a whole model, whose decoder is left out. Raises BackendError."""
        self._model = plan
        plan.allocate(backend, leave_out=LEFT_OUT)
        self.config, self.metadata = plan.config, plan.metadata
        self.input_dim, self.latent_dim, self.dtype, self.backend = plan.input_dim, plan.latent_dim, plan.dtype, backend

    def __reduce__(self) -> tuple[Callable[..., Encoder], tuple[Any, ...]]:
        """As a whole model's: see `Model`."""
        with self._model.lock:
            weights = to_numpy(self._model.theta).copy()
        model = self._model
        return _again, (
            type(model),
            model.to_config(),
            self.backend,
            weights,
            self.metadata,
            classes_in(model.own_parts),
        )

    def __repr__(self) -> str:
        size = self._model.theta.size
        return f"<Encoder of {type(self._model).__name__}, {self.input_dim} to {self.latent_dim}, {size:,} parameters>"

    @property
    def params(self) -> dict[str, Array]:
        """The parameters by name, as in the whole model: write `params[name][...] = new`."""
        return self._model.params

    def encode(self, x: Any, labels: Any = None) -> Any:
        """As `encode` of the model: of a VAE mu and logvar, (B, Z) each, of an Autoencoder the codes (B, Z).

        labels (B,) are for a model that takes them. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        return self._model.encode(x, labels)  # type: ignore[attr-defined]

    def embed(self, x: Any, labels: Any = None) -> Array:
        """As `embed` of the model: the code (B, Z) of each row of x (B, D). Takes and raises as `encode`."""
        return self._model.embed(x, labels)


def _again(
    kind: type[Model],
    config: dict[str, Any],
    backend: Backend,
    theta: Array,
    notes: dict[str, Any],
    classes: Mapping[str, type],
) -> Encoder:
    plan = kind.from_config(config, META, classes)
    plan.metadata = dict(notes)
    encoder = Encoder(plan, backend)
    backend.copy_from_host(plan.theta, theta)
    return encoder
