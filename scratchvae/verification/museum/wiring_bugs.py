"""Bugs between modules: the order of operations, their scale, reported values, and the gradient checker."""

from __future__ import annotations

from scratchvae.gradcheck.gradient_check import GradientCheck
from scratchvae.layers import Linear
from scratchvae.models import VAE
from scratchvae.objectives import ELBO, ImportanceWeighted, Objective
from scratchvae.probability import DiagonalGaussian
from scratchvae.training import Trainer
from scratchvae.training.callbacks import HistoryRecorder
from scratchvae.verification.museum.known_bug import KnownBug, Patch

WIRING_BUGS = (
    KnownBug(
        5,
        "the decoder updated before the backward of the encoder",
        "A small learning rate hides it.",
        (
            Patch(
                VAE,
                "backward",
                "dz = self.decoder.backward(self.likelihood.backward(dlog_likelihood))",
                "dparameters = self.likelihood.backward(dlog_likelihood)\n"
                "    self.decoder.backward_parameters(dparameters)\n"
                "    for name, view in self.params.items():\n"
                "        view -= 1e-4 * self.grads[name] * name.startswith('decoder')\n"
                "    dz = self.decoder.backward(dparameters)",
            ),
        ),
        ("VAE by autograd", "VAE by finite-difference", "Trainer.step by autograd", "Trainer.fit by autograd"),
    ),
    KnownBug(
        6,
        "backward uses the weights of its first call",
        "The first step is right, and so is every gradient at the initial weights.",
        (
            Patch(
                Linear,
                "backward",
                "self.xp.matmul(dy, self.W.T, out=dx)",
                "self.first = getattr(self, 'first', self.W.copy())\n    self.xp.matmul(dy, self.first.T, out=dx)",
            ),
        ),
        (
            "VAE after training steps by autograd",
            "VAE after training steps by finite-difference",
            "Trainer.step by autograd",
        ),
        ("VAE by autograd", "VAE by finite-difference", "Linear by finite-difference"),
    ),
    KnownBug(
        7,
        "one ε shared by the whole batch",
        "Every gradient is right for the shared ε.",
        (
            Patch(
                Trainer,
                "_draw_noise",
                'fill_random(self._eps[:rows], self._streams["training noise"].standard_normal)',
                'self._eps[...] = fill_random(self._eps[:1], self._streams["training noise"].standard_normal)',
            ),
        ),
        ("draws: rows independent",),
        ("VAE after training steps by autograd", "VAE by finite-difference"),
    ),
    KnownBug(
        9,
        "the mean over the batch in the loss, the sum in the gradient",
        "A constant factor acts like a larger learning rate.",
        (
            Patch(ELBO, "backward", "dlog_likelihood.fill(-1.0 / rows)", "dlog_likelihood.fill(-1.0)"),
            Patch(ELBO, "backward", "dkl.fill(self.factor / rows)", "dkl.fill(self.factor)"),
            Patch(ImportanceWeighted, "backward", "dbound.fill(-1.0 / rows)", "dbound.fill(-1.0)"),
        ),
        (
            "ELBO by finite-difference",
            "ImportanceWeighted by finite-difference",
            "VAE by finite-difference",
            "VAE by autograd",
            "IWAE by autograd",
            "Trainer.step by autograd",
            "Trainer.fit by autograd",
        ),
    ),
    KnownBug(
        13,
        "a smaller last batch divided by the size of a full batch",
        "It affects one step per epoch.",
        (
            Patch(
                ELBO,
                "backward",
                "dlog_likelihood.fill(-1.0 / rows)",
                "dlog_likelihood.fill(-1.0 / len(self._dkl))",
            ),
            Patch(ELBO, "backward", "dkl.fill(self.factor / rows)", "dkl.fill(self.factor / len(self._dkl))"),
            Patch(ImportanceWeighted, "backward", "dbound.fill(-1.0 / rows)", "dbound.fill(-1.0 / len(self._dbound))"),
        ),
        (
            "ELBO by finite-difference",
            "ImportanceWeighted by finite-difference",
            "VAE by autograd",
            "IWAE by autograd",
            "Trainer.step by autograd",
            "Trainer.fit by autograd",
        ),
    ),
    KnownBug(
        14,
        "a logged loss without the KL term of the training loss",
        "Nothing fails.",
        (
            Patch(
                HistoryRecorder,
                "summarize",
                "return Epoch(number, -value, recon",
                "return Epoch(number, -reconstruction, recon",
            ),
        ),
        ("reported and trained loss",),
        ("VAE by autograd", "VAE by finite-difference", "Trainer.step by autograd", "Trainer.fit by autograd"),
    ),
    KnownBug(
        15,
        "an embedding of μ + σ instead of μ",
        "It looks plausible.",
        (
            Patch(
                DiagonalGaussian,
                "mean",
                "return h[:, : self.input_width // 2]",
                "mu, logvar = self.parameters(h)\n    return mu + self.xp.exp(logvar / 2)",
            ),
        ),
        ("embedding",),
        ("VAE by autograd", "VAE.loss_and_grads by autograd"),
    ),
    KnownBug(
        16,
        "a negative log-likelihood with the wrong sign",
        "The tests asserted the wrong sign.",
        (Patch(Objective, "loss", "return -self.xp.mean(terms.value)", "return self.xp.mean(terms.value)"),),
        ("known likelihood", "reported and trained loss", "ELBO by autograd", "ImportanceWeighted by autograd"),
    ),
    KnownBug(
        20,
        "a gradient error accepted if it is small absolutely OR relatively",
        "The checks always pass.",
        (
            Patch(
                GradientCheck,
                "_compare",
                "elif error <= self.tolerance and uncertainty <= MAX_UNCERTAINTY_RATIO * self.tolerance:",
                "elif error <= self.tolerance or difference <= self.tolerance:",
            ),
        ),
        ("undetected injected errors of 1 %",),
        ("Linear by finite-difference", "VAE by finite-difference"),
    ),
)
