"""What the properties draw: shapes and a seed, from which NumPy makes the numbers."""

import numpy as np
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)
batches = st.integers(1, 6)
widths = st.integers(1, 7)
hidden_layers = st.lists(st.integers(1, 6), max_size=3).map(tuple)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def uniform(seed, *shape):
    return np.random.default_rng(seed).random(shape)
