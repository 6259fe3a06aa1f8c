"""The default networks of a model: multilayer perceptrons and convolutional networks, with or without a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod

from scratchvae.errors import ConfigError
from scratchvae.layers import (
    ELU,
    GELU,
    ConditionalLinear,
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    SplitChannels,
    Tanh,
)
from scratchvae.memory import Shape
from scratchvae.validation import short_repr

ACTIVATIONS: dict[str, type[Layer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
    "silu": SiLU,
    "gelu": GELU,
    "elu": ELU,
}
ARCHITECTURES = ("mlp", "conv")
HIDDEN = {"mlp": (512,), "conv": (128,)}  # the default widths of the linear layers
KERNEL = 4  # of the convolutions: with a stride of 2 and a border of 1, each halves the height and the width
CHANNELS, MOST_CHANNELS = 32, 256  # after the first convolution; each further one doubles them
SMALLEST = 4  # height and width of a picture
LARGE = 8  # height or width that a further convolution halves

MakeLayer = Callable[[], Layer]


def mlp(widths: Sequence[int], activation: MakeLayer, init: str | None = None) -> list[Layer]:
    """Linear layers between the given widths, an activation after each one except the last.

    `init` is the initializer of all weights. None: the activation's own for hidden layers, the default of `Layer` for
    the last one.
    """
    return [*_hidden(widths[:-1], activation, init), Linear(widths[-2], widths[-1], init or Layer.initializer)]


def _hidden(widths: Sequence[int], activation: MakeLayer, init: str | None) -> list[Layer]:
    """Linear layers between the given widths, an activation after each one."""
    layers: list[Layer] = []
    for inputs, outputs in pairwise(widths):
        layers += [Linear(inputs, outputs, init or activation().initializer), activation()]
    return layers


def picture_of(image_shape: Sequence[int] | None) -> Shape:
    """(height, width, channels) of the pictures of a convolutional network. Raises ConfigError if it cannot be made."""
    if image_shape is None:
        raise ConfigError(
            "architecture='conv' needs image_shape, (height, width) or (height, width, channels) of a picture; for "
            "other rows use architecture='mlp'"
        )
    height, width, channels = (*image_shape, 1)[:3]
    if min(height, width) < SMALLEST:
        first = len(image_shape) == 3 and height in (1, 3) and min(width, channels) >= SMALLEST
        hint = f"channels stand last, as in {(width, channels, height)}" if first else "use architecture='mlp'"
        raise ConfigError(
            f"image_shape={short_repr(tuple(image_shape))}: architecture='conv' needs pictures of at least "
            f"{SMALLEST} × {SMALLEST} pixels; {hint}"
        )
    return height, width, channels


def _heights_and_widths(picture: Shape) -> list[tuple[int, int]]:
    """The height and width of a picture before and after each convolution, which halves them.

    The last are those that are both less than LARGE, or of which one is less than SMALLEST.
    """
    sizes = [(picture[0], picture[1])]
    while len(sizes) == 1 or (max(sizes[-1]) >= LARGE and min(sizes[-1]) >= SMALLEST):
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def _channels(count: int) -> list[int]:
    return [min(CHANNELS * 2**k, MOST_CHANNELS) for k in range(count)]


def conv_encoder(
    picture: Shape, hidden: Sequence[int], outputs: int, activation: MakeLayer, init: str | None = None
) -> list[Layer]:
    """Convolutions that halve a picture (H, W, C) until it is small, then linear layers of the widths `hidden`."""
    sizes = _heights_and_widths(picture)
    channels = [picture[2], *_channels(len(sizes) - 1)]
    layers: list[Layer] = []
    for inputs, made in pairwise(channels):
        layers += [Conv2d(inputs, made, KERNEL, 2, 1, init or activation().initializer), activation()]
    width = prod(sizes[-1]) * channels[-1]
    return [*layers, Flatten(), *mlp((width, *hidden, outputs), activation, init)]


def conv_decoder(
    inputs: int,
    hidden: Sequence[int],
    picture: Shape,
    outputs_per_dimension: int,
    activation: MakeLayer,
    init: str | None = None,
) -> list[Layer]:
    """The mirror image of `conv_encoder`: linear layers, then transposed convolutions that double a picture."""
    sizes = _heights_and_widths(picture)[::-1]
    channels = [*_channels(len(sizes) - 1)[::-1], picture[2] * outputs_per_dimension]
    layers = _hidden((inputs, *hidden, prod(sizes[0]) * channels[0]), activation, init)
    layers.append(Reshape(*sizes[0], channels[0]))
    for k, (size, larger) in enumerate(pairwise(sizes)):
        odd = larger[0] - 2 * size[0], larger[1] - 2 * size[1]
        last = k == len(sizes) - 2
        initializer = init or (Layer.initializer if last else activation().initializer)
        layers.append(ConvTranspose2d(channels[k], channels[k + 1], KERNEL, 2, 1, odd, initializer))
        layers += [] if last else [activation()]
    return layers + [SplitChannels(outputs_per_dimension)] * (outputs_per_dimension > 1)


def network(layers: Sequence[Layer], classes: int = 0) -> Sequential:
    """The composition of layers; with classes, the first linear one also reads the class of a row."""
    if not classes:
        return Sequential(*layers)
    k, first = next((k, layer) for k, layer in enumerate(layers) if isinstance(layer, Linear))
    conditional = ConditionalLinear(first.inputs, classes, first.outputs, first.init)
    return ConditionalSequential(*layers[:k], conditional, *layers[k + 1 :])
