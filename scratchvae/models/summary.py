"""The table that `model.summary()` returns: the layers with their output shapes and parameters, and the memory."""

from __future__ import annotations

import re
from math import prod
from typing import Any, NamedTuple

from scratchvae.fused import plain_class
from scratchvae.layers import Layer, NaNToZero, Sequential
from scratchvae.memory import Module
from scratchvae.models.parts import modules_in
from scratchvae.probability import ScaledLikelihood
from scratchvae.representation import html_table, table_lines
from scratchvae.validation import shorten

HEADER = ("layer", "class", "output", "parameters")
NETWORKS = ("encoder", "decoder", "classifier")


class SummaryRow(NamedTuple):
    """One line of a summary.

    layer        name of the layer or part, as in `model.params`
    kind         name of its class; of a part that is no network, the call that makes it
    output       shape of its output for a batch of B rows, such as ("B", 512); () if it has none
    parameters   number of its parameters
    """

    layer: str
    kind: str
    output: tuple[int | str, ...]
    parameters: int


class Summary:
    """A model as a table, for `print` or as the last line of a notebook cell.

    title        the model in one line
    rows         `SummaryRow` of each layer and part, in the order of the parameters
    parameters   number of all parameters
    nbytes       memory of the parameters in bytes; their gradients take as much
    activations  memory of the outputs of all layers and parts in bytes, for each row of a batch
    schema       what the model knows of its data, in words
    """

    def __init__(self, model: Any) -> None:
        self.title = repr(model)
        self.parameters: int = model.theta.size
        self.nbytes: int = model.theta.nbytes
        self.rows = [SummaryRow("input", "", ("B", model.input_dim), 0)]
        numbers = 0  # in all outputs of one row of a batch
        for name, part in model.parts.items():
            if isinstance(part, ScaledLikelihood):  # the scale is shown below
                part = part.inner
            repeats = _repeats(model, name)
            for path, module in modules_in(part, name) if name in NETWORKS else [(name, part)]:
                if isinstance(module, Sequential):
                    continue
                shape = module.input_shape if isinstance(module, NaNToZero) else _output(module)
                rows = "B" if repeats == 1 else f"{repeats}·B"
                output: tuple[int | str, ...] = () if shape is None else (rows, *shape)
                path += " input" * isinstance(module, NaNToZero)  # it has the name of the layer inside it
                numbers += 0 if shape is None else repeats * prod(shape)
                self.rows.append(SummaryRow(path, _kind(module), output, _parameters(module)))
        self.activations = numbers * model.dtype.itemsize
        self.schema = model.schema.describe()

    def __repr__(self) -> str:
        lines = table_lines(self._cells(), left=3)
        rule = "─" * max(map(len, lines))
        return "\n".join([self.title, rule, lines[0], rule, *lines[1:], rule, *self._totals()])

    def _repr_html_(self) -> str:
        return html_table(self.title, self._cells(), self._totals())

    def _cells(self) -> list[list[str]]:
        rows = [
            [
                shorten(row.layer),
                _short_call(row.kind),
                _shape(row.output),
                f"{row.parameters:,}" * bool(row.parameters),
            ]
            for row in self.rows
        ]
        return [list(HEADER), *rows]

    def _totals(self) -> list[str]:
        weights, row = _size(self.nbytes), _size(self.activations)
        return [
            f"{self.parameters:,} parameters",
            f"memory: {weights} parameters, {weights} gradients, {row} outputs for each row of a batch",
            *(f"{name}: {text}" for name, text in self.schema.items()),
        ]


def _repeats(model: Any, part: str) -> int:
    """The number of rows a part computes for each row of a batch: one for each class, or for each draw of z."""
    if part in ("classifier", "objective"):
        return 1
    if not model.kl_per_row:
        return int(model.classes)
    return 1 if part == "encoder" else int(model.objective.draws)


def _output(module: Module) -> tuple[int, ...] | None:
    """The shape of one row of the output; None if the module has no output or has not been bound."""
    try:
        return module.output_shape(module.input_shape)
    except (AttributeError, NotImplementedError):
        return None


def _kind(module: Module) -> str:
    name = plain_class(module).__name__
    return name if isinstance(module, Layer) else name + repr(module).removeprefix(type(module).__name__)


def _short_call(text: str) -> str:
    """A call on one line of at most 40 characters; if it is longer, its innermost arguments become "…"."""
    line = " ".join(text.split())
    return line if len(line) <= 40 else shorten(re.sub(r"\([^()]+\)", "(…)", line), 40)


def _parameters(module: Module) -> int:
    shapes = module.own_parameters() if isinstance(module, Layer) else module.all_parameter_shapes()
    return sum(prod(shape) for shape in shapes.values())


def _shape(output: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, output))}{',' * (len(output) == 1)})" if output else ""


def _size(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024 or unit == "GiB":
            break
        nbytes /= 1024
    return f"{nbytes:.3g} {unit}" if nbytes < 1000 else f"{nbytes:,.0f} {unit}"
