"""Hand-written gradients held against finite differences; knows a function, its vjp and their inputs, nothing else."""

from scratchvae.gradcheck.check import Report, check
from scratchvae.gradcheck.finite_difference import directional_derivative

__all__ = ["Report", "check", "directional_derivative"]
