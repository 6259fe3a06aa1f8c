"""Densities and samplers, each with its derivation: posterior, prior, KL, likelihoods, free bits, classes."""

from scratchvae.probability.bernoulli import Bernoulli
from scratchvae.probability.categorical import LogSoftmax
from scratchvae.probability.categorical_likelihood import Categorical
from scratchvae.probability.continuous_bernoulli import ContinuousBernoulli
from scratchvae.probability.divergence import Divergence, ExactKL, GaussianDrawKL, MonteCarloKL, PathwiseKL
from scratchvae.probability.free_bits import FreeBits
from scratchvae.probability.gaussian import GaussianKL
from scratchvae.probability.gaussian_diagonal import GaussianDiagonal
from scratchvae.probability.gaussian_heteroscedastic import GaussianHeteroscedastic
from scratchvae.probability.gaussian_likelihood import Gaussian, GaussianLearned
from scratchvae.probability.gaussian_mixture import GaussianMixture
from scratchvae.probability.importance import ImportanceBound
from scratchvae.probability.likelihood import Likelihood
from scratchvae.probability.log_density_ratio import LogDensityRatio
from scratchvae.probability.marginal import MarginalBound
from scratchvae.probability.masked_likelihood import MaskedLikelihood
from scratchvae.probability.mixed import Mixed
from scratchvae.probability.mixture_prior import MixturePrior
from scratchvae.probability.negative_binomial import NegativeBinomial
from scratchvae.probability.poisson import Poisson
from scratchvae.probability.posterior import DiagonalGaussian, Posterior
from scratchvae.probability.prior import Prior, StandardNormal
from scratchvae.probability.reparameterize import Reparameterize
from scratchvae.probability.scaled_likelihood import ScaledLikelihood
from scratchvae.probability.split import SplitHalves
from scratchvae.probability.support import Support
from scratchvae.probability.vamp_prior import VampPrior

__all__ = [
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiagonalGaussian",
    "Divergence",
    "ExactKL",
    "FreeBits",
    "Gaussian",
    "GaussianDiagonal",
    "GaussianDrawKL",
    "GaussianHeteroscedastic",
    "GaussianKL",
    "GaussianLearned",
    "GaussianMixture",
    "ImportanceBound",
    "Likelihood",
    "LogDensityRatio",
    "LogSoftmax",
    "MarginalBound",
    "MaskedLikelihood",
    "Mixed",
    "MixturePrior",
    "MonteCarloKL",
    "NegativeBinomial",
    "PathwiseKL",
    "Poisson",
    "Posterior",
    "Prior",
    "Reparameterize",
    "ScaledLikelihood",
    "SplitHalves",
    "StandardNormal",
    "Support",
    "VampPrior",
]
