"""Bugs between the pieces: the order of things, their scale, what is told of them, and how they are checked."""

from __future__ import annotations

from scratchvae.gradcheck.trial import Trial
from scratchvae.layers import Linear
from scratchvae.models import VAE
from scratchvae.models.objective import Objective
from scratchvae.training.run import Run
from scratchvae.training.steps import Steps
from scratchvae.verification.museum.exhibit import Exhibit, Patch

IN_WIRING = (
    Exhibit(
        5,
        "the decoder updated before the encoder's backward has run",
        "A small learning rate hides it.",
        (
            Patch(
                VAE,
                "_backward_to_posterior",
                "dz = self.decoder.backward(dparameters)",
                "self.decoder.backward_parameters(dparameters)\n"
                "    for name, view in self.params.items():\n"
                "        view -= 1e-4 * self.grads[name] * name.startswith('decoder')\n"
                "    dz = self.decoder.backward(dparameters)",
            ),
        ),
        ("VAE by autograd", "VAE by finite-difference", "Trainer.step by autograd"),
    ),
    Exhibit(
        6,
        "backward uses the weights as they were at its first call",
        "The first step is right, and so is every check at fresh weights.",
        (
            Patch(
                Linear,
                "backward",
                "self.xp.matmul(dy, self.W.T, out=dx)",
                "self.first = getattr(self, 'first', self.W.copy())\n    self.xp.matmul(dy, self.first.T, out=dx)",
            ),
        ),
        ("VAE-after-steps by autograd", "VAE-after-steps by finite-difference", "Trainer.step by autograd"),
        ("VAE by autograd", "VAE by finite-difference", "Linear by finite-difference"),
    ),
    Exhibit(
        7,
        "one ε shared by the whole batch",
        "Every gradient is right for that ε.",
        (
            Patch(
                Steps,
                "forward",
                'fill(self.eps[: len(x)], self.streams["training noise"].standard_normal)',
                'self.eps[...] = fill(self.eps[:1], self.streams["training noise"].standard_normal)',
            ),
        ),
        ("draws: rows independent",),
        ("VAE-after-steps by autograd", "VAE by finite-difference"),
    ),
    Exhibit(
        9,
        "a loss that is a mean, with a gradient that is a sum",
        "A constant factor looks like a learning rate.",
        (
            Patch(Objective, "backward", "dreconstruction.fill(-1.0 / self.rows)", "dreconstruction.fill(-1.0)"),
            Patch(Objective, "backward", "dkl.fill(self.factor / self.rows)", "dkl.fill(self.factor)"),
        ),
        ("Objective by finite-difference", "VAE by finite-difference", "VAE by autograd", "Trainer.step by autograd"),
    ),
    Exhibit(
        13,
        "a smaller last batch, divided by the size of a full one",
        "It is one step in many.",
        (
            Patch(
                Objective,
                "backward",
                "dreconstruction.fill(-1.0 / self.rows)",
                "dreconstruction.fill(-1.0 / len(self._dkl))",
            ),
            Patch(Objective, "backward", "dkl.fill(self.factor / self.rows)", "dkl.fill(self.factor / len(self._dkl))"),
        ),
        ("Objective by finite-difference", "VAE by autograd", "Trainer.step by autograd"),
    ),
    Exhibit(
        14,
        "a logged loss without the KL that is trained",
        "Nothing fails.",
        (Patch(Run, "_conclude", "return Epoch(number, -value, recon", "return Epoch(number, -reconstruction, recon"),),
        ("loss told and trained",),
        ("VAE by autograd", "VAE by finite-difference", "Trainer.step by autograd"),
    ),
    Exhibit(
        15,
        "an embedding that is μ + σ",
        "It looks plausible.",
        (
            Patch(
                VAE,
                "embed",
                "return self.encode(x)[0]",
                "mu, logvar = self.encode(x)\n    return mu + np.exp(logvar / 2)",
            ),
        ),
        ("embedding",),
        ("VAE by autograd", "VAE.loss_and_grads by autograd"),
    ),
    Exhibit(
        16,
        "a negative log-likelihood with the wrong sign",
        "The tests asserted the wrong sign.",
        (Patch(Objective, "loss", "return -self.xp.mean(terms.value)", "return self.xp.mean(terms.value)"),),
        ("known likelihood", "loss told and trained", "Objective by autograd"),
    ),
    Exhibit(
        20,
        "an error allowed if it is small, absolutely OR relatively",
        "The checks are always green.",
        (
            Patch(
                Trial,
                "_argument",
                "elif error <= self.tolerance and uncertainty <= LUCK * self.tolerance:",
                "elif error <= self.tolerance or apart <= self.tolerance:",
            ),
        ),
        ("planted errors of 1 % missed",),
        ("Linear by finite-difference", "VAE by finite-difference"),
    ),
)
