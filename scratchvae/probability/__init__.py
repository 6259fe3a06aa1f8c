"""Densities and draws, each with its derivation: the sampler, the KL, free bits, the likelihoods, the classes."""

from scratchvae.probability import fused  # noqa: F401 - the twins for devices, which must be known
from scratchvae.probability.bernoulli import Bernoulli
from scratchvae.probability.categorical import LogSoftmax
from scratchvae.probability.continuous_bernoulli import ContinuousBernoulli
from scratchvae.probability.free_bits import FreeBits
from scratchvae.probability.gaussian import GaussianKL
from scratchvae.probability.gaussian_decoded import GaussianDecoded
from scratchvae.probability.gaussian_likelihood import Gaussian, GaussianLearnt
from scratchvae.probability.importance import ImportanceBound
from scratchvae.probability.likelihood import Likelihood
from scratchvae.probability.log_ratio import LogRatio
from scratchvae.probability.marginal import MarginalBound
from scratchvae.probability.observed import Observed
from scratchvae.probability.reparameterize import Reparameterize

__all__ = [
    "Bernoulli",
    "ContinuousBernoulli",
    "FreeBits",
    "Gaussian",
    "GaussianDecoded",
    "GaussianKL",
    "GaussianLearnt",
    "ImportanceBound",
    "Likelihood",
    "LogRatio",
    "LogSoftmax",
    "MarginalBound",
    "Observed",
    "Reparameterize",
]
