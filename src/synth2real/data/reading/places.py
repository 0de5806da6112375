"""What a path names: a folder or file that is there and its format, or a data set of Hugging Face."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ..domains import check_kind
from ..formats import Format, format_of
from ..sparse import SVMLIGHT
from .discovery import is_image, metadata_tables

FILES = (".npz", *SVMLIGHT)
SHARDS = ("webdataset", "parquet")  # formats of many images in a file, which `shards` reads
HUB = "hf:"  # begins the name of a data set of Hugging Face


def is_hub(path: object) -> bool:
    """Whether a path names a data set of Hugging Face, such as `hf:NAME@SPLIT`."""
    return isinstance(path, str | Path) and str(path).startswith(HUB)


def is_packed(path: object, split: str | None = None, format: str | None = None) -> bool:
    """Whether a path names webdataset or Parquet shards, see `shards.is_sharded`, which have no splits.

    Args:
        path: what the user gave.
        split: of a data set of Hugging Face.
        format: name of the format, None to find it.
    """
    from ..shards import is_sharded

    if split is not None or not isinstance(path, str | Path):
        return False
    return is_sharded(path) if format is None else format in SHARDS


def has_columns(path: Path) -> bool:
    """Whether labels are named by columns: in metadata tables, in files, or in shards; classes may be subfolders."""
    return not path.is_dir() or bool(metadata_tables(path)) or is_packed(path)


def existing(path: str | Path, split: str | None, format: str | None) -> tuple[Path, Format | None]:
    """The folder or file, and its format if it is another program's.

    Args:
        path: what the user gave.
        split: of a data set of Hugging Face.
        format: name of the format; None to find it.

    Raises:
        InputError: there is no such path, it is a file that is not read, or has no splits; or as `format_of`.
    """
    check_kind(path, (str, Path), "the path is")
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such folder or file. Check the spelling; the path is relative to {Path.cwd()}")
    kind = format_of(path, format, native=metadata_tables)
    if split is not None and (kind is None or not kind.prefix):
        raise InputError(f"{path}: has no splits, but found split '{split}', expected {HUB}NAME. Leave split out")
    if kind is None and path.is_file() and path.suffix.lower() not in FILES and not is_image(path):
        raise InputError(
            f"{path}: found a '{path.suffix}' file, expected a folder, an image or an .npz or svmlight file"
        )
    return path, kind
