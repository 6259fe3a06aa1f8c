"""Factors of variation and the sprites data set."""

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


def test_the_set_is_the_whole_grid_rendered_from_its_factors(sprites):
    assert (sprites.name, sprites.image_shape) == ("sprites", (32, 32))
    assert (len(sprites.train.images), len(sprites.test.images)) == (11060, 1228)
    images, labels = sprites.part("all")
    assert np.array_equal(labels, sprites.factors["shape"])
    grid = factor_grid()
    assert all(np.array_equal(sprites.factors[name], grid[name]) for name in FACTORS)
    chosen = np.arange(5, len(images), 97)
    assert np.array_equal(render_sprites({name: values[chosen] for name, values in grid.items()}), images[chosen])
    assert len(np.unique(np.stack(list(grid.values())), axis=1).T) == len(images) == 3 * 4 * 16 * 8 * 8


def test_every_factor_value_is_equally_frequent_in_both_splits(sprites):
    for values in sprites.factors.values():
        for value in np.unique(values):
            assert 0.05 < sprites.test_mask[values == value].mean() < 0.15


def test_the_test_rows_are_reproducible(sprites):
    assert np.array_equal(load("sprites").test_mask, sprites.test_mask)


def test_a_grid_has_every_combination_once_in_c_order():
    values = {"shape": [2, 0], "scale": [1.0, 0.5], "rotation": [0.0, 1.0], "x": [0.1, 0.2, 0.3], "y": 0.5}
    grid = factor_grid(**values)
    assert list(grid) == list(FACTORS)
    combinations = product(values["shape"], values["scale"], values["rotation"], values["x"], [0.5])
    assert list(zip(*grid.values(), strict=True)) == list(combinations)


def test_rotations_are_even_and_exclude_the_full_turn():
    turns = np.unique(factor_grid()["rotation"])
    np.testing.assert_allclose(np.diff(turns), pi / 8)
    assert turns[0] == 0 and turns[-1] + pi / 8 == pytest.approx(2 * pi)


def test_a_grid_of_an_unknown_factor_is_refused():
    with pytest.raises(ConfigError, match=r"colour.*expected some of shape, scale, rotation, x, y"):
        factor_grid(colour=[1, 2])


@given(seeds)
def test_equal_seeds_give_equal_draws_and_other_seeds_differ(seed):
    one, two, other = draw_factors(20, seed), draw_factors(20, seed), draw_factors(20, seed + 1)
    assert list(one) == list(FACTORS)
    for name in FACTORS:
        assert np.array_equal(one[name], two[name])
        assert not np.array_equal(one[name], other[name])


def test_draws_are_independent_and_uniform():
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
def test_an_invalid_count_or_seed_is_refused(wrong):
    with pytest.raises(ConfigError):
        draw_factors(**wrong)
