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


def off_zero(x, margin=0.05):
    """x, pushed away from a kink at 0."""
    return x + np.where(x >= 0, margin, -margin)


def relative_error(given, expected):
    """‖given − expected‖ / ‖expected‖; ‖given‖ where nothing is expected."""
    return float(np.linalg.norm(given - expected) / (np.linalg.norm(expected) or 1.0))
