"""Small shards that the tests are made of: webdataset archives and Parquet files."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from helpers import picture


def png(seed: int, size: tuple[int, int] = (16, 16), channels: int = 1, level: int = 128) -> bytes:
    """The bytes of a PNG of noise."""
    out = io.BytesIO()
    Image.fromarray(picture(seed, size, channels, level)).save(out, "PNG")
    return out.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    """An archive of these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def sample(key: int, **fields: Any) -> list[tuple[str, bytes]]:
    """The members of a sample: its PNG, whose level is even or odd like the key, and other fields."""
    others = {n: json.dumps(v).encode() if n == "json" else str(v).encode() for n, v in fields.items()}
    return [
        (f"{key:06d}.png", png(key, level=80 + 90 * (key % 2))),
        *((f"{key:06d}.{n}", v) for n, v in others.items()),
    ]


def tars(folder: Path, counts: Iterable[int] = (7, 4, 9)) -> Path:
    """Shards `s-000.tar` and so on, whose samples have a `.cls` of 0 or 1, and a `.json` with `kind` and `x`."""
    key = 0
    for shard, count in enumerate(counts):
        members = []
        for _ in range(count):
            members += sample(key, cls=key % 2, json={"kind": ("bolt", "nut")[key % 2], "x": key / 2, "tilt": -key})
            key += 1
        write_tar(folder / f"s-{shard:03d}.tar", members)
    return folder


def write_parquet(
    path: Path, columns: Mapping[str, Any], group: int = 5, features: Mapping[str, Any] | None = None
) -> Path:
    """A Parquet file; `features` are those that Hugging Face would write."""
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table(dict(columns))
    if features is not None:
        said = json.dumps({"info": {"features": features}}).encode()
        table = table.replace_schema_metadata({b"huggingface": said})
    parquet.write_table(table, path, row_group_size=group)
    return path


def levels(images: Any) -> list[int]:
    """0 for dark images and 1 for bright ones, as the keys of `sample` are even and odd."""
    return (np.asarray(images, float).mean((1, 2, 3)) > 125).astype(int).tolist()
