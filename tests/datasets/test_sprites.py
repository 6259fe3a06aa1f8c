"""Factors, and the set of sprites that is made from them."""

from itertools import product
from math import pi

import numpy as np
import pytest
from hypothesis import given
from strategies import seeds

from scratchvae.datasets import draw_factors, factor_grid, load, render_sprites
from scratchvae.datasets.shapes import FACTORS
from scratchvae.errors import ConfigError


@pytest.fixture(scope="module")
def sprites():
    return load("sprites")


def test_the_set_is_the_whole_grid_each_picture_drawn_from_its_factors(sprites):
    assert (sprites.name, sprites.image_shape) == ("sprites", (32, 32))
    assert (len(sprites.train.images), len(sprites.test.images)) == (11060, 1228)
    images, labels = sprites.part("all")
    assert np.array_equal(labels, sprites.factors["shape"])
    grid = factor_grid()
    assert all(np.array_equal(sprites.factors[name], grid[name]) for name in FACTORS)
    few = np.arange(5, len(images), 97)
    assert np.array_equal(render_sprites({name: values[few] for name, values in grid.items()}), images[few])
    assert len(np.unique(np.stack(list(grid.values())), axis=1).T) == len(images) == 3 * 4 * 16 * 8 * 8


def test_every_value_of_every_factor_is_in_both_parts_alike(sprites):
    for values in sprites.factors.values():
        for value in np.unique(values):
            assert 0.05 < sprites.test_mask[values == value].mean() < 0.15


def test_the_same_rows_test_each_time(sprites):
    assert np.array_equal(load("sprites").test_mask, sprites.test_mask)


def test_a_grid_has_every_combination_once_the_last_changing_fastest():
    values = {"shape": [2, 0], "scale": [1.0, 0.5], "rotation": [0.0, 1.0], "x": [0.1, 0.2, 0.3], "y": 0.5}
    grid = factor_grid(**values)
    assert list(grid) == list(FACTORS)
    combinations = product(values["shape"], values["scale"], values["rotation"], values["x"], [0.5])
    assert list(zip(*grid.values(), strict=True)) == list(combinations)


def test_a_turn_is_divided_evenly_and_its_end_is_not_drawn_twice():
    turns = np.unique(factor_grid()["rotation"])
    np.testing.assert_allclose(np.diff(turns), pi / 8)
    assert turns[0] == 0 and turns[-1] + pi / 8 == pytest.approx(2 * pi)


def test_a_grid_of_an_unknown_factor_is_refused():
    with pytest.raises(ConfigError, match=r"colour.*expected some of shape, scale, rotation, x, y"):
        factor_grid(colour=[1, 2])


@given(seeds)
def test_draws_come_again_from_their_seed_and_differ_from_the_next(seed):
    one, two, other = draw_factors(20, seed), draw_factors(20, seed), draw_factors(20, seed + 1)
    assert list(one) == list(FACTORS)
    for name in FACTORS:
        assert np.array_equal(one[name], two[name])
        assert not np.array_equal(one[name], other[name])


def test_draws_are_independent_and_even_over_their_ranges():
    factors = draw_factors(20000, 0)
    ends = {"shape": (0, 2), "scale": (0.5, 1.0), "rotation": (0.0, 2 * pi), "x": (0.0, 1.0), "y": (0.0, 1.0)}
    for name, (low, high) in ends.items():
        values, width = factors[name], high - low
        assert values.min() >= low and values.max() <= high
        even = width * np.sqrt(1 / 6 if name == "shape" else 1 / 12)
        assert values.mean() == pytest.approx((low + high) / 2, abs=4 * even / np.sqrt(20000))
        assert values.std() == pytest.approx(even, rel=0.02)
    correlations = np.corrcoef(np.stack(list(factors.values())))
    assert np.abs(correlations - np.eye(len(FACTORS))).max() < 0.03


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 1.5}, {"count": 3, "seed": -1}])
def test_no_draw_of_no_rows_or_from_no_seed(wrong):
    with pytest.raises(ConfigError):
        draw_factors(**wrong)
