"""Tables whose columns are of several kinds: numbers, booleans, categories, dates and counts.

schema = sv.tables.TableSchema.infer(table)
rows = schema.encode(table)
vae = sv.VAE(schema.width, latent_dim=8, likelihood=schema.likelihood(), missing=True)
"""

from scratchvae.tables.column import KINDS
from scratchvae.tables.schema import TableSchema

__all__ = ["KINDS", "TableSchema"]
