"""Hand-written gradients held against finite differences; knows a function, its vjp and their inputs, nothing else.

    from scratchvae.gradcheck import check

    print(check(forward, backward, x, W))  # forward(x, W) → y, backward(dy, x, W) → dx, dW

How far two computations of one gradient may be apart, in this package, is settled here, for all of its pieces and for
whole models of any architecture.

    held against                       at                                     float64    float32
    finite differences                 ordinary values                          1e-9          –
    autograd, torch, jax in float64    ordinary values                         1e-12       1e-4
    exact values                       saturation                              1e-14       1e-5

Errors are relative. Against differences, `check` tells to what; against the others, it is ‖given − expected‖ /
‖expected‖ of each array. A part may be a small difference of large terms: one shorter than a hundredth of all gradients
together is measured by that hundredth, by differences only where rounding hides it otherwise. So what is shorter than
1e-14 of all gradients, and matters as little, may be wrong unseen.

Ordinary values are draws from N(0, 1), logits from N(0, 9), pixels from U[0, 1] and weights as they begin, somewhat
moved; at them float32 is mostly right to 1e-6. Saturation is logits of ±1000, log-variances of ±50, pixels all 0 or
all 1: there an error is relative to the largest number that enters a sum, since what is less than its rounding is lost.
"""

from scratchvae.gradcheck.check import check, check_gradient
from scratchvae.gradcheck.report import Argument, Report

__all__ = ["Argument", "Report", "check", "check_gradient"]
