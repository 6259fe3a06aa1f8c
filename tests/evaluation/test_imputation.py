"""How far completed rows are from what had been hidden."""

import numpy as np
import pytest
from strategies import normal, uniform

from scratchvae.errors import ShapeError
from scratchvae.evaluation import imputation_error


def test_it_is_the_mean_squared_error_of_the_hidden_entries_alone():
    truth, observed = normal(0, 5, 4), uniform(1, 5, 4) < 0.5
    completed = truth + np.where(observed, 100.0, normal(2, 5, 4))
    error = imputation_error(truth, completed, observed)
    assert error.value == pytest.approx(np.mean((truth - completed)[~observed] ** 2))
    assert error.entries == (~observed).sum()


def test_its_standard_error_is_what_it_varies_by():
    found = []
    for seed in range(400):
        observed = uniform(seed, 200, 4) < 0.5
        noise = normal(seed, 200, 4) * (1 + 2 * (uniform(seed + 1, 200, 1) < 0.3))  # rows of which some are harder
        found.append(imputation_error(np.zeros((200, 4)), noise, observed))
    spread = np.std([error.value for error in found])
    assert np.mean([error.standard_error for error in found]) == pytest.approx(spread, rel=0.15)
    assert np.isnan(imputation_error(np.zeros((1, 2)), np.ones((1, 2)), np.zeros((1, 2), bool)).standard_error)


def test_what_has_no_error_is_refused():
    rows = np.zeros((2, 3))
    with pytest.raises(ShapeError, match="differ in shape"):
        imputation_error(rows, rows[:1], rows > 0)
    with pytest.raises(ShapeError, match="no entry is missing"):
        imputation_error(rows, rows, rows == 0)
