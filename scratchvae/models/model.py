"""The base of all models: parts that are put together, memory laid out flat, and the methods that all of them have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from scratchvae.backend import Array, Backend, get_backend, guarded, to_numpy
from scratchvae.errors import BackendError, ConfigError, ShapeError
from scratchvae.fused import fused
from scratchvae.layers import ConditionalLinear, ConditionalSequential, Layer, Linear, NaNToZero, Sequential
from scratchvae.memory import BatchBuffers, FlatVector, Module, RowReader
from scratchvae.memory.flat import Shapes
from scratchvae.models import latent_space
from scratchvae.models.configuration import CHECKS, Config, configuration
from scratchvae.models.input_validation import InputValidator, check_range
from scratchvae.models.locks import Locks, synchronized
from scratchvae.models.network import mlp
from scratchvae.models.parts import (
    KINDS,
    LIKELIHOODS,
    Classes,
    check_free,
    check_part,
    check_shapes,
    classes_in,
    describe,
    input_dim_of,
    make_likelihood,
    modules_in,
    rebuild,
    take_ownership,
)
from scratchvae.objectives import ELBOTerms, Objective
from scratchvae.probability import Gaussian, Likelihood, MaskedLikelihood, Posterior, Prior
from scratchvae.rng import fill_random, generator
from scratchvae.validation import check_int, short_repr

META = Backend("meta", None, type(None))  # of a model that has shapes and no memory yet
HIDDEN = (512,)
FIXED = {*CHECKS, *KINDS, "config", "parts", "classes", "alpha", "importance_samples"}
UNWRITTEN = 2.0**100  # to which nothing of an ordinary size can be added, in float32 or float64

M = TypeVar("M", bound="Model")


class InputGradients(NamedTuple):
    """The gradient of the loss with respect to the inputs of a forward: x (B, D), eps (B, noise_dim), corrupted (B, D).

    `corrupted` is None where none was given: then x is what the encoder saw as well, and has both gradients in it.
    """

    x: Array
    eps: Array
    corrupted: Array | None

    @classmethod
    def of(cls, dx: Array, deps: Array, dseen: Array, corrupted: bool) -> InputGradients:
        """From dx of what is scored and dseen of what the encoder saw, which are one where nothing was corrupted."""
        if corrupted:
            return cls(dx, deps, dseen)
        dx += dseen
        return cls(dx, deps, None)


class Model:
    """An encoder x (B, D) → h and a decoder z (B, Z) → the likelihood's parameters, trained by one objective.

    A model is composed of `parts`, by name. Every parameter is a view of one flat vector `theta` (P,), every gradient a
    view of another, `dtheta` (P,).

    A copy (`copy.copy`, `copy.deepcopy`, `pickle`, and so `multiprocessing`) has the same configuration, weights and
    notes, and memory of its own. What else was attached to the model stays behind. Never unpickle a file that you were
    given: that runs what is in it, and `scratchvae.load` does not.
    """

    _made = False
    chunk_rows: int = 512  # rows computed at once by methods that take any number of them
    classes: int = 0  # of the labels that it takes
    kl_by_row: ClassVar[bool] = True  # whether the KL has one row for each row of a batch
    part_names: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "posterior", "prior", "likelihood", "objective")

    encoder: Any
    decoder: Any
    likelihood: Any
    objective: Any

    @guarded
    def __init__(
        self,
        input_dim: int | None = None,
        latent_dim: int = 20,
        hidden: Sequence[int] = HIDDEN,
        activation: str = "relu",
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
        encoder: Layer | None = None,
        decoder: Layer | None = None,
        posterior: Posterior | None = None,
        prior: Prior | None = None,
        objective: Objective | None = None,
    ) -> None:
        settings = dict(locals())
        self.locks = Locks()
        own = {name: settings[name] for name in ("encoder", "decoder", "posterior", "prior", "objective")}
        if isinstance(likelihood, type) and issubclass(likelihood, Likelihood):
            raise ConfigError(
                f"likelihood={short_repr(likelihood)} is a class: make one, as in {likelihood.__name__}(), or choose "
                f"one of {', '.join(LIKELIHOODS)}"
            )
        if isinstance(likelihood, Likelihood):
            settings["likelihood"], settings["sigma"] = self._name_of(likelihood, sigma, own)
        own = {name: check_part(name, part) for name, part in own.items() if part is not None}
        check_free(own)
        for name in {"encoder", "decoder"} & own.keys():
            self.check_network(name, own[name])
        if input_dim is None:
            kind = own.get("likelihood") or LIKELIHOODS.get(settings["likelihood"], Likelihood)
            settings["input_dim"] = input_dim_of(own, kind.outputs_per_dimension)
        self._refuse_unused(settings, own)
        self._config = configuration(settings, own, **self.own_config())
        self.input_dim: int = self.config["input_dim"]
        self.latent_dim: int = self.config["latent_dim"]
        self.image_shape = None if image_shape is None else tuple(self.config["image_shape"])
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.metadata: dict[str, Any] = {}  # what is worth keeping in the file with it, such as the data it learnt from

        self.own_parts: dict[str, Module] = dict(own)
        if "likelihood" not in own:
            own["likelihood"] = make_likelihood(self.config["likelihood"], self.config["sigma"])
        self.parts: dict[str, Any] = self.compose(own)
        check_shapes(self.parts, self.input_dim, self.latent_dim)
        if self.config["missing"]:
            self.parts["encoder"] = NaNToZero(self.parts["encoder"])
            self.parts["likelihood"] = MaskedLikelihood(self.parts["likelihood"])
        self.support: tuple[float, float] = self.parts["likelihood"].support
        if backend is not META:
            self.initialize(get_backend(backend))
        for part in (*self.own_parts.values(), *self.parts.values()):
            take_ownership(part)
        self._made = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and self._made:
            raise ConfigError(
                f"{name} of a model is fixed once it is made; make another model with it, or set what it has inside"
            )
        super().__setattr__(name, value)

    # --- putting it together

    @property
    def config(self) -> Config:
        """The settings that made the model; not to be written."""
        return self._config

    def check_network(self, name: str, network: Any) -> None:
        """Raises ConfigError for an encoder or decoder of one's own that this kind of model cannot compute with."""
        if isinstance(network, ConditionalSequential):
            raise ConfigError(
                f"{name} is a ConditionalSequential, which is given a class; take a ConditionalVAE for it"
            )

    def own_config(self) -> dict[str, Any]:
        """The settings of this kind of model alone, as the configuration keeps them."""
        return {}

    def compose(self, own: dict[str, Any]) -> dict[str, Any]:
        """The parts, in the order in which their parameters lie, from those that are given."""
        raise NotImplementedError

    def network(self, inputs: int, hidden: Sequence[int], outputs: int) -> Sequential:
        """A network of these widths, as the configuration says."""
        return mlp((inputs, *hidden, outputs), self.config["activation"], self.config["init"])

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every part its batch buffers."""
        raise NotImplementedError

    @property
    def shapes(self) -> Shapes:
        """The names and shapes of the parameters, in the order in which they lie."""
        return {
            f"{name}.{parameter}": shape
            for name, part in self.parts.items()
            for parameter, shape in part.all_parameter_shapes().items()
        }

    def initialize(self, backend: Backend) -> None:
        """Take memory for all parts, and set the parameters to where training begins. Raises BackendError."""
        self.allocate(backend)
        rng = generator(self.config["seed"], "weights")
        for part in self.parts.values():
            part.initialize(backend, rng)
        if isinstance(last := self._output_layer(), Linear | ConditionalLinear):
            last.W *= self.likelihood.output_scale

    def allocate(self, backend: Backend, leave_out: Sequence[str] = ()) -> None:
        """Lay the parameters out on `backend`, and bind the parts, but for those left out. Raises BackendError."""
        if self.config["dtype"] == "longdouble" and not backend.on_host:
            raise BackendError(f"dtype='longdouble' needs backend='numpy'; {backend.name} has float32 and float64")
        self.backend, self.locks.on_host = backend, backend.on_host
        self.validator = InputValidator(backend, self.dtype)
        parts = {name: fused(part, backend) for name, part in self.parts.items() if name not in leave_out}
        vars(self)["parts"] = parts
        vars(self).update({name: self.parts.get(name) for name in (*self.part_names, *self.parts)})
        shapes = self.shapes
        self._params, self._grads = (FlatVector(backend.xp, shapes, self.dtype) for _ in range(2))
        for name, part in self.parts.items():
            part.bind_parameters(self._params.part(name), self._grads.part(name))
        self.connect()
        self._buffers = BatchBuffers(backend, self.dtype, 0)
        self.bind(self._buffers)  # so that no part binds itself to another backend

    def connect(self) -> None:
        """Make what stands between the parts."""

    def ensure_capacity(self, batch: int) -> None:
        """Make room for batches of up to `batch` rows, so that no later step has to."""
        if type(batch) is not int or batch > self._buffers.rows:
            with self.lock:
                buffers = self._buffers.resized(max(check_int("batch", batch), self._buffers.rows))
                self.bind(buffers)
                self._buffers = buffers

    # --- parameters

    @property
    def params(self) -> dict[str, Array]:
        """The parameters by name, views of `theta`: write `params[name][...] = new`."""
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

    # A gradient that is not written, or that is added to, is as large still as what it was set to.
    def expect_gradients(self) -> None:
        """Mark all gradients before a backward that `check_gradients` is to look at."""
        self.dtheta.fill(UNWRITTEN)

    def check_gradients(self) -> None:
        """Raises ConfigError where a backward of the user's own has not written a parameter's gradient in place."""
        for name, part in self.parts.items():
            for path, module in modules_in(part, name):
                for own in module.own_parameters():
                    grad = self.grads.get(f"{path}.{own}")
                    if grad is getattr(module, f"d{own}") and not (to_numpy(grad) == UNWRITTEN).any():
                        continue
                    raise ConfigError(
                        f"{type(module).__name__}.backward has not written the gradient of {path}.{own} in place: set "
                        f"it by self.d{own}[...] = gradient or by out=self.d{own}, and add nothing to what was there"
                    )

    @synchronized
    def start_output_bias(self, mean: Array) -> None:
        """Let an untrained decoder begin at the data: its last bias becomes the `output_bias` of mean (D,).

        A last bias that is not zero any more is left alone. Raises RangeError.
        """
        check_range(mean, "mean", self.validator.representable(self.support))
        last = self._output_layer()
        if isinstance(last, Linear) and not to_numpy(last.b).any():
            with self.updating:
                self.backend.copy_from_host(last.b, self.likelihood.output_bias(mean).astype(self.dtype))

    def _output_layer(self) -> Module | None:
        if isinstance(self.decoder, Sequential):
            return self.decoder.layers[-1] if self.decoder.layers else None
        return self.decoder  # type: ignore[no-any-return]

    # --- locks: see scratchvae.models.locks

    @property
    def lock(self) -> Any:
        """The lock of all that a method writes; re-entrant."""
        return self.locks.lock

    @property
    def updating(self) -> Any:
        """The lock of the weights alone, held for each update within `lock`."""
        return self.locks.updating

    def writing(self) -> AbstractContextManager[None]:
        """While this lasts the weights may be written."""
        return self.locks.writing()

    # --- copies

    @synchronized
    def astype(self: M, dtype: str) -> M:
        """The same model, weights and notes, to compute in another dtype. Raises ConfigError."""
        other = self.from_config({**self.to_config(), "dtype": dtype}, self.backend, classes_in(self.own_parts))
        other.theta[...] = self.theta
        other.metadata = dict(self.metadata)
        return other

    def to_config(self) -> dict[str, Any]:
        """The configuration with the descriptions of the user's own parts, as a file has it. Raises ConfigError."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in self.config.items()}
        return {**plain, **{name: describe(part) for name, part in self.own_parts.items()}}

    @classmethod
    def from_config(cls: type[M], config: Mapping[str, Any], backend: Backend, classes: Classes) -> M:
        """The model of that configuration, from our classes and those of `classes` by name. Raises ConfigError."""
        parts = {name: rebuild(config[name], classes) for name in cls.part_names if isinstance(config.get(name), dict)}
        return cls(**{**config, **parts}, backend=backend)

    @synchronized
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        weights = to_numpy(self.theta).copy()
        classes = classes_in(self.own_parts)
        return _again, (type(self), self.to_config(), self.backend, weights, self.metadata, classes)

    def __repr__(self) -> str:
        widths = "-".join(str(width) for width in (self.input_dim, *self.config["hidden"], self.latent_dim))
        likelihood = self.config["likelihood"]
        of = [self.config["activation"]] + [likelihood] * (likelihood != "bernoulli")
        of += [f"own {name}" for name in self.own_parts if name != "likelihood"]
        kind = f"{type(self).__name__} {widths}, {', '.join(of)}, {self.theta.size:,} parameters"
        return f"<{kind}, {self.dtype} on {self.backend.name}>"

    # --- the computation

    @property
    def noise_dim(self) -> int:
        """The number of columns of eps that `forward` takes."""
        return 0

    def forward(self, x: Array, eps: Array, corrupted: Array | None = None, kl_weight: float = 1.0) -> ELBOTerms:
        """The terms of each row of x (B, D) with noise eps (B, noise_dim), on the device as all arrays here.

        The encoder sees `corrupted` (B, D) in place of x, where it is given; what is scored is x. `kl_weight`
        multiplies the weight of the KL in the loss. The terms are valid until the next call.

        Every method of a model computes in the same buffers: `backward` must follow before any other is called; where
        there are several threads, both under one `with model.lock:`.
        """
        raise NotImplementedError

    def backward(self, to_inputs: bool = False) -> InputGradients | None:
        """Set `dtheta` to the gradient of the last forward's loss; return that of its inputs, if it is asked for.

        Raises ShapeError unless the forward came just before.
        """
        raise NotImplementedError

    def embed(self, x: Any, labels: Any = None) -> Array:
        """The code (B, Z) of each row of x (B, D): deterministic, and what `reconstruct` decodes."""
        raise NotImplementedError

    @synchronized
    def decode(self, z: Any, labels: Any = None) -> Array:
        """The mean of p(x | z), (B, D), for each row of z (B, Z).

        labels (B,), or one for all, are for a model that takes them. Raises ConfigError, DTypeError, ShapeError or
        RangeError.
        """
        z = self.validator.check_rows(z, "z", self.latent_dim)
        labels = self.decoder_labels(labels, len(z))
        means = self.backend.xp.empty((len(z), self.input_dim), self.dtype)
        for part, z_part, targets in self.chunks(z, labels):
            self.likelihood.mean(self.decoder.forward(z_part, *targets), out=means[part])
        return means  # type: ignore[no-any-return]

    @synchronized
    def reconstruct(self, x: Any, labels: Any = None) -> Array:
        """The decoded code of each row of x (B, D): `decode(embed(x))`, (B, D). Takes and raises as `embed`."""
        x = self.check_data(x)
        labels = self.encoder_labels(x, labels)
        return self.decode(self.embed(x, labels), labels)

    @synchronized
    def loss_and_grads(
        self, x: Any, eps: Any = None, seed: int = 0, labels: Any = None
    ) -> tuple[float, dict[str, Array]]:
        """The loss of the batch x (B, D), in nats a row, and its gradient, {name: array} shaped as `params`.

        eps (B, noise_dim) is the noise; where it is None, it is drawn from `seed`. labels (B,) are for a model that
        takes them. Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        x = self.check_data(x)
        labels = self.check_labels(labels, len(x))
        eps = self.check_noise(eps, seed, len(x))(slice(0, len(x)))
        settings = self.label_settings(labels, None)
        terms = self.forward(
            self.validator.to_device(x), self.validator.to_device(eps), **self.targets(labels), **settings
        )
        loss = float(self.objective.loss(terms))
        if self.own_parts:
            self.expect_gradients()
        self.backward()
        if self.own_parts:
            self.check_gradients()
        return loss, {name: grad.copy() for name, grad in self.grads.items()}

    @synchronized
    def terms(self, x: Any, eps: Any = None, seed: int = 0, corrupted: Any = None, labels: Any = None) -> ELBOTerms:
        """The terms of each row of x (B, D), for any number of rows, to keep. Takes and raises as `loss_and_grads`.

        The encoder sees `corrupted` (B, D), if that is given. Whatever training weighs, value = reconstruction − βKL.
        """
        x = self.check_data(x)
        labels = self.check_labels(labels, len(x))
        if corrupted is not None:
            corrupted = self.check_data(corrupted, "corrupted")
            if len(corrupted) != len(x):
                raise ShapeError(f"corrupted has {len(corrupted)} rows and x has {len(x)}; expected one for each")
        noise = self.check_noise(eps, seed, len(x))
        kept = ELBOTerms(*(self.backend.xp.empty(len(x), self.dtype) for _ in ELBOTerms._fields))
        for part, x_part, targets in self.chunks(x, labels):
            seen = () if corrupted is None else (self.validator.to_device(corrupted[part]),)
            more: dict[str, Any] = {"targets": targets[0]} if targets else {}
            for to, of in zip(
                kept, self.forward(x_part, self.validator.to_device(noise(part)), *seen, **more), strict=True
            ):
                to[part] = of
        return self.objective.unweighted(kept)  # type: ignore[no-any-return]

    # --- the latent space

    @synchronized
    def interpolate(self, a: Any, b: Any, steps: int = 10, kind: str = "linear", labels: Any = None) -> Array:
        """Pictures (steps, D) on the way from the code of a (D,) to the code of b (D,): `latent_space.interpolate`."""
        return latent_space.interpolate(self, a, b, steps, kind, labels)

    @synchronized
    def analogy(self, a: Any, b: Any, c: Any, labels: Any = None) -> Array:
        """The row that is to c as a is to b: `latent_space.analogy`."""
        return latent_space.analogy(self, a, b, c, labels)

    @synchronized
    def traverse(self, x: Any = None, dimension: int = 0, values: Any = None, labels: Any = None) -> Array:
        """Pictures (T, D) along one latent dimension: `latent_space.traverse`."""
        return latent_space.traverse(self, x, dimension, values, labels)

    # --- checks of what comes in

    def check_data(self, x: Any, name: str = "x", mean: Array | None = None) -> Array:
        """`x`, once it is known to be rows of data; `mean` (D,) float64, where it is given, is set to theirs.

        Raises DTypeError, ShapeError, RangeError or, for a map of a file that is too short by now, DataError.
        """
        return self.validator.check_rows(x, name, self.input_dim, self.support, mean, self.config["missing"])

    def check_noise(self, eps: Any, seed: int, rows: int) -> Callable[[slice], Array]:
        """A function that gives a slice of eps (rows, noise_dim), once that is known to fit.

        Where eps is None, it gives what it draws from `seed`, and is to be asked for one slice after the other.
        """
        if eps is None:
            draw = generator(seed, "noise").standard_normal
            return lambda part: fill_random(np.empty((part.stop - part.start, self.noise_dim), self.dtype), draw)
        eps = self.validator.check_rows(eps, "eps", self.noise_dim)
        if len(eps) != rows:
            raise ShapeError(f"eps has {len(eps)} rows and x has {rows}; expected one row of noise for each row of x")
        return eps.__getitem__  # type: ignore[no-any-return]

    def check_labels(self, labels: Any, rows: int, name: str = "labels") -> Array | None:
        """`labels` on the host, once they are known to be one for each of the rows; None of a model that takes none.

        Raises ConfigError, DTypeError, ShapeError or RangeError.
        """
        if labels is not None:
            raise ConfigError(f"{name} were given to {type(self).__name__}, which takes none; ConditionalVAE does")
        return None

    def encoder_labels(self, x: Array, labels: Any) -> Array | None:
        """The class of each row of x that the encoder is given."""
        return self.check_labels(labels, len(x))

    def decoder_labels(self, labels: Any, rows: int) -> Array | None:
        """The class of each row that the decoder is given."""
        return self.check_labels(labels, rows)

    def label_settings(self, labels: Array | None, share: float | None) -> dict[str, Any]:
        """Further arguments of `forward` for training on such labels, labelled rows being that share of a batch.

        A share of None stands for that of the labels themselves, as in a single batch.
        """
        return {}

    def one_hot(self, labels: Array) -> Array:
        """The one-hot rows (B, K) of labels that were checked, on our device."""
        raise NotImplementedError

    def targets(self, labels: Array | None) -> dict[str, Any]:
        """The argument of `forward` for labels that were checked."""
        return {} if labels is None else {"targets": self.one_hot(labels)}

    def chunks(self, x: Array, labels: Array | None = None) -> Iterator[tuple[slice, Array, tuple[Array, ...]]]:
        """`x` a few rows at a time, of our dtype and on our device: the slice, the rows, and their one-hot classes."""
        self.ensure_capacity(min(self.chunk_rows, len(x)))
        if self.objective is not None:
            self.objective.invalidate()
        for part in RowReader(x).parts(self.chunk_rows):
            targets = () if labels is None else (self.one_hot(labels[part]),)
            yield part, self.validator.to_device(x[part]), targets

    # --- settings

    def _name_of(self, likelihood: Likelihood, sigma: float | None, own: dict[str, Any]) -> tuple[Any, float | None]:
        """The name, and sigma, of a likelihood of ours; any other is kept in `own`, and described."""
        if sigma is not None:
            raise ConfigError("sigma and a likelihood of your own were both given; give sigma to the likelihood")
        for name, kind in LIKELIHOODS.items():
            if type(likelihood) is kind:
                return name, likelihood.sigma if isinstance(likelihood, Gaussian) else None
        own["likelihood"] = likelihood
        return type(likelihood).__name__, None

    def _refuse_unused(self, settings: dict[str, Any], own: Mapping[str, Any]) -> None:
        """Raises ConfigError for a setting that a part of the user's own leaves without effect."""
        unused: dict[str, Any] = {}
        if "encoder" in own and "decoder" in own:
            unused = {"hidden": HIDDEN, "activation": "relu", "init": None}
        if "objective" in own:
            unused |= {"beta": 1.0, "free_bits": 0.0}
        for name, default in unused.items():
            value = settings[name]
            if (tuple(value) if isinstance(value, list) else value) != default:
                given = "objective" if name in ("beta", "free_bits") else "encoder and decoder"
                raise ConfigError(f"{name}={value!r} does nothing beside {given} of your own: leave it out")


def _again(
    kind: type[Model],
    config: dict[str, Any],
    backend: Backend,
    theta: Array,
    notes: dict[str, Any],
    classes: Mapping[str, type],
) -> Model:
    """A model of this configuration, weights (P,), which are copied, and notes."""
    model = kind.from_config(config, backend, classes)
    model.backend.copy_from_host(model.theta, theta)
    model.metadata = dict(notes)
    return model
