"""Bugs within one module: a wrong formula, a wrong derivative, a clipped range."""

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
        "noise scaled by exp(log σ²) instead of exp(½ log σ²)",
        "The backward matches the wrong forward, so finite differences agree. The reported loss is lower than the "
        "right one, because the draws have a smaller variance than the KL assumes.",
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
        "ε drawn twice: once for forward, again for backward",
        "The gradient of μ remains exact, and that of log σ² has the right magnitude.",
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
        "forward returns the pre-activation, while backward assumes the activation",
        "The training loss still decreases.",
        (Patch(Tanh, "forward", "return y", "return x"),),
        ("Tanh by finite-difference", "Tanh by autograd"),
    ),
    KnownBug(
        4,
        "the derivative of tanh applied to the output of a sigmoid",
        "Near 0 the gradient has nearly the right direction, and the loss decreases.",
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
        "log σ² clipped in the KL only",
        "It has an effect only at extreme values.",
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
        "log(σ(t) + ε) in the loss, without ε in the gradient",
        "It has an effect only where the probability of a pixel is near 0 or 1.",
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
        "the log σ² of a Gaussian without its factor ½",
        "The gradient matches the wrong density, so finite differences agree; σ converges to 0.7 of the right value.",
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
        "the learned σ of a Gaussian without a gradient",
        "The mean is learned regardless.",
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
        "the gradient of a Gaussian multiplied by y (1 − y), as if its mean were the output of a sigmoid",
        "The sign is right, and the Bernoulli model is exact.",
        (
            Patch(Gaussian, "squared_error", "self.error = error", "self.error, self.y = error, mu.copy()"),
            Patch(Gaussian, "backward", "return dmu", "dmu *= self.y * (1.0 - self.y)\n    return dmu"),
        ),
        ("Gaussian by finite-difference", "Gaussian by autograd", "VAE-gaussian by autograd"),
        ("VAE by finite-difference", "VAE by autograd"),
    ),
    KnownBug(
        12,
        "Adam without bias correction",
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
        "softplus(·) used as log σ², so that σ ≥ 1",
        "Nothing fails, and the chain rule is right, so finite differences agree.",
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
        "a wrong dx in a layer that is tested alone",
        "Without a layer before it, its dx is not used.",
        (Patch(Linear, "backward", "self.xp.matmul(dy, self.W.T, out=dx)", "dx.fill(1.0)"),),
        ("Linear by finite-difference", "Linear by autograd", "VAE by autograd"),
    ),
    KnownBug(
        16,
        "a bound of K draws that is divided by a number other than K",
        "The gradient of a constant is 0.",
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
        "importance weights with the wrong sign, so that the worst draw has the largest weight",
        "The loss decreases.",
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
        "importance weights that are differentiated",
        "It is the gradient of Σ_k w̃_k log w_k, which increases too.",
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
