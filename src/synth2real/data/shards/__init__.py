"""Shards: files that hold many images each, webdataset archives and Parquet tables, read where they lie."""

from .grouping import groups_of, has_groups
from .loading import indexed, is_sharded, load_shards, load_shards_unlabelled, shard_files
from .rewriting import by_shard, only, rewrite

__all__ = [
    "by_shard",
    "groups_of",
    "has_groups",
    "indexed",
    "is_sharded",
    "load_shards",
    "load_shards_unlabelled",
    "only",
    "rewrite",
    "shard_files",
]
