"""Refusals of exports."""

from refusals.table import INPUTS, NAMES, PATHS, make, model, refuse_one, row
from refusals.training import NO_MODELS, place

import scratchvae as sv
from scratchvae import export
from scratchvae.errors import ConfigError
from scratchvae.layers import Layer, Linear, Repeat, Residual, Sequential
from scratchvae.models.model import META
from scratchvae.probability import DiagonalGaussian, Gaussian


class Square(Layer):
    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        return x * x

    def backward(self, dy):
        return dy


class OwnGaussian(Gaussian):
    pass


class OwnPosterior(DiagonalGaussian):
    pass


class OwnVAE(sv.VAE):
    def encode(self, x, labels=None):
        return super().encode(x, labels)


def own(*layers, **settings):
    return sv.VAE(INPUTS, 2, encoder=Sequential(Linear(INPUTS, 5), *layers, Linear(5, 4)), **settings)


def encoder_alone():
    return sv.models.Encoder(sv.VAE(INPUTS, 2, hidden=(3,), backend=META), sv.get_backend("numpy"))


WRITERS = {
    "export.onnx": (export.onnx, "encoder.onnx"),
    "export.as_numpy_source": (export.as_numpy_source, "encoder.py"),
}


def export_rows():
    for function, (write, file) in WRITERS.items():
        yield from refuse_one(function, "model", NO_MODELS, lambda v, w=write, f=file: w(v, place(f)))
        yield from refuse_one(function, "path", PATHS, lambda v, w=write: w(model(), v))
        yield from refuse_one(function, "part", NAMES, lambda v, w=write, f=file: w(model(), place(f), v))
        alone = lambda w=write, f=file: w(encoder_alone(), place(f), "decoder")  # noqa: E731
        yield row(function, "part", "that an Encoder lacks", alone, ConfigError, "has no decoder", "whole model")
        for argument, problem, made, part, *words in (
            ("encoder.1", "of an own layer", lambda: own(Square()), "encoder", "Square", "part='decoder'"),
            ("encoder.1.layer", "inside another", lambda: own(Residual(Square())), "reconstruct", "Square"),
            ("encoder.1", "of Repeat", lambda: own(Repeat(1)), "encoder", "Repeat, which cannot be exported"),
            ("likelihood", "of its own", lambda: own(likelihood=OwnGaussian()), "decoder", "OwnGaussian", "'encoder'"),
            ("posterior", "of its own", lambda: own(posterior=OwnPosterior()), "encoder", "OwnPosterior", "'decoder'"),
            ("part", "of an own method", lambda: OwnVAE(INPUTS, 2, (3,)), "encoder", "OwnVAE", "method encode"),
            ("part", "that uses one", lambda: OwnVAE(INPUTS, 2, (3,)), "reconstruct", "OwnVAE", "method encode"),
            (
                "model",
                "of longdouble",
                lambda: make("VAE", dtype="longdouble"),
                "encoder",
                "use model.astype('float64')",
            ),
        ):
            call = lambda w=write, f=file, m=made, p=part: w(m(), place(f), p)  # noqa: E731
            yield row(function, argument, problem, call, ConfigError, *words)
    function = "export.to_torch_state_dict"
    yield from refuse_one(function, "model", NO_MODELS, export.to_torch_state_dict)
    call = lambda: export.to_torch_state_dict(own(Square()))  # noqa: E731
    yield row(function, "encoder.1", "of an own layer", call, ConfigError, "Square", "a class of your own")


ROWS = list(export_rows())
