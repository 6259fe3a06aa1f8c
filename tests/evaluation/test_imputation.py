"""Tests of the error of imputed entries."""

import numpy as np
import pytest
from strategies import normal, uniform

from scratchvae.errors import ShapeError
from scratchvae.evaluation import imputation_error


def test_the_error_is_the_mean_squared_error_of_the_missing_entries():
    truth, observed = normal(0, 5, 4), uniform(1, 5, 4) < 0.5
    completed = truth + np.where(observed, 100.0, normal(2, 5, 4))
    error = imputation_error(truth, completed, observed)
    assert error.value == pytest.approx(np.mean((truth - completed)[~observed] ** 2))
    assert error.entries == (~observed).sum()


def test_the_standard_error_equals_the_standard_deviation_over_data_sets():
    errors = []
    for seed in range(400):
        observed = uniform(seed, 200, 4) < 0.5
        noise = normal(seed, 200, 4) * (1 + 2 * (uniform(seed + 1, 200, 1) < 0.3))  # larger errors in some rows
        errors.append(imputation_error(np.zeros((200, 4)), noise, observed))
    std = np.std([error.value for error in errors])
    assert np.mean([error.standard_error for error in errors]) == pytest.approx(std, rel=0.15)
    assert np.isnan(imputation_error(np.zeros((1, 2)), np.ones((1, 2)), np.zeros((1, 2), bool)).standard_error)


def test_arrays_of_different_shapes_or_without_missing_entries_are_refused():
    rows = np.zeros((2, 3))
    with pytest.raises(ShapeError, match="differ in shape"):
        imputation_error(rows, rows[:1], rows > 0)
    with pytest.raises(ShapeError, match="no entry is missing"):
        imputation_error(rows, rows, rows == 0)
