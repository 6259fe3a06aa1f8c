"""Python files that compute a part of a model with NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from os import PathLike
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from scratchvae.backend import Array, to_numpy
from scratchvae.disk import atomic_write
from scratchvae.export import numpy_layers
from scratchvae.export.parts import (
    METHODS,
    check_importable,
    check_part,
    check_replaceable,
    input_names,
    layer_class,
    likelihood_class,
    model_of,
    output_names,
)
from scratchvae.export.walk import Shortcut, Step, walk
from scratchvae.io.archive import write_arrays
from scratchvae.layers import ConditionalSequential, Layer
from scratchvae.memory import Shape
from scratchvae.models import Model, SemiSupervisedVAE
from scratchvae.probability import Bernoulli, ContinuousBernoulli, GaussianHeteroscedastic
from scratchvae.probability.count_likelihood import MAX_LOG_RATE, CountLikelihood
from scratchvae.tables.schema import SCHEMA_ENTRY
from scratchvae.validation import check_path, suggest_arguments

TITLES = {"encoder": "The encoder", "decoder": "The decoder", "reconstruct": "The reconstructions"}
MARK = "DIGEST"  # in the place of the digest, until it is known


@suggest_arguments
def as_numpy_source(model: Any, path: str | PathLike[str], part: str = "encoder") -> None:
    """Write a Python file that computes a part of a model, or of an `Encoder`, and needs NumPy alone.

    path   the Python file, such as "encoder.py"; the weights are written beside it, as "encoder.npz"
    part   "encoder", "decoder" or "reconstruct": see `scratchvae.export`, which also lists inputs and outputs

    The file has one function, `encode`, `decode` or `reconstruct`, which returns the bits that the method of the model
    returns on the same machine with backend="numpy": it takes as many rows at once. Each layer is one line.
    Raises ConfigError or FileError.
    """
    model = model_of(model)
    part = check_part(model, part)
    target = Path(check_path("path", path, "encoder.py"))
    check_importable("path=", target)
    weights_path = target.with_suffix(".npz")
    check_replaceable(weights_path)
    with model.locks.read_lock():
        text, weights = _make_source(model, part, target.stem)
        with atomic_write(weights_path) as weights_file, atomic_write(target) as file:
            write_arrays(weights_file, weights)
            file.write(text.encode())


def _make_source(model: Model, part: str, stem: str) -> tuple[str, dict[str, Array]]:
    """The text of the file, and the arrays of its weights, which both have the same digest."""
    source = Source(model)
    if part != "decoder" and isinstance(model, SemiSupervisedVAE):
        source.add_network("classifier", model.classifier, model.row_shape)
    if part != "decoder":
        source.add_network("encoder", model.encoder, model.row_shape)
    if part != "encoder":
        source.add_network("decoder", model.decoder, (model.latent_dim,))
    source.add_part(part)
    text = "\n".join([*_header(model, part, stem), *source.constants(), *source.functions(), *source.lines, ""])
    digest = sha256(text.encode())
    for name, array in source.weights.items():
        digest.update(name.encode() + array.tobytes())
    mark = digest.hexdigest()[:16]
    return text.replace(MARK, mark, 1), {"export": np.array(mark), **source.weights}


def _header(model: Model, part: str, stem: str) -> list[str]:
    """The docstring, and the lines that read the weights."""
    outputs, inputs = (", ".join(names(model, part)) for names in (output_names, input_names))
    title = f"{TITLES[part]} of a {type(model).__name__} with {model.latent_dim} latent dimensions"
    return [
        f'"""{title}. It needs NumPy alone.',
        "",
        f"    from {stem} import {METHODS[part]}",
        "",
        f"    {outputs} = {METHODS[part]}({inputs})",
        "",
        f"Written by scratchvae. The weights are in {stem}.npz, beside this file.",
        '"""',
        "",
        "from pathlib import Path",
        "",
        "import numpy as np",
        "",
        'with np.load(Path(__file__).with_suffix(".npz")) as file:',
        "    w = dict(file)",
        f'if str(w.get("export")) != "{MARK}":',
        f'    raise ImportError("{stem}.npz and {stem}.py are of different exports; expected both of the same one")',
    ]


