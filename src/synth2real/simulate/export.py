"""Write the images and labels of a simulator to disk: a folder, tar shards, or one Parquet file.

Labels are columns. A class is its name, or a number if its name is a whole number. A missing value is null.
"""

import io
import json
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from ..errors import InputError
from .base import Rendered, Simulator, save_parameters

Format = Literal["folder", "webdataset", "parquet"]
Row = dict[str, Any]
PARAMETERS, TABLE = "parameters.yaml", "metadata.jsonl"
SHARD = 1000  # images in a tar file
MASK_COLOURS = ((60, 60, 60), (240, 240, 240), (70, 130, 220), (220, 60, 60))


def render(
    simulator: Simulator,
    n: int,
    out: str | Path,
    seed: int,
    overwrite: bool = False,
    masks: bool = False,
    format: Format | None = None,
) -> None:
    """Write `n` images to `out`.

    `folder`: `000000.png` and so on; `metadata.jsonl` with one line per image: `file_name` and the labels;
    `parameters.yaml` with the sampling ranges; and with masks `000000_mask.png`. A mask pixel is the region index.
    `webdataset`: `shard-000000.tar` and so on, with `000000.png`, `000000.json` and `000000.mask.png` per image, and
    `parameters.yaml` beside them.
    `parquet`: one file. The columns `image` (and `mask`) have the fields `bytes` and `path`, which the library
    `datasets` displays as images. Each label column is one column. The ranges are in the metadata of the file.

    Args:
        simulator, n, seed: the images are those of `simulator.sample(n, seed)`.
        out: the folder, which is created if it is missing; or the Parquet file.
        overwrite: replace an earlier output of `render`. Images of an earlier, longer run are deleted.
        masks: also write masks.
        format: by default `parquet` if `out` ends in `.parquet`, else `folder`.

    Raises:
        InputError: `out` exists and `overwrite` is False, or `render` did not write it; `n` is below 1; the simulator
            has no masks; or the format is Parquet and pyarrow is not installed.
    """
    out = Path(out)
    if format is None:
        format = "parquet" if out.suffix == ".parquet" else "folder"
    if format not in WRITERS:
        raise InputError(f"--format '{format}' is unknown, expected one of: {', '.join(WRITERS)}")
    if masks and not simulator.regions:
        raise InputError(f"--masks: simulator {simulator.called()} renders no masks. Remove --masks")
    chunks = simulator.stream(n, seed)
    done = 0
    with WRITERS[format](out, simulator, overwrite) as writer, ThreadPoolExecutor() as pool:
        for chunk in chunks:
            names = [f"{done + i:06d}" for i in range(len(chunk))]
            pixels = chunk.images.movedim(1, -1).squeeze(-1).numpy()
            drawn = pool.map(_indexed, _regions(chunk, simulator)) if masks else iter([None] * len(chunk))
            rows = _rows(chunk, simulator)
            for name, image, mask, row in zip(names, pool.map(_png, pixels), drawn, rows, strict=True):
                writer.add(name, image, mask, row)
            done += len(chunk)


class _Writer(ABC):
    """Writes images one by one, encoded as PNG."""

    def __init__(self, out: Path, simulator: Simulator, overwrite: bool) -> None:
        self.out = out
        self.ranges = {p.name: simulator.range(p.name) for p in simulator.parameters}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def add(self, name: str, image: bytes, mask: bytes | None, row: Row) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class _Folder(_Writer):
    def __init__(self, out: Path, simulator: Simulator, overwrite: bool) -> None:
        super().__init__(out, simulator, overwrite)
        _prepare(out, overwrite)
        save_parameters(self.ranges, out / PARAMETERS)
        self.table = (out / TABLE).open("w")

    def add(self, name: str, image: bytes, mask: bytes | None, row: Row) -> None:
        (self.out / f"{name}.png").write_bytes(image)
        if mask is not None:
            (self.out / f"{name}_mask.png").write_bytes(mask)
        self.table.write(json.dumps({"file_name": f"{name}.png"} | row) + "\n")

    def close(self) -> None:
        self.table.close()


