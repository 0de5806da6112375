"""Shards: files that hold many images each, webdataset archives and Parquet tables, read where they lie."""

from .loading import is_sharded, load_shards, load_shards_unlabelled

__all__ = ["is_sharded", "load_shards", "load_shards_unlabelled"]
