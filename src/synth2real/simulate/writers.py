"""How rendered images get to disk: what is rendered, and a writer for each format; see `export`."""

import io
import json
import os
import re
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..data.masks import LEGEND, legend_text
from ..engines import Span
from ..errors import InputError
from ..storage import Building, building, is_free, make_folder, whole, write_text
from .base import Simulator
from .encoding import Encoded, Row
from .objects import ANNOTATIONS, AnnotationFile
from .parameter import parameters_yaml
from .parts import PART, TABLE, Part, part_text
from .registry import described

PARAMETERS = "parameters.yaml"
SHARD = 1000  # images in a tar file, and in a row group of Parquet


@dataclass(frozen=True)
class RenderJob:
    """The arguments of `render`."""

    simulator: Simulator
    n: int
    out: Path
    seed: int
    overwrite: bool
    masks: bool
    format: str
    resume: bool
    part: Part
    join: Path | None

    @property
    def span(self) -> Span:
        """The images of the part. Raise `InputError` if there are fewer of them, or of the shards, than parts."""
        if self.format == "webdataset":
            return self.part.span(self.n, SHARD, f"shards of {SHARD} images")
        return self.part.span(self.n, self.simulator.chunk)

    @property
    def parameters(self) -> str:
        """The content of `parameters.yaml`."""
        return parameters_yaml(self.simulator.samplings(), self.simulator.all_correlations())

    def rendered_from(self) -> dict[str, Any]:
        """All that determines the images and labels of the whole, as plain data."""
        return {"simulator": described(self.simulator), "n": self.n, "seed": self.seed, "masks": self.masks}

    def made_from(self) -> dict[str, Any]:
        """All that determines the output, as plain data."""
        return {
            **self.rendered_from(),
            "format": self.format,
            "part": None if self.part.whole else str(self.part),
        }


class Writer(ABC):
    """Writes images one by one, encoded as PNG. Images before the number `done`, of all parts, are there already."""

    done = 0
    objects = False  # whether it writes the annotations of objects

    @classmethod
    @abstractmethod
    def check(cls, job: RenderJob) -> None:
        """Raise `InputError` if the output must not be written."""

    @classmethod
    @abstractmethod
    def opened(cls, job: RenderJob) -> AbstractContextManager[Self]:
        """A writer; its output is incomplete until the context ends without an error."""

    @abstractmethod
    def add(self, name: str, one: Encoded) -> None: ...

    @abstractmethod
    def finish(self) -> None: ...


class _InFolder(Writer):
    """Writes a folder that says that it is incomplete."""

    def __init__(self, building: Building, job: RenderJob) -> None:
        self.out, self.building, self.job = job.out, building, job

    @classmethod
    def check(cls, job: RenderJob) -> None:
        replaceable(job)

    @classmethod
    @contextmanager
    def opened(cls, job: RenderJob) -> Iterator[Self]:
        replaces = replaceable(job)
        with building(job.out, "render", job.made_from(), resume=job.resume, replaces=replaces) as made:
            yield cls(made, job)


class _Folder(_InFolder):
    """The journal of the folder has the rows of the table."""

    def __init__(self, building: Building, job: RenderJob) -> None:
        super().__init__(building, job)
        rows, files, first = building.rows, set(os.listdir(job.out)), job.span.first
        needed = (
            {row["file_name"], *({f"{i:06d}_mask.png"} if job.masks else ())} for i, row in enumerate(rows, start=first)
        )
        count = next((i for i, names in enumerate(needed) if not names <= files), len(rows))
        self.annotations, self.objects = AnnotationFile(job.out, job.simulator, first), bool(job.simulator.things)
        count = self.annotations.kept(count) if self.objects else count
        if count < len(rows):
            building.keep(count)
        self.done = first + count

    def add(self, name: str, one: Encoded) -> None:
        for file, content in ((f"{name}.png", one.image), (f"{name}_mask.png", one.mask)):
            if content is not None:
                with whole(self.out / file) as partial:
                    partial.write_bytes(content)
        self.annotations.add(one.annotations)
        self.building.add({"file_name": f"{name}.png"} | one.row)

    def finish(self) -> None:
        if self.objects:
            self.annotations.finish()
        if self.job.masks:
            write_text(self.out / LEGEND, legend_text(self.job.simulator.regions))
        write_text(self.out / PARAMETERS, self.job.parameters)
        if not self.job.part.whole:
            write_text(self.out / PART, part_text(self.job.part, self.job.span, self.job.rendered_from()))
        write_text(self.out / TABLE, "".join(json.dumps(row) + "\n" for row in self.building.rows))


