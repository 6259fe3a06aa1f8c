"""Check hand-written gradients against finite differences of a function, or against automatic derivatives.

    from scratchvae.gradcheck import check, check_layer, properties

    print(check(forward, backward, x, W))  # forward(x, W) → y, backward(dy, x, W) → dx, dW
    print(check_layer(layer))              # dx and the gradient of every parameter, at random batches
    test = properties(forward, backward, x="B I", W="I O")  # a Hypothesis test that draws sizes and shrinks them

The package's tolerances are defined here. They hold for every module, and for whole models of any architecture:

    compared with                      at                                     float64    float32
    finite differences                 ordinary values                          1e-9       1e-4
    autograd, torch, jax in float64    ordinary values                         1e-12       1e-4
    exact values                       saturation                              1e-14       1e-5

Errors are relative. With finite differences, `check` documents the denominator. With autograd, torch and jax, the error
of an array is ‖actual − expected‖ / ‖expected‖. A gradient may be a small difference of large terms, so one whose norm
is below a hundredth of the norm of all gradients together is measured relative to that hundredth (with finite
differences, only if rounding hides its own error). An error in a gradient below 1e-14 of all gradients can therefore
go undetected; it is as negligible as that gradient.

Ordinary values: draws from N(0, 1), logits from N(0, 9), pixels from U[0, 1], weights at initialization plus a small
perturbation. At these, float32 is mostly accurate to 1e-6. Saturation: logits of ±1000, log-variances of ±50, pixels
all 0 or all 1. There, an error is relative to the largest term of a sum, because smaller terms vanish in its rounding.
"""

from scratchvae.gradcheck.check import check, check_gradient
from scratchvae.gradcheck.optimizers import check_optimizer
from scratchvae.gradcheck.parts import check_layer, check_likelihood, check_objective, check_posterior, check_prior
from scratchvae.gradcheck.properties import properties
from scratchvae.gradcheck.report import Argument, Report

__all__ = [
    "Argument",
    "Report",
    "check",
    "check_gradient",
    "check_layer",
    "check_likelihood",
    "check_objective",
    "check_optimizer",
    "check_posterior",
    "check_prior",
    "properties",
]
