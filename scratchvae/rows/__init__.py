"""Rows (N, D) in any storage, read a part at a time: arrays, memory-mapped files, several of them, sparse matrices."""

from scratchvae.rows.reader import RowReader, extremes, mapped_root
from scratchvae.rows.scaled import ScaledRows
from scratchvae.rows.selection import RowSelection
from scratchvae.rows.shards import ShardedRows, find_shards, is_pattern, open_shards
from scratchvae.rows.source import RowSource, dense
from scratchvae.rows.sparse import SparseRows, is_sparse

__all__ = [
    "RowReader",
    "RowSelection",
    "RowSource",
    "ScaledRows",
    "ShardedRows",
    "SparseRows",
    "dense",
    "extremes",
    "find_shards",
    "is_pattern",
    "is_sparse",
    "mapped_root",
    "open_shards",
]
