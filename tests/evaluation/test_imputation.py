"""Tests of the error of imputed entries."""

import numpy as np
import pytest
from strategies import normal, uniform

from scratchvae.errors import RangeError, ShapeError
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


def test_entries_whose_truth_is_unknown_are_not_counted():
    truth, observed = normal(0, 50, 4), uniform(1, 50, 4) < 0.5
    completed = normal(2, 50, 4)
    unknown = uniform(3, 50, 4) < 0.3
    error = imputation_error(np.where(unknown, np.nan, truth), np.where(observed, np.nan, completed), observed)
    counted = ~observed & ~unknown
    assert error == imputation_error(truth, completed, ~counted) and error.entries == counted.sum()
    assert error.value == pytest.approx(np.mean((truth - completed)[counted] ** 2))


def test_rows_without_a_counted_entry_do_not_change_the_error():
    truth, completed, observed = np.zeros((6, 2)), normal(0, 6, 2), np.zeros((6, 2), bool)
    expected = imputation_error(truth[:4], completed[:4], observed[:4])
    observed[4] = True
    truth[5] = np.nan
    assert imputation_error(truth, completed, observed) == expected
    observed[1:] = True  # a single row is left, which has no standard error
    assert np.isnan(imputation_error(truth, completed, observed).standard_error)


def test_counted_entries_that_are_not_finite_or_have_too_large_errors_are_refused():
    zeros, observed = np.zeros((2, 2)), np.array([[True, False], [False, False]])
    for value in (np.nan, np.inf):
        with pytest.raises(RangeError, match="completed holds NaN or infinite values in missing entries"):
            imputation_error(zeros, np.array([[0, value], [0, 0]]), observed)
    with pytest.raises(RangeError, match="truth holds NaN or infinite"):
        imputation_error(np.array([[0, 0], [np.inf, 0]]), zeros, observed)
    with pytest.raises(RangeError, match="truth is NaN in all missing entries"):
        imputation_error(np.array([[0, np.nan], [np.nan, np.nan]]), zeros, observed)
    with pytest.raises(RangeError, match="too large for float64"):
        imputation_error(zeros, np.full((2, 2), 1e200), observed)
    assert imputation_error(np.array([[np.inf, 0], [0, 0]]), zeros, observed).value == 0.0


def test_large_errors_have_a_standard_error():
    truth, observed, completed = np.zeros((9, 3)), uniform(0, 9, 3) < 0.5, normal(1, 9, 3)
    error = imputation_error(truth, completed, observed)
    large = imputation_error(truth, completed * 2.0**500, observed)
    assert large.value == error.value * 2.0**1000 and large.standard_error == error.standard_error * 2.0**1000
