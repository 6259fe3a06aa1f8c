"""How often a classifier is right."""

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import RangeError
from scratchvae.evaluation import classification


def test_the_figures_are_those_of_its_probabilities():
    model, x = sv.SemiSupervisedVAE(6, 2, (5,), classes=3, dtype="float64"), uniform(0, 50, 6)
    labels = np.random.default_rng(0).integers(3, size=50)
    figures = classification(model, x, labels)
    q, said = model.predict_proba(x), model.classify(x)
    assert figures.accuracy == pytest.approx(np.mean(said == labels)) and figures.rows == 50
    assert figures.error == pytest.approx(np.mean(said != labels))
    assert figures.standard_error == pytest.approx(np.std(said == labels) / np.sqrt(50))
    assert figures.log_loss == pytest.approx(-np.log(q[np.arange(50), labels]).mean())
    assert figures.confusion.sum() == 50 and np.array_equal(figures.confusion.sum(axis=1), np.bincount(labels))
    assert np.array_equal(figures.confusion.sum(axis=0), np.bincount(said, minlength=3))
    with pytest.raises(RangeError, match="hold -1"):
        classification(model, x, np.full(50, -1))


def test_certain_and_wrong_is_a_large_loss_and_not_an_infinite_one():
    model = sv.SemiSupervisedVAE(6, 2, (), classes=2)
    model.params["classifier.0.b"][...] = [1e4, -1e4]
    assert 80 < classification(model, uniform(0, 5, 6), np.ones(5, int)).log_loss < 100
