"""Webdataset shards: `shard-000000.tar` with `000000.png`, `000000.json` and `000000.mask.png` for each image.

The JSON has the columns that a table of `image_folder` has. The image keeps the suffix and the bytes of its file.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ....storage import whole, write_text
from ..native import MASK_CLASSES
from ..record import Record, image_bytes
from ..shared.summary import Summary
from .base import Writer, batched
from .image_folder import columns, lost
from .masks import mask_bytes

SHARD = 1000  # images in a tar file


def write(records: Iterable[Record], summary: Summary, out: Path) -> None:
    """Write the shards, and the names of the classes of masks beside them."""
    numbers = summary.mask_numbers()
    for index, part in enumerate(batched(records, SHARD)):
        with whole(out / f"shard-{index:06d}.tar") as partial, tarfile.TarFile(partial, "w") as tar:
            for i, record in enumerate(part, start=index * SHARD):
                for suffix, content in _members(record, summary, numbers):
                    member = tarfile.TarInfo(f"{i:06d}{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    if summary.semantic:
        write_text(out / MASK_CLASSES, json.dumps({str(number): name for name, number in numbers.items()}, indent=1))


def _members(record: Record, summary: Summary, numbers: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    content, suffix = image_bytes(record.image)
    yield suffix, content
    yield ".json", json.dumps({"name": record.name, **columns(record, summary)}, allow_nan=False).encode()
    if record.semantic is not None:
        yield ".mask.png", mask_bytes(record.semantic, numbers)


WEBDATASET = Writer("webdataset", "webdataset shards", lost, write)
