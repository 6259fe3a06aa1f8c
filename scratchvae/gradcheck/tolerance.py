"""Tolerances of relative errors by dtype; the table in the docstring of `scratchvae.gradcheck` explains them."""

FINITE_DIFFERENCES = 1e-9
FINITE_DIFFERENCES_FLOAT32 = 1e-4
AUTODIFF = {"float64": 1e-12, "float32": 1e-4}
SATURATED = {"float64": 1e-14, "float32": 1e-5}
