"""Every checker refuses every wrong value of its kind."""

import pytest
from refusals.checkers import ROWS
from refusals.table import assert_refused


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_wrong_value_is_refused(row):
    assert_refused(row)
