"""Fused variants of layers, densities, objectives and optimizers: the same results in fewer passes over memory.

On a device each ufunc is a launch of 10 to 20 μs, and on the host a pass over memory: where a backend compiles kernels,
a model takes the variant of each of its parts, and the arithmetic of a part is one kernel. The mathematics stands in
the plain classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from scratchvae.backend import Backend
from scratchvae.fused.layers import FusedConditionalSequential, FusedReLU, FusedSequential
from scratchvae.fused.objectives import FusedELBO
from scratchvae.fused.optim import FusedAdam, FusedAdamW
from scratchvae.fused.probability import (
    FusedBernoulli,
    FusedDiagonalGaussian,
    FusedGaussianKL,
    FusedReparameterize,
)
from scratchvae.layers import ConditionalSequential, ReLU, Sequential
from scratchvae.memory import Module
from scratchvae.objectives import ELBO
from scratchvae.optim import Adam, AdamW
from scratchvae.probability import Bernoulli, DiagonalGaussian, GaussianKL, Reparameterize

P = TypeVar("P")

COMPILED: dict[type[Any], type[Any]] = {
    ReLU: FusedReLU,
    Sequential: FusedSequential,
    ConditionalSequential: FusedConditionalSequential,
    Reparameterize: FusedReparameterize,
    DiagonalGaussian: FusedDiagonalGaussian,
    GaussianKL: FusedGaussianKL,
    Bernoulli: FusedBernoulli,
    ELBO: FusedELBO,
    Adam: FusedAdam,
    AdamW: FusedAdamW,
}


def variants(backend: Backend) -> Mapping[type[Any], type[Any]]:
    """The fused class of each plain one, on this backend."""
    return COMPILED if backend.kernels is not None else {}


def fused(part: P, backend: Backend) -> P:
    """The fused variant of `part` on this backend, made from the same `config()`; `part` itself where it has none.

    The modules inside a part are replaced by their variants too. A class of a user's own stands as it is.
    """
    table = variants(backend)
    return _fused(part, table, backend) if table else part


def plain_class(part: P) -> type[P]:
    """The class that the class of `part` is a fused variant of; its own class where it is none."""
    return next((plain for plain, variant in COMPILED.items() if variant is type(part)), type(part))


def _fused(part: Any, table: Mapping[type[Any], Any], backend: Backend) -> Any:
    if isinstance(part, tuple | list):
        return type(part)(_fused(each, table, backend) for each in part)
    kind = table.get(type(part))
    if kind is not None:
        part = kind.from_config({name: _fused(value, table, backend) for name, value in part.config().items()})
        part.kernels = backend.kernels
    children = {id(child) for child in part.children().values()} if isinstance(part, Module) else set()
    for name, value in list(vars(part).items()) if children else ():
        if id(value) in children or (isinstance(value, tuple | list) and any(id(each) in children for each in value)):
            setattr(part, name, _fused(value, table, backend))
    return part
