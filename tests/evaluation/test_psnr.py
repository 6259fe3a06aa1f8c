"""Tests of the peak signal-to-noise ratio."""

import math

import numpy as np
import pytest
from fake_cupy import FAKE_CUPY
from strategies import uniform

from scratchvae.errors import ConfigError, ShapeError
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
