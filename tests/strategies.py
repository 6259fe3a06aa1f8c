"""Strategies of the property tests: shapes and a seed, from which NumPy makes the numbers."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from scratchvae.models.parts import LIKELIHOODS

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


def in_support(likelihood, fractions):
    """Data for a likelihood, a class or its name, from fractions: counts from 0 to 7 for counts, else themselves."""
    kind = LIKELIHOODS.get(likelihood, likelihood)
    return np.floor(8 * fractions**2) if getattr(kind, "keeps_units", False) else fractions
