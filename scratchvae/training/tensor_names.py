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

BESIDE = ("kl", "log_softmax", "bound")  # what stands between the parts of a model
TERMS = (Likelihood, Divergence, GaussianKL, FreeBits, LogDensityRatio, ImportanceBound, MarginalBound, Objective)
RESULTS = {  # what is returned, where that is not "the output" on the way forward, or "dx" on the way back
    ("Split", "forward"): ("mu", "logvar"),
    ("Reparameterize", "forward"): ("z",),
    ("Reparameterize", "backward"): ("dmu", "dlogvar"),
    ("Likelihood", "forward"): ("the log-likelihood",),
    ("Likelihood", "backward"): ("dparameters",),
    ("GaussianKL", "forward"): ("the KL",),
    ("GaussianKL", "backward"): ("dmu", "dlogvar"),
    ("FreeBits", "forward"): ("the charged KL",),
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
    ("Prior", "forward"): ("the log-density",),
    ("Prior", "backward"): ("dz",),
    ("Divergence", "forward"): ("the KL",),
    ("Divergence", "backward"): ("dz", "dlog_q", "dparameters"),
}


def modules_of(model: Any) -> Iterator[tuple[str, Module]]:
    """Every module that computes for a model, by name; the layers of a network as `model.params` counts them.

    Of a module that only hands on to those inside it, these are enough.
    """
    parts = {**model.parts, **{name: vars(model)[name] for name in BESIDE if name in vars(model)}}
    if (draws := vars(model).get("draws")) is not None and draws.draws > 1:
        parts |= {"repeat_h": draws.repeat_h, "repeat_x": draws.repeat_x}
    for name, part in parts.items():
        for full, module in modules_in(part, name):
            if not (isinstance(module, DiagonalGaussian | Divergence) and module.children()):
                yield full, module


def title(name: str, piece: Any) -> str:
    """Such as "encoder.0 (Linear)", also where its compiled twin computes."""
    return f"{name} ({type(piece).__name__.removeprefix('Fused')})"


def layer_of(parameter: str) -> str:
    """The piece that a parameter belongs to: of "encoder.0.W", as of "m of encoder.0.W", "encoder.0"."""
    return parameter.rpartition(" of ")[2].rpartition(".")[0]


def kind_of(piece: Any, method: str) -> str:
    """The kind of a finding in what `method` of `piece` puts out."""
    if "backward" in method:
        return "gradient"
    return "loss" if isinstance(piece, TERMS) else "activation"


def results(name: str, piece: Any, method: str, given_back: Any) -> Iterator[tuple[str, Any]]:
    """What `method` has returned, array by array, each under a name."""
    arrays = given_back if isinstance(given_back, tuple) else (given_back,)
    way = "backward" if "backward" in method else "forward"
    known = (RESULTS.get((kind.__name__, way)) for kind in type(piece).__mro__)
    default = ("dx",) if way == "backward" else ("x W" if method == "product" else "the output",)
    names = next((names for names in known if names), default)
    for array, of in zip_longest(arrays, names[: len(arrays)], fillvalue="a result"):
        yield f"{of} of {title(name, piece)}", array
