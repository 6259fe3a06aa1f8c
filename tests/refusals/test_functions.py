"""The table of what the front door refuses, row by row, and whether it is whole. How to add a row: see `table`."""

import re

import pytest
from refusals import of_checks, of_data, of_figures, of_models, of_optim, of_pieces, of_training

from scratchvae import errors

ROOMS = of_models, of_pieces, of_optim, of_training, of_figures, of_data, of_checks
ROWS = [row for room in ROOMS for row in room.ROWS]
WHAT_TO_DO = re.compile(
    r"expected|choose|take|leave|pass|use|convert|make|give|try|name|set|call|fetch|install|divide|shift|fill|drop|write|keep|save"
)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_it_is_refused_by_name_with_what_was_given_and_what_to_do(row):
    with pytest.raises(errors.ScratchVAEError) as refusal:
        row.call()
    said = str(refusal.value)
    assert type(refusal.value) is row.error, said
    assert re.search(rf"(?<!\w){re.escape(row.argument)}(?!\w)", said), said
    assert [word for word in row.words if word not in said] == [], said
    assert WHAT_TO_DO.search(said), said
    assert len(said) < 1000 and "\n" not in said, said
