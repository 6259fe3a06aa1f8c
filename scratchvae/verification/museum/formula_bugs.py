"""Bugs inside one piece: a wrong formula, a wrong derivative, a range that is cut off."""

from __future__ import annotations

from scratchvae.layers import Linear, Sigmoid, Tanh
from scratchvae.optim import Adam
from scratchvae.probability import (
    Bernoulli,
    DiagonalGaussian,
    Gaussian,
    GaussianKL,
    GaussianLearned,
    ImportanceBound,
    Reparameterize,
)
from scratchvae.verification.museum.known_bug import KnownBug, Patch

FORMULA_BUGS = (
    KnownBug(
        1,
        "noise scaled by exp(log σ²), not by exp(½ log σ²)",
        "The backward fits the wrong forward, so finite differences agree; and the loss that it tells is lower than "
        "the right one, for the draws are narrower than the KL is paid for.",
        (
            Patch(
                Reparameterize,
                "forward",
                "self.xp.multiply(logvar, 0.5, out=sigma)",
                "self.xp.multiply(logvar, 1.0, out=sigma)",
            ),
            Patch(Reparameterize, "backward", "dlogvar *= 0.5", "dlogvar *= 1.0"),
        ),
        ("draws: variance", "draws: distribution", "KL against Monte Carlo", "Reparameterize by autograd"),
        ("Reparameterize by finite-difference", "VAE by finite-difference"),
    ),
    KnownBug(
        2,
        "ε drawn twice, one for forward, another for backward",
        "The gradient of μ stays exact, and that of log σ² is right in size.",
        (
            Patch(
                Reparameterize,
                "forward",
                "self.sigma, self.eps = sigma, eps",
                "other = self.xp.random.default_rng(1).standard_normal(eps.shape).astype(eps.dtype)\n"
                "    self.sigma, self.eps = sigma, other",
            ),
        ),
        ("Reparameterize by finite-difference", "Reparameterize by autograd", "VAE by finite-difference"),
        ("KL against Monte Carlo",),
    ),
    KnownBug(
        3,
        "the pre-activation passed on, while backward assumes the activation",
        "Training still goes down.",
        (Patch(Tanh, "forward", "return y", "return x"),),
        ("Tanh by finite-difference", "Tanh by autograd"),
    ),
    KnownBug(
        4,
        "tanh′ taken of a sigmoid's output",
        "Near 0 the gradient points nearly the right way, and the loss falls.",
        (
            Patch(
                Sigmoid,
                "backward",
                "self.xp.subtract(1.0, self.y, out=dx)\n    dx *= self.y",
                "self.xp.multiply(self.y, self.y, out=dx)\n    self.xp.subtract(1.0, dx, out=dx)",
            ),
        ),
        ("Sigmoid by finite-difference", "Sigmoid by autograd"),
    ),
    KnownBug(
        8,
        "log σ² clipped in the KL alone",
        "It shows only far out.",
        (
            Patch(
                GaussianKL,
                "forward",
                "self.xp.expm1(logvar, out=excess)",
                "logvar = logvar.clip(-10, 10)\n    self.xp.expm1(logvar, out=excess)",
            ),
        ),
        ("saturation",),
        ("GaussianKL by autograd", "GaussianKL by finite-difference"),
    ),
    KnownBug(
        10,
        "the log of σ(t) + ε in the loss, and no ε in the gradient",
        "It shows only where a pixel is nearly certain.",
        (
            Patch(
                Bernoulli,
                "forward",
                "self.xp.matmul(terms, self._ones, out=log_likelihood)",
                "p = self.mean(logits, out=self._dx[:rows])\n"
                "    terms = x * self.xp.log(p + 1e-7) + (1 - x) * self.xp.log(1 - p + 1e-7)\n"
                "    self.xp.matmul(terms, self._ones, out=log_likelihood)",
            ),
        ),
        ("saturation", "Bernoulli by autograd", "Bernoulli by finite-difference"),
    ),
    KnownBug(
        11,
        "a Gaussian's log σ² without its ½",
        "The gradient fits the wrong density, so finite differences agree; σ settles at 0.7 of what the errors are.",
        (
            Patch(
                GaussianLearned,
                "forward",
                "self.xp.add(self.logvar, log(2.0 * pi), out=constant)",
                "self.xp.add(2.0 * self.logvar, log(2.0 * pi), out=constant)",
            ),
            Patch(
                GaussianLearned,
                "backward_logvar",
                "self.xp.subtract(self.scaled, float(self.input_width), out=half_excess)",
                "self.xp.subtract(self.scaled, 2.0 * float(self.input_width), out=half_excess)",
            ),
        ),
        ("densities: sum and mean", "saturation", "GaussianLearned by autograd", "VAE-gaussian_learned by autograd"),
        ("GaussianLearned by finite-difference", "VAE-gaussian_learned by finite-difference", "VAE by autograd"),
    ),
    KnownBug(
        11,
        "a Gaussian's σ that no gradient reaches",
        "The means learn all the same.",
        (
            Patch(
                GaussianLearned,
                "backward_logvar",
                "self.xp.matmul(dlog_likelihood, half_excess[:, None], out=self.dlogvar)",
                "self.dlogvar.fill(0.0)",
            ),
        ),
        ("GaussianLearned by finite-difference", "VAE-gaussian_learned by finite-difference"),
        ("VAE by finite-difference", "VAE-gaussian by finite-difference"),
    ),
    KnownBug(
        11,
        "a Gaussian's gradient times y (1 − y), as if its mean came from a sigmoid",
        "The sign is right, and the Bernoulli model beside it is exact.",
        (
            Patch(Gaussian, "squared_error", "self.error = error", "self.error, self.y = error, mu.copy()"),
            Patch(Gaussian, "backward", "return dmu", "dmu *= self.y * (1.0 - self.y)\n    return dmu"),
        ),
        ("Gaussian by finite-difference", "Gaussian by autograd", "VAE-gaussian by autograd"),
        ("VAE by finite-difference", "VAE by autograd"),
    ),
    KnownBug(
        12,
        "Adam without its bias correction",
        "It still trains.",
        (
            Patch(
                Adam,
                "corrections",
                "c1 = (1.0 - self.beta1**self.t) / (1.0 - self.beta1)",
                "c1 = 1.0 / (1.0 - self.beta1)",
            ),
            Patch(
                Adam,
                "corrections",
                "c2 = sqrt((1.0 - self.beta2**self.t) / (1.0 - self.beta2))",
                "c2 = sqrt(1.0 / (1.0 - self.beta2))",
            ),
        ),
        ("Adam by autograd", "AdamW by autograd"),
        ("VAE after training steps by autograd",),
    ),
    KnownBug(
        18,
        "softplus(·) called log σ², so that σ is never below 1",
        "No crash, and the chain rule is kept: finite differences agree.",
        (
            Patch(
                DiagonalGaussian,
                "parameters",
                "self.mu, self.logvar = self.split.forward(h)",
                "self.mu, logvar = self.split.forward(h)\n"
                "    self.slope = 1 / (1 + self.xp.exp(-logvar))\n"
                "    self.logvar = self.xp.logaddexp(0, logvar)",
            ),
            Patch(
                DiagonalGaussian,
                "forward",
                "self.mu, self.logvar = self.split.forward(h)",
                "self.mu, self.logvar = self.parameters(h)",
            ),
            Patch(
                DiagonalGaussian,
                "backward",
                "return self.split.backward(*self.backward_parameters(dz, dlog_q, dparameters))",
                "dmu, dlogvar = self.backward_parameters(dz, dlog_q, dparameters)\n"
                "    return self.split.backward(dmu, dlogvar * self.slope)",
            ),
        ),
        ("draws: variance", "VAE by autograd", "DiagonalGaussian by autograd", "VAE, KL of one draw by autograd"),
        ("VAE by finite-difference", "DiagonalGaussian by finite-difference"),
    ),
    KnownBug(
        19,
        "a layer whose dx is wrong, alone in its test",
        "With no layer before it, nobody consumes dx.",
        (Patch(Linear, "backward", "self.xp.matmul(dy, self.W.T, out=dx)", "dx.fill(1.0)"),),
        ("Linear by finite-difference", "Linear by autograd", "VAE by autograd"),
    ),
    KnownBug(
        16,
        "a bound of K draws that is divided by another number than K",
        "A constant has no gradient.",
        (Patch(ImportanceBound, "forward", "bound -= log(self.input_width)", "bound -= log(self.input_width + 1)"),),
        (
            "ImportanceBound by autograd",
            "ImportanceWeighted by autograd",
            "IWAE by autograd",
            "VAE, several draws by autograd",
        ),
        ("ImportanceBound by finite-difference", "IWAE by finite-difference"),
    ),
    KnownBug(
        17,
        "importance weights that are the softmax of the loss: the worst draw weighs most",
        "The loss goes down.",
        (
            Patch(
                ImportanceBound,
                "backward",
                "self.xp.multiply(self.normalized_weights, dbound[:, None], out=dlog_w)",
                "worst = 1.0 / self.normalized_weights\n"
                "    self.xp.multiply(worst / worst.sum(axis=1)[:, None], dbound[:, None], out=dlog_w)",
            ),
        ),
        (
            "ImportanceBound by finite-difference",
            "ImportanceWeighted by finite-difference",
            "IWAE by finite-difference",
            "IWAE by autograd",
        ),
        ("VAE by autograd", "LogDensityRatio by finite-difference"),
    ),
    KnownBug(
        17,
        "importance weights that are differentiated too",
        "It is the gradient of Σ_k share_k log w_k, which goes up as well.",
        (
            Patch(
                ImportanceBound,
                "forward",
                "self.normalized_weights = normalized_weights",
                "self.normalized_weights, self.log_w = normalized_weights, log_w",
            ),
            Patch(
                ImportanceBound,
                "backward",
                "self.xp.multiply(self.normalized_weights, dbound[:, None], out=dlog_w)",
                "mean = (self.normalized_weights * self.log_w).sum(axis=1)[:, None]\n"
                "    dlog_w[...] = self.normalized_weights * (1.0 + self.log_w - mean) * dbound[:, None]",
            ),
        ),
        (
            "ImportanceBound by finite-difference",
            "ImportanceWeighted by finite-difference",
            "IWAE by finite-difference",
            "IWAE by autograd",
        ),
        ("VAE by autograd", "LogDensityRatio by finite-difference"),
    ),
)