class _Shards(_Writer):
    def __init__(self, out: Path, simulator: Simulator, overwrite: bool) -> None:
        super().__init__(out, simulator, overwrite)
        _prepare(out, overwrite)
        save_parameters(self.ranges, out / PARAMETERS)
        self.tar = self._shard(0)
        self.count = 0

    def _shard(self, index: int) -> tarfile.TarFile:
        return tarfile.TarFile(self.out / f"shard-{index:06d}.tar", "w")

    def add(self, name: str, image: bytes, mask: bytes | None, row: Row) -> None:
        if self.count and self.count % SHARD == 0:
            self.close()
            self.tar = self._shard(self.count // SHARD)
        self.count += 1
        parts = {"png": image, "json": json.dumps(row).encode()} | ({} if mask is None else {"mask.png": mask})
        for kind, content in parts.items():
            member = tarfile.TarInfo(f"{name}.{kind}")
            member.size = len(content)
            self.tar.addfile(member, io.BytesIO(content))

    def close(self) -> None:
        self.tar.close()


class _Parquet(_Writer):
    def __init__(self, out: Path, simulator: Simulator, overwrite: bool) -> None:
        super().__init__(out, simulator, overwrite)
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise InputError(
                f"{out}: writing Parquet needs pyarrow, which is not installed. "
                "Install it with: pip install 'synth2real[parquet]'"
            ) from None
        if out.is_dir() or (out.exists() and not overwrite):
            raise InputError(
                f"{out}: exists already, expected a new file. Choose another --out, or pass --overwrite for a file"
            )
        if out.exists() and not self._is_ours(pyarrow, out):
            raise InputError(
                f"{out}: found a file that `render` did not write as Parquet, but --overwrite replaces only an earlier "
                "output of `render`. Choose another --out"
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        self.arrow, self.rows = pyarrow, list[Row]()
        self.writer: Any = None

    @staticmethod
    def _is_ours(arrow: Any, path: Path) -> bool:
        try:
            return b"parameters" in (arrow.parquet.read_schema(path).metadata or {})
        except (arrow.ArrowException, OSError):
            return False

    def add(self, name: str, image: bytes, mask: bytes | None, row: Row) -> None:
        images = {"image": {"bytes": image, "path": f"{name}.png"}}
        if mask is not None:
            images["mask"] = {"bytes": mask, "path": f"{name}_mask.png"}
        self.rows.append(images | row)
        if len(self.rows) == SHARD:
            self._flush()

    def _flush(self) -> None:
        first = self.rows[0]
        kinds = {
            name: self.arrow.int64() if isinstance(value, int) else self.arrow.string()
            for name, value in first.items()
            if isinstance(value, int | str)
        }
        picture = self.arrow.struct([("bytes", self.arrow.binary()), ("path", self.arrow.string())])
        kinds |= {name: picture for name in ("image", "mask") if name in first}
        schema = self.arrow.schema(
            [(name, kinds.get(name, self.arrow.float32())) for name in first],
            metadata={"parameters": yaml.safe_dump({name: list(pair) for name, pair in self.ranges.items()})},
        )
        if self.writer is None:
            self.writer = self.arrow.parquet.ParquetWriter(self.out, schema)
        self.writer.write_table(self.arrow.Table.from_pylist(self.rows, schema))
        self.rows.clear()

    def close(self) -> None:
        if self.rows:
            self._flush()
        if self.writer is not None:
            self.writer.close()


WRITERS: dict[str, type[_Writer]] = {"folder": _Folder, "webdataset": _Shards, "parquet": _Parquet}


def _rows(chunk: Rendered, simulator: Simulator) -> Iterator[Row]:
    """The labels of each image, one value per column."""
    columns: dict[str, list[Any]] = {}
    for label, values in chunk.labels.items():
        if label in simulator.classes:
            names = [int(name) if name.isdecimal() else name for name in simulator.classes[label]]
            columns[label] = [names[i] for i in values.tolist()]
        else:
            known = ([x if x == x else None for x in column] for column in values.T.tolist())  # JSON has no nan
            columns |= dict(zip(simulator.columns[label], known, strict=True))
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _regions(chunk: Rendered, simulator: Simulator) -> NDArray[np.uint8]:
    """(N, H, W), index of the region of each pixel."""
    masks = torch.stack([chunk.masks[name] for name in simulator.regions])
    return masks.to(torch.uint8).argmax(0).to(torch.uint8).numpy()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    return _encoded(Image.fromarray(pixels))


def _indexed(regions: NDArray[np.uint8]) -> bytes:
    """A PNG of region indices, with a palette that makes the regions visible."""
    from PIL import Image

    image = Image.fromarray(regions, "P")
    image.putpalette([level for colour in MASK_COLOURS for level in colour])
    return _encoded(image)


def _encoded(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _prepare(out: Path, overwrite: bool) -> None:
    """Create the folder and delete the files of an earlier run."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, expected a folder to write images to")
    if out.exists() and any(out.iterdir()) and not overwrite:
        raise InputError(
            f"{out}: the folder is not empty, expected a new or empty folder. Choose another --out, or pass --overwrite"
        )
    if out.exists() and any(out.iterdir()) and not _is_ours(out):
        raise InputError(
            f"{out}: the folder holds files that `render` did not write, but --overwrite replaces only an earlier "
            f"output of `render`: {PARAMETERS} and {TABLE}, or {PARAMETERS} and shards. Choose another --out"
        )
    out.mkdir(parents=True, exist_ok=True)
    for path in (*out.glob("*.png"), *out.glob("shard-*.tar"), *out.glob(TABLE)):
        stem = path.stem.removesuffix("_mask").removeprefix("shard-")
        if path.name == TABLE or (stem.isdecimal() and len(stem) >= 6):  # its name shows that `render` wrote it
            path.unlink()


def _is_ours(folder: Path) -> bool:
    """Whether `render` wrote this folder. Its table is empty if `render` was stopped early."""
    if not (folder / PARAMETERS).is_file():
        return False
    if (folder / f"shard-{0:06d}.tar").is_file():
        return True
    if not (folder / TABLE).is_file():
        return False
    with (folder / TABLE).open("rb") as table:
        first = table.readline()
    return not first or first.startswith(b'{"file_name": "000000.png"')
