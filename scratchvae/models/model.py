"""What the VAE and the autoencoder share: an encoder, a decoder, and memory laid out flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from scratchvae.backend import Array, Backend, get_backend, guarded
from scratchvae.errors import ShapeError
from scratchvae.layers import Fill, Layer, Sequential
from scratchvae.memory import BatchBuffers, Rows
from scratchvae.models.configuration import configuration
from scratchvae.models.copies import Copied
from scratchvae.models.labels import Unlabelled
from scratchvae.models.latent_space import LatentSpace
from scratchvae.models.likelihoods import make_likelihood
from scratchvae.models.network import perceptron
from scratchvae.models.objective import Objective, Terms
from scratchvae.models.output import Output
from scratchvae.models.synchronized import synchronized
from scratchvae.models.weights import PLAN
from scratchvae.probability import Observed
from scratchvae.settings import whole
from scratchvae.streams import fill, stream


class Model(Copied, LatentSpace, Output, Unlabelled):
    """An encoder x (B, D) → h and a decoder z (B, Z) → the likelihood's parameters, trained by one objective.

    Every parameter is a view of one flat vector `theta` (P,), every gradient a view of another, `dtheta` (P,).
    """

    outputs_per_latent: ClassVar[int]  # numbers that the encoder puts out for each latent dimension
    noise_per_latent: ClassVar[int]  # numbers of noise that `forward` takes for each latent dimension
    chunk_rows: ClassVar[int] = 512  # rows computed at once by methods that take any number of them

    @guarded
    def __init__(
        self,
        input_dim: int = 784,
        latent_dim: int = 20,
        hidden: Sequence[int] = (512,),
        activation: str = "relu",
        likelihood: str = "bernoulli",
        beta: float = 1.0,
        seed: int = 0,
        dtype: str = "float32",
        backend: str | Backend = "numpy",
        init: str | None = None,
        image_shape: Sequence[int] | None = None,
        free_bits: float = 0.0,
        sigma: float | None = None,
        missing: bool = False,
    ) -> None:
        self.make_locks()
        self.config = config = configuration(
            input_dim=input_dim,
            latent_dim=latent_dim,
            hidden=hidden,
            activation=activation,
            likelihood=likelihood,
            sigma=sigma,
            missing=missing,
            beta=beta,
            free_bits=free_bits,
            seed=seed,
            dtype=dtype,
            init=init,
            image_shape=image_shape,
        )
        self.input_dim: int = config["input_dim"]
        self.latent_dim: int = config["latent_dim"]
        self.image_shape = None if image_shape is None else tuple(config["image_shape"])
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.notes: dict[str, Any] = {}  # what is worth keeping in the file with it, such as the data it learnt from

        self.likelihood = make_likelihood(likelihood, config["sigma"])
        inward = (self.input_dim, *config["hidden"], self.outputs_per_latent * self.latent_dim)
        outputs = self.likelihood.outputs_per_dimension * self.input_dim
        outward = (self.latent_dim, *reversed(config["hidden"]), outputs)
        networks = self.build_networks(inward, outward)
        self.decoder = networks["decoder"]
        self.encoder: Layer = networks["encoder"]
        if config["missing"]:
            self.encoder, self.likelihood = Fill(self.encoder), Observed(self.likelihood)
        self.objective = Objective(config["beta"])
        self.build_latent()
        self.pieces = {**networks, "encoder": self.encoder, "likelihood": self.likelihood}
        if backend is not PLAN:
            self.settle(get_backend(backend))

    def __repr__(self) -> str:
        widths = "-".join(str(width) for width in (self.input_dim, *self.config["hidden"], self.latent_dim))
        likelihood = self.config["likelihood"]
        of = [self.config["activation"]] + [likelihood] * (likelihood != "bernoulli")
        kind = f"{type(self).__name__} {widths}, {', '.join(of)}, {self.theta.size:,} parameters"
        return f"<{kind}, {self.dtype} on {self.backend.name}>"

    def build_networks(self, inward: tuple[int, ...], outward: tuple[int, ...]) -> dict[str, Sequential]:
        """Whatever has parameters, by name: the "encoder" and the "decoder", of these widths, first of all."""
        activation, init = self.config["activation"], self.config["init"]
        return {"encoder": perceptron(inward, activation, init), "decoder": perceptron(outward, activation, init)}

    def build_latent(self) -> None:
        """Make what stands between the encoder and the decoder."""

    @property
    def noise_dim(self) -> int:
        """The number of columns of eps that `forward` takes."""
        return self.noise_per_latent * self.latent_dim

    def reserve(self, batch: int) -> None:
        """Make room for batches of up to `batch` rows, so that no later step has to."""
        if type(batch) is not int or batch > self._buffers.rows:
            with self.lock:
                buffers = self._buffers.taller(max(whole("batch", batch), self._buffers.rows))
                self.bind(buffers)
                self._buffers = buffers

    def bind(self, buffers: BatchBuffers) -> None:
        """Hand every piece its batch buffers."""
        self.encoder.bind(buffers, self.input_dim)
        self.decoder.bind(buffers, self.latent_dim)
        self.likelihood.bind(buffers, self.input_dim)
        self.objective.bind(buffers)

    def forward(self, x: Array, eps: Array, corrupted: Array | None = None, kl_weight: float = 1.0) -> Terms:
        """The terms of each row of x (B, D) with noise eps (B, noise_dim), on the device as all arrays here; on loan.

        The encoder sees `corrupted` (B, D) in place of x, where it is given; what is scored is x. `kl_weight`
        multiplies the weight of the KL in the loss.

        Every method of a model computes in the same buffers: `backward` must follow before any other is called; where
        there are several threads, both under one `with model.lock:`.
        """
        raise NotImplementedError

    def backward(self) -> None:
        """Set `dtheta` to the gradient of the last forward's loss. Raises ShapeError unless that came just before."""
        raise NotImplementedError

    @synchronized
    def decode(self, z: Any) -> Array:
        """The mean of p(x | z), (B, D), for each row of z (B, Z).

        Raises DTypeError, ShapeError or RangeError.
        """
        z = self.door.rows(z, "z", self.latent_dim)
        means = self.backend.xp.empty((len(z), self.input_dim), self.dtype)
        for part, z_part in self.chunks(z):
            self.likelihood.mean(self.decoder.forward(z_part), out=means[part])
        return means  # type: ignore[no-any-return]

    @synchronized
    def reconstruct(self, x: Any) -> Array:
        """What the decoder makes of the code of each row of x (B, D): `decode(embed(x))`, (B, D). Raises as `embed`."""
        return self.decode(self.embed(x))

    @synchronized
    def loss_and_grads(self, x: Any, eps: Any = None, seed: int = 0) -> tuple[float, dict[str, Array]]:
        """The loss of the batch x (B, D), in nats a row, and its gradient, {name: array} shaped as `params`.

        eps (B, noise_dim) is the noise; where it is None, it is drawn from `seed`.
        Raises DTypeError, ShapeError or RangeError.
        """
        x, eps = self.admit(x, eps, seed)
        loss = float(self.objective.loss(self.forward(self.door.bring(x), self.door.bring(eps))))
        self.backward()
        return loss, {name: grad.copy() for name, grad in self.grads.items()}

    @synchronized
    def terms(self, x: Any, eps: Any = None, seed: int = 0, corrupted: Any = None) -> Terms:
        """The terms of each row of x (B, D), for any number of rows, to keep. Takes and raises as `loss_and_grads`.

        The encoder sees `corrupted` (B, D), if that is given. Whatever training charges, value = reconstruction − βKL.
        """
        x = self.admit_data(x)
        if corrupted is not None:
            corrupted = self.admit_data(corrupted, "corrupted")
            if len(corrupted) != len(x):
                raise ShapeError(f"corrupted has {len(corrupted)} rows and x has {len(x)}; expected one for each")
        noise = self.admit_noise(eps, seed, len(x))
        kept = Terms(*(self.backend.xp.empty(len(x), self.dtype) for _ in Terms._fields))
        for part, x_part in self.chunks(x):
            seen = () if corrupted is None else (self.door.bring(corrupted[part]),)
            for to, of in zip(kept, self.forward(x_part, self.door.bring(noise(part)), *seen), strict=True):
                to[part] = of
        return self.objective.bound(kept)

    def admit(self, x: Any, eps: Any, seed: int) -> tuple[Array, Array]:
        """Both x (B, D) and eps (B, noise_dim), once they are known to fit; eps drawn from `seed` where it is None."""
        x = self.admit_data(x)
        return x, self.admit_noise(eps, seed, len(x))(slice(0, len(x)))

    def admit_data(self, x: Any, name: str = "x", mean: Array | None = None) -> Array:
        """`x`, once it is known to be rows of data; `mean` (D,) float64, where it is given, is set to theirs.

        Raises DTypeError, ShapeError, RangeError or, for a map of a file that is too short by now, DataError.
        """
        return self.door.rows(x, name, self.input_dim, self.likelihood.support, mean, self.config["missing"])

    def admit_noise(self, eps: Any, seed: int, rows: int) -> Callable[[slice], Array]:
        """What gives a slice of eps (rows, noise_dim), once that is known to fit.

        Where eps is None, it gives what it draws from `seed`, and is to be asked for one slice after the other.
        """
        if eps is None:
            draw = stream(seed, "noise").standard_normal
            return lambda part: fill(np.empty((part.stop - part.start, self.noise_dim), self.dtype), draw)
        eps = self.door.rows(eps, "eps", self.noise_dim)
        if len(eps) != rows:
            raise ShapeError(f"eps has {len(eps)} rows and x has {rows}; expected one row of noise for each row of x")
        return eps.__getitem__  # type: ignore[no-any-return]

    def chunks(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """`x` a few rows at a time, of our dtype and on our device, each part with the slice that it is."""
        self.reserve(min(self.chunk_rows, len(x)))
        self.objective.forget()
        for part in Rows(x).parts(self.chunk_rows):
            yield part, self.door.bring(x[part])
