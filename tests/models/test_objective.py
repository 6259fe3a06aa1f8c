"""The objective, alone."""

import numpy as np
import pytest
from drawing import normal

from scratchvae.backend import NUMPY
from scratchvae.errors import ShapeError
from scratchvae.memory import BatchBuffers
from scratchvae.models.objective import Objective


def bound(beta, rows):
    objective = Objective(beta)
    objective.bind(BatchBuffers(NUMPY, "float64", rows))
    return objective


def test_each_row_counts_as_much_as_any_other_however_many_there_is_room_for():
    objective = bound(3.0, 7)
    reconstruction, kl = normal(0, 4), normal(1, 4)
    terms = objective.forward(reconstruction, kl)
    np.testing.assert_allclose(terms.value, reconstruction - 3.0 * kl)
    np.testing.assert_allclose(objective.loss(terms), -(reconstruction - 3.0 * kl).sum() / 4)
    dreconstruction, dkl = objective.backward()
    np.testing.assert_allclose(dreconstruction, np.full(4, -1 / 4))
    np.testing.assert_allclose(dkl, np.full(4, 3 / 4))
    np.testing.assert_allclose(terms.value, reconstruction - 3.0 * kl)  # still on loan


def test_a_backward_needs_a_forward_that_was_not_forgotten():
    objective = bound(1.0, 3)
    with pytest.raises(ShapeError, match="call forward first"):
        objective.backward()
    objective.forward(normal(0, 3), normal(1, 3))
    objective.forget()
    with pytest.raises(ShapeError, match="call forward first"):
        objective.backward()


def test_what_is_charged_stands_for_the_kl_in_the_loss_and_the_weight_multiplies_beta():
    objective = bound(3.0, 7)
    reconstruction, kl, charged = normal(0, 4), normal(1, 4), normal(2, 4)
    objective.sums = objective.zeros(7)
    terms = objective.forward(reconstruction, kl, charged, 0.5)
    np.testing.assert_allclose(terms.value, reconstruction - 1.5 * charged)
    assert terms.kl is kl
    for total, expected in zip(objective.sums, (terms.value, reconstruction, kl), strict=True):
        np.testing.assert_allclose(total, expected.sum())
    np.testing.assert_allclose(objective.backward()[1], np.full(4, 1.5 / 4))
    objective.forward(reconstruction, kl, weight=0.25)
    np.testing.assert_allclose(objective.backward()[1], np.full(4, 0.75 / 4))
    objective.forward(reconstruction, kl)
    np.testing.assert_allclose(objective.backward()[1], np.full(4, 3 / 4))


def test_what_is_told_is_bounded_by_the_whole_kl():
    objective = bound(3.0, 4)
    reconstruction, kl = normal(0, 4), normal(1, 4)
    terms = objective.forward(reconstruction, kl, normal(2, 4), 0.5)
    assert objective.bound(terms) is terms
    np.testing.assert_allclose(terms.value, reconstruction - 3.0 * kl)
