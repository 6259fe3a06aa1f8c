"""Layers of a network: each forward stands above its backward, with the derivation between them."""

from scratchvae.layers.conditional_linear import ConditionalLinear
from scratchvae.layers.gelu import GELU
from scratchvae.layers.layer import Layer
from scratchvae.layers.leaky_relu import LeakyReLU
from scratchvae.layers.linear import Linear
from scratchvae.layers.nan_to_zero import NaNToZero
from scratchvae.layers.relu import ReLU
from scratchvae.layers.repeat import Repeat
from scratchvae.layers.sequential import ConditionalSequential, Sequential
from scratchvae.layers.sigmoid import Sigmoid
from scratchvae.layers.silu import SiLU
from scratchvae.layers.softplus import Softplus
from scratchvae.layers.tanh import Tanh

__all__ = [
    "GELU",
    "ConditionalLinear",
    "ConditionalSequential",
    "Layer",
    "LeakyReLU",
    "Linear",
    "NaNToZero",
    "ReLU",
    "Repeat",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
]
