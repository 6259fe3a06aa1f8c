"""Tests of property-based tests of gradients: what they draw, and how small the examples are to which they shrink."""

import re
import sys
from math import prod

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import seeds

from scratchvae.errors import ConfigError
from scratchvae.gradcheck import properties
from scratchvae.gradcheck.properties import DrawnGenerator
from scratchvae.layers import Linear, Sequential, Tanh


def forward(x, W, b):
    return np.tanh(x @ W + b)


def backward(dy, x, W, b):
    da = dy * (1 - np.tanh(x @ W + b) ** 2)
    return da @ W.T, x.T @ da, da.sum(axis=0)


test_a_forward_and_its_backward_at_random_sizes = properties(forward, backward, x="B I", W="I O", b="O")
test_a_layer_at_random_sizes = properties(lambda I, H: Sequential(Linear(I, H), Tanh()), x="B I")  # noqa: E741
test_products_of_sizes_and_scalars = properties(
    lambda h, a: a * h[:, ::2], lambda dy, h, a: (spread(dy, h, a), (dy * h[:, ::2]).sum()), h="B 2*Z", a=""
)
test_inputs_of_other_numbers = properties(
    lambda x, t: np.log(x)[np.arange(len(x)), t], lambda dy, x, t: at_labels(dy, x, t),
    x=lambda rng, B, K: 0.5 + rng.random((B, K)), t=lambda rng, B, K: rng.integers(0, K, B),
)  # fmt: skip


def spread(dy, h, a):
    dh = np.zeros_like(h)
    dh[:, ::2] = a * dy
    return dh


def at_labels(dy, x, t):
    dx = np.zeros_like(x)
    dx[np.arange(len(x)), t] = dy / x[np.arange(len(x)), t]
    return dx


PHASES = (Phase.generate, Phase.shrink)  # to explain the failure takes much longer than to find it
THOROUGH = settings(max_examples=200, derandomize=True, database=None, deadline=None, phases=PHASES)


def smallest_failure(test):
    """The sizes of the smallest example that fails, from the message of the test."""
    with pytest.raises(AssertionError, match=r"(?s)at .*WRONG") as caught:
        test()
    return dict(re.findall(r"(\w+)=(\d+)", str(caught.value).partition(":")[0]))


def test_a_bias_that_is_wrong_from_three_outputs_on_shrinks_to_seven_numbers():
    def wrong(dy, x, W, b):
        dx, dW, db = backward(dy, x, W, b)
        db[2:] *= 1.01
        return dx, dW, db

    sizes = smallest_failure(properties(forward, wrong, x="B I", W="I O", b="O", settings=THOROUGH))
    assert sizes == {"B": "1", "I": "1", "O": "3"}  # x, W and b have 1 + 3 + 3 numbers


class WrongFromThree(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db[2:] *= 1.01
        return dx


def test_a_layer_that_is_wrong_from_three_outputs_on_shrinks_to_seven_numbers():
    sizes = smallest_failure(properties(lambda I, O: WrongFromThree(I, O), x="B I", settings=THOROUGH))  # noqa: E741
    assert sizes == {"B": "1", "I": "1", "O": "3"}


def test_points_at_kinks_are_drawn_again_and_do_not_fail():
    def at_zero_or_not(rng, B):
        return rng.standard_normal(B) * (rng.random(B) > 0.1)

    properties(lambda x: np.abs(x), lambda dy, x: dy * np.sign(x), x=at_zero_or_not)()


def test_what_cannot_be_read_is_refused():
    for sizes in (3, None, "B I-1", "B 0", "?", ["B", "I"]):
        with pytest.raises(ConfigError, match=r'x=.* expected .*"B I"'):
            properties(forward, backward, x=sizes)
    for functions in ((3,), (forward, 3), ("linear",)):
        with pytest.raises(ConfigError, match="is no function; expected forward and backward"):
            properties(*functions, x="B I")
    with pytest.raises(ConfigError, match="no inputs: name the sizes"):
        properties(forward, backward)
    with pytest.raises(ConfigError, match="no sizes to draw"):
        properties(np.sin, lambda dy, x: dy * np.cos(x), x="3")
    with pytest.raises(ConfigError, match="largest_size"):
        properties(forward, backward, x="B I", largest_size=0)


def test_without_hypothesis_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ConfigError, match="need Hypothesis, which is not installed; pip install hypothesis"):
        properties(forward, backward, x="B I", W="I O", b="O")


@given(st.data(), seeds)
def test_a_drawn_generator_is_a_generator(data, seed):
    rng = DrawnGenerator(data.draw, seed)
    assert 2 <= rng.integers(2, 5) < 5 and 0 <= rng.integers(3) < 3 and rng.integers(7, 7, endpoint=True) == 7
    assert rng.integers(0, 2, size=(2, 3)).shape == (2, 3) and rng.integers(9, size=4).dtype == int
    assert rng.choice(["a", "b"]) in "ab" and set(rng.choice([0.0, 12.0], (2, 2), p=[0.7, 0.3]).flat) <= {0.0, 12.0}
    assert sorted(rng.choice(3, 3, replace=False)) == [0, 1, 2]
    assert np.array_equal(DrawnGenerator(data.draw, seed).random(3), np.random.default_rng(seed).random(3))


def count_numbers(model, batch):
    return sum(prod(shape) for shape in model.shapes.values()) + batch * (model.input_dim + model.noise_dim)
