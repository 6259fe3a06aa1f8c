"""How far two computations of one gradient may be apart: the table is in the docstring of `scratchvae.gradcheck`."""

FINITE_DIFFERENCES = 1e-9
AUTODIFF = {"float64": 1e-12, "float32": 1e-4}
SATURATED = {"float64": 1e-14, "float32": 1e-5}
