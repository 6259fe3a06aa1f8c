"""Gradient clipping."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array
from scratchvae.memory import check_vector, check_writable
from scratchvae.validation import check_positive


def clip_by_global_norm(xp: Any, dtheta: Array, max_norm: float) -> Array:
    """Scale dθ (P,) in place so that ‖dθ‖₂ ≤ max_norm; return the norm before, 0-d. Pascanu et al. 2013, algorithm 1.

    The direction of the gradient does not change. A gradient whose norm overflows its dtype becomes 0. There is no
    synchronization with the device. Raises ConfigError, DTypeError, ShapeError or ReadOnlyError.
    """
    check_vector("dtheta", dtheta)
    check_writable(dtheta=dtheta)
    max_norm = check_positive("max_norm", max_norm)
    norm: Array = xp.sqrt(xp.dot(dtheta, dtheta))
    # max_norm / max(norm, max_norm) is 1 for a small gradient, and needs no branch
    dtheta *= max_norm / xp.maximum(norm, max_norm)
    return norm
