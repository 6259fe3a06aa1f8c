"""Initial weights, with a variance that keeps signal and gradient at the same scale in all layers.

They are drawn on the host in float64, whatever the backend and dtype: a seed gives the same network everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from scratchvae.backend import Array
from scratchvae.validation import check_choice

# of a generator, a shape, I and O; quoted because numpy.random is imported at first use
Initializer = Callable[["np.random.Generator", tuple[int, ...], float, float], Array]


# Let each y_o be a sum of I products, y_o = Σ_i x_i W_io, and each x_i be in O of them. With W centred and independent
# of x, Var y = I · Var W · E x².
#   ReLU halves the second moment, E x² = ½ Var y of the layer before:  Var W = 2/I keeps it constant   (He)
#   tanh is the identity near 0, E x² = Var y:                           Var W = 1/I keeps it constant;
#   backward, dx_i = Σ_o dy_o W_io needs Var W = 1/O;                    Var W = 2/(I + O) is in between (Glorot)
# A uniform on [−a, a] has variance a²/3. Of a matrix W (I, O), `inputs` is I and `outputs` is O.


def he_normal(rng: np.random.Generator, shape: tuple[int, ...], inputs: float, outputs: float) -> Array:
    """N(0, 2/I). He, Zhang, Ren, Sun 2015, eq. 10."""
    return rng.normal(0.0, sqrt(2 / inputs), shape)


def he_uniform(rng: np.random.Generator, shape: tuple[int, ...], inputs: float, outputs: float) -> Array:
    """U(−a, a) with a = √(6/I), which has the variance of `he_normal`."""
    a = sqrt(6 / inputs)
    return rng.uniform(-a, a, shape)


def glorot_normal(rng: np.random.Generator, shape: tuple[int, ...], inputs: float, outputs: float) -> Array:
    """N(0, 2/(I + O)). Glorot and Bengio 2010, eq. 12."""
    return rng.normal(0.0, sqrt(2 / (inputs + outputs)), shape)


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...], inputs: float, outputs: float) -> Array:
    """U(−a, a) with a = √(6/(I + O)). Glorot and Bengio 2010, eq. 16."""
    a = sqrt(6 / (inputs + outputs))
    return rng.uniform(-a, a, shape)


INITIALIZERS: dict[str, Initializer] = {
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
}


def check_initializer(name: str) -> str:
    """Return `name`. Raises ConfigError unless it is the name of an initializer."""
    return check_choice("init", name, tuple(INITIALIZERS))
