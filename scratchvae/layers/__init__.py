"""The pieces of a network: each forward stands above its backward, with the derivation between them."""

from scratchvae.layers import fused  # noqa: F401 - the twins for devices, which must be known
from scratchvae.layers.fill import Fill
from scratchvae.layers.gelu import GELU
from scratchvae.layers.labelled import LabelledLinear
from scratchvae.layers.layer import Layer
from scratchvae.layers.leaky_relu import LeakyReLU
from scratchvae.layers.linear import Linear
from scratchvae.layers.relu import ReLU
from scratchvae.layers.repeat import Repeat
from scratchvae.layers.sequential import Sequential
from scratchvae.layers.sigmoid import Sigmoid
from scratchvae.layers.silu import SiLU
from scratchvae.layers.softplus import Softplus
from scratchvae.layers.split import Split
from scratchvae.layers.tanh import Tanh

__all__ = [
    "GELU",
    "Fill",
    "LabelledLinear",
    "Layer",
    "LeakyReLU",
    "Linear",
    "ReLU",
    "Repeat",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Split",
    "Tanh",
]
