"""Writing: records as folders of other programs, and what each format cannot hold.

A format is one file with a `Writer`, and one line in `WRITERS`.
"""

from __future__ import annotations

from importlib import import_module

from ....errors import InputError
from ..shared.summary import Summary
from .base import Writer

WRITERS = {
    "coco": "coco:COCO",
    "yolo": "yolo:YOLO",
    "imagefolder": "image_folder:IMAGE_FOLDER",
    "parquet": "shards:PARQUET",
    "webdataset": "shards:WEBDATASET",
}  # name -> module:attribute

__all__ = ["WRITERS", "Summary", "Writer", "find_writer"]


def find_writer(name: str) -> Writer:
    """The writer of this name. Raise `InputError` if there is none."""
    if name not in WRITERS:
        raise InputError(f"--to '{name}' is unknown, expected one of: {', '.join(WRITERS)}")
    module, _, attribute = WRITERS[name].partition(":")
    found: Writer = getattr(import_module(f".{module}", __name__), attribute)
    return found
