"""The names of the modules of a model, and of their outputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from scratchvae.memory import Module
from scratchvae.models.parts import modules_in
from scratchvae.objectives import Objective
from scratchvae.probability import (
    DiagonalGaussian,
    Divergence,
    FreeBits,
    GaussianKL,
    ImportanceBound,
    Likelihood,
    LogDensityRatio,
    MarginalBound,
)

CONNECTING_MODULES = ("kl", "log_softmax", "bound")  # attributes of a model that are modules but not parts
LOSS_TERMS = (Likelihood, Divergence, GaussianKL, FreeBits, LogDensityRatio, ImportanceBound, MarginalBound, Objective)
RESULTS = {  # names of results, unless forward returns "the output" and backward "dx"
    ("SplitHalves", "forward"): ("mu", "logvar"),
    ("Reparameterize", "forward"): ("z",),
    ("Reparameterize", "backward"): ("dmu", "dlogvar"),
    ("Likelihood", "forward"): ("the log-likelihood",),
    ("Likelihood", "backward"): ("dparameters",),
    ("GaussianKL", "forward"): ("the KL",),
    ("GaussianKL", "backward"): ("dmu", "dlogvar"),
    ("FreeBits", "forward"): ("the penalized KL",),
    ("FreeBits", "backward"): ("dper_dimension",),
    ("LogSoftmax", "forward"): ("log_q",),
    ("LogSoftmax", "backward"): ("dlogits",),
    ("LogDensityRatio", "forward"): ("the log-ratio",),
    ("LogDensityRatio", "backward"): ("dz", "deps", "dlogvar"),
    ("ImportanceBound", "forward"): ("the bound",),
    ("ImportanceBound", "backward"): ("dlog_w",),
    ("MarginalBound", "forward"): ("the evidence", "the divergence"),
    ("MarginalBound", "backward"): ("dlog_q", "dlog_likelihood", "dkl"),
    ("Objective", "forward"): ("the value", "the reconstruction", "the KL"),
    ("Objective", "backward"): ("dlog_likelihood", "dkl"),
    ("Posterior", "forward"): ("z",),
    ("Posterior", "backward"): ("dh",),
    ("Posterior", "log_prob"): ("log q",),
    ("Prior", "forward"): ("the log-density",),
    ("Prior", "backward"): ("dz",),
    ("Divergence", "forward"): ("the KL",),
    ("Divergence", "backward"): ("dz", "dlog_q", "dparameters"),
}


def named_modules(model: Any) -> Iterator[tuple[str, Module]]:
    """Yield (name, module) of the modules of a model; a layer has the name that begins its keys in `model.params`.

    A posterior or a divergence that only wraps other modules is skipped, and the modules that it wraps are yielded.
    """
    parts = {**model.parts, **{name: vars(model)[name] for name in CONNECTING_MODULES if name in vars(model)}}
    if (draws := vars(model).get("draws")) is not None and draws.draws > 1:
        parts |= {"repeat_h": draws.repeat_h, "repeat_x": draws.repeat_x}
    for name, part in parts.items():
        for full, module in modules_in(part, name):
            if not (isinstance(module, DiagonalGaussian | Divergence) and module.children()):
                yield full, module


def title(name: str, module: Any) -> str:
    """The name and the class of a module, such as "encoder.0 (Linear)", also for a fused variant."""
    return f"{name} ({type(module).__name__.removeprefix('Fused')})"


def layer_of(parameter: str) -> str:
    """The layer of a parameter: "encoder.0" for "encoder.0.W" and for "m of encoder.0.W"."""
    return parameter.rpartition(" of ")[2].rpartition(".")[0]


def kind_of(module: Any, method: str) -> str:
    """The kind of tensor that a method of a module returns: "gradient", "loss" or "activation"."""
    if "backward" in method:
        return "gradient"
    return "loss" if isinstance(module, LOSS_TERMS) else "activation"


def results(name: str, module: Any, method: str, returned: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays that a method has returned, each with a name."""
    arrays = returned if isinstance(returned, tuple) else (returned,)
    direction = method if method == "log_prob" else "backward" if "backward" in method else "forward"
    known = (RESULTS.get((kind.__name__, direction)) for kind in type(module).__mro__)
    default = ("dx",) if direction == "backward" else ("x W" if method == "matmul" else "the output",)
    names = next((names for names in known if names), default)
    for array, result in zip_longest(arrays, names[: len(arrays)], fillvalue="a result"):
        yield f"{result} of {title(name, module)}", array
