"""The base class of all models: it composes the parts, lays out their memory, and has the methods all models share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import inf, prod
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from scratchvae.backend import Array, Backend, get_backend, to_numpy, translate_device_errors
from scratchvae.dataframes import align_columns, check_different, column_names, is_dataframe, is_named_row
from scratchvae.errors import BackendError, ConfigError, ShapeError
from scratchvae.fused import fused
from scratchvae.layers import (
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Layer,
    Linear,
    Log1p,
    NaNToZero,
    Reshape,
    Sequential,
    SplitChannels,
)
from scratchvae.memory import BatchBuffers, FlatVector, Module, Shape
from scratchvae.memory.flat import Shapes
from scratchvae.models import latent_space
from scratchvae.models.configuration import CHECKS, Config, configuration
from scratchvae.models.input_validation import (
    UNSCALED,
    InputValidator,
    check_not_bytes,
    check_range,
    check_supports,
    wider,
)
from scratchvae.models.labels import learn_names
from scratchvae.models.locks import Locks, synchronized
from scratchvae.models.network import ACTIVATIONS, HIDDEN, conv_decoder, conv_encoder, mlp, network, picture_of
from scratchvae.models.parts import (
    LIKELIHOODS,
    PART_TYPES,
    Classes,
    check_activation,
    check_part,
    check_shapes,
    check_unowned,
    check_width,
    complete,
    count_columns,
    custom_classes,
    describe,
    input_dim_of,
    make_likelihood,
    modules_in,
    outputs_of,
    rebuild,
    take_ownership,
)
from scratchvae.models.scale import OF_COLUMNS, Scale, learn_scale
from scratchvae.models.schema import Schema
from scratchvae.models.summary import Summary
from scratchvae.objectives import ELBOTerms, Objective
from scratchvae.probability import (
    Bernoulli,
    Gaussian,
    GaussianHeteroscedastic,
    Likelihood,
    MaskedLikelihood,
    Mixed,
    Posterior,
    Prior,
    ScaledLikelihood,
)
from scratchvae.probability.masked_likelihood import mask
from scratchvae.representation import fields_repr, join_lines
from scratchvae.rng import fill_random, generator
from scratchvae.rows import RowReader, RowSource, ShardedRows, SparseRows, dense, is_sparse, mapped_root
from scratchvae.validation import (
    check_int,
    check_picture_shape,
    check_type,
    join_choices,
    short_repr,
    shorten,
    suggest_arguments,
)

META = Backend("meta", None, type(None))  # for a model that has shapes but no memory yet, as torch's meta device
FIXED = {*CHECKS, *PART_TYPES, "config", "parts", "classes", "alpha", "importance_samples"}
UNWRITTEN = 2.0**100  # so large that adding an ordinary gradient does not change it, in float32 or float64

# Names that the package and subclasses use; `dir(model)`, which completion at a prompt shows, leaves them out.
INTERNAL = {
    *("allocate", "bind", "check_network", "compose", "connect", "ensure_capacity", "extra_config", "for_imputation"),
    *("from_config", "initialize", "initialize_output_bias", "make_decoder", "make_encoder", "to_config"),
    *("bound", "custom_parts", "draws", "kl", "log_softmax", "validator", "was_corrupted"),
    *("chunk_rows", "chunks", "draw_codes", "kl_per_row", "part_names", "scored_classes"),
    *(
        "as_rows",
        "class_names",
        "class_range",
        "collect_terms",
        "in_data_units",
        "learning_schema",
        "row_shape",
        "scale",
        "scaled",
    ),
    *("check_data", "check_gradients_written", "check_labels", "check_noise", "mark_gradients"),
    *("decoder_labels", "encoder_labels", "label_settings", "one_hot", "targets"),
    *("locks", "weights_lock"),
}

M = TypeVar("M", bound="Model")


class InputGradients(NamedTuple):
    """The gradient of the loss with respect to the inputs of a forward: x (B, D), eps (B, noise_dim), corrupted (B, D).

    Without a corrupted input, `corrupted` is None and `x` is the sum of the gradients through the encoder and through
    the likelihood.
    """

    x: Array
    eps: Array
    corrupted: Array | None

    def __repr__(self) -> str:
        return fields_repr(self)

    @classmethod
    def combine(cls, dx: Array, deps: Array, dencoder_input: Array, corrupted: bool) -> InputGradients:
        """Combine dx, through the likelihood, and dencoder_input: they add up in `x` unless the input was corrupted."""
        if corrupted:
            return cls(dx, deps, dencoder_input)
        dx += dencoder_input
        return cls(dx, deps, None)


class Model:
    """An encoder x (B, D) → h and a decoder z (B, Z) → parameters of the likelihood, trained by one objective.

    A model is composed of `parts`, a dict by name. Every parameter is a view of one flat vector `theta` (P,), and every
    gradient a view of another, `dtheta` (P,).

    A copy (by `copy.copy`, `copy.deepcopy`, `pickle` or `multiprocessing`) has the same configuration, weights and
    metadata, and memory of its own; other attributes that were set on the model are not copied. Do not unpickle files
    from others: unpickling runs code from the file. `scratchvae.load` does not.
    """

    _initialized = False
    chunk_rows: int = 512  # rows per batch in methods that accept any number of rows
    classes: int = 0  # number of classes; 0 for models without labels
    class_names: tuple[Any, ...] | None = None  # that were passed to the constructor
    kl_per_row: ClassVar[bool] = True  # False if the KL is per row and class
    part_names: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "posterior", "prior", "likelihood", "objective")

    encoder: Any
    decoder: Any
    likelihood: Any
    objective: Any

    @translate_device_errors()
    @suggest_arguments
    def __init__(
        self,
        input_dim: int | None = None,
        latent_dim: int = 20,
        hidden: Sequence[int] | None = None,
        activation: str | Layer | type[Layer] = "relu",
        likelihood: str | Likelihood = "bernoulli",
        beta: float = 1.0,
        seed: int = 0,
        dtype: str = "float32",
        backend: str | Backend = "numpy",
        init: str | None = None,
        image_shape: Sequence[int] | None = None,
        free_bits: float = 0.0,
        sigma: float | None = None,
        missing: bool = False,
        scale: str = "auto",
        architecture: str = "mlp",
        decoder_hidden: Sequence[int] | None = None,
        encoder: Layer | None = None,
        decoder: Layer | None = None,
        posterior: Posterior | None = None,
        prior: Prior | None = None,
        objective: Objective | None = None,
    ) -> None:
        settings = dict(locals())
        self.locks = Locks()
        custom = {name: settings[name] for name in ("encoder", "decoder", "posterior", "prior", "objective")}
        if isinstance(likelihood, type) and issubclass(likelihood, Likelihood):
            raise ConfigError(
                f"likelihood={short_repr(likelihood)} is a class: pass an instance, or one of {', '.join(LIKELIHOODS)}"
            )
        if isinstance(likelihood, Likelihood):
            settings["likelihood"], settings["sigma"] = self._name_and_sigma(likelihood, sigma, custom)
        if not isinstance(activation, str):
            settings["activation"] = self._name_of_activation(activation, custom)
        custom = {name: check_part(name, part) for name, part in custom.items() if part is not None}
        check_unowned(custom)
        for name in {"encoder", "decoder"} & custom.keys():
            self.check_network(name, custom[name])
        if input_dim is None and image_shape is not None:
            settings["input_dim"] = prod(check_picture_shape("image_shape", image_shape))
        elif input_dim is None:
            named = LIKELIHOODS.get(likelihood, Likelihood) if isinstance(likelihood, str) else Likelihood
            kind = likelihood if isinstance(likelihood, Likelihood) else named
            settings["input_dim"] = input_dim_of(custom, check_int("latent_dim", latent_dim), kind)
        self._check_unused(settings, custom)
        if hidden is None:
            settings["hidden"] = HIDDEN.get(architecture, ()) if isinstance(architecture, str) else ()
        self._config = configuration(settings, custom, **self.extra_config())
        self.input_dim: int = self.config["input_dim"]
        self.latent_dim: int = self.config["latent_dim"]
        self.image_shape = None if image_shape is None else tuple(self.config["image_shape"])
        self.row_shape: Shape = (self.input_dim,) if self.image_shape is None else (*self.image_shape, 1)[:3]
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.metadata: dict[str, Any] = {}  # the user's own entries, saved with the model, such as the training data

        self.custom_parts: dict[str, Module] = dict(custom)
        if "likelihood" not in custom:
            custom["likelihood"] = make_likelihood(self.config["likelihood"], self.config["sigma"], self.input_dim)
        for given in (likelihood, custom["likelihood"]):
            if isinstance(given, Likelihood):
                check_width(given, self.input_dim)
        self._count_columns = count_columns(custom["likelihood"], self.input_dim)
        self.parts: dict[str, Any] = self.compose(custom)
        self._complete_networks()
        self.chunk_rows = max(1, type(self).chunk_rows // self.parts["objective"].draws)
        check_shapes(self.parts, self.row_shape, self.latent_dim)
        if self.config["missing"]:
            self.parts["encoder"] = NaNToZero(self.parts["encoder"])
            self.parts["likelihood"] = mask(self.parts["likelihood"])
        if self._may_change_density():
            self.parts["likelihood"] = ScaledLikelihood(self.parts["likelihood"])
        self.support: tuple[float, float] = self.parts["likelihood"].support
        self._supports = self.parts["likelihood"].supports(self.input_dim)
        self._keeps_units: bool = self.parts["likelihood"].keeps_units
        self._schema = Schema(shape=self.image_shape, classes=self.class_names)
        if backend is not META:
            self.initialize(get_backend(backend))
        for part in (*self.custom_parts.values(), *self.parts.values()):
            take_ownership(part)
        self._initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and self._initialized:
            raise ConfigError(
                f"{name} of a model is fixed after construction; make a new model, or change the values in place"
            )
        super().__setattr__(name, value)

    # --- composition

    @property
    def config(self) -> Config:
        """The settings of the model, read-only."""
        return self._config

    def check_network(self, name: str, network: Any) -> None:
        """Raises ConfigError for a custom encoder or decoder that this class of model cannot use."""
        if isinstance(network, ConditionalSequential):
            raise ConfigError(f"{name} is a ConditionalSequential, which needs labels: use it in a ConditionalVAE")

    def extra_config(self) -> dict[str, Any]:
        """The settings that only this class of model has, for the configuration."""
        return {}

    def compose(self, custom: dict[str, Any]) -> dict[str, Any]:
        """All parts by name, in the order of their parameters in theta: those in `custom`, and defaults."""
        raise NotImplementedError

    def make_encoder(self, outputs: int, classes: int = 0) -> Sequential:
        """The default encoder, to so many outputs; with classes, it also reads the class. Raises ConfigError."""
        hidden, settings = self.config["hidden"], (self._make_activation, self.config["init"])
        layers = self._count_layers()
        if self.config["architecture"] == "conv":
            layers += conv_encoder(picture_of(self.image_shape), hidden, outputs, *settings)
        else:
            layers += mlp((self.input_dim, *hidden, outputs), *settings)
        return network(layers, classes)

    def make_decoder(self, likelihood: Likelihood, classes: int = 0) -> Sequential:
        """The default decoder, to the outputs that the likelihood needs. Raises ConfigError."""
        hidden, settings = self.config["decoder_hidden"], (self._make_activation, self.config["init"])
        hidden = self.config["hidden"][::-1] if hidden is None else hidden
        if self.config["architecture"] == "conv":
            picture = picture_of(self.image_shape)
            if isinstance(likelihood, Mixed):
                raise ConfigError(
                    "architecture='conv' gives all pixels one likelihood, not a Mixed one: use architecture='mlp'"
                )
            layers = conv_decoder(self.latent_dim, hidden, picture, likelihood.outputs_per_dimension, *settings)
            return network(layers, classes)
        outputs = likelihood.outputs(self.input_dim)
        return network(mlp((self.latent_dim, *hidden, outputs), *settings), classes)

    # The sizes of counts differ by orders of magnitude; a network learns better from their logarithms.
    def _count_layers(self) -> list[Layer]:
        """The first layer of an encoder of counts, which takes the logarithm of their columns; none for other data."""
        if not self._count_columns:
            return []
        return [Log1p(None if self._count_columns == ((0, self.input_dim),) else self._count_columns)]

    def _make_activation(self) -> Layer:
        """A new activation of the configuration."""
        if "activation" in self.custom_parts:
            return check_activation(self.custom_parts["activation"])
        return ACTIVATIONS[self.config["activation"]]()

    def _complete_networks(self) -> None:
        """Append the last layer to a custom encoder or decoder that has none."""
        outputs, init = outputs_of(self.parts, self.input_dim, self.latent_dim), self.config["init"]
        input_shapes = {"encoder": self.row_shape, "decoder": (self.latent_dim,)}
        networks = {name: self.parts[name] for name in input_shapes if name in self.custom_parts}
        completed = {
            name: complete(network, input_shapes[name], outputs[name], init) for name, network in networks.items()
        }
        if init is not None and len(networks) == 2 and completed == networks:
            raise ConfigError(f"init={init!r} has no effect with a custom encoder and decoder: leave it out")
        self.parts |= completed
        self.custom_parts |= completed

    def bind(self, buffers: BatchBuffers) -> None:
        """Give every part its batch buffers."""
        raise NotImplementedError

    @property
    def shapes(self) -> Shapes:
        """The names and shapes of the parameters, in their order in theta."""
        return {
            f"{name}.{parameter}": shape
            for name, part in self.parts.items()
            for parameter, shape in part.all_parameter_shapes().items()
        }

    def initialize(self, backend: Backend) -> None:
        """Allocate memory for all parts and set the initial parameters. Raises BackendError."""
        self.allocate(backend)
        rng = generator(self.config["seed"], "weights")
        for part in self.parts.values():
            part.initialize(backend, rng)
        if isinstance(last := self._output_layer(), Linear | ConditionalLinear | Conv2d | ConvTranspose2d):
            last.W *= self._output_scale(last)

    def _output_scale(self, last: Module) -> Any:
        """The factor of the initial weights of the decoder's last layer, a number or, after a Linear, an array."""
        scale = self.likelihood.output_scale
        if not isinstance(scale, np.ndarray):
            return scale
        linear = isinstance(last, Linear | ConditionalLinear)
        return self.backend.upload(scale.astype(self.dtype)) if linear else 1.0

    def allocate(self, backend: Backend, leave_out: Sequence[str] = (), sharing: Model | None = None) -> None:
        """Allocate the parameters on `backend` and bind all parts except those in `leave_out`.

        sharing   a model of the same configuration, whose parameters and gradients are used in place of new ones

        Raises BackendError.
        """
        if self.config["dtype"] == "longdouble" and (backend.kernels is not None or not backend.on_host):
            raise BackendError(f"dtype='longdouble' needs backend='numpy'; {backend.name} has float32 and float64")
        self.backend, self.locks.on_host = backend, backend.on_host
        self.validator = InputValidator(backend, self.dtype)
        self._support = self.validator.representable(self.support)
        self._wide_support = self.validator.representable(wider(self.support))  # of rows that are only encoded
        parts = {name: fused(part, backend) for name, part in self.parts.items() if name not in leave_out}
        vars(self)["parts"] = parts
        vars(self).update({name: self.parts.get(name) for name in (*self.part_names, *self.parts)})
        if sharing is None:
            shapes = self.shapes
            self._params, self._grads = (FlatVector(backend.xp, shapes, self.dtype) for _ in range(2))
        else:
            self._params, self._grads = sharing._params, sharing._grads
        for name, part in self.parts.items():
            part.bind_parameters(self._params.with_prefix(name), self._grads.with_prefix(name))
        self.connect()
        self._buffers = BatchBuffers(backend, self.dtype, 0)
        self.bind(self._buffers)  # otherwise a part would bind itself to NumPy at first use

    def connect(self) -> None:
        """Make the modules between the parts, such as the KL."""

    def ensure_capacity(self, batch: int) -> None:
        """Allocate buffers for batches of up to `batch` rows, so that later calls need not."""
        if type(batch) is not int or batch > self._buffers.rows:
            with self.lock:
                buffers = self._buffers.resized(max(check_int("batch", batch), self._buffers.rows))
                self.bind(buffers)
                self._buffers = buffers

    # --- the data: names, classes, scale

    @property
    def schema(self) -> Schema:
        """The schema of the data: see `Schema`. Training learns what is not set yet."""
        return self._schema

    @schema.setter
    def schema(self, schema: Schema) -> None:
        check_type("schema", schema, Schema, "a Schema, such as model.schema._replace(columns=('a', 'b'))")
        try:
            content = schema.as_json()
        except (AttributeError, TypeError):
            raise ConfigError(
                f"schema={short_repr(schema)}: expected tuples of names, and a Scale or None as the scale"
            ) from None
        self._schema = Schema.from_json(content, self.input_dim, self.classes)
        if isinstance(self.parts["likelihood"], ScaledLikelihood):
            scale = self.scale
            factor = np.broadcast_to(scale.factor, self.input_dim) if scale.changes_density else None
            self.parts["likelihood"].set_factor(factor)

    @property
    def scale(self) -> Scale:
        """The scale of the data; before training, none."""
        return self._schema.scale or UNSCALED

    @contextmanager
    def learning_schema(self, x: Any, labels: Any, columns: Sequence[str] | None = None) -> Iterator[None]:
        """Learn what the schema does not have yet from training rows x (N, D) and their labels (N,), or None.

        columns   the names of the columns of an array x, if they have any

        An error inside the block restores the schema. Raises DTypeError, RangeError, ShapeError.
        """
        previous = self.schema
        try:
            self._learn_schema(x, labels, columns)
            yield
        except BaseException:
            self.schema = previous
            raise

    def _learn_schema(self, x: Any, labels: Any, columns: Sequence[str] | None) -> None:
        schema = self.schema
        if self.classes and schema.classes is None and labels is not None and schema.scale is None:
            names = learn_names(labels)
            if names is not None and len(names) < 2:
                raise ConfigError(f"labels hold only the class {shorten(names[0])}; expected at least two classes")
            if names is not None and len(names) != self.classes:
                raise ConfigError(
                    f"labels hold {len(names)} classes, {shorten(join_choices(names, 60))}, and the model has "
                    f"{self.classes}: make it with classes={len(names)}"
                )
            schema = schema._replace(classes=names)
        if schema.columns is None and schema.scale is None:
            columns = column_names(x) if is_dataframe(x) else columns
            check_different("images", columns or ())
            schema = schema._replace(columns=None if columns is None else tuple(columns))
        if schema.scale is None:
            rows = self.as_rows(x, "images", lazy=True)
            if rows.ndim != 2 or rows.shape[1] != self.input_dim or not len(rows):
                return  # check_data says so
            host = rows if isinstance(rows, RowSource) else to_numpy(rows)
            named = schema.columns is not None and self.image_shape is None
            setting = "none" if self._keeps_units else self.config["scale"]
            schema = schema._replace(scale=learn_scale(setting, host, self._standardizes_tables(), named))
        self.schema = schema

    @property
    def _were_no_bytes(self) -> bool:
        """True if the training data were no grey values in bytes: then scale="auto" would have divided them by 255."""
        kind = None if self.schema.scale is None else self.schema.scale.kind
        may_be_scaled = self.config["scale"] == "auto" and not self._keeps_units
        return may_be_scaled and kind == "none" and self.schema.columns is None

    def _standardizes_tables(self) -> bool:
        """True if scale="auto" standardizes the columns of a table."""
        kind = LIKELIHOODS.get(self.config["likelihood"])
        gaussian = kind is not None and issubclass(kind, Gaussian | GaussianHeteroscedastic)
        return gaussian and self.config["sigma"] is None and self.image_shape is None

    def _may_change_density(self) -> bool:
        """True if the density of the data may differ from that of the scaled rows. Bernoulli is no density."""
        likelihood = self.parts["likelihood"]
        if isinstance(likelihood.inner if isinstance(likelihood, MaskedLikelihood) else likelihood, Bernoulli):
            return False
        if likelihood.keeps_units:
            return False
        setting = self.config["scale"]
        return setting in OF_COLUMNS or (setting == "auto" and self._standardizes_tables())

    def as_rows(self, x: Any, name: str, lazy: bool = False) -> Array:
        """`x` as an array; named columns come in the order of the schema. Raises as `check_data`.

        lazy   a sparse matrix and a `RowSource` become a `RowSource`, which is dense only where it is read
        """
        if is_sparse(x):
            x = SparseRows(x, name)
        elif type(x) is not np.ndarray and (is_dataframe(x) or is_named_row(x)):
            x = align_columns(name, x, self.schema.columns)
        rows = self.validator.check_numbers(x, name)
        pictures = rows.pictures if isinstance(rows, ShardedRows) else None
        self._check_pictures(rows.shape if pictures is None else (len(rows), *pictures), name)
        return rows if lazy else dense(rows)

    def _check_pictures(self, given: Shape, name: str) -> None:
        """Raise ShapeError for pictures (B, H, W, C) of another shape, which would be scrambled as rows."""
        if self.image_shape is None or len(given) < 3 or given[1:] in (self.image_shape, self.row_shape):
            return
        shape = f"(B, {', '.join(map(str, self.image_shape))})"
        channels_first = len(given) == 4 and (*given[2:], given[1]) == self.row_shape
        hint = "move the channels to the end with transpose(0, 2, 3, 1), then " if channels_first else ""
        is_one = given in (self.image_shape, self.row_shape)
        how = f"one picture with {name}.reshape(1, -1)" if is_one else f"each with {name}.reshape(len({name}), -1)"
        raise ShapeError(
            f"{name} has shape {shorten(given)}; expected rows (B, {self.input_dim}), of pictures {shape}: "
            f"{hint}flatten {how}"
        )

    def scaled(self, x: Array) -> Array:
        """The rows x (B, D) in the units of the networks; x itself if the scale is none."""
        return self.scale.to_networks(x, np if isinstance(x, np.ndarray) else self.backend.xp)

    def in_data_units(self, u: Array) -> Array:
        """The rows u (B, D) of the networks in the units of the data; u itself if the scale is none."""
        return self.scale.to_data(u, np if isinstance(u, np.ndarray) else self.backend.xp)

    # --- parameters

    @property
    def params(self) -> dict[str, Array]:
        """The parameters by name, views of `theta`. To set one, write `params[name][...] = new`."""
        return dict(self._params.views)

    @property
    def grads(self) -> dict[str, Array]:
        """The gradient of the last backward by name, views of `dtheta`."""
        return dict(self._grads.views)

    @property
    def theta(self) -> Array:
        """All parameters, (P,)."""
        return self._params.data

    @property
    def dtheta(self) -> Array:
        """The gradient of the last backward with respect to `theta`, (P,)."""
        return self._grads.data

    # UNWRITTEN + gradient rounds to UNWRITTEN: a gradient that is added to, instead of overwritten, is detected too.
    def mark_gradients(self) -> None:
        """Fill all gradients with UNWRITTEN, for `check_gradients_written` after the next backward."""
        self.dtheta.fill(UNWRITTEN)

    def check_gradients_written(self) -> None:
        """Raises ConfigError if the backward of a custom part has not written a parameter's gradient in place."""
        for name, part in self.parts.items():
            for path, module in modules_in(part, name):
                for parameter in module.own_parameters():
                    grad = self.grads.get(f"{path}.{parameter}")
                    if grad is getattr(module, f"d{parameter}") and not (to_numpy(grad) == UNWRITTEN).any():
                        continue
                    kind, attribute = shorten(type(module).__name__, 30), f"self.d{shorten(parameter, 15)}"
                    raise ConfigError(
                        f"{kind}.backward did not write the gradient of {shorten(f'{path}.{parameter}', 40)} in place: "
                        f"overwrite it by {attribute}[...] = gradient or out={attribute}, without adding"
                    )

    @synchronized
    def initialize_output_bias(self, mean: Array) -> None:
        """Set the decoder's last bias so that its initial output is near mean (D,): the likelihood's `output_bias`.

        Does nothing unless the last bias is zero. Raises RangeError.
        """
        check_range(mean, "mean", self.validator.representable(self.support))
        last = self._output_layer()
        if not isinstance(last, Linear | Conv2d | ConvTranspose2d) or to_numpy(last.b).any():
            return
        if isinstance(last, Linear):
            bias = self.likelihood.output_bias(mean)
        elif self.likelihood.input_dim is not None:
            return  # its dimensions differ, and the pixels of a channel have one bias
        else:  # it has a bias for each channel: that of the mean over all pixels
            channels = len(last.b) // self.likelihood.outputs_per_dimension
            mean = np.broadcast_to(mean.reshape(-1, channels).mean(axis=0), (self.input_dim // channels, channels))
            bias = self.likelihood.output_bias(mean.reshape(-1)).reshape(-1, *mean.shape)[:, 0].reshape(-1)
        with self.weights_lock:
            self.backend.copy_from_host(last.b, bias.astype(self.dtype))

    def _output_layer(self) -> Module | None:
        """The last layer of the decoder, without a change of shape after it."""
        layers = self.decoder.layers if isinstance(self.decoder, Sequential) else (self.decoder,)
        return next((layer for layer in reversed(layers) if not isinstance(layer, Reshape | SplitChannels)), None)

    # --- locks: see scratchvae.models.locks

    @property
    def lock(self) -> Any:
        """The re-entrant lock of the weights and of all buffers, a `FairLock`. Every public method holds it."""
        return self.locks.lock

    @property
    def weights_lock(self) -> Any:
        """The lock of the weights alone, held for each update, inside `lock`."""
        return self.locks.weights_lock

    def write_lock(self) -> AbstractContextManager[None]:
        """A context in which the weights may be written: `with model.write_lock():`."""
        return self.locks.write_lock()

    # --- copies

    @synchronized
    def astype(self: M, dtype: str) -> M:
        """A copy of the model, with its weights and metadata, that computes in another dtype. Raises ConfigError."""
        other = self.from_config({**self.to_config(), "dtype": dtype}, self.backend, custom_classes(self.custom_parts))
        other.theta[...] = self.theta
        other.metadata, other.schema = dict(self.metadata), self.schema
        return other

    def to_config(self) -> dict[str, Any]:
        """The configuration as a file stores it, with descriptions of the custom parts. Raises ConfigError."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in self.config.items()}
        return {**plain, **{name: describe(part) for name, part in self.custom_parts.items()}}

    @classmethod
    def from_config(cls: type[M], config: Mapping[str, Any], backend: Backend, classes: Classes) -> M:
        """The model of this configuration; `classes` are its custom classes by name. Raises ConfigError."""
        names = ("activation", *cls.part_names)
        parts = {name: rebuild(config[name], classes) for name in names if isinstance(config.get(name), dict)}
        return cls(**{**config, **parts}, backend=backend)

    @synchronized
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        weights = to_numpy(self.theta).copy()
        classes = custom_classes(self.custom_parts)
        return _rebuild, (type(self), self.to_config(), self.backend, weights, self.metadata, classes, self.schema)

    def __repr__(self) -> str:
        has_default = not {"encoder", "decoder"} <= self.custom_parts.keys()
        hidden = self.config["hidden"] if has_default else ()
        widths = [str(width) for width in (self.input_dim, *hidden, self.latent_dim)]
        if len(widths) > 10:
            widths[5:-4] = ["…"]
        likelihood = self.config["likelihood"]
        items = [f"{type(self).__name__} {'-'.join(widths)}"]
        items += ["convolutions"] * (self.config["architecture"] == "conv")
        items += [shorten(self.config["activation"])] * has_default
        items += [shorten(likelihood)] * (likelihood != "bernoulli")
        items += [f"own {name}" for name in self.custom_parts if name not in ("likelihood", "activation")]
        items += ["missing=True"] * self.config["missing"]
        items += [f"{self.objective.draws} draws"] * (self.objective.draws > 1)
        items += [f"{self.theta.size:,} parameters", f"{self.dtype} on {self.backend.name}"]
        return join_lines("<", items, ">")

    def summary(self) -> Summary:
        """A table of the layers and parts, their output shapes and parameters, and the memory; prints as text."""
        return Summary(self)

    def __dir__(self) -> list[str]:
        private = {name for name in super().__dir__() if name.startswith("_") and not name.startswith("__")}
        return sorted({*super().__dir__()} - INTERNAL - private)

    # --- the computation

    @property
    def noise_dim(self) -> int:
        """The number of columns of eps that `forward` takes."""
        return 0

    def forward(self, x: Array, eps: Array, corrupted: Array | None = None, kl_weight: float = 1.0) -> ELBOTerms:
        """The terms of each row of x (B, D) with the noise eps (B, noise_dim). All arrays are on the model's device.

        With `corrupted` (B, D), the encoder reads `corrupted`, and x is scored. `kl_weight` multiplies the weight of
        the KL in the loss. The terms are valid until the next call.

        All methods of a model use the same buffers: call `backward` before any other method. With several threads, make
        both calls inside one `with model.lock:`.
        """
        raise NotImplementedError

    def backward(self, to_inputs: bool = False) -> InputGradients | None:
        """Set `dtheta` to the gradient of the last forward's loss; with `to_inputs`, return those of the inputs.

        Raises ShapeError unless the previous call was forward.
        """
        raise NotImplementedError

    def embed(self, x: Any, labels: Any = None) -> Array:
        """The code (B, Z) of each row of x (B, D), which `reconstruct` decodes. Deterministic."""
        raise NotImplementedError

    @synchronized
    def decode(self, z: Any, labels: Any = None) -> Array:
        """The mean of p(x | z), (B, D), for each row of z (B, Z).

        labels (B,), or a single label for all rows, are for class-conditional models. Raises ConfigError, DTypeError,
        ShapeError or RangeError.
        """
        z = self.validator.check_rows(z, "z", self.latent_dim, empty=True)
        labels = self.decoder_labels(labels, len(z))
        means = self.backend.xp.empty((len(z), self.input_dim), self.dtype)
        for rows, z_rows, targets in self.chunks(z, labels, data=False):
            self.likelihood.mean(self.decoder.forward(z_rows, *targets), out=means[rows])
        return self.in_data_units(means)

    @synchronized
    def reconstruct(self, x: Any, labels: Any = None) -> Array:
        """The reconstruction (B, D) of each row of x (B, D): `decode(embed(x))`. Raises as `embed`."""
        x = self.check_data(x, scored=False, lazy=True)
        labels = self.encoder_labels(x, labels)
        return self.decode(self.embed(x, labels), labels)

    @synchronized
    def loss_and_grads(
        self, x: Any, eps: Any = None, seed: int = 0, labels: Any = None
    ) -> tuple[float, dict[str, Array]]:
        """The loss of the batch x (B, D), its mean over the rows in nats, and its gradient, {name: array} as `params`.

        eps (B, noise_dim) is the noise; None: it is drawn from `seed`. labels (B,) are for class-conditional models.
        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        x = self.scaled(self.check_data(x))
        labels = self.check_labels(labels, len(x))
        eps = self.check_noise(eps, seed, len(x))(slice(0, len(x)))
        settings = self.label_settings(labels, None)
        terms = self.forward(
            self.validator.to_device(x), self.validator.to_device(eps), **self.targets(labels), **settings
        )
        loss = float(self.objective.loss(terms))
        if self.custom_parts:
            self.mark_gradients()
        self.backward()
        if self.custom_parts:
            self.check_gradients_written()
        return loss, {name: grad.copy() for name, grad in self.grads.items()}

    @synchronized
    def terms(self, x: Any, eps: Any = None, seed: int = 0, corrupted: Any = None, labels: Any = None) -> ELBOTerms:
        """The terms of each row of x (B, D), in new arrays (B,). B may be large. Raises as `loss_and_grads`.

        With `corrupted` (B, D), the encoder reads `corrupted`, and x is scored. value = reconstruction − β · kl; the KL
        weight and the free bits of training do not enter.
        """
        x = self.check_data(x, lazy=True)
        labels = self.check_labels(labels, len(x))
        if corrupted is not None:
            corrupted = self.check_data(corrupted, "corrupted", corrupted=True, lazy=True)
            if len(corrupted) != len(x):
                raise ShapeError(f"corrupted has {len(corrupted)} rows and x has {len(x)}; expected the same number")
        return self.collect_terms(x, self.check_noise(eps, seed, len(x)), corrupted, labels)

    @synchronized
    def collect_terms(
        self,
        x: Array,
        noise: Callable[[slice], Array],
        corrupted: Array | None,
        labels: Array | None,
        data: bool = True,
    ) -> ELBOTerms:
        """`terms` of checked arguments, with noise as of `check_noise`. Without `data`, x and corrupted are scaled."""
        collected = ELBOTerms(*(self.backend.xp.empty(len(x), self.dtype) for _ in ELBOTerms._fields))
        for rows, x_rows, targets in self.chunks(x, labels, data):
            eps_rows = self.validator.to_device(noise(rows))
            arguments: dict[str, Any] = {"targets": targets[0]} if targets else {}
            if corrupted is not None:
                x_corrupted = self.scaled(corrupted[rows]) if data else corrupted[rows]
                arguments["corrupted"] = self.validator.to_device(x_corrupted)
            for array, term in zip(collected, self.forward(x_rows, eps_rows, **arguments), strict=True):
                array[rows] = term
        return self.objective.with_unweighted_kl(collected)  # type: ignore[no-any-return]

    # --- the latent space

    @synchronized
    def interpolate(self, a: Any, b: Any, steps: int = 10, kind: str = "linear", labels: Any = None) -> Array:
        """Rows (steps, D) decoded between the codes of a (D,) and b (D,). See `latent_space.interpolate`."""
        return latent_space.interpolate(self, a, b, steps, kind, labels)

    @synchronized
    def analogy(self, a: Any, b: Any, c: Any, labels: Any = None) -> Array:
        """Decode code(a) − code(b) + code(c). See `latent_space.analogy`."""
        return latent_space.analogy(self, a, b, c, labels)

    @synchronized
    def traverse(self, x: Any = None, dimension: int = 0, values: Any = None, labels: Any = None) -> Array:
        """Rows (T, D) decoded along one latent dimension. See `latent_space.traverse`."""
        return latent_space.traverse(self, x, dimension, values, labels)

    # --- input validation

    def check_data(
        self,
        x: Any,
        name: str = "x",
        mean: Array | None = None,
        scored: bool = True,
        corrupted: bool = False,
        lazy: bool = False,
    ) -> Array:
        """Check that x holds rows of data, in its units, and return it, with named columns in the order of the schema.

        mean       (D,) float64, if not None, is set to the mean of the scaled rows
        scored     False: the likelihood will not be computed of x, which may then be somewhat outside its support, and
                   have no rows
        corrupted  True: noise may have made counts fractional, and groups of categories anything from 0 to 1
        lazy       as of `as_rows`: the caller reads the rows in parts

        Raises DTypeError, ShapeError, RangeError or, for an np.memmap whose file was truncated, DataError.
        """
        support = self._support if scored else self._wide_support
        if mean is None and self._are_plain_rows(x, support):
            return x  # type: ignore[no-any-return]
        missing = None if self.classes else self.config["missing"]  # models with labels have no missing values
        rows = self.as_rows(x, name, lazy)
        if self._were_no_bytes and isinstance(rows, np.ndarray | RowSource):
            check_not_bytes(rows, name)
        rows = self.validator.check_rows(
            rows,
            name,
            self.input_dim,
            (-inf, inf) if self._keeps_units else support,
            mean,
            missing,
            scale=self.scale,
            columns=self.schema.columns,
            empty=not scored,
        )
        if self._keeps_units:
            check_supports(rows, name, self._supports, bool(missing), self.schema.columns, scored and not corrupted)
        return rows

    # A single row is embedded in some thirty microseconds, and all the checks of `check_data` take ten.
    def _are_plain_rows(self, x: Any, support: tuple[float, float]) -> bool:
        """True for a few rows in memory that are right and are not scaled; False if `check_data` has to look closer."""
        if type(x) is not np.ndarray or x.dtype != self.dtype or x.shape[1:] != (self.input_dim,):
            return False
        if self._keeps_units or not self.scale.is_identity or (x.base is not None and mapped_root(x) is not None):
            return False
        if not 0 < len(x) <= self.chunk_rows:
            return False
        low, high = np.minimum.reduce(x, axis=None), np.maximum.reduce(x, axis=None)  # NaN if any number is NaN
        return bool(support[0] <= low and high <= support[1])

    def check_noise(self, eps: Any, seed: int, rows: int) -> Callable[[slice], Array]:
        """Check that eps is (rows, noise_dim), and return a function from slices to rows of eps.

        If eps is None, the function draws the rows from `seed`; it must then be called with consecutive slices.
        """
        if eps is None:
            draw = generator(seed, "noise").standard_normal
            return lambda part: fill_random(np.empty((part.stop - part.start, self.noise_dim), self.dtype), draw)
        eps = self.validator.check_rows(eps, "eps", self.noise_dim)
        if len(eps) != rows:
            raise ShapeError(f"eps has {len(eps)} rows and x has {rows}; expected one row of noise for each row of x")
        return eps.__getitem__  # type: ignore[no-any-return]

    def check_labels(self, labels: Any, rows: int, name: str = "labels") -> Array | None:
        """Check that there is one label for each row; return them on the host, or None for a model without labels.

        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        if labels is not None:
            raise ConfigError(
                f"{shorten(type(self).__name__)} takes no {name}: leave them out, or use a ConditionalVAE"
            )
        return None

    def encoder_labels(self, x: Array, labels: Any) -> Array | None:
        """The class of each row of x, as input of the encoder."""
        return self.check_labels(labels, len(x))

    def decoder_labels(self, labels: Any, rows: int) -> Array | None:
        """The class of each row, as input of the decoder."""
        return self.check_labels(labels, rows)

    def label_settings(self, labels: Array | None, share: float | None) -> dict[str, Any]:
        """Further arguments of `forward` for training with these labels, `share` being the labelled share of a batch.

        None: the share among these labels, as in a single batch.
        """
        return {}

    def one_hot(self, labels: Array) -> Array:
        """One-hot rows (B, K) of checked labels, on the model's device."""
        raise NotImplementedError

    def targets(self, labels: Array | None) -> dict[str, Any]:
        """The arguments of `forward` for checked labels: their one-hot rows, or nothing."""
        return {} if labels is None else {"targets": self.one_hot(labels)}

    def _map_rows(self, function: Callable[..., tuple[Array, ...]], x: Any, labels: Any = None) -> tuple[Array, ...]:
        """The arrays (B, …) that `function` computes from the rows x (B, D), which are checked and taken in chunks.

        It is called with rows in the units of the networks and, if the model has classes, their one-hot labels; its
        results are copied. Raises as `embed`.
        """
        if labels is None and not self.classes and self._are_plain_rows(x, self._wide_support):
            self._prepare(len(x))
            return tuple([result.copy() for result in function(self.validator.to_device(x))])
        x = self.check_data(x, scored=False, lazy=True)
        labels = self.encoder_labels(x, labels)
        if not len(x):  # the results have the shapes of those of any row, such as zeros, and no rows
            zeros = [self.backend.xp.zeros((1, width), self.dtype) for width in (self.input_dim, self.classes) if width]
            return tuple([result[:0].copy() for result in function(*zeros)])
        results: list[Array] = []
        for rows, x_rows, targets in self.chunks(x, labels):
            computed = function(x_rows, *targets)
            results = results or [self.backend.xp.empty((len(x), *y.shape[1:]), y.dtype) for y in computed]
            for result, y in zip(results, computed, strict=True):
                result[rows] = y
        return tuple(results)

    def _prepare(self, rows: int) -> None:
        """Make the buffers large enough for forwards outside training, and their backward an error."""
        self.ensure_capacity(rows)
        if self.objective is not None:
            self.objective.invalidate()

    def chunks(
        self, x: Array, labels: Array | None = None, data: bool = True
    ) -> Iterator[tuple[slice, Array, tuple[Array, ...]]]:
        """Yield x in chunks: a slice, its rows in the model's dtype on its device, and their one-hot labels.

        data   x is in the units of the data, and the rows are scaled
        """
        self._prepare(min(self.chunk_rows, max(1, len(x))))
        for rows in RowReader(x).slices(self.chunk_rows):
            if rows.start:
                self.lock.give_way()
            targets = () if labels is None else (self.one_hot(labels[rows]),)
            yield rows, self.validator.to_device(self.scaled(x[rows]) if data else x[rows]), targets

    # --- settings

    def _name_and_sigma(
        self, likelihood: Likelihood, sigma: float | None, custom: dict[str, Any]
    ) -> tuple[Any, float | None]:
        """The name and sigma of a likelihood object; adds it to `custom` unless it has a name in LIKELIHOODS."""
        if sigma is not None:
            raise ConfigError("sigma and a likelihood object exclude each other; pass sigma to the likelihood")
        for name, kind in LIKELIHOODS.items():
            if type(likelihood) is kind and (issubclass(kind, Gaussian) or likelihood.config() == kind().config()):
                return name, likelihood.sigma if isinstance(likelihood, Gaussian) else None
        custom["likelihood"] = likelihood
        return type(likelihood).__name__, None

    def _name_of_activation(self, activation: Any, custom: dict[str, Any]) -> str:
        """The name of an activation that is given as a layer or its class; adds it to `custom` unless it has one."""
        layer = check_activation(activation)
        for name, kind in ACTIVATIONS.items():
            if type(layer) is kind and layer.config() == kind().config():
                return name
        custom["activation"] = layer
        return type(layer).__name__

    def _check_unused(self, settings: dict[str, Any], custom: Mapping[str, Any]) -> None:
        """Raises ConfigError for a setting that has no effect because of a custom part."""
        unused: dict[str, tuple[str, Any]] = {}
        if "decoder" in custom:
            unused["decoder_hidden"] = "decoder", None
        if "encoder" in custom and "decoder" in custom:
            both = {"hidden": HIDDEN["mlp"], "activation": "relu", "architecture": "mlp"}
            unused |= {name: ("encoder and decoder", default) for name, default in both.items()}
        if "objective" in custom:
            unused |= {"beta": ("objective", 1.0), "free_bits": ("objective", 0.0)}
        for name, (parts, default) in unused.items():
            value = settings[name]
            if value is not None and (tuple(value) if isinstance(value, list) else value) != default:
                raise ConfigError(f"{name}={short_repr(value)} has no effect with a custom {parts}: leave it out")


def _rebuild(
    kind: type[Model],
    config: dict[str, Any],
    backend: Backend,
    theta: Array,
    metadata: dict[str, Any],
    classes: Mapping[str, type],
    schema: Schema,
) -> Model:
    """A model of this configuration, with copies of the weights theta (P,) and the metadata."""
    model = kind.from_config(config, backend, classes)
    model.backend.copy_from_host(model.theta, theta)
    model.metadata, model.schema = dict(metadata), schema
    return model
