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
