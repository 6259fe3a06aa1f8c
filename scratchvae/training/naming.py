"""What the pieces of a model, and what they put out, are called."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from scratchvae.memory import Unit
from scratchvae.models.objective import Objective
from scratchvae.probability import FreeBits, GaussianKL, ImportanceBound, Likelihood, LogRatio, MarginalBound

TERMS = (Likelihood, GaussianKL, FreeBits, LogRatio, ImportanceBound, MarginalBound, Objective)
RESULTS = {  # what is returned, where that is not "the output" on the way forward, or "dx" on the way back
    ("Split", "forward"): ("mu", "logvar"),
    ("Reparameterize", "forward"): ("z",),
    ("Reparameterize", "backward"): ("dmu", "dlogvar"),
    ("Likelihood", "forward"): ("the log-likelihood",),
    ("Likelihood", "backward"): ("dparameters",),
    ("GaussianKL", "forward"): ("the KL",),
    ("FreeBits", "forward"): ("the charged KL",),
    ("FreeBits", "backward"): ("dper_dimension",),
    ("LogSoftmax", "forward"): ("log_q",),
    ("LogSoftmax", "backward"): ("dlogits",),
    ("LogRatio", "forward"): ("the log-ratio",),
    ("LogRatio", "backward"): ("dz", "deps", "dlogvar"),
    ("ImportanceBound", "forward"): ("the bound",),
    ("ImportanceBound", "backward"): ("dlog_w",),
    ("MarginalBound", "forward"): ("the evidence", "the divergence"),
    ("MarginalBound", "backward"): ("dlog_q", "dlog_likelihood", "dkl"),
    ("Objective", "forward"): ("the value", "the reconstruction", "the KL"),
    ("Objective", "backward"): ("dreconstruction", "dkl"),
}


def pieces_of(owner: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every piece that computes for a model, by name; the layers of a network as `model.params` counts them.

    What a piece wraps, as `of`, goes by its name: the parameters are the same.
    """
    for attribute, value in vars(owner).items():
        for number, piece in enumerate(value) if isinstance(value, tuple | list) else [(None, value)]:
            if isinstance(piece, Unit | Objective):
                own = str(attribute) if number is None else str(number)  # of a network's `layers` the number is enough
                full = name if own == "of" else f"{name}.{own}".lstrip(".")
                yield full, piece
                yield from pieces_of(piece, full)


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
