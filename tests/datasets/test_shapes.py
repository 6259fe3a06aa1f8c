"""Rendered shapes: area, position, rotation and edges."""

from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from scratchvae.datasets import SHAPES, draw_factors, render_sprites
from scratchvae.datasets.shapes import REACH, SIDE

FIRST = {"shape": 0, "scale": 1.0, "rotation": 0.0, "x": 0.5, "y": 0.5}
shapes = pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)


def rendered(image_shape, antialias=True, **factors):
    images = render_sprites({**FIRST, **factors}, image_shape, antialias)
    return images.reshape(-1, *image_shape)


def random_factors(seed, count=5, **factors):
    return {**draw_factors(count, seed), **factors}


@shapes
@pytest.mark.parametrize("antialias", [True, False])
def test_shapes_of_one_scale_have_equal_area_and_position(shape, antialias):
    scale, x, y = np.linspace(0.5, 1.0, 6), np.linspace(0.0, 1.0, 6), np.linspace(1.0, 0.2, 6)
    turns = np.linspace(0.0, 5.0, 6)
    images = rendered((200, 120), antialias, shape=shape, scale=scale, x=x, y=y, rotation=turns).astype(np.float64)
    area = images.sum(axis=(1, 2))
    np.testing.assert_allclose(area, (SIDE * scale * 120) ** 2, rtol=4e-3 if antialias else 2e-2)
    margin = REACH * SIDE * 120
    down = (images.sum(axis=2) * (np.arange(200) + 0.5)).sum(axis=1) / area
    across = (images.sum(axis=1) * (np.arange(120) + 0.5)).sum(axis=1) / area
    np.testing.assert_allclose(down, margin + y * (200 - 2 * margin), atol=0.05 if antialias else 0.3)
    np.testing.assert_allclose(across, margin + x * (120 - 2 * margin), atol=0.05 if antialias else 0.3)


@shapes
@given(seed=seeds)
def test_a_pixel_is_the_share_of_its_area_inside_the_shape(shape, seed):
    factors = random_factors(seed, shape=shape, scale=1.0)
    fine = render_sprites(factors, (480, 480), antialias=False).reshape(-1, 48, 10, 48, 10).mean(axis=(2, 4))
    coarse = render_sprites(factors, (48, 48)).reshape(-1, 48, 48)
    difference = np.abs(coarse - fine)
    assert difference.max() < 0.35  # at a sharp corner
    assert np.sqrt((difference**2).sum() / (difference > 0).sum()) < 0.06


@shapes
@given(seed=seeds, height=st.integers(40, 100), width=st.integers(40, 100))
def test_no_shape_is_clipped_by_the_border(shape, seed, height, width):
    wide = np.array([[x, y] for x in (0.0, 1.0) for y in (0.0, 1.0)])
    factors = random_factors(seed, 4, shape=shape, scale=1.0, x=wide[:, 0], y=wide[:, 1])
    images = render_sprites(factors, (height, width)).sum(axis=1)
    centred = render_sprites({**factors, "x": 0.5, "y": 0.5}, (height, width)).sum(axis=1)
    np.testing.assert_allclose(images, centred, rtol=0.03)  # 0.018 at most in 12,000 random cases


@shapes
@given(seed=seeds)
def test_rotation_is_counter_clockwise(shape, seed):
    factors = random_factors(seed, shape=shape)
    turned = {**factors, "rotation": factors["rotation"] + pi / 2, "x": factors["y"], "y": 1 - factors["x"]}
    images = render_sprites(factors, (40, 40)).reshape(-1, 40, 40)
    np.testing.assert_allclose(
        render_sprites(turned, (40, 40)).reshape(-1, 40, 40), np.rot90(images, axes=(1, 2)), atol=1e-6
    )


@pytest.mark.parametrize(("shape", "turn"), [(0, pi / 2), (1, pi), (2, 2 * pi)], ids=SHAPES)
def test_a_shape_repeats_after_its_own_symmetry_angle(shape, turn):
    still, back, half = rendered((50, 50), shape=shape, rotation=[0.3, 0.3 + turn, 0.3 + turn / 2])
    np.testing.assert_allclose(back, still, atol=1e-6)
    assert np.abs(half - still).max() > 0.5


def test_each_shape_has_its_known_outline():
    square, ellipse, heart = rendered((100, 100), antialias=False, shape=[0, 1, 2])
    side = round(100 * SIDE)
    assert {tuple(row) for row in square[square.any(axis=1)]} == {tuple(square[50])}
    assert abs(square[50].sum() - side) <= 1 and np.array_equal(square, square.T)
    assert abs(ellipse.any(axis=0).sum() - 2 * ellipse.any(axis=1).sum()) <= 2
    rows = heart[heart.any(axis=1)]
    assert rows[-1].sum() <= 2  # its tip points down
    assert (np.diff(np.flatnonzero(rows[1])) > 1).sum() == 1  # two lobes at the top
    assert np.array_equal(heart, heart[:, ::-1])


def test_edges_are_grey_only_with_antialias():
    factors = draw_factors(200, 0)
    grey, binary = render_sprites(factors), render_sprites(factors, antialias=False)
    assert grey.dtype == binary.dtype == np.float32
    assert grey.min() == 0 and grey.max() == 1
    assert np.mean((grey > 0) & (grey < 1)) > 0.01
    assert np.array_equal(np.unique(binary), [0, 1])
    assert np.array_equal(binary, grey >= 0.5)


@given(seed=seeds, count=st.integers(1, 9), row=st.integers(0, 8))
def test_a_picture_depends_only_on_its_own_factors(seed, count, row):
    factors, row = draw_factors(count, seed), row % count
    alone = {name: float(values[row]) for name, values in factors.items()}
    images = render_sprites(factors, (12, 9))
    assert images.shape == (count, 108)
    assert np.array_equal(render_sprites(alone, (12, 9))[0], images[row])
    assert np.array_equal(render_sprites(factors, (12, 9)), images)


def test_many_pictures_are_rendered_in_chunks():
    factors = draw_factors(700, 0)
    images = render_sprites(factors, (16, 16))
    parts = [{name: values[part::7] for name, values in factors.items()} for part in range(7)]
    for part, those in enumerate(parts):
        assert np.array_equal(render_sprites(those, (16, 16)), images[part::7])


def test_no_rows_are_no_images():
    assert render_sprites({**FIRST, "x": []}, (4, 6)).shape == (0, 24)
