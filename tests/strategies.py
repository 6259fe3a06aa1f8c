"""Strategies of the property tests: shapes and a seed, from which NumPy makes the numbers."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

THOROUGH = settings().max_examples >= 30

seeds = st.integers(0, 2**32 - 1)
batches = st.integers(1, 6)
widths = st.integers(1, 7)
hidden_layers = st.lists(st.integers(1, 6), max_size=3).map(tuple)


def examples(quick, thorough):
    """The number of examples of a test, by hypothesis's profile: see tests/README.md."""
    return settings(max_examples=thorough if THOROUGH else quick)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def uniform(seed, *shape):
    return np.random.default_rng(seed).random(shape)
