"""Tests of the peak signal-to-noise ratio."""

import math

import numpy as np
import pytest
from strategies import uniform

from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, RangeError, ShapeError
from scratchvae.evaluation import psnr


def test_an_error_of_a_tenth_of_the_range_is_20_dB():
    clean = uniform(0, 5, 9) * 0.8
    assert psnr(clean + 0.1, clean) == pytest.approx(20)
    assert psnr(255 * (clean + 0.1), 255 * clean, peak=255) == pytest.approx(20)
    assert psnr(clean + 0.01, clean) == pytest.approx(40)


def test_the_error_is_averaged_over_all_pixels_of_all_rows():
    clean = np.zeros((4, 5))
    noisy = clean.copy()
    noisy[0] = 0.2  # the other rows are exact
    assert psnr(noisy, clean) == pytest.approx(10 * math.log10(1 / 0.01))
    assert psnr(clean, clean) == math.inf


def test_device_arrays_and_integers_are_accepted():
    clean = uniform(0, 5, 9)
    assert psnr(FAKE_CUPY.upload(clean + 0.1), clean) == pytest.approx(20)
    assert psnr([[0, 1]], [[1, 1]]) == pytest.approx(10 * math.log10(2))


def test_different_or_empty_shapes_and_an_invalid_peak_are_refused():
    for shape in [(5,), (4, 5), (0, 5)]:
        with pytest.raises(ShapeError, match="expected the same"):
            psnr(np.zeros(shape), np.zeros((3, 5) if shape[0] else shape))
    with pytest.raises(ConfigError, match="peak"):
        psnr(np.zeros((1, 1)), np.ones((1, 1)), peak=0)


def test_pixels_that_are_unknown_in_clean_are_not_counted():
    clean, images = np.array([[0.0, np.nan], [0.5, 1.0]]), np.array([[0.1, 7.0], [0.6, 1.1]])
    assert psnr(images, clean) == pytest.approx(20)
    images[0, 1] = np.nan
    assert psnr(images, clean) == pytest.approx(20)


def test_pixels_that_are_not_finite_are_refused():
    for value in (np.nan, np.inf, -np.inf, 1e400 * np.longdouble(1)):
        with pytest.raises(RangeError, match="images holds NaN or infinite pixels where clean is known"):
            psnr(np.array([[value, 0.0]]), np.zeros((1, 2)))
    with pytest.raises(RangeError, match="clean holds NaN or infinite"):
        psnr(np.zeros((1, 2)), np.array([[np.inf, np.nan]]))
    with pytest.raises(RangeError, match="clean holds only NaN"):
        psnr(np.zeros((1, 2)), np.full((1, 2), np.nan))


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e307])
def test_very_large_and_very_small_pixels_have_the_ratio_of_others(scale):
    clean = uniform(0, 5, 9)
    images = clean + uniform(1, 5, 9) / 4
    assert psnr(images * scale, clean * scale, peak=scale) == pytest.approx(psnr(images, clean), abs=1e-3)
    assert psnr(np.array([[1.7e308]]), np.array([[-1.7e308]]), peak=1.7e308) == pytest.approx(-20 * math.log10(2))
