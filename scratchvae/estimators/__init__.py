"""Estimators with the interface of scikit-learn: `fit`, `transform`, `get_params`. They need NumPy alone.

scikit-learn is never imported, unless it asks for the tags of an estimator. It accepts these estimators in pipelines,
grid searches and cross-validation.
"""

from scratchvae.estimators.embedding import VAEEmbedding
from scratchvae.estimators.imputer import VAEImputer
from scratchvae.estimators.outliers import VAEOutlierDetector

__all__ = ["VAEEmbedding", "VAEImputer", "VAEOutlierDetector"]
