"""Shards: files that hold many images each, webdataset archives and Parquet tables, read where they lie."""

from .loading import is_sharded, load_shards, load_shards_unlabelled, shard_files
from .rewriting import by_shard, rewrite

__all__ = ["by_shard", "is_sharded", "load_shards", "load_shards_unlabelled", "rewrite", "shard_files"]
