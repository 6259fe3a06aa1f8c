"""Rows (N, D) in any storage, read a part at a time: arrays, memory-mapped files, several of them, sparse matrices."""

from scratchvae.rows.reader import RowReader, extremes
from scratchvae.rows.selection import RowSelection
from scratchvae.rows.shards import ShardedRows, is_pattern, open_shards
from scratchvae.rows.source import RowSource, dense
from scratchvae.rows.sparse import SparseRows, is_sparse

__all__ = [
    "RowReader",
    "RowSelection",
    "RowSource",
    "ShardedRows",
    "SparseRows",
    "dense",
    "extremes",
    "is_pattern",
    "is_sparse",
    "open_shards",
]
