"""The likelihoods by name, and what may be set of them."""

from __future__ import annotations

from scratchvae.errors import ConfigError
from scratchvae.probability import (
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    GaussianDecoded,
    GaussianLearnt,
    Likelihood,
)

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
    "gaussian_learnt": GaussianLearnt,
    "gaussian_decoded": GaussianDecoded,
}


def make_likelihood(name: str, sigma: float | None) -> Likelihood:
    """The likelihood of that name; sigma is that of a Gaussian, None of any other. Raises ConfigError."""
    kind = LIKELIHOODS[name]
    return kind(sigma) if sigma is not None and issubclass(kind, Gaussian) else kind()


def check_sigma(sigma: float | None, likelihood: str) -> float | None:
    """The sigma that a likelihood of that name has: as given, or 1; None if it has none. Raises ConfigError."""
    if issubclass(LIKELIHOODS[likelihood], Gaussian):
        return Gaussian(1.0 if sigma is None else sigma).sigma
    if sigma is not None:
        takers = " or ".join(repr(name) for name, kind in LIKELIHOODS.items() if issubclass(kind, Gaussian))
        raise ConfigError(f"sigma={sigma!r} does nothing for likelihood={likelihood!r}: leave it out, or take {takers}")
    return None
