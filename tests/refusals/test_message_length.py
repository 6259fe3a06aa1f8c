"""Error messages have at most 200 characters on one line, however long the input prints."""

import copy

import numpy as np
import pytest

from scratchvae import arrays, validation
from scratchvae.backend import NUMPY, get_backend, to_numpy
from scratchvae.backend.native import compiler
from scratchvae.errors import ScratchVAEError
from scratchvae.layers import ConditionalLinear, Layer, LeakyReLU, Linear, Sequential
from scratchvae.memory import check_methods, check_vector
from scratchvae.optim import SGD, Adam, Cosine, WarmUp
from scratchvae.probability import Bernoulli, FreeBits, Gaussian, Likelihood, MaskedLikelihood, Posterior, SplitHalves

NAME = "A" * 400
DEEP = np.ones((1,) * 64)
RECORDS = np.zeros(3, dtype=[(f"field{k}", "f8") for k in range(60)])


class Unprintable:
    def __array__(self, *args, **kwargs):
        raise ValueError("y" * 1000)

    def __repr__(self):
        raise ValueError


class LongRepr:
    dtype, ndim, shape = np.dtype("f8"), 2, (3, 2)

    def __len__(self):
        return 3

    def __repr__(self):
        return "x\n" * 1000


for kind in (Unprintable, LongRepr):
    kind.__qualname__ = kind.__module__ = NAME


def with_long_name(base, **methods):
    return type(NAME, (base,), methods)()


def checking_layer():
    return with_long_name(Layer, output_shape=lambda self, shape: shape, forward=lambda self, x: self.check_inputs(x=x))


def bound_optimizer():
    optimizer = with_long_name(SGD)
    optimizer.bind(np, np.ones(3))
    return optimizer


def find_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "q" * 1000)
    monkeypatch.setattr(compiler.sys, "platform", "linux")
    compiler.find_compiler()


CALLS = {
    "layer, shape": lambda: checking_layer().forward(DEEP),
    "layer, dtype": lambda: checking_layer().forward(RECORDS),
    "layer, no array": lambda: checking_layer().forward(LongRepr()),
    "layer, unprintable": lambda: checking_layer().forward(Unprintable()),
    "layer, backward first": lambda: with_long_name(Layer).check_gradients(dy=DEEP),
    "layer without methods": lambda: Sequential(with_long_name(Layer)),
    "no layer": lambda: Sequential(Unprintable()),
    "methods": lambda: check_methods(NAME, with_long_name(Layer)),
    "width of Linear": lambda: Linear(10**12, 10**12).output_shape((10**300,)),
    "width of ConditionalLinear": lambda: ConditionalLinear(10**12, 10**12, 10**12).output_shape((10**300,)),
    "width of SplitHalves": lambda: SplitHalves().output_shape((10**300 + 1,)),
    "width of a posterior": lambda: with_long_name(Posterior).output_shape((10**300 + 1,)),
    "a number of 5000 digits": lambda: Linear(10**5000, 3),
    "slope": lambda: LeakyReLU(10**300),
    "sigma": lambda: Gaussian(1e-300),
    "free": lambda: FreeBits(Unprintable()),
    "inner": lambda: MaskedLikelihood(Unprintable()),
    "log_prob": lambda: with_long_name(Posterior).log_prob(),
    "backward_data": lambda: with_long_name(Likelihood).backward_data(np.ones(2)),
    "mean, shape": lambda: Bernoulli().mean(DEEP, DEEP),
    "mean, dtype": lambda: Bernoulli().mean(RECORDS, RECORDS),
    "out, shape": lambda: Bernoulli().mean(np.ones((3, 2)), DEEP),
    "out, dtype": lambda: Bernoulli().mean(np.ones((3, 2)), RECORDS),
    "output_bias": lambda: Bernoulli().output_bias(DEEP),
    "as_numpy": lambda: arrays.as_numpy("x", Unprintable()),
    "rows of two lengths": lambda: arrays.as_numpy("x", [[1], [1, 2]]),
    "records": lambda: arrays.as_real_array("x", RECORDS),
    "a class": lambda: arrays.as_real_array("x", Unprintable),
    "backend": lambda: get_backend("z" * 500),
    "backend, no name": lambda: get_backend(Unprintable()),
    "to_numpy": lambda: to_numpy(Unprintable()),
    "device": lambda: NUMPY.check_array(LongRepr(), "x"),
    "vector, shape": lambda: check_vector("x", DEEP),
    "vector, dtype": lambda: check_vector("x", RECORDS),
    "lr": lambda: Adam(Unprintable()),
    "final": lambda: Cosine(1e-3, 10, 1e300),
    "after": lambda: WarmUp(3, Unprintable()),
    "no theta": lambda: with_long_name(SGD).step(np.ones(3)),
    "bound twice": lambda: bound_optimizer().bind(np, np.ones(3)),
    "copied": lambda: copy.copy(bound_optimizer()),
    "dtheta": lambda: bound_optimizer().step(DEEP),
    "choice": lambda: validation.check_choice("x", "q" * 400, ["a" * 30] * 40),
    "ints": lambda: validation.check_ints("x", [Unprintable()]),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_message_has_at_most_200_characters_on_one_line(name):
    with pytest.raises(ScratchVAEError) as refusal:
        CALLS[name]()
    assert len(str(refusal.value)) <= 200 and "\n" not in str(refusal.value)


def test_the_message_about_a_compiler_has_at_most_200_characters(monkeypatch):
    with pytest.raises(ScratchVAEError) as refusal:
        find_compiler(monkeypatch)
    assert len(str(refusal.value)) <= 200
