"""ONNX files of encoders, decoders and reconstructions."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from scratchvae.disk import atomic_write
from scratchvae.errors import ConfigError
from scratchvae.export.onnx_graph import Graph, Value
from scratchvae.export.onnx_layers import add_layer, add_polynomial
from scratchvae.export.parts import check_part, check_replaceable, input_names, likelihood_class, model_of, output_names
from scratchvae.kernels.continuous_bernoulli import SERIES
from scratchvae.models import Model, SemiSupervisedVAE
from scratchvae.models.labels import UNLABELLED
from scratchvae.probability import Bernoulli, ContinuousBernoulli, GaussianHeteroscedastic
from scratchvae.probability.count_likelihood import MAX_LOG_RATE, CountLikelihood
from scratchvae.tables.schema import SCHEMA_ENTRY
from scratchvae.validation import check_path, suggest_arguments

OPSET, IR_VERSION = 17, 8  # of 2022: later versions have nothing that is needed here, and fewer programs read them
LARGEST = 2**31 - 2**16  # bytes of a Protocol Buffers message, with room for the nodes
FLOAT64 = np.dtype("float64")


@suggest_arguments
def onnx(model: Any, path: str | PathLike[str], part: str = "encoder") -> None:
    """Write a part of a model, or of an `Encoder`, to an ONNX file. Raises ConfigError or FileError.

    part   "encoder", "decoder" or "reconstruct": see `scratchvae.export`, which also lists inputs and outputs

    The number of rows B is free. Inputs and outputs have the dtype of the model, labels int64. If each column has a
    scale of its own ("standardize" or "minmax"), x and the mean are float64, since large numbers would lose digits in
    float32. NaN marks missing values if the model has missing=True. A label out of range is an error of the program
    that runs the graph. The names of columns and classes are in the metadata of the file; of a
    table of several kinds, `table_schema` for `TableSchema.from_json`, which makes the numbers of a row.

    The file needs opset 17, and is checked by `onnx.checker` before it replaces another one.
    """
    model = model_of(model)
    part = check_part(model, part)
    target = Path(check_path("path", path, "encoder.onnx"))
    check_replaceable(target)
    library = _import_onnx()
    size = model.theta.nbytes
    if size > LARGEST:
        raise ConfigError(
            f"model has {size:,} bytes of weights, and an ONNX file has at most 2 GB; use as_numpy_source"
        )
    with model.locks.read_lock():
        content = _make_file(library, model, part)
    library.checker.check_model(content, full_check=True)
    with atomic_write(target) as file:
        file.write(content.SerializeToString())


def _import_onnx() -> ModuleType:
    try:
        import onnx
    except ImportError:
        raise ConfigError("ONNX files need the package onnx: install it with  pip install 'scratchvae[onnx]'") from None
    library: ModuleType = onnx
    return library


def _make_file(library: ModuleType, model: Model, part: str) -> Any:
    helper = library.helper
    graph = Graph(library, model.dtype)
    data_dtype = FLOAT64 if model.scale.changes_density else model.dtype
    if part == "encoder":
        outputs = _encoder(graph, model)[0]
    elif part == "decoder":
        labels = _class_of_decoder(graph, model)
        outputs = [_decoder(graph, model, "z", labels)]
    else:
        (z, *_), classes = _encoder(graph, model)
        outputs = [_decoder(graph, model, z, classes)]
    names = output_names(model, part)
    for tensor, name in zip(outputs, names, strict=True):
        graph.rename(tensor, name)

    def info(name: str) -> Any:
        if name == "labels":
            return helper.make_tensor_value_info(name, library.TensorProto.INT64, ["batch"])
        of_data = name in ("x", "mean")
        dtype = helper.np_dtype_to_tensor_dtype(data_dtype if of_data else model.dtype)
        return helper.make_tensor_value_info(name, dtype, ["batch", model.input_dim if of_data else model.latent_dim])

    inputs = [info(name) for name in input_names(model, part)]
    content = helper.make_graph(graph.nodes, part, inputs, list(map(info, names)), [*graph.initializers.values()])
    opset = helper.make_opsetid("", OPSET)
    file = helper.make_model(content, opset_imports=[opset], ir_version=IR_VERSION, producer_name="scratchvae")
    helper.set_model_props(file, _metadata(model, part))
    return file


def _metadata(model: Model, part: str) -> dict[str, str]:
    import json

    schema = model.schema
    names = {"columns": schema.columns, "classes": schema.classes}
    lists = {name: json.dumps(value) for name, value in names.items() if value is not None}
    if isinstance(table := model.metadata.get(SCHEMA_ENTRY), str):
        lists[SCHEMA_ENTRY] = table
    return {"model": type(model).__name__, "part": part, **lists}


# --- the parts


def _encoder(graph: Graph, model: Model) -> tuple[list[str], str | None]:
    """The outputs of the encoder, from the input "x", and the classes of the rows."""
    u = Value(_to_networks(graph, model, "x"), model.row_shape)
    classes = _class_of_encoder(graph, model, u)
    h = graph.rows(add_layer(graph, model.encoder, u, "encoder", classes))
    if output_names(model, "encoder") == ("z",):
        return [h], classes
    middle, end = model.latent_dim, 2 * model.latent_dim
    return [graph.columns(h, 0, middle), graph.columns(h, middle, end)], classes


def _decoder(graph: Graph, model: Model, z: str, classes: str | None) -> str:
    """The mean, in the units of the data, of the codes z."""
    y = graph.rows(add_layer(graph, model.decoder, Value(z, (model.latent_dim,)), "decoder", classes))
    kind = likelihood_class(model.likelihood)
    if kind is Bernoulli:
        y = graph.add("Sigmoid", y)
    elif kind is ContinuousBernoulli:
        y = _continuous_bernoulli_mean(graph, y)
    elif issubclass(kind, CountLikelihood):
        y = graph.add("Exp", graph.add("Min", graph.columns(y, 0, model.input_dim), graph.number(MAX_LOG_RATE)))
    elif kind is GaussianHeteroscedastic:
        y = graph.columns(y, 0, model.input_dim)
    return _to_data(graph, model, y)


def _class_of_encoder(graph: Graph, model: Model, u: Value) -> str | None:
    """The input "labels" with, for a SemiSupervisedVAE, the most probable class in place of −1."""
    if not model.classes:
        return None
    labels = "labels"
    if isinstance(model, SemiSupervisedVAE):
        logits = graph.rows(add_layer(graph, model.classifier, u, "classifier"))
        probable = graph.add("ArgMax", logits, axis=1, keepdims=0)
        unlabelled = graph.add("Equal", labels, graph.constant(np.array(UNLABELLED)))
        labels = graph.add("Where", unlabelled, probable, labels)
    return _refuse_negative(graph, model, labels)


def _class_of_decoder(graph: Graph, model: Model) -> str | None:
    return _refuse_negative(graph, model, "labels") if model.classes else None


# Gather counts negative indices from the end. K is out of range, which it refuses.
def _refuse_negative(graph: Graph, model: Model, labels: str) -> str:
    negative = graph.add("Less", labels, graph.constant(np.array(0)))
    return graph.add("Where", negative, graph.constant(np.array(model.classes)), labels)


def _to_networks(graph: Graph, model: Model, x: str) -> str:
    """`Scale.to_networks`: (x − shift) / factor, in float64, then in the dtype of the model."""
    scale = model.scale
    if scale.is_identity:
        return x
    u = x if scale.changes_density else graph.cast(x, FLOAT64)
    if scale.shift is not None:
        u = graph.add("Sub", u, graph.constant(np.array(scale.shift, np.float64), "scale.shift"))
    u = graph.add("Div", u, graph.constant(np.array(scale.factor, np.float64), "scale.factor"))
    return graph.cast(u, model.dtype)


def _to_data(graph: Graph, model: Model, u: str) -> str:
    """`Scale.to_data`: u · factor + shift, in float64 if each column has a scale of its own."""
    scale = model.scale
    if scale.is_identity:
        return u
    if not scale.changes_density:
        return graph.add("Mul", u, graph.number(scale.factor))
    x = graph.add("Mul", graph.cast(u, FLOAT64), graph.constant(np.array(scale.factor, np.float64), "scale.factor"))
    return graph.add("Add", x, graph.constant(np.array(scale.shift, np.float64), "scale.shift"))


# E x = 1/(1 − exp(−t)) − 1/t = ½ + ½ / tanh(½ t) − 1/t. Near 0 the last two terms cancel; their sum is t r(t), with the
# series r of `scratchvae.kernels.continuous_bernoulli`. For |t| < ½ its terms leave out less than 1e-14.
def _continuous_bernoulli_mean(graph: Graph, t: str) -> str:
    near_0 = graph.add("Less", graph.add("Abs", t), graph.number(0.5))
    small = graph.add("Where", near_0, t, graph.number(0.0))
    large = graph.add("Where", near_0, graph.number(1.0), t)
    series = graph.add("Mul", small, add_polynomial(graph, SERIES, graph.add("Mul", small, small)))
    half_coth = graph.add("Div", graph.number(0.5), graph.add("Tanh", graph.add("Mul", large, graph.number(0.5))))
    formula = graph.add("Sub", half_coth, graph.add("Reciprocal", large))
    return graph.add("Add", graph.number(0.5), graph.add("Where", near_0, series, formula))
