"""Evaluation of polynomials."""

from __future__ import annotations

from typing import Any

from scratchvae.backend import Array


def horner(xp: Any, coefficients: tuple[float, ...], x: Array, out: Array) -> None:
    """Write Σ_k c_k xᵏ into `out` by Horner's method; the coefficient of the highest power comes first."""
    xp.multiply(x, coefficients[0], out=out)
    for c in coefficients[1:-1]:
        out += c
        out *= x
    out += coefficients[-1]
