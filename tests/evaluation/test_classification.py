"""Tests of the scores of a classifier."""

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import RangeError
from scratchvae.evaluation import classification


def test_the_scores_follow_from_the_predicted_probabilities():
    model, x = sv.SemiSupervisedVAE(6, 2, (5,), classes=3, dtype="float64"), uniform(0, 50, 6)
    labels = np.random.default_rng(0).integers(3, size=50)
    result = classification(model, x, labels)
    q, predicted = model.predict_proba(x), model.classify(x)
    assert result.accuracy == pytest.approx(np.mean(predicted == labels)) and result.rows == 50
    assert result.error == pytest.approx(np.mean(predicted != labels))
    assert result.standard_error == pytest.approx(np.std(predicted == labels) / np.sqrt(50))
    assert result.log_loss == pytest.approx(-np.log(q[np.arange(50), labels]).mean())
    assert result.confusion.sum() == 50 and np.array_equal(result.confusion.sum(axis=1), np.bincount(labels))
    assert np.array_equal(result.confusion.sum(axis=0), np.bincount(predicted, minlength=3))
    with pytest.raises(RangeError, match="hold -1"):
        classification(model, x, np.full(50, -1))


def test_the_log_loss_of_certain_wrong_predictions_is_finite():
    model = sv.SemiSupervisedVAE(6, 2, (), classes=2)
    model.params["classifier.0.b"][...] = [1e4, -1e4]
    assert 80 < classification(model, uniform(0, 5, 6), np.ones(5, int)).log_loss < 100


def test_a_single_row_has_no_standard_error():
    model = sv.SemiSupervisedVAE(6, 2, (), classes=2)
    assert np.isnan(classification(model, uniform(0, 1, 6), [1]).standard_error)


def test_a_classifier_without_finite_probabilities_is_refused():
    model = sv.SemiSupervisedVAE(6, 2, (), classes=2)
    model.params["classifier.0.b"][...] = np.nan
    with pytest.raises(RangeError, match="not finite"):
        classification(model, uniform(0, 5, 6), np.ones(5, int))
