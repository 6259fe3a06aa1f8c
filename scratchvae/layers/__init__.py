"""Layers of a network: each forward stands above its backward, with the derivation between them."""

from scratchvae.layers.conditional_linear import ConditionalLinear
from scratchvae.layers.conv2d import Conv2d
from scratchvae.layers.conv_transpose2d import ConvTranspose2d
from scratchvae.layers.elu import ELU
from scratchvae.layers.gated import Gated
from scratchvae.layers.gelu import GELU
from scratchvae.layers.layer import Layer
from scratchvae.layers.layer_norm import LayerNorm
from scratchvae.layers.leaky_relu import LeakyReLU
from scratchvae.layers.linear import Linear
from scratchvae.layers.log1p import Log1p
from scratchvae.layers.masked_linear import MaskedLinear
from scratchvae.layers.nan_to_zero import NaNToZero
from scratchvae.layers.relu import ReLU
from scratchvae.layers.repeat import Repeat
from scratchvae.layers.reshape import Flatten, Reshape
from scratchvae.layers.residual import Residual
from scratchvae.layers.sequential import ConditionalSequential, Sequential
from scratchvae.layers.sigmoid import Sigmoid
from scratchvae.layers.silu import SiLU
from scratchvae.layers.softplus import Softplus
from scratchvae.layers.split_channels import SplitChannels
from scratchvae.layers.tanh import Tanh
from scratchvae.layers.upsample import Upsample

__all__ = [
    "ELU",
    "GELU",
    "ConditionalLinear",
    "ConditionalSequential",
    "Conv2d",
    "ConvTranspose2d",
    "Flatten",
    "Gated",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Log1p",
    "MaskedLinear",
    "NaNToZero",
    "ReLU",
    "Repeat",
    "Reshape",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "SplitChannels",
    "Tanh",
    "Upsample",
]