class Source:
    """The functions of a file: those of its networks, those of the layers that they call, and the weights they name."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.lines: list[str] = []
        self.weights: dict[str, Array] = {}
        self._called: dict[str, FunctionType] = {}

    def functions(self) -> Iterator[str]:
        """The lines of the functions of `numpy_layers` that are called."""
        import inspect

        for function in self._called.values():
            yield from ("", "", *inspect.getsource(function).splitlines())

    def constants(self) -> list[str]:
        """A line for each constant that these functions use."""
        names = {name for function in self._called.values() for name in function.__code__.co_names}
        values = {name: getattr(numpy_layers, name, None) for name in sorted(names)}
        lines = [f"{name} = {value!r}" for name, value in values.items() if isinstance(value, tuple)]
        return ["", *lines] if lines else []

    def call(self, name: str, *arguments: str) -> str:
        """The call of a function of `numpy_layers`, which is copied into the file, after those that it calls."""
        function = getattr(numpy_layers, name)
        for other in function.__code__.co_names:
            if isinstance(getattr(numpy_layers, other, None), FunctionType):
                self.call(other)
        self._called.setdefault(name, function)
        return f"{name}({', '.join(arguments)})"

    def weight(self, array: Any, name: str) -> str:
        """The expression for a weight of this name."""
        self.weights[name] = np.array(to_numpy(array), order="C")
        return f'w["{name}"]'

    # --- networks

    def add_network(self, name: str, network: Layer, shape: Shape) -> None:
        """Add the function of a network, y (B, O) of x (B, I) and, if it reads them, the one-hot rows of classes."""
        reads_classes = layer_class(network, name) is ConditionalSequential
        self.lines += ["", "", f"def {name}(x, targets):" if reads_classes else f"def {name}(x):"]
        for step in walk(network, name, shape):
            self._add_step(step)
        self.lines += ["    return x"]

    def _add_step(self, step: Step, depth: int = 0) -> None:
        if isinstance(step, Shortcut):
            before = f"before_{depth}"
            self._assign(before, "x")
            for inner in step.steps:
                self._add_step(inner, depth + 1)
            self._assign("x", f"{before} + x")
        elif step.function == "tanh":
            self._assign("x", "np.tanh(x)")
        else:
            inputs = ("x", "targets") if step.function == "conditional_linear" else ("x",)
            parameters = [self.weight(array, name) for name, array in step.parameters.items()]
            settings = [f"{key}={value!r}" for key, value in step.settings.items()]
            self._assign("x", self.call(step.function, *inputs, *parameters, *settings))

    def _assign(self, name: str, expression: str) -> None:
        self.lines.append(f"    {name} = {expression}")

    # --- parts

    def add_part(self, part: str) -> None:
        """Add the function of a part for as many rows as the model takes at once, and the one for any number."""
        model, method = self.model, METHODS[part]
        inputs, outputs = input_names(model, part), output_names(model, part)
        x, width = inputs[0], model.latent_dim if part == "decoder" else model.input_dim
        middle = model.latent_dim
        self.lines += ["", "", f"def {method}_rows({', '.join(inputs)}):"]
        targets = self._add_inputs(part)
        if part != "decoder":
            self._assign("h", f"encoder(x{targets})")
        if part == "encoder":
            self._return(f"h[:, :{middle}], h[:, {middle}:]" if len(outputs) > 1 else "h")
        else:
            z = "z" if part == "decoder" else f"np.ascontiguousarray(h[:, :{middle}])"
            self._assign("y", f"decoder({z}{targets})")
            self._return(self._in_data_units(self._mean()))

        of_data = ", of TableSchema.encode" if SCHEMA_ENTRY in model.metadata else ", in the units of the data"
        units = "" if part == "decoder" else of_data
        classes = f", and the classes labels (B,) from 0 to {model.classes - 1}" if model.classes else ""
        rows, stop = model.chunk_rows, f"max(1, len({x}))"
        chunk = ", ".join(f"{name}[k : k + {rows}]" for name in inputs)
        chunks = f"[{method}_rows({chunk}) for k in range(0, {stop}, {rows})]"
        self.lines += ["", "", f"def {method}({', '.join(inputs)}):"]
        self.lines += [f'    """{" and ".join(outputs)} of rows {x} (B, {width}){units}{classes}."""']
        self._assign(x, f"np.asarray({x}).reshape(len({x}), {width})")
        if model.classes:
            self._assign("labels", f"np.broadcast_to(labels, len({x}))")
        if len(outputs) > 1:
            self._assign("chunks", chunks)
            self._return("tuple(np.concatenate(parts) for parts in zip(*chunks))")
        else:
            self._return(f"np.concatenate({chunks})")

    def _return(self, expression: str) -> None:
        self.lines.append(f"    return {expression}")

    def _add_inputs(self, part: str) -> str:
        """Add the lines that scale and convert the inputs; return the argument with the classes, or ""."""
        model, dtype = self.model, f"np.{self.model.dtype}"
        if part == "decoder":
            self._assign("z", f"z.astype({dtype}, copy=False)")
        else:
            self._assign("x", f"{self._to_networks()}.astype({dtype}, copy=False)")
        if not model.classes:
            return ""
        if part != "decoder" and isinstance(model, SemiSupervisedVAE):
            probable = self.call("most_probable", "classifier(x)")
            self._assign("labels", f"np.where(labels == -1, {probable}, labels)")
        return f", {self.call('one_hot', 'labels', str(model.classes), dtype)}"

    def _to_networks(self) -> str:
        """`Scale.to_networks` of x, in float64."""
        scale = self.model.scale
        if scale.is_identity:
            return "x"
        if scale.shift is None:
            return f'np.divide(x, {scale.factor!r}, dtype=np.float64, order="C")'
        shift, factor = self.weight(scale.shift, "scale.shift"), self.weight(scale.factor, "scale.factor")
        return f'np.divide(x - {shift}, {factor}, order="C")'

    def _in_data_units(self, mean: str) -> str:
        """`Scale.to_data`."""
        scale = self.model.scale
        if scale.is_identity:
            return mean
        if not scale.changes_density:
            return f"{mean} * {scale.factor!r}"
        shift, factor = self.weight(scale.shift, "scale.shift"), self.weight(scale.factor, "scale.factor")
        return f"{mean}.astype(np.float64) * {factor} + {shift}"

    def _mean(self) -> str:
        """The mean of p(x | z), from the output y of the decoder."""
        kind = likelihood_class(self.model.likelihood)
        if kind is Bernoulli:
            return self.call("sigmoid", "y")
        if kind is ContinuousBernoulli:
            return self.call("continuous_bernoulli_mean", "y")
        if issubclass(kind, CountLikelihood):
            return f"np.exp(np.minimum(y[:, :{self.model.input_dim}], {MAX_LOG_RATE}))"
        return f"y[:, :{self.model.input_dim}]" if kind is GaussianHeteroscedastic else "y"