class _Shards(_InFolder):
    """A shard is written when all its images are rendered. The journal has a row for each shard."""

    def __init__(self, building: Building, job: RenderJob) -> None:
        super().__init__(building, job)
        self.shard: list[tuple[str, bytes]] = []  # members of the shard in the making: names and contents
        self.count = 0  # its images
        rows, self.first = building.rows, job.span.first // SHARD
        index = next((i for i, row in enumerate(rows) if not (job.out / row["shard"]).is_file()), len(rows))
        self.done = (self.first + index) * SHARD
        if index < len(rows):
            building.keep(index)

    def add(self, name: str, one: Encoded) -> None:
        parts = {"png": one.image, "json": json.dumps(one.row).encode()}
        if one.mask is not None:
            parts["mask.png"] = one.mask
        self.shard += [(f"{name}.{kind}", content) for kind, content in parts.items()]
        self.count += 1
        if self.count == SHARD:
            self._flush()

    def _flush(self) -> None:
        name = f"shard-{self.first + len(self.building.rows):06d}.tar"
        with whole(self.out / name) as partial, tarfile.TarFile(partial, "w") as tar:
            for member_name, content in self.shard:
                member = tarfile.TarInfo(member_name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        self.building.add({"shard": name})
        self.shard, self.count = [], 0

    def finish(self) -> None:
        if self.shard:
            self._flush()
        write_text(self.out / PARAMETERS, self.job.parameters)


class _Parquet(Writer):
    """The file is hidden until it is complete."""

    def __init__(self, partial: Path, arrow: Any, job: RenderJob) -> None:
        self.partial, self.arrow, self.parameters, self.done = partial, arrow, job.parameters, job.span.first
        self.rows: list[Row] = []
        self.writer: Any = None

    @classmethod
    def check(cls, job: RenderJob) -> None:
        out, overwrite = job.out, job.overwrite
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise InputError(
                f"{out}: writing Parquet needs pyarrow, which is not installed. "
                "Install it with: pip install 'synth2real[parquet]'"
            ) from None
        if job.resume:
            raise InputError(
                f"{out}: --resume is for folders and shards, because a Parquet file appears when it is complete. Leave "
                "--resume out"
            )
        if out.is_dir() or (out.exists() and not overwrite):
            raise InputError(
                f"{out}: exists already, expected a new file. Choose another --out, or pass --overwrite for a file"
            )
        if out.exists() and not cls._is_ours(pyarrow, out):
            raise InputError(
                f"{out}: found a file that `render` did not write as Parquet, but --overwrite replaces only an earlier "
                "output of `render`. Choose another --out"
            )

    @classmethod
    @contextmanager
    def opened(cls, job: RenderJob) -> Iterator[Self]:
        cls.check(job)
        import pyarrow
        import pyarrow.parquet

        make_folder(job.out.parent)
        with whole(job.out) as partial:
            writer = cls(partial, pyarrow, job)
            try:
                yield writer
            finally:
                writer.close()

    @staticmethod
    def _is_ours(arrow: Any, path: Path) -> bool:
        try:
            return b"parameters" in (arrow.parquet.read_schema(path).metadata or {})
        except (arrow.ArrowException, OSError):
            return False

    def add(self, name: str, one: Encoded) -> None:
        images = {"image": {"bytes": one.image, "path": f"{name}.png"}}
        if one.mask is not None:
            images["mask"] = {"bytes": one.mask, "path": f"{name}_mask.png"}
        self.rows.append(images | one.row)
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
            metadata={"parameters": self.parameters},
        )
        if self.writer is None:
            self.writer = self.arrow.parquet.ParquetWriter(self.partial, schema)
        self.writer.write_table(self.arrow.Table.from_pylist(self.rows, schema))
        self.rows.clear()

    def finish(self) -> None:
        if self.rows:
            self._flush()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


WRITERS: dict[str, type[Writer]] = {"folder": _Folder, "webdataset": _Shards, "parquet": _Parquet}


def replaceable(job: RenderJob) -> list[str]:
    """Names in the folder that belong to an earlier output.

    Raises:
        InputError: the folder must not be written.
    """
    out = job.out
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, expected a folder to write images to")
    if job.resume or is_free(out, overwrite=job.overwrite):
        return []
    if not _is_ours(out):
        raise InputError(
            f"{out}: the folder holds files that `render` did not write, but --overwrite replaces only an earlier "
            f"output of `render`: {PARAMETERS} and {TABLE}, or {PARAMETERS} and shards. Choose another --out"
        )
    return [path.name for path in out.iterdir() if _is_written(path)]


def _is_written(path: Path) -> bool:
    """Whether the name shows that `render` wrote the file."""
    if path.name in (TABLE, PARAMETERS, ANNOTATIONS, LEGEND, PART):
        return True
    stem = path.stem.removesuffix("_mask").removeprefix("shard-")
    return path.suffix in (".png", ".tar") and stem.isdecimal() and len(stem) >= 6


def _is_ours(folder: Path) -> bool:
    """Whether `render` wrote this folder. Its table is empty if `render` was stopped early."""
    if not (folder / PARAMETERS).is_file():
        return False
    if next(folder.glob("shard-[0-9]*.tar"), None) is not None:
        return True
    if not (folder / TABLE).is_file():
        return False
    with (folder / TABLE).open("rb") as table:
        first = table.readline()
    return not first or re.match(rb'\{"file_name": "\d{6,}\.png"', first) is not None
