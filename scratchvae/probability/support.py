"""The support of a likelihood: the values that the columns of a row may have."""

from __future__ import annotations

from math import inf
from typing import NamedTuple


class Support(NamedTuple):
    """The values of the columns from `start` up to, not including, `stop`.

    low, high   smallest and largest value
    whole       True for counts: whole numbers only
    one_hot     True for one group of categories: the columns sum to 1
    """

    start: int
    stop: int
    low: float = -inf
    high: float = inf
    whole: bool = False
    one_hot: bool = False
