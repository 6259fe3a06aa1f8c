"""Fused variants of layers, densities, objectives and optimizers: the same results in fewer passes over memory.

Each ufunc costs a launch of 10 to 20 μs on a GPU, and a pass over memory on the CPU. On backends with kernels, a model
replaces each part by its fused variant, whose arithmetic is one kernel. The mathematics is in the plain classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from scratchvae.backend import Backend
from scratchvae.fused.layers import (
    FUSED_ACTIVATIONS,
    FusedConditionalSequential,
    FusedConv2d,
    FusedConvTranspose2d,
    FusedLinear,
    FusedLog1p,
    FusedNaNToZero,
    FusedSequential,
)
from scratchvae.fused.likelihoods import FUSED_LIKELIHOODS
from scratchvae.fused.objectives import FusedELBO, FusedImportanceWeighted
from scratchvae.fused.optim import FusedAdam, FusedAdamW
from scratchvae.fused.probability import (
    FusedDiagonalGaussian,
    FusedExactKL,
    FusedGaussianDrawKL,
    FusedGaussianKL,
    FusedImportanceBound,
    FusedReparameterize,
)
from scratchvae.layers import (
    ConditionalSequential,
    Conv2d,
    ConvTranspose2d,
    Linear,
    Log1p,
    NaNToZero,
    Sequential,
)
from scratchvae.memory import Module
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.optim import Adam, AdamW
from scratchvae.probability import (
    DiagonalGaussian,
    ExactKL,
    GaussianDrawKL,
    GaussianKL,
    ImportanceBound,
    Reparameterize,
)

P = TypeVar("P")

FUSED_VARIANTS: dict[type[Any], type[Any]] = {
    **FUSED_ACTIVATIONS,
    **FUSED_LIKELIHOODS,
    Log1p: FusedLog1p,
    NaNToZero: FusedNaNToZero,
    Linear: FusedLinear,
    Conv2d: FusedConv2d,
    ConvTranspose2d: FusedConvTranspose2d,
    Sequential: FusedSequential,
    ConditionalSequential: FusedConditionalSequential,
    Reparameterize: FusedReparameterize,
    DiagonalGaussian: FusedDiagonalGaussian,
    GaussianKL: FusedGaussianKL,
    ExactKL: FusedExactKL,
    GaussianDrawKL: FusedGaussianDrawKL,
    ImportanceBound: FusedImportanceBound,
    ELBO: FusedELBO,
    ImportanceWeighted: FusedImportanceWeighted,
    Adam: FusedAdam,
    AdamW: FusedAdamW,
}
# One number per draw: on the host, a launch takes as long as ten of their ufuncs.
DEVICE_ONLY = {ImportanceBound, ImportanceWeighted}


def fused_variants(backend: Backend) -> Mapping[type[Any], type[Any]]:
    """Return the fused variant of each plain class that has one; empty if the backend has no kernels."""
    if backend.kernels is None:
        return {}
    left_out = DEVICE_ONLY if backend.on_host else ()
    return {plain: variant for plain, variant in FUSED_VARIANTS.items() if plain not in left_out}


def fused(part: P, backend: Backend) -> P:
    """Return the fused variant of `part`, constructed from its `config()`; `part` itself if there is none.

    Modules inside a part are replaced as well. User-defined classes are left as they are.
    """
    variants = fused_variants(backend)
    return _fused(part, variants, backend) if variants else part


def plain_class(part: P) -> type[P]:
    """Return the plain class of a fused variant; the class of `part` itself if it is not a fused variant."""
    return next((plain for plain, variant in FUSED_VARIANTS.items() if variant is type(part)), type(part))


def _fused(part: Any, variants: Mapping[type[Any], Any], backend: Backend) -> Any:
    if isinstance(part, tuple | list):
        return type(part)(_fused(item, variants, backend) for item in part)
    variant = variants.get(type(part))
    if variant is not None:
        part = variant.from_config({name: _fused(value, variants, backend) for name, value in part.config().items()})
        part.kernels = backend.kernels
    children = {id(child) for child in part.children().values()} if isinstance(part, Module) else set()
    for name, value in list(vars(part).items()) if children else ():
        if id(value) in children or (isinstance(value, tuple | list) and any(id(item) in children for item in value)):
            setattr(part, name, _fused(value, variants, backend))
    return part
